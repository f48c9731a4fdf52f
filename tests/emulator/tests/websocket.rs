//! Event streams over WebSocket, seen by async-tungstenite's client and by bare bytes.

mod common;

use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{TokioAdapter, client_async};
use async_tungstenite::tungstenite::client::IntoClientRequest as _;
use async_tungstenite::tungstenite::error::ProtocolError;
use async_tungstenite::tungstenite::{Bytes, Error, Message};
use common::{Ending, Response, Wire, call, exchange, quiet_stream, quiet_stream_with};
use futures_core::Stream;
use restless_emulator::{Emulator, Fault, Upstream};
use serde_json::Value;
use tokio::net::TcpStream;

/// Longest wait for something that has to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A handshake's header fields but for the key of the API.
const HANDSHAKE: &str = "connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/// An emulator and a stream with `events` events, whose data counts from 0.
fn start(events: usize) -> (Emulator, String) {
    let emulator = Emulator::start().expect("an emulator");
    let id = quiet_stream(&emulator);
    publish(&emulator, &id, events);
    (emulator, id)
}

fn publish(emulator: &Emulator, id: &str, events: usize) {
    for n in 0..events {
        emulator.publish(id, &n.to_string()).expect("an event");
    }
}

/// async-tungstenite's client, blocking.
struct Client {
    runtime: tokio::runtime::Runtime,
    socket: WebSocketStream<TokioAdapter<TcpStream>>,
}

impl Client {
    /// Connects with the right key, and from the first event on.
    fn connect(emulator: &Emulator, id: &str) -> Self {
        Self::open(emulator, &format!("streamId={id}&since=0"), true).expect("a handshake")
    }

    fn open(emulator: &Emulator, query: &str, with_key: bool) -> Result<Self, Error> {
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
    fn next(&mut self) -> Option<Result<Message, Error>> {
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            let next = std::future::poll_fn(|cx| Stream::poll_next(std::pin::Pin::new(socket), cx));
            tokio::time::timeout(PATIENCE, next).await.expect("nothing came")
        })
    }

    fn message(&mut self) -> Message {
        self.next().expect("a message, not the end").expect("a message, no error")
    }

    fn error(&mut self) -> Error {
        self.next().expect("an error, not the end").expect_err("an error, no message")
    }

    fn event(&mut self) -> Value {
        let text = self.message().into_text().expect("text");
        serde_json::from_str(&text).expect("JSON")
    }

    fn data(&mut self) -> Value {
        self.event()["data"].clone()
    }

    /// The code and reason of the Close that has to come next.
    fn close(&mut self) -> Option<(u16, String)> {
        match self.message() {
            Message::Close(frame) => {
                frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned()))
            }
            other => panic!("no Close, but {other:?}"),
        }
    }

    fn send(&mut self, message: Message) {
        self.runtime.block_on(self.socket.send(message)).expect("sent");
    }
}

/// The answer to a handshake that is not accepted.
fn refused(emulator: &Emulator, query: &str, headers: &str) -> Response {
    let headers = format!("authorization: Bearer {}\r\n{headers}", emulator.api_key());
    exchange(emulator, "GET", &format!("/ws?{query}"), &headers, "").expect("a response")
}

/// A subscriber by bare bytes, after its opening handshake.
fn raw(emulator: &Emulator, id: &str) -> Wire {
    let headers = format!("authorization: Bearer {}\r\n{HANDSHAKE}", emulator.api_key());
    let target = format!("/ws?streamId={id}&since=0");
    let mut wire = Wire::send(emulator, "GET", &target, &headers, "").expect("a connection");
    assert_eq!(wire.head().expect("a head").0, 101);
    wire
}

