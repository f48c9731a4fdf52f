//! Direct streams and sessions.

mod common;

use std::net::TcpListener;
use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use common::websocket::{Client, HANDSHAKE};
use common::{Ending, Wire, call, exchange, open, quiet_stream, subscribe};
use restless_emulator::{Builder, Emulator, Upstream};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

fn builder() -> Builder {
    Emulator::builder().seconds_are(Duration::from_millis(5))
}

fn start() -> Emulator {
    builder().start().expect("an emulator")
}

fn upstream(body: &str) -> Upstream {
    Upstream::start(body.to_owned()).expect("an upstream")
}

fn encode(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn session(emulator: &Emulator, body: &Value) -> Value {
    call(emulator, "POST", "/streams/direct/sessions", &body.to_string()).json()
}

fn query_of(url: &Value) -> &str {
    url.as_str().expect("a URL").split_once('?').expect("a query").1
}

#[test]
fn direct_url_polls_its_target() {
    let (emulator, upstream) = (start(), upstream("1"));
    let query = format!("url={}&pollingInterval=1&since=0", encode(&upstream.url()));
    let mut wire = subscribe(&emulator, &query);
    assert_eq!(wire.event().data(), 1);
    upstream.set("2");
    assert_eq!(wire.event().data(), 2);
}

#[test]
fn filter_of_a_direct_url_is_warned_of_in_the_head() {
    let (emulator, upstream) = (start(), upstream("[]"));
    let (url, filter) = (encode(&upstream.url()), encode("join(\",\")"));
    let mut wire = open(&emulator, &format!("url={url}&jq={filter}"));
    let handshake = format!("authorization: Bearer {}\r\n{HANDSHAKE}", emulator.api_key());
    let target = format!("/ws?url={url}&jq={filter}");
    let mut websocket = Wire::send(&emulator, "GET", &target, &handshake, "").expect("sent");
    for (wire, due) in [(&mut wire, 200), (&mut websocket, 101)] {
        let (status, headers) = wire.head().expect("a head");
        let warning = headers.iter().find(|(name, _)| name == "x-emulator-warning");
        assert_eq!(status, due);
        assert!(warning.is_some_and(|(_, text)| text.contains("`join`")), "{headers:?}");
    }
}

#[test]
fn second_subscriber_of_a_direct_url_gets_the_latest_event_at_once() {
    let (emulator, upstream) = (start(), upstream("1"));
    // The data never changes: there is no other event than the first.
    let query = format!("url={}", encode(&upstream.url()));
    let mut first = subscribe(&emulator, &query);
    let due = first.event().id;
    assert_eq!(subscribe(&emulator, &query).event().id, due);
}

#[test]
fn direct_url_takes_every_parameter() {
    let (emulator, upstream) = (start(), upstream(r#"{"a":[1]}"#));
    let query = format!(
        "url={}&since=0&method=POST&headers={}&body={}&jq={}&payloadMode=JSON_PATCH\
         &pollingInterval=1&pollingStrategies={}",
        encode(&upstream.url()),
        encode(r#"{"x-n":1}"#),
        encode(r#"{"q":"v"}"#),
        encode(".a"),
        encode(r#"[{"startTime":"00:00","endTime":"23:59","intervalSeconds":1}]"#),
    );
    let mut wire = subscribe(&emulator, &query);
    assert_eq!(wire.event().data(), &json!([1]));
    upstream.set(r#"{"a":[1,2]}"#);
    assert_eq!(wire.event().data(), &json!([{"op":"add","path":"/1","value":2}]));
    let request = &upstream.requests()[0];
    assert_eq!(request.method, "POST");
    assert_eq!(request.headers["x-n"], "1");
    assert_eq!(request.body, r#"{"q":"v"}"#);
}

#[test]
fn wrong_direct_parameter_is_400() {
    let emulator = start();
    for parameter in [
        "method=FETCH",
        "headers=1",
        "headers={",
        "body={",
        "jq=.a%20|",
        "payloadMode=x",
        "pollingInterval=0",
        "pollingStrategies={}",
    ] {
        let mut wire = open(&emulator, &format!("url=http%3A%2F%2F127.0.0.1%3A9%2F&{parameter}"));
        assert_eq!(wire.head().expect("a head").0, 400, "{parameter}");
    }
}

#[test]
fn key_in_a_direct_url_counts() {
    let (emulator, upstream) = (start(), upstream("1"));
    let get = |key: &str| {
        let target = format!("/?url={}&apiKey={key}", encode(&upstream.url()));
        let mut wire = Wire::send(&emulator, "GET", &target, "", "").expect("a wire");
        wire.head().expect("a head").0
    };
    assert_eq!(get(emulator.api_key()), 200);
    assert_eq!(get("rs_other"), 401);
}

#[test]
fn same_parameters_are_the_same_stream() {
    let (emulator, upstream) = (start(), upstream("1"));
    let url = encode(&upstream.url());
    let key = emulator.api_key();
    let _one = subscribe(&emulator, &format!("url={url}&method=GET&payloadMode=FULL_DATA"));
    let _two = subscribe(&emulator, &format!("url={url}&apiKey={key}&cursor=1"));
    assert_eq!(emulator.ids().len(), 1);
    let _three = subscribe(&emulator, &format!("url={url}&pollingInterval=2"));
    assert_eq!(emulator.ids().len(), 2);
}

#[test]
fn direct_stream_resumes_at_a_cursor() {
    let (emulator, upstream) = (start(), upstream("1"));
    let query = format!("url={}&pollingInterval=1", encode(&upstream.url()));
    let mut wire = subscribe(&emulator, &format!("{query}&since=0"));
    let cursor = wire.event().id;
    drop(wire);
    emulator.until_connections(0).wait().expect("closed");
    upstream.set("2");
    emulator.until_logged(&emulator.ids()[0], 2).wait().expect("polled while nobody listened");
    upstream.set("3");
    let mut wire = subscribe(&emulator, &format!("{query}&cursor={cursor}"));
    assert_eq!(wire.event().data(), 2);
    assert_eq!(wire.event().data(), 3);
}

#[test]
fn direct_stream_ends_some_time_after_its_last_subscriber() {
    let emulator = builder().direct_linger(Duration::from_millis(1)).start().expect("an emulator");
    let upstream = upstream("1");
    let wire = subscribe(&emulator, &format!("url={}", encode(&upstream.url())));
    assert_eq!(emulator.ids().len(), 1);
    drop(wire);
    emulator.until(|emulator| emulator.ids().is_empty()).wait().expect("gone");
}

#[test]
fn setup_has_urls_that_work() {
    let (emulator, upstream) = (start(), upstream(r#"{"a":1}"#));
    let body = json!({"url":upstream.url(),"method":"POST","body":{"query":"q"},"jqFilter":".a",
        "pollingInterval":1,"language":"python","apiKey":emulator.api_key()});
    let response = call(&emulator, "POST", "/streams/direct/setup", &body.to_string());
    assert_eq!(response.status, 200);
    let setup = response.json();
    assert_eq!(setup["streamConfig"]["targetUrl"], upstream.url());
    assert_eq!(setup["streamConfig"]["method"], "POST");
    assert_eq!(setup["runtime"]["auth"]["apiKeyLocation"], "header");
    assert!(setup["commands"]["urlParam"]["curl"].as_str().expect("curl").contains("apiKey="));
    let query = query_of(&setup["runtime"]["directSseUrl"]).to_owned();
    assert_eq!(subscribe(&emulator, &format!("{query}&since=0")).event().data(), 1);
    assert_eq!(upstream.requests()[0].body, r#"{"query":"q"}"#);
    assert!(!response.text().contains(emulator.api_key()));
}

#[test]
fn setup_needs_a_url() {
    let emulator = start();
    let response = call(&emulator, "POST", "/streams/direct/setup", "{}");
    assert_eq!((response.status, response.message()), (400, "url is required".to_owned()));
}

#[test]
fn session_has_a_url_that_works() {
    let (emulator, upstream) = (start(), upstream("1"));
    let session = session(&emulator, &json!({"url":upstream.url(),"pollingInterval":1}));
    assert_eq!(session["created"], true);
    let id = session["sessionId"].as_str().expect("an id");
    assert_eq!(query_of(&session["sseUrl"]), format!("sessionId={id}"));
    let mut wire = subscribe(&emulator, &format!("sessionId={id}&since=0"));
    assert_eq!(wire.event().data(), 1);
}

#[test]
fn dedupe_key_reuses_a_session() {
    let (emulator, upstream) = (start(), upstream("1"));
    let get = |key: &str| session(&emulator, &json!({"url":upstream.url(),"dedupeKey":key}));
    let (first, again, other) = (get("a"), get("a"), get("b"));
    assert_eq!((&first["created"], &again["created"]), (&json!(true), &json!(false)));
    assert_eq!(first["sessionId"], again["sessionId"]);
    assert_eq!(first["expiresAt"], again["expiresAt"]);
    assert_ne!(first["sessionId"], other["sessionId"]);
    assert_eq!(first["dedupeKey"], "a");
}

#[test]
fn sessions_without_a_dedupe_key_are_their_own() {
    let (emulator, upstream) = (start(), upstream("1"));
    let get = || session(&emulator, &json!({"url":upstream.url()}))["sessionId"].clone();
    assert_ne!(get(), get());
}

#[test]
fn session_that_expires_ends_its_subscribers_and_is_404() {
    let emulator = builder().session_lifetime(Duration::from_secs(1)).start().expect("an emulator");
    let upstream = upstream("1");
    let session = session(&emulator, &json!({"url":upstream.url()}));
    let query = query_of(&session["sseUrl"]).to_owned();
    let mut wire = subscribe(&emulator, &query);
    emulator.until(|emulator| emulator.ids().is_empty()).wait().expect("expired");
    assert_eq!(wire.rest().1, Ending::Clean);
    assert_eq!(open(&emulator, &query).head().expect("a head").0, 404);
}

/// An endpoint that takes connections, and never says a word.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    (listener, url)
}

/// An answer is waited for ten seconds.
#[test]
fn slow_upstream_keeps_neither_a_session_nor_a_direct_stream_beyond_its_time() {
    let (span, soon) = (Duration::from_secs(1), Duration::from_secs(7));
    let emulator = builder().session_lifetime(span).direct_linger(span / 5).start().expect("one");
    let (_listener, url) = silent();
    let session = session(&emulator, &json!({"url":url}));
    let mut wire = subscribe(&emulator, query_of(&session["sseUrl"]));
    drop(subscribe(&emulator, &format!("url={}", encode(&url))));
    emulator.until(|emulator| emulator.ids().is_empty()).wait_for(soon).expect("gone");
    assert_eq!(wire.rest().1, Ending::Clean);
}

#[test]
fn spans_without_end_are_never_over() {
    let emulator = Emulator::builder()
        .heartbeat(Duration::MAX)
        .seconds_are(Duration::MAX)
        .session_lifetime(Duration::MAX)
        .direct_linger(Duration::MAX)
        .start()
        .expect("an emulator");
    let upstream = upstream("1");
    let session = session(&emulator, &json!({"url":upstream.url()}));
    assert_eq!(session["expiresAt"], "9999-12-30T22:00:00.999Z");
    let id = session["sessionId"].as_str().expect("an id");
    assert_eq!(subscribe(&emulator, &format!("sessionId={id}&since=0")).event().data(), 1);
    let direct = format!("url={}&since=0", encode(&upstream.url()));
    assert_eq!(subscribe(&emulator, &direct).event().data(), 1);
    assert_eq!(Client::connect(&emulator, &quiet_stream(&emulator)).send(Message::Close(None)), ());
    emulator.until_connections(0).wait().expect("none");
    assert_eq!(emulator.ids().len(), 3);
}

#[test]
fn session_is_not_for_another_key() {
    let (emulator, upstream) = (start(), upstream("1"));
    let session = session(&emulator, &json!({"url":upstream.url()}));
    let target = format!("/?{}", query_of(&session["sseUrl"]));
    assert_eq!(exchange(&emulator, "GET", &target, "", "").expect("a response").status, 401);
}
