//! Bring your own event loop: REST, server-sent events and (with `--ws`) WebSocket on one thread,
//! over bare mio. It makes a stream of a REST API and follows it as often as is asked for: `cargo
//! run --example byo-mio -- URL --subscriptions 10000`. All read into one buffer; at rest, each is
//! a machine and a socket. It goes to `http` only, through no proxy, to a name's first address.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use restless_examples::{CreateCli, Printer, addresses, entropy, now};
use restless_proto::http1::{Exchange, StreamEnd, TargetForm, request_bytes};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::SubscriptionMachine as Subscription;
use restless_proto::{Call, CallOptions, Error, Instant, ReadBuffer, model, streams};
use restless_proto::{TransportError as Failure, TransportErrorKind as Kind};

type Request = http::Request<bytes::Bytes>;

fn main() -> ExitCode {
    restless_examples::run(CreateCli::many_from_env(), follow)
}

fn follow(cli: CreateCli) -> Result<u8, Error> {
    let create: Call<model::Stream> = streams::create("Bring your own", &cli.target).into();
    let call = create.start(&cli.service, CallOptions::default(), entropy(), now())?;
    let stream = drive([call], |answer, _| ControlFlow::Break(answer))??;
    let start = |_| cli.subscription(&stream.id).start(&cli.service, entropy(), now());
    let all = (0..cli.subscriptions).map(start).collect::<Result<Vec<_>, _>>()?;
    let mut printer = Printer::new(cli.limit);
    Ok(drive(all, |event, one| printer.print(event, Subscription::cursor(one)))?)
}

/// Runs machines until `each` has enough, at the last event of one at the latest.
fn drive<M: Machine, B>(
    machines: impl IntoIterator<Item = M>,
    mut each: impl FnMut(M::Event, &M) -> ControlFlow<B>,
) -> Result<B, Failure> {
    let (mut poll, mut buffer) = (Poll::new().map_err(failed)?, ReadBuffer::new());
    let idle = |machine| Driven { machine, open: None, deadline: None };
    let mut all: Vec<_> = machines.into_iter().map(idle).collect();
    let mut due: Vec<usize> = (0..all.len()).collect();
    let (mut ready, mut deadlines) = (Events::with_capacity(1024), BTreeSet::new());
    loop {
        for n in due.drain(..) {
            let one = &mut all[n];
            one.deadline.map(|at| deadlines.remove(&(at, n)));
            while let Some(event) = one.next(Token(n), &poll, &mut buffer) {
                if let ControlFlow::Break(value) = each(event, &one.machine) {
                    return Ok(value);
                }
            }
            one.deadline.map(|at| deadlines.insert((at, n)));
        }
        let left = deadlines.first().map(|(at, _)| at.saturating_duration_since(now()));
        match poll.poll(&mut ready, left) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(failed(error)),
            _ => due.extend(ready.iter().map(|event| event.token().0)),
        }
        due.extend(deadlines.iter().take_while(|(at, _)| *at <= now()).map(|(_, n)| n));
    }
}

struct Driven<M> {
    machine: M,
    open: Option<Open>,
    deadline: Option<Instant>,
}

impl<M: Machine> Driven<M> {
    /// The next event; `None` until the network has something, or the deadline has come.
    fn next(&mut self, token: Token, poll: &Poll, buffer: &mut ReadBuffer) -> Option<M::Event> {
        loop {
            match self.machine.poll() {
                Output::Open { exchange, request } => {
                    match Open::new(exchange, &request, token, poll).map_err(End::Failed) {
                        Ok(open) => self.open = Some(open),
                        Err(why) => self.machine.handle(Input::Ended { exchange, why }, now()),
                    }
                }
                Output::Send(bytes) => self.open.iter_mut().for_each(|o| o.unsent.extend(&bytes)),
                Output::Hangup => self.open = None,
                Output::Authorize { .. } => unreachable!("the service has a fixed key"),
                Output::Event(event) => return Some(event),
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    // Bytes go before time: a read looks at what is there.
                    let next = self.open.as_mut().and_then(|open| open.next(buffer));
                    let late = deadline.is_some_and(|at| at <= now()).then_some(Input::Elapsed);
                    let input = next.or(late)?;
                    if matches!(input, Input::Ended { .. }) {
                        self.open = None;
                    }
                    self.machine.handle(input, now());
                }
                Output::Done => return None,
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
    fn new(id: ExchangeId, request: &Request, at: Token, poll: &Poll) -> Result<Self, Failure> {
        let unsent = request_bytes(request, TargetForm::Origin)?.into();
        let address = addresses(request.uri())?.first().copied().ok_or(Kind::Resolve)?;
        let mut socket = TcpStream::connect(address).map_err(failed)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut socket, at, both).map_err(failed)?;
        Ok(Self { socket, wire: Exchange::new(id, request), unsent })
    }

    /// The next input; `None` until the loop tells that the socket takes or gives something.
    fn next(&mut self, buffer: &mut ReadBuffer) -> Option<Input> {
        loop {
            if let Some(input) = self.wire.poll() {
                return Some(input);
            }
            // While the peer makes no room for it, nothing is read that may call for more.
            match self.write().and_then(|()| self.socket.read(buffer.space())) {
                Ok(length) => self.wire.handle_read(length, buffer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.wire.poll(),
                Err(error) => self.wire.handle_end(StreamEnd::Failed(failed(error))),
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                // Some systems say so until the socket stands, and beside it why it never will.
                Err(error) if error.kind() == ErrorKind::NotConnected => {
                    let why = self.socket.take_error()?;
                    return Err(why.unwrap_or_else(|| ErrorKind::WouldBlock.into()));
                }
                Err(error) => return Err(error),
            }
        }
        self.unsent = Vec::new();
        self.wire.handle_connected();
        Ok(())
    }
}

fn failed(error: io::Error) -> Failure {
    let refused = error.kind() == ErrorKind::ConnectionRefused;
    Failure::new(if refused { Kind::Connect } else { Kind::Broken }, error)
}