/// The text frames of a stream's events, as a healthy server sends them.
fn healthy(emulator: &Emulator, id: &str) -> Vec<u8> {
    let frame = |event: restless_emulator::LoggedEvent| {
        let null = r#""event_id":null"#;
        let text = event.envelope.replace(null, &format!(r#""event_id":"{}""#, event.id));
        let length = u16::try_from(text.len()).expect("short").to_be_bytes();
        [&[0x81, 126][..], &length, text.as_bytes()].concat()
    };
    emulator.log(id).into_iter().flat_map(frame).collect()
}

// The opening handshake

#[test]
fn handshake_of_another_codec_is_accepted() {
    let (emulator, id) = start(1);
    assert_eq!(Client::connect(&emulator, &id).data(), 0);
}

#[test]
fn accept_is_derived_from_the_key() {
    let (emulator, id) = start(0);
    let headers = format!("authorization: Bearer {}\r\n{HANDSHAKE}", emulator.api_key())
        .replace("AAAAAAAAAAAAAAAAAAAAAA==", "dGhlIHNhbXBsZSBub25jZQ==");
    let target = format!("/ws?streamId={id}");
    let mut wire = Wire::send(&emulator, "GET", &target, &headers, "").expect("a connection");
    let (status, headers) = wire.head().expect("a head");
    assert_eq!(status, 101);
    // The example of RFC 6455 §1.3.
    let accept = ("sec-websocket-accept".to_owned(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned());
    assert!(headers.contains(&accept), "{headers:?}");
    assert!(!headers.iter().any(|(name, _)| name == "sec-websocket-extensions"));
}

#[test]
fn wrong_key_is_401() {
    let (emulator, id) = start(0);
    let target = format!("/ws?streamId={id}");
    let response = exchange(&emulator, "GET", &target, HANDSHAKE, "").expect("a response");
    assert_eq!(response.status, 401);
    let wrong = format!("authorization: Bearer rs_no\r\n{HANDSHAKE}");
    let response = exchange(&emulator, "GET", &target, &wrong, "").expect("a response");
    assert_eq!(response.status, 401);
}

#[test]
fn direct_url_takes_its_key_in_the_query() {
    let emulator = Emulator::start().expect("an emulator");
    let upstream = Upstream::start("[1]").expect("an upstream");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("url", &upstream.url())
        .append_pair("apiKey", emulator.api_key())
        .finish();
    let mut client = Client::open(&emulator, &query, false).expect("a handshake");
    assert_eq!(client.data(), serde_json::json!([1]));
}

#[test]
fn unknown_stream_is_404_and_no_stream_400() {
    let (emulator, _) = start(0);
    assert_eq!(refused(&emulator, "streamId=none", HANDSHAKE).status, 404);
    assert_eq!(refused(&emulator, "sessionId=none", HANDSHAKE).status, 404);
    assert_eq!(refused(&emulator, "", HANDSHAKE).status, 400);
}

#[test]
fn plain_request_is_told_to_upgrade() {
    let (emulator, id) = start(0);
    let response = refused(&emulator, &format!("streamId={id}"), "");
    assert_eq!(response.status, 426);
    assert_eq!(response.header("upgrade"), Some("websocket"));
}

#[test]
fn other_version_is_told_ours() {
    let (emulator, id) = start(0);
    let headers = HANDSHAKE.replace("version: 13", "version: 8");
    let response = refused(&emulator, &format!("streamId={id}"), &headers);
    assert_eq!(response.status, 426);
    assert_eq!(response.header("sec-websocket-version"), Some("13"));
}

#[test]
fn key_that_is_not_sixteen_bytes_is_400() {
    let (emulator, id) = start(0);
    let headers = HANDSHAKE.replace("AAAAAAAAAAAAAAAAAAAAAA==", "AAAA");
    assert_eq!(refused(&emulator, &format!("streamId={id}"), &headers).status, 400);
}

#[test]
fn header_of_a_fault_stands_in_the_handshake() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::none().header("sec-websocket-protocol", "chat"));
    match Client::open(&emulator, &format!("streamId={id}"), true) {
        Err(Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_))) => {}
        other => panic!("{:?}", other.map(|_| "a handshake")),
    }
}

// Events

