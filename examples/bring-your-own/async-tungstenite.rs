//! Bring your own WebSocket: a `WebSocketStream` of async-tungstenite, on tokio, that feeds the
//! machine whole messages: `cargo run --example byo-async-tungstenite -- --stream ID`.
//!
//! Handshake, frames, pongs and the limit on messages are tungstenite's; reconnecting, the cursor,
//! redirects and time are the machine's. TLS takes a feature, such as `tokio-rustls-native-certs`.
//! There is no compression, no proxy, and no ping of ours: the idle timeout finds a peer that is
//! gone.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use async_tungstenite::tokio::connect_async_with_config;
use async_tungstenite::tungstenite::client::IntoClientRequest as _;
use async_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use async_tungstenite::tungstenite::{Error as WsError, Message};
use bytes::Bytes;
use futures_util::future::FutureExt as _;
use futures_util::stream::{self, LocalBoxStream, Stream, StreamExt as _};
use restless_examples::{Cli, Printer, entropy, now};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::ws::CloseCode;
use restless_proto::{Error, LimitError, TransportError, TransportErrorKind as Kind};
use tokio::time::timeout;

fn main() -> ExitCode {
    restless_examples::run(Cli::from_env(), follow)
}

#[tokio::main(flavor = "current_thread")]
async fn follow(cli: Cli) -> Result<u8, Error> {
    let subscription = cli.subscription.whole_messages();
    let mut machine = subscription.start(&cli.service, entropy(), now())?;
    let mut printer = Printer::new(cli.limit);
    let mut inputs: LocalBoxStream<'static, Input> = stream::pending().boxed_local();
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => inputs = open(exchange, *request).boxed_local(),
            Output::Send(_) => unreachable!("what is sent is tungstenite's"),
            Output::Hangup => inputs = stream::pending().boxed_local(),
            Output::Authorize { .. } => unreachable!("the service has a fixed key"),
            Output::Event(event) => {
                if let ControlFlow::Break(status) = printer.print(event, machine.cursor()) {
                    return Ok(status);
                }
            }
            Output::Wait(deadline) => {
                let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(now()));
                let input = timeout(left, inputs.next()).await;
                machine.handle(input.ok().flatten().unwrap_or(Input::Elapsed), now());
            }
            Output::Done => return Ok(0),
        }
    }
}

/// What comes of a request. Its futures hold nothing, so that dropping one is harmless.
fn open(exchange: ExchangeId, request: http::Request<Bytes>) -> impl Stream<Item = Input> {
    let connected = async move {
        // The handshake's own fields are tungstenite's; all others are the machine's.
        let mut handshake = request.uri().into_client_request()?;
        handshake.headers_mut().extend(request.headers().clone());
        let config = WebSocketConfig::default().max_message_size(Some(16 << 20));
        connect_async_with_config(handshake, Some(config)).await
    };
    let ended = move |why| Input::Ended { exchange, why };
    let response = move |head| Input::Response { exchange, head: Box::new(head) };
    let inputs = connected.map(move |connected| match connected {
        Ok((messages, head)) => {
            let messages = messages.map(move |message| match message {
                Ok(Message::Text(text)) => Input::Message { exchange, message: text.into() },
                Ok(Message::Binary(message)) => Input::Message { exchange, message },
                Ok(Message::Close(frame)) => ended(match frame {
                    Some(frame) => closed(frame.code.into(), &frame.reason),
                    None => closed(CloseCode::NO_STATUS.get(), ""),
                }),
                // No message, but sound. tungstenite answers pings as it reads on.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                    Input::Data { exchange, bytes: Bytes::new() }
                }
                Err(error) => ended(failed(error)),
            });
            // After a Close frame or a failure this end comes too late, which does no harm.
            let end = stream::iter([ended(End::Failed(Kind::Broken.into()))]);
            let head = stream::iter([response(head.into_parts().0)]);
            head.chain(messages).chain(end).boxed_local()
        }
        // No WebSocket, but an answer: a refusal, or a redirect.
        Err(WsError::Http(answer)) => {
            let (head, content) = answer.into_parts();
            let data = Input::Data { exchange, bytes: content.unwrap_or_default().into() };
            stream::iter([response(head), data, ended(End::Complete)]).boxed_local()
        }
        Err(error) => stream::iter([ended(failed(error))]).boxed_local(),
    });
    inputs.flatten_stream().chain(stream::pending())
}

fn closed(code: u16, reason: &str) -> End {
    End::Closed { code: CloseCode::new(code), reason: reason.to_owned() }
}

fn failed(error: WsError) -> End {
    let kind = match &error {
        WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            return End::TooLarge(LimitError::new("a WebSocket message", *max_size, *size));
        }
        // Without the URL, which may hold a key.
        WsError::Url(_) | WsError::HttpFormat(_) => return End::Failed(Kind::Request.into()),
        WsError::Io(io) if io.kind() == ErrorKind::ConnectionRefused => Kind::Connect,
        // No WebSocket is there, and none will be: its handshake was another one's.
        WsError::Protocol(ProtocolError::SecWebSocketAcceptKeyMismatch) => Kind::Unsupported,
        _ => Kind::Broken,
    };
    End::Failed(TransportError::new(kind, error))
}
