//! Bring your own HTTP: REST and server-sent events over reqwest, on tokio. It makes a stream of a
//! REST API, and follows it: `cargo run --example byo-reqwest -- https://api.example.com/orders`.
//!
//! TLS (its feature `rustls`), HTTP/2 and proxies are reqwest's business; what it decides by itself
//! and the machine decides here is switched off. It can't tell a certificate that is not trusted
//! from no connection, so that such a server is tried again instead of given up.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::FutureExt as _;
use futures_util::stream::{self, LocalBoxStream, Stream, StreamExt as _};
use http_body_util::BodyDataStream;
use restless_examples::{CreateCli, Printer, entropy, now};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::{Call, CallOptions, Error, TransportError, TransportErrorKind as Kind};
use restless_proto::{model, streams};
use tokio::time::timeout;

fn main() -> ExitCode {
    restless_examples::run(CreateCli::from_env(), follow)
}

#[tokio::main(flavor = "current_thread")]
async fn follow(cli: CreateCli) -> Result<u8, Error> {
    let http = reqwest::Client::builder()
        // Redirects, retries, codings and all timers are the machine's.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .build()
        .map_err(|error| TransportError::new(Kind::Request, error))?;

    let create: Call<model::Stream> = streams::create("Bring your own", &cli.target).into();
    let mut call = create.start(&cli.service, CallOptions::default(), entropy(), now())?;
    let answer = drive(&http, &mut call, |answer, _| ControlFlow::Break(answer)).await;
    let stream = answer.expect("a call has an answer")?;

    let mut events = cli.subscription(&stream.id).start(&cli.service, entropy(), now())?;
    let mut printer = Printer::new(cli.limit);
    let status = drive(&http, &mut events, |event, events| printer.print(event, events.cursor()));
    Ok(status.await.unwrap_or(0))
}

/// Runs a machine until it is done, or `each` has enough. Dropping the future closes the
/// connection.
async fn drive<M: Machine, B>(
    http: &reqwest::Client,
    machine: &mut M,
    mut each: impl FnMut(M::Event, &M) -> ControlFlow<B>,
) -> Option<B> {
    let mut inputs: LocalBoxStream<'static, Input> = stream::pending().boxed_local();
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                inputs = open(http.clone(), exchange, *request).boxed_local();
            }
            Output::Send(_) => unreachable!("only on a connection that was upgraded"),
            Output::Hangup => inputs = stream::pending().boxed_local(),
            Output::Authorize { .. } => unreachable!("the service has a fixed key"),
            Output::Event(event) => {
                if let ControlFlow::Break(value) = each(event, machine) {
                    return Some(value);
                }
            }
            Output::Wait(deadline) => {
                let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(now()));
                let input = timeout(left, inputs.next()).await;
                machine.handle(input.ok().flatten().unwrap_or(Input::Elapsed), now());
            }
            Output::Done => return None,
        }
    }
}

/// What comes of a request. Its futures hold nothing, so that dropping one is harmless.
fn open(
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
    let kind = match &error {
        error if error.is_builder() => Kind::Request,
        error if error.is_connect() => Kind::Connect,
        _ => Kind::Broken,
    };
    // The URL may hold a key: errors go without it.
    End::Failed(TransportError::new(kind, error.without_url()))
}