#[test]
fn event_is_one_text_message_with_its_id_in_the_json() {
    let (emulator, id) = start(1);
    let logged = emulator.log(&id).remove(0);
    let text = Client::connect(&emulator, &id).message().into_text().expect("text");
    let id = format!(r#""event_id":"{}""#, logged.id);
    assert_eq!(text.as_str(), logged.envelope.replace(r#""event_id":null"#, &id));
}

#[test]
fn error_event_has_its_id_too() {
    let (emulator, id) = start(0);
    let event = emulator.publish_error(&id, "CODE", "message").expect("an event");
    let json = Client::connect(&emulator, &id).event();
    assert_eq!((&json["type"], &json["event_id"]), (&"error".into(), &event.into()));
}

#[test]
fn replay_goes_over_into_live_events() {
    let (emulator, id) = start(3);
    let cursor = emulator.log(&id).remove(0).id;
    let query = format!("streamId={id}&cursor={cursor}");
    let mut client = Client::open(&emulator, &query, true).expect("a handshake");
    emulator.publish(&id, "3").expect("an event");
    assert_eq!([client.data(), client.data(), client.data()], [1, 2, 3]);
}

#[test]
fn without_a_cursor_the_latest_event_comes_and_then_what_is_new() {
    let (emulator, id) = start(3);
    let query = format!("streamId={id}");
    let mut client = Client::open(&emulator, &query, true).expect("a handshake");
    emulator.publish(&id, "3").expect("an event");
    assert_eq!([client.data(), client.data()], [2, 3]);
}

#[test]
fn patch_goes_to_who_has_the_base() {
    let (emulator, _) = start(0);
    let id = quiet_stream_with(&emulator, r#","payloadMode":"JSON_PATCH""#);
    let mut client = Client::connect(&emulator, &id);
    emulator.publish(&id, "[1]").expect("an event");
    emulator.publish(&id, "[1,2]").expect("an event");
    assert_eq!(client.event()["meta"]["payload_mode_fallback"], "FULL_DATA");
    assert_eq!(client.data(), serde_json::json!([{"op":"add","path":"/1","value":2}]));
}

#[test]
fn large_event_comes_whole() {
    let (emulator, id) = start(0);
    let data = format!("\"{}\"", "x".repeat(5_000_000));
    emulator.publish(&id, &data).expect("an event");
    assert_eq!(Client::connect(&emulator, &id).data().as_str().map(str::len), Some(5_000_000));
}

// Control frames

#[test]
fn ping_is_answered_with_its_payload() {
    let (emulator, id) = start(0);
    let mut client = Client::connect(&emulator, &id);
    client.send(Message::Ping(Bytes::from_static(b"are you there")));
    assert_eq!(client.message(), Message::Pong(Bytes::from_static(b"are you there")));
}

#[test]
fn heartbeat_is_a_ping() {
    let heartbeat = Duration::from_millis(5);
    let emulator = Emulator::builder().heartbeat(heartbeat).start().expect("an emulator");
    let id = quiet_stream(&emulator);
    let mut client = Client::connect(&emulator, &id);
    assert!(client.message().is_ping());
    assert!(client.message().is_ping());
}

#[test]
fn close_is_answered_and_the_connection_closed() {
    let (emulator, id) = start(0);
    let mut wire = raw(&emulator, &id);
    // Close 1000, masked with zeros.
    wire.put(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
    assert_eq!(wire.raw_rest(), (vec![0x88, 2, 0x03, 0xe8], Ending::Cut));
    emulator.until_subscribers(0).wait().expect("gone");
}

#[test]
fn client_that_breaks_the_protocol_is_told_so() {
    let (emulator, id) = start(0);
    let mut wire = raw(&emulator, &id);
    // A text frame without a mask.
    wire.put(&[0x81, 0x01, b'a']);
    assert_eq!(wire.raw_rest(), (vec![0x88, 2, 0x03, 0xea], Ending::Cut));
}

#[test]
fn deleted_stream_ends_with_1000() {
    let (emulator, id) = start(1);
    let mut client = Client::connect(&emulator, &id);
    call(&emulator, "DELETE", &format!("/streams/{id}"), "");
    assert_eq!(client.data(), 0);
    assert_eq!(client.close(), Some((1000, String::new())));
    assert!(client.next().is_none());
}

#[test]
fn emulator_that_stops_says_1001() {
    let (emulator, id) = start(0);
    let mut client = Client::connect(&emulator, &id);
    drop(emulator);
    assert_eq!(client.close(), Some((1001, String::new())));
}

#[test]
fn disconnect_all_cuts_without_a_close() {
    let (emulator, id) = start(0);
    let mut wire = raw(&emulator, &id);
    emulator.disconnect_all();
    assert_eq!(wire.raw_rest(), (Vec::new(), Ending::Cut));
}

#[test]
fn subscriber_that_leaves_is_no_longer_counted() {
    let (emulator, id) = start(0);
    let client = Client::connect(&emulator, &id);
    emulator.until_subscribers(1).wait().expect("a subscriber");
    drop(client);
    emulator.until_subscribers(0).wait().expect("none");
    emulator.until_connections(0).wait().expect("none");
}

// Faults of every transport

#[test]
fn status_refuses_the_upgrade() {
    let (emulator, id) = start(0);
    emulator.inject(Fault::status(503).header("retry-after", "7").body("busy"));
    let response = refused(&emulator, &format!("streamId={id}"), HANDSHAKE);
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), Some("7"));
    assert_eq!(response.text(), "busy");
}

#[test]
fn redirect_names_its_location() {
    let (emulator, id) = start(0);
    emulator.inject(Fault::redirect(307, "ws://127.0.0.1:9/ws"));
    let response = refused(&emulator, &format!("streamId={id}"), HANDSHAKE);
    assert_eq!(response.status, 307);
    assert_eq!(response.header("location"), Some("ws://127.0.0.1:9/ws"));
}

#[test]
fn refuse_reset_and_stall_head_give_no_answer() {
    let (emulator, id) = start(0);
    let headers = format!("authorization: Bearer {}\r\n{HANDSHAKE}", emulator.api_key());
    for (fault, ending) in [
        (Fault::refuse(), Ending::Cut),
        (Fault::reset(), Ending::Reset),
        (Fault::stall_head(), Ending::Silence),
    ] {
        emulator.inject(fault);
        let target = format!("/ws?streamId={id}");
        let mut wire = Wire::send(&emulator, "GET", &target, &headers, "").expect("a connection");
        assert_eq!(wire.silence(), ending);
    }
}

#[test]
fn cut_after_cuts_at_every_byte() {
    let (emulator, id) = start(2);
    let healthy = healthy(&emulator, &id);
    for bytes in 0..=healthy.len() {
        emulator.inject(Fault::cut_after(bytes as u64));
        let (got, ending) = raw(&emulator, &id).raw_rest();
        assert_eq!(ending, Ending::Cut, "{bytes}");
        assert_eq!(got, healthy[..bytes], "{bytes}");
    }
}

#[test]
fn cut_after_events_sends_no_close() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::cut_after_events(2));
    let healthy = healthy(&emulator, &id);
    assert_eq!(raw(&emulator, &id).raw_rest(), (healthy, Ending::Cut));
}

#[test]
fn reset_after_resets() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::reset_after(10));
    assert_eq!(raw(&emulator, &id).raw_rest().1, Ending::Reset);
}

