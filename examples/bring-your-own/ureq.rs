//! Bring your own HTTP: REST and server-sent events over ureq, which blocks. It makes a stream of a
//! REST API, and follows it: `cargo run --example byo-ureq -- https://api.example.com/orders`.
//!
//! TLS (its feature `rustls`) and proxies are ureq's business; what it decides by itself and the
//! machine decides here is switched off, save for its features `gzip` and `brotli`: what these
//! decode loses its `Content-Encoding`, so that the machine does not decode it again.
//!
//! ureq's timers can't be moved once a request is out, and a machine's deadlines do move. So each
//! exchange is a thread that hands its inputs over one by one, and the deadline is kept where they
//! are taken. To hang up is to shut down the exchange's agent, which ends a read in progress; a
//! name that is being resolved, or a connection being made, is waited out by that thread alone.

use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::mpsc::{SendError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use restless_examples::{CreateCli, Printer, entropy, now};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::{
    Call, CallOptions, Error, ReadBuffer, TransportError, TransportErrorKind as Kind,
};
use restless_proto::{model, streams};
use ureq::Error as HttpError;
use ureq::config::AutoHeaderValue;

fn main() -> ExitCode {
    restless_examples::run(CreateCli::from_env(), follow)
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
    // Of no capacity: a thread reads on when its input was taken. One that comes late, of an
    // exchange that is over, does no harm.
    let (sender, inputs) = sync_channel(0);
    let mut open = None;
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                drop(open.replace(Open::new(exchange, *request, sender.clone())));
            }
            Output::Send(_) => unreachable!("only on a connection that was upgraded"),
            Output::Hangup => drop(open.take()),
            Output::Authorize { .. } => unreachable!("the service has a fixed key"),
            Output::Event(event) => {
                if let ControlFlow::Break(value) = each(event, machine) {
                    return Some(value);
                }
            }
            Output::Wait(deadline) => {
                let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(now()));
                let input = inputs.recv_timeout(left);
                machine.handle(input.unwrap_or(Input::Elapsed), now());
            }
            Output::Done => return None,
        }
    }
}

/// A request that is out, on a connection of its own. Dropping it hangs up.
struct Open(ureq::Agent);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.clone().shutdown();
    }
}

impl Open {
    fn new(id: ExchangeId, request: http::Request<Bytes>, inputs: SyncSender<Input>) -> Self {
        let config = ureq::Agent::config_builder()
            // Redirects, what a status means, codings and all other timers are the machine's.
            .timeout_connect(Some(Duration::from_secs(10)))
            .max_redirects(0)
            .http_status_as_error(false)
            .accept_encoding(AutoHeaderValue::None)
            .build();
        let agent = ureq::Agent::new_with_config(config);
        let open = Self(agent.clone());
        thread::spawn(move || {
            let why = fetch(&agent, id, request, &inputs).unwrap_or_else(failed);
            // Nobody is left to tell where the machine is gone.
            let _ = inputs.send(Input::Ended { exchange: id, why });
        });
        open
    }
}

fn fetch(
    agent: &ureq::Agent,
    exchange: ExchangeId,
    request: http::Request<Bytes>,
    inputs: &SyncSender<Input>,
) -> Result<End, HttpError> {
    // A GET with an empty content would say how long that is.
    let response = if request.method().is_safe() {
        agent.run(request.map(drop))?
    } else {
        agent.run(request.map(Vec::from))?
    };
    let gone = |gone: SendError<Input>| std::io::Error::other(gone.to_string());
    let (head, content) = response.into_parts();
    inputs.send(Input::Response { exchange, head: Box::new(head) }).map_err(gone)?;
    let (mut content, mut buffer) = (content.into_reader(), ReadBuffer::new());
    loop {
        let n = content.read(buffer.space())?;
        if n == 0 {
            return Ok(End::Complete);
        }
        buffer.advance(n);
        inputs.send(Input::Data { exchange, bytes: buffer.take() }).map_err(gone)?;
    }
}

fn failed(error: HttpError) -> End {
    let kind = match &error {
        // Without the URI, which may hold a key.
        HttpError::BadUri(_) => return End::Failed(Kind::Request.into()),
        HttpError::HostNotFound | HttpError::ConnectionFailed | HttpError::Timeout(_) => {
            Kind::Connect
        }
        HttpError::Io(error) if error.kind() == ErrorKind::ConnectionRefused => Kind::Connect,
        // With the feature `rustls`: `Rustls(InvalidCertificate(_))` is a `Certificate`.
        _ => Kind::Broken,
    };
    End::Failed(TransportError::new(kind, error))
}
