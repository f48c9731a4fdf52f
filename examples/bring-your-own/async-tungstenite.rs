//! Bring your own WebSocket: a `WebSocketStream` of async-tungstenite, on tokio, that feeds the
//! machine whole messages.
//!
//! ```console
//! $ cargo run --example byo-async-tungstenite -- --stream ID
//! ```
//!
//! follows a stream, and prints its events as lines of JSON. Handshake, frames, pongs and the limit
//! on messages are tungstenite's; reconnecting, the cursor, redirects and time are the machine's.
//! As it is built here, without a feature for TLS such as `tokio-rustls-native-certs`, it wants the
//! emulator: see "Try it" in the README.
//!
//! What can't be done with it: compression and proxies, which async-tungstenite doesn't have. Nor
//! are pings sent: a peer that is gone without a word is noticed by the machine's idle timeout.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use async_tungstenite::tokio::connect_async_with_config;
use async_tungstenite::tungstenite::client::IntoClientRequest as _;
use async_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use async_tungstenite::tungstenite::{Error as WsError, Message};
use bytes::Bytes;
use futures_util::future::FutureExt as _;
use futures_util::stream::{self, Stream, StreamExt as _};
use restless_examples::{Cli, Printer, api_key, entropy};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::ws::CloseCode;
use restless_proto::{Error, Instant, LimitError, TransportError, TransportErrorKind};
use tokio::time::timeout;

fn main() -> ExitCode {
    restless_examples::run(Cli::from_env(), follow)
}

/// Bytes go before time: at a deadline, what has arrived gets this long to be told.
const LAST_LOOK: Duration = Duration::from_millis(20);

#[tokio::main(flavor = "current_thread")]
async fn follow(cli: Cli) -> Result<u8, Error> {
    let service = cli.service()?;
    let origin = std::time::Instant::now();
    let now = || Instant::from_origin(origin.elapsed());
    let mut machine = cli.subscription.whole_messages().start(&service, entropy(), now())?;
    let mut printer = Printer::new(cli.limit);
    let mut inputs: Pin<Box<dyn Stream<Item = Input>>> = stream::pending().boxed_local();
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                inputs = exchange_of(exchange, *request).boxed_local();
            }
            Output::Send(_) => unreachable!("what is sent is tungstenite's"),
            Output::Hangup => inputs = stream::pending().boxed_local(),
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
                let input = match timeout(left.unwrap_or(Duration::MAX), inputs.next()).await {
                    Err(_) => timeout(LAST_LOOK, inputs.next()).await.ok().flatten(),
                    Ok(input) => input,
                };
                machine.handle(input.unwrap_or(Input::Elapsed), now());
            }
            Output::Done => return Ok(0),
        }
    }
}

/// What comes of a request. No future of it holds anything, so dropping one loses nothing.
fn exchange_of(exchange: ExchangeId, request: http::Request<Bytes>) -> impl Stream<Item = Input> {
    let connected = async move {
        // The handshake's own fields are tungstenite's; all others are the machine's.
        let mut handshake = request.uri().into_client_request()?;
        handshake.headers_mut().extend(request.headers().clone());
        let config = WebSocketConfig::default().max_message_size(Some(16 << 20));
        connect_async_with_config(handshake, Some(config)).await
    };
    let ended = move |why| Input::Ended { exchange, why };
    let inputs = connected.map(move |connected| match connected {
        Ok((messages, response)) => {
            let head = Box::new(response.into_parts().0);
            let messages = messages.map(move |message| match message {
                Ok(Message::Text(text)) => Input::Message { exchange, message: text.into() },
                Ok(Message::Binary(message)) => Input::Message { exchange, message },
                Ok(Message::Close(frame)) => ended(match frame {
                    Some(frame) => End::Closed {
                        code: CloseCode::new(frame.code.into()),
                        reason: frame.reason.to_string(),
                    },
                    None => End::Closed { code: CloseCode::NO_STATUS, reason: String::new() },
                }),
                // No message, but sound. tungstenite answers pings as it reads on.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                    Input::Data { exchange, bytes: Bytes::new() }
                }
                Err(error) => ended(failed(error)),
            });
            // After a Close frame or a failure this end comes too late, which does no harm.
            let end = stream::iter([ended(End::Failed(TransportErrorKind::Broken.into()))]);
            let head = stream::iter([Input::Response { exchange, head }]);
            head.chain(messages).chain(end).boxed_local()
        }
        // No WebSocket, but an answer: a refusal, or a redirect.
        Err(WsError::Http(response)) => {
            let (head, content) = response.into_parts();
            let bytes = content.unwrap_or_default().into();
            let head = Input::Response { exchange, head: Box::new(head) };
            let data = Input::Data { exchange, bytes };
            stream::iter([head, data, ended(End::Complete)]).boxed_local()
        }
        Err(error) => stream::iter([ended(failed(error))]).boxed_local(),
    });
    inputs.flatten_stream().chain(stream::pending())
}

fn failed(error: WsError) -> End {
    let kind = match &error {
        WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            return End::TooLarge(LimitError::new("a WebSocket message", *max_size, *size));
        }
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            TransportErrorKind::Broken
        }
        WsError::Protocol(_) | WsError::Utf8(_) | WsError::Capacity(_) => {
            TransportErrorKind::Protocol
        }
        WsError::Tls(_) => TransportErrorKind::Tls,
        // Without the URL, which may hold a key.
        WsError::Url(_) | WsError::HttpFormat(_) => {
            return End::Failed(TransportErrorKind::Request.into());
        }
        WsError::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
            TransportErrorKind::Connect
        }
        _ => TransportErrorKind::Broken,
    };
    End::Failed(TransportError::new(kind, error))
}