#[test]
fn stall_after_goes_silent_and_answers_nothing() {
    let heartbeat = Duration::from_millis(5);
    let emulator = Emulator::builder().heartbeat(heartbeat).start().expect("an emulator");
    let id = quiet_stream(&emulator);
    publish(&emulator, &id, 1);
    let healthy = healthy(&emulator, &id);
    emulator.inject(Fault::stall_after(10));
    let mut wire = raw(&emulator, &id);
    wire.put(&[0x89, 0x80, 0, 0, 0, 0]);
    assert_eq!(wire.raw_rest(), (healthy[..10].to_vec(), Ending::Silence));
    drop(wire);
    emulator.until_connections(0).wait().expect("none");
}

#[test]
fn end_after_events_ends_with_1000() {
    let (emulator, id) = start(5);
    emulator.inject(Fault::end_after_events(2));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!([client.data(), client.data()], [0, 1]);
    assert_eq!(client.close(), Some((1000, String::new())));
    assert!(client.next().is_none());
}

#[test]
fn raw_sends_its_bytes_after_the_handshake() {
    let (emulator, _) = start(0);
    emulator.inject(Fault::raw([&b"\x81\x02{"[..], b"}\xff"]));
    assert_eq!(raw(&emulator, "none").raw_rest(), (b"\x81\x02{}\xff".to_vec(), Ending::Cut));
}

#[test]
fn pieces_are_frames_all_the_same() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::none().in_pieces_of(1));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!([client.data(), client.data()], [0, 1]);
}

// Faults of WebSockets

#[test]
fn fault_of_websockets_lets_event_streams_pass() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::close(1012, "later"));
    assert_eq!(common::subscribe(&emulator, &format!("streamId={id}&since=0")).event().data(), 0);
    assert_eq!(Client::connect(&emulator, &id).close(), Some((1012, "later".to_owned())));
}

#[test]
fn close_comes_after_its_events() {
    let (emulator, id) = start(3);
    emulator.inject(Fault::close(4321, "because").after_events(2));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!([client.data(), client.data()], [0, 1]);
    assert_eq!(client.close(), Some((4321, "because".to_owned())));
    assert!(client.next().is_none());
}

#[test]
fn close_has_any_code_or_none() {
    let (emulator, id) = start(0);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 5000, 65_535] {
        emulator.inject(Fault::close(code, "").then_cut());
        let expected = [&[0x88, 2][..], &code.to_be_bytes()].concat();
        assert_eq!(raw(&emulator, &id).raw_rest(), (expected, Ending::Cut));
    }
    emulator.inject(Fault::close_without_code().then_cut());
    assert_eq!(raw(&emulator, &id).raw_rest(), (vec![0x88, 0], Ending::Cut));
}

