//! Bring your own event loop: any number of subscriptions on one thread, over bare mio. It follows
//! a stream as often as is asked for: `cargo run --example byo-mio -- --stream ID --subscriptions
//! 10000`, with `--ws` over WebSocket. All of them read into one buffer; at rest, a subscription
//! is a machine and a socket. The first one that ends ends them all. It goes to `http` only,
//! through no proxy, to a name's first address, and waits for the resolver.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use restless_examples::{Cli, Printer, addresses, now};
use restless_proto::http1::{Exchange, StreamEnd, TargetForm, request_bytes};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::SubscriptionMachine;
use restless_proto::{Error, Instant, ReadBuffer, TransportError, TransportErrorKind as Kind};

fn main() -> ExitCode {
    restless_examples::run(Cli::many_from_env(), follow)
}

struct Thread {
    poll: Poll,
    buffer: ReadBuffer,
    printer: Printer,
}

fn follow(cli: Cli) -> Result<u8, Error> {
    let (poll, printer) = (Poll::new().map_err(failed)?, Printer::new(cli.limit));
    let mut thread = Thread { poll, buffer: ReadBuffer::new(), printer };
    let idle = |machine| Subscriber { machine, open: None, deadline: None };
    let mut subscribers: Vec<_> = cli.start()?.into_iter().map(idle).collect();
    let mut due: Vec<usize> = (0..subscribers.len()).collect();
    let (mut ready, mut deadlines) = (Events::with_capacity(1024), BTreeSet::new());
    loop {
        for n in due.drain(..) {
            let one = &mut subscribers[n];
            one.deadline.map(|at| deadlines.remove(&(at, n)));
            if let ControlFlow::Break(status) = one.run(Token(n), &mut thread) {
                return Ok(status);
            }
            one.deadline.map(|at| deadlines.insert((at, n)));
        }
        let left = deadlines.first().map(|(at, _)| at.saturating_duration_since(now()));
        match thread.poll.poll(&mut ready, left) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(failed(error).into());
            }
            _ => due.extend(ready.iter().map(|event| event.token().0)),
        }
        due.extend(deadlines.iter().take_while(|(at, _)| *at <= now()).map(|(_, n)| n));
    }
}

struct Subscriber {
    machine: SubscriptionMachine,
    open: Option<Open>,
    deadline: Option<Instant>,
}

impl Subscriber {
    /// Does what can be done now, up to a deadline to come, or to the exit status.
    fn run(&mut self, token: Token, thread: &mut Thread) -> ControlFlow<u8> {
        loop {
            match self.machine.poll() {
                Output::Open { exchange, request } => {
                    match Open::new(exchange, &request, token, &thread.poll).map_err(End::Failed) {
                        Ok(open) => self.open = Some(open),
                        Err(why) => self.machine.handle(Input::Ended { exchange, why }, now()),
                    }
                }
                Output::Send(bytes) => self.open.iter_mut().for_each(|o| o.unsent.extend(&bytes)),
                Output::Hangup => self.open = None,
                Output::Authorize { .. } => unreachable!("the service has a fixed key"),
                Output::Event(event) => thread.printer.print(event, self.machine.cursor())?,
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    // Bytes go before time: a read looks at what is there.
                    let next = self.open.as_mut().and_then(|open| open.next(thread));
                    let late = deadline.is_some_and(|at| at <= now()).then_some(Input::Elapsed);
                    let Some(input) = next.or(late) else { return ControlFlow::Continue(()) };
                    if matches!(input, Input::Ended { .. }) {
                        self.open = None;
                    }
                    self.machine.handle(input, now());
                }
                Output::Done => return ControlFlow::Break(0),
            }
        }
    }
}

struct Open {
    socket: TcpStream,
    wire: Exchange,
    unsent: Vec<u8>,
}

impl Open {
    fn new(
        exchange: ExchangeId,
        request: &http::Request<Bytes>,
        token: Token,
        poll: &Poll,
    ) -> Result<Self, TransportError> {
        let unsent = request_bytes(request, TargetForm::Origin)?.into();
        let address = addresses(request.uri())?.first().copied().ok_or(Kind::Resolve)?;
        let socket = TcpStream::connect(address).and_then(|mut socket| {
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut socket, token, both).map(|()| socket)
        });
        Ok(Self { socket: socket.map_err(failed)?, wire: Exchange::new(exchange, request), unsent })
    }

    /// The next input; `None` until the loop tells that the socket takes or gives something.
    fn next(&mut self, thread: &mut Thread) -> Option<Input> {
        loop {
            if let Some(input) = self.wire.poll() {
                return Some(input);
            }
            match self.write().and_then(|()| self.socket.read(thread.buffer.space())) {
                Ok(0) => self.wire.handle_end(StreamEnd::Closed),
                Ok(length) => {
                    thread.buffer.advance(length);
                    self.wire.handle_data(thread.buffer.take());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.wire.handle_end(StreamEnd::Failed(failed(error))),
            }
        }
    }

    /// While the peer makes no room for it, nothing is read that may call for more.
    fn write(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            let written = self.socket.write(&self.unsent)?;
            self.unsent.drain(..written);
        }
        Ok(())
    }
}

fn failed(error: io::Error) -> TransportError {
    let refused = error.kind() == ErrorKind::ConnectionRefused;
    TransportError::new(if refused { Kind::Connect } else { Kind::Broken }, error)
}
