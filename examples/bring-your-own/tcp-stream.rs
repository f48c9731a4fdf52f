//! Bring your own socket: REST, server-sent events and (with `--ws`) WebSocket over a bare
//! `std::net::TcpStream`, and nothing else but `restless-proto`. It makes a stream of a REST API,
//! and follows it: `cargo run --example byo-tcp-stream -- https://api.example.com/orders`.
//!
//! HTTP, events and frames are the core's; here are a connect, a read with a timeout, and a write.
//! It goes to `http` only (for `https` put rustls' `StreamOwned` around the socket), and through
//! no proxy. A name is resolved for as long as the operating system takes, and each of its
//! addresses is given ten seconds; the machine's deadlines wait for that.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use restless_examples::{CreateCli, Printer, addresses, entropy, now};
use restless_proto::http1::{self, StreamEnd, TargetForm};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::{Call, CallOptions, Error, ReadBuffer, model, streams};
use restless_proto::{TransportError, TransportErrorKind as Kind};

fn main() -> ExitCode {
    restless_examples::run(CreateCli::with_websocket_from_env(), follow)
}

fn follow(cli: CreateCli) -> Result<u8, Error> {
    let create: Call<model::Stream> = streams::create("Bring your own", &cli.target).into();
    let mut call = create.start(&cli.service, CallOptions::default(), entropy(), now())?;
    let answer = drive(&mut call, |answer, _| ControlFlow::Break(answer));
    let stream = answer.expect("a call has an answer")?;

    let mut events = cli.subscription(&stream.id).start(&cli.service, entropy(), now())?;
    let mut printer = Printer::new(cli.limit);
    let status = drive(&mut events, |event, events| printer.print(event, events.cursor()));
    Ok(status.unwrap_or(0))
}

/// Runs a machine until it is done, or `each` has enough.
fn drive<M: Machine, B>(
    machine: &mut M,
    mut each: impl FnMut(M::Event, &M) -> ControlFlow<B>,
) -> Option<B> {
    let mut open: Option<Exchange> = None;
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                open = None;
                match Exchange::open(exchange, &request).map_err(End::Failed) {
                    Ok(opened) => open = Some(opened),
                    Err(why) => machine.handle(Input::Ended { exchange, why }, now()),
                }
            }
            Output::Send(bytes) => {
                if let Some(open) = &mut open {
                    if let Err(error) = open.socket.write_all(&bytes) {
                        open.wire.handle_end(broken(error));
                    }
                }
            }
            Output::Hangup => open = None,
            Output::Authorize { .. } => unreachable!("the service has a fixed key"),
            Output::Event(event) => {
                if let ControlFlow::Break(value) = each(event, machine) {
                    return Some(value);
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
                if matches!(input, Input::Ended { .. }) {
                    open = None;
                }
                machine.handle(input, now());
            }
            Output::Done => return None,
        }
    }
}

/// For each address to connect, and for the peer to make room for what we send.
const PATIENCE: Duration = Duration::from_secs(10);

struct Exchange {
    socket: TcpStream,
    wire: http1::Exchange,
    buffer: ReadBuffer,
}

impl Exchange {
    fn open(id: ExchangeId, request: &http::Request<Bytes>) -> Result<Self, TransportError> {
        let to_write = http1::request_bytes(request, TargetForm::Origin)?;
        let mut why = Kind::Connect.into();
        for address in addresses(request.uri())? {
            match connect(&address, &to_write) {
                Ok(socket) => {
                    let mut wire = http1::Exchange::new(id, request);
                    wire.handle_connected();
                    return Ok(Self { socket, wire, buffer: ReadBuffer::new() });
                }
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
        // To a socket, no time at all is an error.
        let timeout = left.map(|left| left.max(Duration::from_millis(1)));
        let read = self.socket.set_read_timeout(timeout);
        match read.and_then(|()| self.socket.read(self.buffer.space())) {
            Ok(length) => self.wire.handle_read(length, &mut self.buffer),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => self.wire.handle_end(broken(error)),
            },
        }
        // Half a head is no input yet, and to say `Elapsed` too early does no harm.
        self.wire.poll().unwrap_or(Input::Elapsed)
    }
}

fn connect(address: &SocketAddr, request: &[u8]) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect_timeout(address, PATIENCE)?;
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.write_all(request)?;
    Ok(socket)
}

fn broken(error: io::Error) -> StreamEnd {
    StreamEnd::Failed(TransportError::new(Kind::Broken, error))
}
