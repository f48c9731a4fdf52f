//! Bring your own HTTP: REST and server-sent events over reqwest, on tokio.
//!
//! ```console
//! $ cargo run --example byo-reqwest -- --limit 3 https://api.example.com/orders
//! ```
//!
//! makes a stream of that REST API, follows it, and prints its events as lines of JSON. TLS, HTTP/2
//! and proxies are reqwest's business; what it decides by itself and the machine decides here is
//! switched off. As it is built here, without the feature `rustls`, it wants the emulator: see "Try
//! it" in the README.
//!
//! What can't be done with it: WebSocket (see its neighbours), and to tell a certificate that is
//! not trusted from no connection, so that such a server is tried again instead of given up.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::FutureExt as _;
use futures_util::stream::{self, Stream, StreamExt as _};
use http_body_util::BodyDataStream;
use restless_examples::{CreateCli, Printer, api_key, entropy};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::{
    Call, CallOptions, Error, Instant, TimeoutError, Timer, TransportError, TransportErrorKind,
    model, streams,
};
use tokio::time::timeout;

fn main() -> ExitCode {
    restless_examples::run(CreateCli::from_env(), follow)
}

#[tokio::main(flavor = "current_thread")]
async fn follow(cli: CreateCli) -> Result<u8, Error> {
    let (driver, service) = (Driver::new()?, &cli.service);
    let create: Call<model::Stream> = streams::create("Bring your own", &cli.target).into();
    let mut call = create.start(service, CallOptions::default(), entropy(), driver.now())?;
    let answer = driver.drive(&mut call, |answer, _| ControlFlow::Break(answer)).await;
    let stream = answer.expect("a call has an answer")?;

    let mut events = cli.subscription(&stream.id).start(service, entropy(), driver.now())?;
    let mut printer = Printer::new(cli.limit);
    let status = driver.drive(&mut events, |event, events| printer.print(event, events.cursor()));
    Ok(status.await.unwrap_or(0))
}

/// From the start of connecting to a connection that stands, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes go before time: at a deadline, what has arrived gets this long to be told.
const LAST_LOOK: Duration = Duration::from_millis(20);

struct Driver {
    http: reqwest::Client,
    origin: std::time::Instant,
}

impl Driver {
    fn new() -> Result<Self, TransportError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            // Redirects, retries, codings and all other timers are the machine's.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .build()
            .map_err(|error| TransportError::new(TransportErrorKind::Request, error))?;
        Ok(Self { http, origin: std::time::Instant::now() })
    }

    fn now(&self) -> Instant {
        Instant::from_origin(self.origin.elapsed())
    }

    /// Runs a machine until it is done, or `each` has enough. Dropping the future drops the
    /// connection.
    async fn drive<M: Machine, B>(
        &self,
        machine: &mut M,
        mut each: impl FnMut(M::Event, &M) -> ControlFlow<B>,
    ) -> Option<B> {
        let mut inputs: Pin<Box<dyn Stream<Item = Input>>> = stream::pending().boxed_local();
        loop {
            match machine.poll() {
                Output::Open { exchange, request } => {
                    inputs = exchange_of(self.http.clone(), exchange, *request).boxed_local();
                }
                Output::Send(_) => unreachable!("only on a connection that was upgraded"),
                Output::Hangup => inputs = stream::pending().boxed_local(),
                // Only where the service has credentials on demand.
                Output::Authorize { .. } => {
                    machine.handle(Input::Credentials(Ok(api_key())), self.now());
                }
                Output::Event(event) => {
                    if let ControlFlow::Break(value) = each(event, machine) {
                        return Some(value);
                    }
                }
                Output::Wait(deadline) => {
                    let left = deadline.map(|at| at.saturating_duration_since(self.now()));
                    let input = match timeout(left.unwrap_or(Duration::MAX), inputs.next()).await {
                        Err(_) => timeout(LAST_LOOK, inputs.next()).await.ok().flatten(),
                        Ok(input) => input,
                    };
                    machine.handle(input.unwrap_or(Input::Elapsed), self.now());
                }
                Output::Done => return None,
            }
        }
    }
}

/// What comes of a request. No future of it holds anything, so dropping one loses nothing.
fn exchange_of(
    http: reqwest::Client,
    exchange: ExchangeId,
    request: http::Request<Bytes>,
) -> impl Stream<Item = Input> {
    let ended = move |why| Input::Ended { exchange, why };
    let response = async move { http.execute(request.try_into()?).await };
    let inputs = response.map(move |response| match response {
        Ok(response) => {
            let (head, content) = http::Response::from(response).into_parts();
            let head = Input::Response { exchange, head: Box::new(head) };
            let content = BodyDataStream::new(content).map(move |bytes| match bytes {
                Ok(bytes) => Input::Data { exchange, bytes },
                Err(error) => ended(failed(error)),
            });
            // After a failure this end comes too late, which does no harm.
            let end = stream::iter([ended(End::Complete)]);
            stream::iter([head]).chain(content).chain(end).left_stream()
        }
        Err(error) => stream::iter([ended(failed(error))]).right_stream(),
    });
    inputs.flatten_stream().chain(stream::pending())
}

fn failed(error: reqwest::Error) -> End {
    let kind = if error.is_connect() && error.is_timeout() {
        return End::TimedOut(TimeoutError::new(Timer::Connect, CONNECT));
    } else if error.is_builder() {
        TransportErrorKind::Request
    } else if error.is_dns() {
        TransportErrorKind::Resolve
    } else if error.is_connect() {
        TransportErrorKind::Connect
    } else {
        TransportErrorKind::Broken
    };
    // The URL may hold a key: errors go without it.
    End::Failed(TransportError::new(kind, error.without_url()))
}