#[test]
fn close_can_leave_the_connection_open() {
    let (emulator, id) = start(0);
    emulator.inject(Fault::close(1000, "").then_stall());
    let mut wire = raw(&emulator, &id);
    wire.put(&[0x88, 0x80, 0, 0, 0, 0]);
    assert_eq!(wire.raw_rest(), (vec![0x88, 2, 0x03, 0xe8], Ending::Silence));
}

#[test]
fn cut_in_header_leaves_a_part_of_it() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::cut_in_header());
    let healthy = healthy(&emulator, &id);
    assert_eq!(raw(&emulator, &id).raw_rest(), (healthy[..3].to_vec(), Ending::Cut));
}

#[test]
fn cut_in_payload_leaves_a_part_of_it() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::cut_in_payload());
    let healthy = healthy(&emulator, &id);
    let half = 4 + (healthy.len() - 4) / 2;
    assert_eq!(raw(&emulator, &id).raw_rest(), (healthy[..half].to_vec(), Ending::Cut));
}

#[test]
fn cut_between_fragments_leaves_a_fragment() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::cut_between_fragments().after_events(1));
    let first = healthy(&emulator, &id).len() / 2;
    let mut wire = raw(&emulator, &id);
    wire.bytes(first);
    let (rest, ending) = wire.raw_rest();
    assert_eq!(ending, Ending::Cut);
    // A text frame that is not final, whole.
    assert_eq!(rest[0], 0x01);
    let header = if rest[1] == 126 { 4 } else { 2 };
    assert_eq!(rest.len() - header, (first - 4).div_ceil(2));
}

#[test]
fn cut_can_be_a_stall() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::cut_in_header().then_stall());
    let (got, ending) = raw(&emulator, &id).raw_rest();
    assert_eq!((got.len(), ending), (3, Ending::Silence));
}

#[test]
fn deaf_answers_neither_ping_nor_close() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::deaf());
    let mut wire = raw(&emulator, &id);
    wire.put(&[0x89, 0x80, 0, 0, 0, 0, 0x88, 0x80, 0, 0, 0, 0]);
    emulator.publish(&id, "1").expect("an event");
    assert_eq!(wire.raw_rest(), (healthy(&emulator, &id), Ending::Silence));
    drop(wire);
    emulator.until_subscribers(0).wait().expect("none");
}

#[test]
fn pings_come_before_the_event() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::pings(100_000).after_events(1));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!(client.data(), 0);
    for number in 0..100_000 {
        assert_eq!(client.message(), Message::Ping(number.to_string().into()));
    }
    assert_eq!(client.data(), 1);
}

#[test]
fn wrong_accept_fails_the_handshake() {
    let (emulator, id) = start(0);
    emulator.inject(Fault::wrong_accept());
    match Client::open(&emulator, &format!("streamId={id}"), true) {
        Err(Error::Protocol(ProtocolError::SecWebSocketAcceptKeyMismatch)) => {}
        other => panic!("{:?}", other.map(|_| "a handshake")),
    }
}

#[test]
fn masked_event_is_a_protocol_error() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::masked().after_events(1));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!(client.data(), 0);
    match client.error() {
        Error::Protocol(ProtocolError::MaskedFrameFromServer) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn reserved_bits_are_a_protocol_error() {
    let (emulator, id) = start(1);
    for bits in 1..=7 {
        emulator.inject(Fault::reserved_bits(bits));
        match Client::connect(&emulator, &id).error() {
            Error::Protocol(ProtocolError::NonZeroReservedBits) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn as_binary_is_the_same_event() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::none().as_binary());
    let Message::Binary(content) = Client::connect(&emulator, &id).message() else {
        panic!("no binary message")
    };
    assert_eq!(content, healthy(&emulator, &id)[4..]);
}

#[test]
fn text_and_binary_are_messages_between_events() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::text(""));
    emulator.inject(Fault::binary(&b"\xff\x00"[..]));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!(client.message(), Message::text(""));
    assert_eq!(client.data(), 0);
    let mut client = Client::connect(&emulator, &id);
    assert_eq!(client.message(), Message::binary(&b"\xff\x00"[..]));
    assert_eq!(client.data(), 0);
}

#[test]
fn fragments_are_one_event() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::none().in_fragments(3));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!([client.data(), client.data()], [0, 1]);
    emulator.inject(Fault::none().in_fragments(3));
    // The first of them is not final.
    assert_eq!(raw(&emulator, &id).bytes(1), [0x01]);
}

#[test]
fn padded_event_is_as_long_as_ordered() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::none().padded_to(1_000_000));
    let text = Client::connect(&emulator, &id).message().into_text().expect("text");
    assert_eq!(text.len(), 1_000_000);
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON")["data"], 0);
}
