//! Event streams over WebSocket, seen by async-tungstenite's client and by bare bytes.

mod common;

use std::time::Duration;

use async_tungstenite::tungstenite::error::ProtocolError;
use async_tungstenite::tungstenite::{Bytes, Error, Message};
use common::websocket::{Client, HANDSHAKE, raw, refused, start};
use common::{Ending, Wire, call, exchange, quiet_stream, quiet_stream_with};
use restless_emulator::{Emulator, Fault, Upstream};

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
