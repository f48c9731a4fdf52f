//! Bring your own HTTP: REST and server-sent events over ureq, which blocks, in `http`'s types.
//!
//! ```console
//! $ cargo run --example byo-ureq -- --limit 3 https://api.example.com/orders
//! ```
//!
//! makes a stream of that REST API, follows it, and prints its events as lines of JSON. TLS and
//! proxies are ureq's business; what it decides by itself and the machine decides here is switched
//! off. (Its features `gzip` and `brotli` can't be, but what they decode loses its
//! `Content-Encoding`, so that the machine does not decode it again.) As it is built here, without
//! the feature `rustls`, it wants the emulator: see "Try it" in the README.
//!
//! ureq's own timers can't be moved once a request is out, and a machine's deadlines do move. So
//! each exchange is a thread that hands its inputs over one by one, and the deadline is kept where
//! they are taken. To hang up is to shut down the exchange's agent, which ends a read in progress;
//! only a name that is being resolved, or a connection being made, is waited out by that thread.
//!
//! What can't be done with it: WebSocket (see its neighbours).

use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use restless_examples::{CreateCli, Printer, api_key, entropy};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::{
    Call, CallOptions, Error, Instant, TimeoutError, Timer, TransportError, TransportErrorKind,
    model, streams,
};
use ureq::config::AutoHeaderValue;

fn main() -> ExitCode {
    restless_examples::run(CreateCli::from_env(), follow)
}

fn follow(cli: CreateCli) -> Result<u8, Error> {
    let origin = std::time::Instant::now();
    let now = || Instant::from_origin(origin.elapsed());
    let service = &cli.service;
    let create: Call<model::Stream> = streams::create("Bring your own", &cli.target).into();
    let mut call = create.start(service, CallOptions::default(), entropy(), now())?;
    let answer = drive(&mut call, now, |answer, _| ControlFlow::Break(answer));
    let stream = answer.expect("a call has an answer")?;

    let mut events = cli.subscription(&stream.id).start(service, entropy(), now())?;
    let mut printer = Printer::new(cli.limit);
    let status = drive(&mut events, now, |event, events| printer.print(event, events.cursor()));
    Ok(status.unwrap_or(0))
}

/// From the start of connecting to a connection that stands, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes go before time: at a deadline, what has arrived gets this long to be told.
const LAST_LOOK: Duration = Duration::from_millis(20);

/// Runs a machine until it is done, or `each` has enough.
fn drive<M: Machine, B>(
    machine: &mut M,
    now: impl Fn() -> Instant,
    mut each: impl FnMut(M::Event, &M) -> ControlFlow<B>,
) -> Option<B> {
    let mut open = None;
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                // The earlier one goes first.
                drop(open.take());
                open = Some(Exchange::new(exchange, *request));
            }
            Output::Send(_) => unreachable!("only on a connection that was upgraded"),
            Output::Hangup => open = None,
            // Only where the service has credentials on demand.
            Output::Authorize { .. } => {
                machine.handle(Input::Credentials(Ok(api_key())), now());
            }
            Output::Event(event) => {
                if let ControlFlow::Break(value) = each(event, machine) {
                    return Some(value);
                }
            }
            Output::Wait(deadline) => {
                let left = deadline.map(|at| at.saturating_duration_since(now()));
                let left = left.unwrap_or(Duration::MAX);
                let input = match &open {
                    Some(open) => open.next(left),
                    None => {
                        thread::sleep(left);
                        Input::Elapsed
                    }
                };
                machine.handle(input, now());
            }
            Output::Done => return None,
        }
    }
}

/// A request that is out, on a thread and a connection of its own.
struct Exchange {
    id: ExchangeId,
    agent: ureq::Agent,
    inputs: Receiver<Input>,
}

impl Exchange {
    fn new(exchange: ExchangeId, request: http::Request<Bytes>) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            // Redirects, what a status means, codings and all other timers are the machine's.
            .max_redirects(0)
            .http_status_as_error(false)
            .accept_encoding(AutoHeaderValue::None)
            .build();
        let agent = ureq::Agent::new_with_config(config);
        // Of no capacity: the thread reads on when an input was taken.
        let (sender, inputs) = sync_channel(0);
        let of_thread = agent.clone();
        // Nobody is left to tell where the exchange was dropped.
        thread::spawn(move || drop(fetch(&of_thread, exchange, request, &sender)));
        Self { id: exchange, agent, inputs }
    }

    fn next(&self, left: Duration) -> Input {
        let input = match self.inputs.recv_timeout(left) {
            Err(RecvTimeoutError::Timeout) => self.inputs.recv_timeout(LAST_LOOK),
            input => input,
        };
        input.unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => Input::Elapsed,
            RecvTimeoutError::Disconnected => {
                let why = End::Failed(TransportErrorKind::Broken.into());
                Input::Ended { exchange: self.id, why }
            }
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.agent.clone().shutdown();
    }
}

fn fetch(
    agent: &ureq::Agent,
    exchange: ExchangeId,
    request: http::Request<Bytes>,
    inputs: &SyncSender<Input>,
) -> Result<(), SendError<Input>> {
    // A GET with an empty content would say how long that is.
    let response = if request.method().is_safe() {
        agent.run(request.map(drop))
    } else {
        agent.run(request.map(Vec::from))
    };
    let why = match response {
        Ok(response) => {
            let (head, content) = response.into_parts();
            inputs.send(Input::Response { exchange, head: Box::new(head) })?;
            let (mut content, mut buffer) = (content.into_reader(), vec![0; 16 * 1024]);
            loop {
                match content.read(&mut buffer) {
                    Ok(0) => break End::Complete,
                    Ok(n) => {
                        let bytes = Bytes::copy_from_slice(&buffer[..n]);
                        inputs.send(Input::Data { exchange, bytes })?;
                    }
                    Err(error) => break failed(error.into()),
                }
            }
        }
        Err(error) => failed(error),
    };
    inputs.send(Input::Ended { exchange, why })
}

fn failed(error: ureq::Error) -> End {
    let kind = match &error {
        ureq::Error::Timeout(_) => {
            return End::TimedOut(TimeoutError::new(Timer::Connect, CONNECT));
        }
        ureq::Error::HostNotFound => TransportErrorKind::Resolve,
        ureq::Error::ConnectionFailed => TransportErrorKind::Connect,
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
            TransportErrorKind::Connect
        }
        // With the feature `rustls`: `Rustls(InvalidCertificate(_))` is a `Certificate`.
        ureq::Error::Tls(_) => TransportErrorKind::Tls,
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => {
            TransportErrorKind::Protocol
        }
        // Without the URI, which may hold a key.
        ureq::Error::BadUri(_) => return End::Failed(TransportErrorKind::Request.into()),
        _ => TransportErrorKind::Broken,
    };
    End::Failed(TransportError::new(kind, error))
}
