//! Bring your own socket: WebSocket over a bare `std::net::TcpStream`, and nothing else but
//! `restless-proto`.
//!
//! ```console
//! $ cargo run --example byo-tcp-stream -- --stream ID
//! ```
//!
//! follows a stream, and prints its events as lines of JSON. The opening handshake, frames,
//! compression, pings and the closing handshake are the machine's; here are a connect, a read with
//! a timeout, and a write.
//!
//! What it leaves out: TLS, so it connects to `http` only (for `https` put rustls' `StreamOwned`
//! around the socket), and proxies. A name is resolved for as long as the operating system takes,
//! and each of its addresses is given ten seconds; the machine's deadlines wait for that.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use restless_examples::{Cli, Printer, api_key, entropy};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::ws::UpgradeExchange;
use restless_proto::{
    Error, Instant, TimeoutError, Timer, TransportError, TransportErrorKind as Kind,
};

fn main() -> ExitCode {
    restless_examples::run(Cli::from_env(), follow)
}

fn follow(cli: Cli) -> Result<u8, Error> {
    let service = cli.service()?;
    let origin = std::time::Instant::now();
    let now = || Instant::from_origin(origin.elapsed());
    let mut machine = cli.subscription.websocket().start(&service, entropy(), now())?;
    let mut printer = Printer::new(cli.limit);
    let mut open: Option<Exchange> = None;
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                // The earlier one goes first.
                drop(open.take());
                match Exchange::open(exchange, &request) {
                    Ok(opened) => open = Some(opened),
                    Err(why) => machine.handle(Input::Ended { exchange, why }, now()),
                }
            }
            Output::Send(bytes) => {
                if let Some(Err(ended)) = open.as_mut().map(|open| open.send(&bytes)) {
                    machine.handle(ended, now());
                }
            }
            Output::Hangup => open = None,
            // Only where the service has credentials on demand.
            Output::Authorize { .. } => {
                machine.handle(Input::Credentials(Ok(api_key())), now());
            }
            Output::Event(event) => {
                if let ControlFlow::Break(status) = printer.print(event, machine.cursor()) {
                    return Ok(status);
                }
            }
            Output::Wait(deadline) => {
                let left = deadline.map(|at| at.saturating_duration_since(now()));
                let input = match &mut open {
                    Some(open) => open.next(left),
                    None => {
                        thread::sleep(left.unwrap_or(Duration::MAX));
                        Input::Elapsed
                    }
                };
                machine.handle(input, now());
            }
            Output::Done => return Ok(0),
        }
    }
}

/// For each address to connect, and for the peer to make room for what we send.
const PATIENCE: Duration = Duration::from_secs(10);

struct Exchange {
    id: ExchangeId,
    socket: TcpStream,
    wire: UpgradeExchange,
}

impl Exchange {
    fn open(id: ExchangeId, request: &http::Request<Bytes>) -> Result<Self, End> {
        let uri = request.uri();
        if uri.scheme_str() != Some("http") {
            return Err(failed(Kind::Request, "https needs TLS, which is left out here"));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let addresses = (host, uri.port_u16().unwrap_or(80)).to_socket_addrs();
        let mut why = failed(Kind::Resolve, "no address");
        for address in addresses.map_err(|error| failed(Kind::Resolve, error))? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(socket) => {
                    let wire = UpgradeExchange::new(id);
                    let request = UpgradeExchange::request_bytes(request);
                    return socket
                        .set_nodelay(true)
                        .and_then(|()| socket.set_write_timeout(Some(PATIENCE)))
                        .and_then(|()| (&socket).write_all(&request))
                        .map(|()| Self { id, socket, wire })
                        .map_err(|error| failed(Kind::Broken, error));
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    why = End::TimedOut(TimeoutError::new(Timer::Connect, PATIENCE));
                }
                Err(error) => why = failed(Kind::Connect, error),
            }
        }
        Err(why)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Input> {
        self.socket.write_all(bytes).map_err(|error| self.ended(failed(Kind::Broken, error)))
    }

    /// The next input. A read looks at what is there before it looks at the time, so that bytes go
    /// before `Elapsed`, however late it is.
    fn next(&mut self, left: Option<Duration>) -> Input {
        if let Some(input) = self.wire.poll() {
            return input;
        }
        let mut buffer = [0; 16 * 1024];
        // To a socket, no time at all is for ever.
        let timeout = left.map(|left| left.max(Duration::from_millis(1)));
        match self.socket.set_read_timeout(timeout).and_then(|()| self.socket.read(&mut buffer)) {
            Ok(0) => self.ended(End::Complete),
            Ok(n) => {
                self.wire.handle_data(&buffer[..n]);
                // Half a head is no input yet, and to say `Elapsed` too early does no harm.
                self.wire.poll().unwrap_or(Input::Elapsed)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    Input::Elapsed
                }
                _ => self.ended(failed(Kind::Broken, error)),
            },
        }
    }

    fn ended(&self, why: End) -> Input {
        Input::Ended { exchange: self.id, why }
    }
}

fn failed(kind: Kind, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> End {
    End::Failed(TransportError::new(kind, error))
}
