//! The calls under `/emulator`: what the library does, for a shell or another language.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use common::{Response, exchange, open, quiet_stream, subscribe};
use restless_emulator::{Emulator, Fault};
use serde_json::json;

/// An emulator and a stream.
fn start() -> (Emulator, String) {
    let emulator = Emulator::start().expect("an emulator");
    let id = quiet_stream(&emulator);
    (emulator, id)
}

/// A call without any key.
fn call(emulator: &Emulator, method: &str, target: &str, body: &str) -> Response {
    exchange(emulator, method, target, "", body).expect("a response")
}

#[test]
fn publish_emits_an_update() {
    let (emulator, id) = start();
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    let data = r#"{"total": 42.10}"#;
    let response = call(&emulator, "POST", &format!("/emulator/streams/{id}/publish"), data);
    assert_eq!(response.status, 200);
    let event = wire.event();
    assert_eq!(response.json(), json!({"id":event.id}));
    assert!(event.text.contains(data), "{}", event.text);
}

#[test]
fn publish_error_emits_an_error() {
    let (emulator, id) = start();
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    let error = json!({"code":"UPSTREAM_STATUS","message":"upstream answered 503"});
    let target = format!("/emulator/streams/{id}/publish-error");
    let response = call(&emulator, "POST", &target, &error.to_string());
    let event = wire.event();
    assert_eq!(response.json(), json!({"id":event.id}));
    assert_eq!(event.json["error"], error);
}

#[test]
fn log_is_the_events_that_a_stream_keeps() {
    let (emulator, id) = start();
    let first = emulator.publish(&id, "1").expect("an event");
    let second = emulator.publish_error(&id, "C", "m").expect("an event");
    let log = call(&emulator, "GET", &format!("/emulator/streams/{id}/log"), "").json();
    let due = json!([{"id":first,"data":1,"document":1},{"id":second,"data":null,"document":null}]);
    assert_eq!(log, due);
    assert_eq!(call(&emulator, "GET", "/emulator/streams", "").json(), json!({"ids":[id]}));
}

#[test]
fn id_in_a_path_may_be_encoded() {
    let emulator = Emulator::start().expect("an emulator");
    let body = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    emulator.add_stream_as("my/own id", body).expect("a stream");
    let target = |of: &str| format!("/emulator/streams/my%2Fown%20id/{of}");
    assert_eq!(call(&emulator, "POST", &target("publish"), "1").status, 200);
    assert_eq!(call(&emulator, "GET", &target("log"), "").json()[0]["data"], 1);
    assert_eq!(call(&emulator, "GET", "/emulator/streams/%ff/log", "").status, 400);
}

#[test]
fn faults_wait_for_their_requests_and_can_be_taken_back() {
    let (emulator, id) = start();
    let faults = r#"[{"fault":"status","status":503,"times":2},{"fault":"refuse"}]"#;
    let ordered = call(&emulator, "POST", "/emulator/faults", faults);
    assert_eq!((ordered.status, ordered.json()), (200, json!({"pending":3})));
    assert_eq!(open(&emulator, &format!("streamId={id}")).head().expect("a head").0, 503);
    assert_eq!(call(&emulator, "GET", "/emulator/faults", "").json(), json!({"pending":2}));
    assert_eq!(call(&emulator, "DELETE", "/emulator/faults", "").json(), json!({"pending":0}));
    subscribe(&emulator, &format!("streamId={id}"));
}

#[test]
fn call_that_is_not_right_is_told_why() {
    let (emulator, id) = start();
    for (method, target, body, status, why) in [
        ("POST", "/emulator/streams/none/publish", "1", 404, "No stream"),
        ("GET", "/emulator/streams/none/log", "", 404, "No stream"),
        ("POST", &*format!("/emulator/streams/{id}/publish"), "{", 400, "body must be JSON"),
        ("POST", &format!("/emulator/streams/{id}/publish-error"), "{}", 400, "code is required"),
        ("POST", "/emulator/faults", r#"{"fault":"typo"}"#, 400, "no fault is named"),
        ("PUT", "/emulator/faults", "", 405, "Method not allowed"),
        ("GET", "/emulator/typo", "", 404, "Not found"),
    ] {
        let response = call(&emulator, method, target, body);
        assert_eq!(response.status, status, "{method} {target}");
        assert!(response.message().starts_with(why), "{method} {target}: {}", response.message());
    }
    assert_eq!(emulator.log(&id).len() + emulator.pending_faults(), 0);
}

#[test]
fn calls_are_neither_remembered_nor_met_by_a_fault() {
    let (emulator, id) = start();
    emulator.inject(Fault::refuse().on_rest());
    emulator.inject(Fault::refuse());
    assert_eq!(call(&emulator, "GET", "/emulator/faults", "").json(), json!({"pending":2}));
    call(&emulator, "POST", &format!("/emulator/streams/{id}/publish"), "1");
    assert!(emulator.requests().is_empty());
}

#[test]
fn page_of_another_host_may_not_call() {
    let (emulator, id) = start();
    let publish = |origin: &str| {
        let target = format!("/emulator/streams/{id}/publish");
        let origin = format!("origin: {origin}\r\n");
        exchange(&emulator, "POST", &target, &origin, "1").expect("a response").status
    };
    assert_eq!(publish("http://example.com"), 403);
    assert_eq!(publish("null"), 403);
    assert!(emulator.log(&id).is_empty());
    assert_eq!(publish("http://localhost:5173"), 200);
}

/// A page's own host may be a name that now means loopback: the page's GET has no origin then.
#[test]
fn request_that_names_another_host_may_not_call() {
    let (emulator, _) = start();
    for (host, due) in [
        ("host: example.com:8787\r\n", "HTTP/1.1 403 "),
        ("", "HTTP/1.1 403 "),
        ("host: localhost:8787\r\n", "HTTP/1.1 200 "),
        ("host: [::1]\r\n", "HTTP/1.1 200 "),
    ] {
        let mut socket = TcpStream::connect(emulator.address()).expect("up");
        let target = "/emulator/streams";
        write!(socket, "GET {target} HTTP/1.1\r\n{host}connection: close\r\n\r\n").expect("sent");
        let mut response = String::new();
        socket.read_to_string(&mut response).expect("a response");
        assert!(response.starts_with(due), "{host:?}: {response}");
    }
}
