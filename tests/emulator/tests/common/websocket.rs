//! Clients of a WebSocket: async-tungstenite's, and bare bytes.

use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{TokioAdapter, client_async};
use async_tungstenite::tungstenite::client::IntoClientRequest as _;
use async_tungstenite::tungstenite::{Error, Message};
use futures_core::Stream;
use restless_emulator::Emulator;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{Response, Wire, exchange, quiet_stream};

/// Longest wait for something that has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A handshake's header fields but for the key of the API.
pub(crate) const HANDSHAKE: &str = "connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/// An emulator and a stream with `events` events, whose data counts from 0.
pub(crate) fn start(events: usize) -> (Emulator, String) {
    let emulator = Emulator::start().expect("an emulator");
    let id = quiet_stream(&emulator);
    publish(&emulator, &id, events);
    (emulator, id)
}

pub(crate) fn publish(emulator: &Emulator, id: &str, events: usize) {
    for n in 0..events {
        emulator.publish(id, &n.to_string()).expect("an event");
    }
}

/// async-tungstenite's client, blocking.
pub(crate) struct Client {
    runtime: tokio::runtime::Runtime,
    socket: WebSocketStream<TokioAdapter<TcpStream>>,
}

impl Client {
    /// Connects with the right key, and from the first event on.
    pub(crate) fn connect(emulator: &Emulator, id: &str) -> Self {
        Self::open(emulator, &format!("streamId={id}&since=0"), true).expect("a handshake")
    }

    pub(crate) fn open(emulator: &Emulator, query: &str, with_key: bool) -> Result<Self, Error> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let base = emulator.stream_base_url().replace("http", "ws");
        let mut request = format!("{base}/ws?{query}").into_client_request()?;
        if with_key {
            let key = format!("Bearer {}", emulator.api_key());
            request.headers_mut().insert("authorization", key.parse().expect("a field value"));
        }
        let socket = runtime.block_on(async {
            let socket = TcpStream::connect(emulator.address()).await?;
            client_async(request, socket).await
        });
        Ok(Self { socket: socket?.0, runtime })
    }

    /// The next message, or what the stream ended with.
    pub(crate) fn next(&mut self) -> Option<Result<Message, Error>> {
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            let next = std::future::poll_fn(|cx| Stream::poll_next(std::pin::Pin::new(socket), cx));
            tokio::time::timeout(PATIENCE, next).await.expect("nothing came")
        })
    }

    pub(crate) fn message(&mut self) -> Message {
        self.next().expect("a message, not the end").expect("a message, no error")
    }

    pub(crate) fn error(&mut self) -> Error {
        self.next().expect("an error, not the end").expect_err("an error, no message")
    }

    pub(crate) fn event(&mut self) -> Value {
        let text = self.message().into_text().expect("text");
        serde_json::from_str(&text).expect("JSON")
    }

    pub(crate) fn data(&mut self) -> Value {
        self.event()["data"].clone()
    }

    /// The code and reason of the Close that has to come next.
    pub(crate) fn close(&mut self) -> Option<(u16, String)> {
        match self.message() {
            Message::Close(frame) => {
                frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned()))
            }
            other => panic!("no Close, but {other:?}"),
        }
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.runtime.block_on(self.socket.send(message)).expect("sent");
    }
}

/// The answer to a handshake that is not accepted.
pub(crate) fn refused(emulator: &Emulator, query: &str, headers: &str) -> Response {
    let headers = format!("authorization: Bearer {}\r\n{headers}", emulator.api_key());
    exchange(emulator, "GET", &format!("/ws?{query}"), &headers, "").expect("a response")
}

/// A subscriber by bare bytes, after its opening handshake.
pub(crate) fn raw(emulator: &Emulator, id: &str) -> Wire {
    handshake(emulator, id).0
}

/// The header fields that a handshake is answered with.
pub(crate) fn upgraded(emulator: &Emulator, id: &str) -> Vec<(String, String)> {
    handshake(emulator, id).1
}

fn handshake(emulator: &Emulator, id: &str) -> (Wire, Vec<(String, String)>) {
    let headers = format!("authorization: Bearer {}\r\n{HANDSHAKE}", emulator.api_key());
    let target = format!("/ws?streamId={id}&since=0");
    let mut wire = Wire::send(emulator, "GET", &target, &headers, "").expect("a connection");
    let (status, headers) = wire.head().expect("a head");
    assert_eq!(status, 101);
    (wire, headers)
}

/// The text frames of a stream's events, as a healthy server sends them.
pub(crate) fn healthy(emulator: &Emulator, id: &str) -> Vec<u8> {
    let frame = |event: restless_emulator::LoggedEvent| {
        let null = r#""event_id":null"#;
        let text = event.envelope.replace(null, &format!(r#""event_id":"{}""#, event.id));
        let length = u16::try_from(text.len()).expect("short").to_be_bytes();
        [&[0x81, 126][..], &length, text.as_bytes()].concat()
    };
    emulator.log(id).into_iter().flat_map(frame).collect()
}
