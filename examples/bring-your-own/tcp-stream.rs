//! Bring your own socket: WebSocket over a bare `std::net::TcpStream`, and nothing else but
//! `restless-proto`: `cargo run --example byo-tcp-stream -- --stream ID`.
//!
//! The opening handshake, frames, compression, pings and the closing handshake are the machine's;
//! here are a connect, a read with a timeout, and a write. It goes to `http` only (for `https` put
//! rustls' `StreamOwned` around the socket), and through no proxy. A name is resolved for as long
//! as the operating system takes, and each of its addresses is given ten seconds; the machine's
//! deadlines wait for that.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use restless_examples::{Cli, Printer, addresses, entropy, now};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::ws::UpgradeExchange;
use restless_proto::{Error, TransportError, TransportErrorKind as Kind};

fn main() -> ExitCode {
    restless_examples::run(Cli::from_env(), follow)
}

fn follow(cli: Cli) -> Result<u8, Error> {
    let service = cli.service()?;
    let mut machine = cli.subscription.websocket().start(&service, entropy(), now())?;
    let mut printer = Printer::new(cli.limit);
    let mut open: Option<Exchange> = None;
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                open = None;
                match Exchange::open(exchange, &request) {
                    Ok(opened) => open = Some(opened),
                    Err(error) => {
                        let why = End::Failed(error);
                        machine.handle(Input::Ended { exchange, why }, now());
                    }
                }
            }
            Output::Send(bytes) => {
                if let Some(open) = &mut open {
                    if let Err(error) = open.socket.write_all(&bytes) {
                        machine.handle(open.broken(error), now());
                    }
                }
            }
            Output::Hangup => open = None,
            Output::Authorize { .. } => unreachable!("the service has a fixed key"),
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
    fn open(id: ExchangeId, request: &http::Request<Bytes>) -> Result<Self, TransportError> {
        let mut why = Kind::Connect.into();
        for address in addresses(request.uri())? {
            let connected =
                TcpStream::connect_timeout(&address, PATIENCE).and_then(|mut socket| {
                    socket.set_nodelay(true)?;
                    socket.set_write_timeout(Some(PATIENCE))?;
                    socket.write_all(&UpgradeExchange::request_bytes(request))?;
                    Ok(Self { id, socket, wire: UpgradeExchange::new(id) })
                });
            match connected {
                Ok(exchange) => return Ok(exchange),
                Err(error) => why = TransportError::new(Kind::Connect, error),
            }
        }
        Err(why)
    }

    /// The next input. A read looks at what is there before it looks at the time, so that bytes go
    /// before `Elapsed`, however late it is.
    fn next(&mut self, left: Option<Duration>) -> Input {
        if let Some(input) = self.wire.poll() {
            return input;
        }
        let mut buffer = [0; 16 * 1024];
        // To a socket, no time at all is an error.
        let timeout = left.map(|left| left.max(Duration::from_millis(1)));
        match self.socket.set_read_timeout(timeout).and_then(|()| self.socket.read(&mut buffer)) {
            Ok(0) => Input::Ended { exchange: self.id, why: End::Complete },
            Ok(n) => {
                self.wire.handle_data(&buffer[..n]);
                // Half a head is no input yet, and to say `Elapsed` too early does no harm.
                self.wire.poll().unwrap_or(Input::Elapsed)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    Input::Elapsed
                }
                _ => self.broken(error),
            },
        }
    }

    fn broken(&self, error: io::Error) -> Input {
        let why = End::Failed(TransportError::new(Kind::Broken, error));
        Input::Ended { exchange: self.id, why }
    }
}
