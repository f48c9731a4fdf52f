//! Polling an upstream.

mod common;

use std::time::Duration;

use common::call;
use restless_emulator::{Emulator, LoggedKind, StartError, Upstream};
use serde_json::{Value, json};

/// An emulator whose seconds are short.
fn start() -> Emulator {
    Emulator::builder().seconds_are(Duration::from_millis(5)).start().expect("an emulator")
}

fn upstream(body: &str) -> Upstream {
    Upstream::start(body.to_owned()).expect("an upstream")
}

/// A stream that polls `upstream` every short second.
fn stream(emulator: &Emulator, upstream: &Upstream, fields: Value) -> String {
    let mut body = json!({"name":"Orders","url":upstream.url(),"pollingInterval":1});
    body.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
    emulator.add_stream(&body.to_string()).expect("a stream")
}

#[test]
fn filter_runs_in_a_real_jq_where_the_emulator_is_told_of_one() {
    let builder = Emulator::builder().seconds_are(Duration::from_millis(5)).jq("jq");
    let emulator = match builder.start() {
        Err(StartError::Jq { why, .. }) => return eprintln!("skipped: no jq is installed: {why}"),
        started => started.expect("an emulator"),
    };
    assert!(emulator.filters_run_in().starts_with("jq-"), "{}", emulator.filters_run_in());
    let upstream = upstream(r#"{"ms":5000,"tags":["a",null,"b"]}"#);
    // Each differs in jaq.
    let filter = r#"{s: (.ms/1000), tags: (.tags | join(",")), left: (.tags | del(.[0,2]))}"#;
    let id = stream(&emulator, &upstream, json!({"jqFilter":filter}));
    emulator.until_logged(&id, 1).wait().expect("an event");
    assert_eq!(data(&emulator, &id), [r#"{"s":5,"tags":"a,,b","left":[null]}"#]);
    let response = call(&emulator, "GET", &format!("/streams/{id}"), "");
    assert_eq!(response.header("x-emulator-warning"), None);
    upstream.set("[]");
    emulator.until_logged(&id, 2).wait().expect("an error");
    let (code, message) = error(&emulator, &id);
    assert_eq!(code, "JQ_FILTER_FAILED");
    assert!(message.contains("Cannot index array"), "{message}");
}

#[test]
fn emulator_does_not_start_with_what_is_no_jq() {
    let started = Emulator::builder().jq("/no/such/jq").start();
    let error = started.expect_err("nothing is there").to_string();
    assert_eq!(error, "cannot run filters in /no/such/jq: there is no such program");
}

#[test]
fn output_that_is_nan_is_null_and_no_error() {
    let (emulator, upstream) = (start(), upstream("0"));
    let id = stream(&emulator, &upstream, json!({"jqFilter":"[nan, infinite]"}));
    emulator.until_logged(&id, 1).wait().expect("an event");
    assert_eq!(data(&emulator, &id), ["[null,1.7976931348623157e308]"]);
}

/// The data of the events so far.
fn data(emulator: &Emulator, id: &str) -> Vec<String> {
    emulator.log(id).into_iter().filter_map(|event| event.data).collect()
}

/// The code and the message of the one error so far.
fn error(emulator: &Emulator, id: &str) -> (String, String) {
    let log = emulator.log(id);
    let event = log.iter().find(|event| event.kind == LoggedKind::Error).expect("an error");
    let json: Value = serde_json::from_str(&event.envelope).expect("JSON");
    let text = |field: &str| json["error"][field].as_str().expect("text").to_owned();
    (text("code"), text("message"))
}

#[test]
fn first_poll_is_an_event_and_so_is_each_change() {
    let (emulator, upstream) = (start(), upstream(r#"{"n":1}"#));
    let id = stream(&emulator, &upstream, json!({}));
    emulator.until_logged(&id, 1).wait().expect("the first event");
    upstream.set(r#"{"n":2}"#);
    emulator.until_logged(&id, 2).wait().expect("the second event");
    assert_eq!(data(&emulator, &id), [r#"{"n":1}"#, r#"{"n":2}"#]);
}

#[test]
fn same_data_is_no_event() {
    let (emulator, upstream) = (start(), upstream(r#"{"a":1,"b":2}"#));
    let id = stream(&emulator, &upstream, json!({}));
    emulator.until_logged(&id, 1).wait().expect("an event");
    upstream.set("{ \"b\": 2, \"a\": 1 }");
    // The poll that is under way may still be the old one; the one after the next is not.
    upstream.until_hits(upstream.hits() + 3).wait().expect("polls");
    assert_eq!(emulator.log(&id).len(), 1);
}

#[test]
fn poll_is_the_request_that_the_stream_describes() {
    let (emulator, upstream) = (start(), upstream("1"));
    stream(
        &emulator,
        &upstream,
        json!({"method":"POST","headers":{"X-Trace":"t","n":1},"body":{"order_id":1}}),
    );
    upstream.until_hits(1).wait().expect("a poll");
    let request = &upstream.requests()[0];
    assert_eq!(request.method, "POST");
    assert_eq!(request.headers["accept"], "application/json");
    assert_eq!(request.headers["x-trace"], "t");
    assert_eq!(request.headers["n"], "1");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.body, r#"{"order_id":1}"#);
}

#[test]
fn field_of_the_stream_takes_the_place_of_a_default() {
    let (emulator, upstream) = (start(), upstream("1"));
    let own = [("Accept", "text/csv"), ("Content-Type", "text/plain"), ("Host", "orders.test")];
    let fields = json!({"method":"POST","headers":Value::from_iter(own),"body":{}});
    stream(&emulator, &upstream, fields);
    upstream.until_hits(1).wait().expect("a poll");
    let request = &upstream.requests()[0];
    for (name, due) in own {
        let sent: Vec<_> = request.headers.get_all(name).iter().collect();
        assert_eq!(sent, [due], "{name}");
    }
}

#[test]
fn poll_sends_no_key_upstream() {
    let (emulator, upstream) = (start(), upstream("1"));
    stream(&emulator, &upstream, json!({"apiKey":emulator.api_key()}));
    upstream.until_hits(1).wait().expect("a poll");
    assert!(!format!("{:?}", upstream.requests()).contains(emulator.api_key()));
}

#[test]
fn filter_makes_the_data() {
    let (emulator, upstream) = (start(), upstream(r#"{"items":[{"id":1.50,"x":0}]}"#));
    let id = stream(&emulator, &upstream, json!({"jqFilter":".items[0].id"}));
    emulator.until_logged(&id, 1).wait().expect("an event");
    assert_eq!(data(&emulator, &id), ["1.50"]);
}

#[test]
fn change_that_the_filter_hides_is_no_event() {
    let (emulator, upstream) = (start(), upstream(r#"{"a":1,"b":1}"#));
    let id = stream(&emulator, &upstream, json!({"jqFilter":".a"}));
    emulator.until_logged(&id, 1).wait().expect("an event");
    upstream.set(r#"{"a":1,"b":2}"#);
    upstream.until_hits(upstream.hits() + 3).wait().expect("polls");
    assert_eq!(emulator.log(&id).len(), 1);
}

#[test]
fn filter_that_fails_is_an_error_event() {
    let (emulator, upstream) = (start(), upstream("[1]"));
    let id = stream(&emulator, &upstream, json!({"jqFilter":".a"}));
    emulator.until_logged(&id, 1).wait().expect("an event");
    assert_eq!(error(&emulator, &id).0, "JQ_FILTER_FAILED");
}

#[test]
fn upstream_status_is_an_error_event_once() {
    let (emulator, upstream) = (start(), upstream("1"));
    upstream.answer(503, "busy");
    let id = stream(&emulator, &upstream, json!({}));
    upstream.until_hits(4).wait().expect("polls");
    assert_eq!(emulator.log(&id).len(), 1);
    let expected = ("UPSTREAM_STATUS", "upstream answered 503 Service Unavailable");
    assert_eq!(error(&emulator, &id), (expected.0.to_owned(), expected.1.to_owned()));
}

#[test]
fn data_after_an_error_is_an_event() {
    let (emulator, upstream) = (start(), upstream("1"));
    upstream.answer(500, "");
    let id = stream(&emulator, &upstream, json!({}));
    emulator.until_logged(&id, 1).wait().expect("an error");
    upstream.set("2");
    emulator.until_logged(&id, 2).wait().expect("an update");
    assert_eq!(data(&emulator, &id), ["2"]);
}

#[test]
fn same_data_after_an_error_is_an_event() {
    let (emulator, upstream) = (start(), upstream("1"));
    let id = stream(&emulator, &upstream, json!({}));
    emulator.until_logged(&id, 1).wait().expect("an update");
    upstream.answer(500, "");
    emulator.until_logged(&id, 2).wait().expect("an error");
    upstream.set("1");
    emulator.until_logged(&id, 3).wait().expect("an update");
    assert_eq!(data(&emulator, &id), ["1", "1"]);
}

#[test]
fn upstream_that_is_not_json_is_an_error_event() {
    let (emulator, upstream) = (start(), upstream("<html>"));
    let id = stream(&emulator, &upstream, json!({}));
    emulator.until_logged(&id, 1).wait().expect("an event");
    assert_eq!(error(&emulator, &id).0, "UPSTREAM_INVALID_JSON");
}

#[test]
fn upstream_that_refuses_is_an_error_event() {
    let emulator = start();
    // Its port stays its own.
    let gone = start();
    gone.stop_listening().expect("it stands");
    let url = format!("http://{}/", gone.address());
    let body = json!({"name":"n","url":url,"pollingInterval":1}).to_string();
    let id = emulator.add_stream(&body).expect("a stream");
    emulator.until_logged(&id, 1).wait().expect("an event");
    assert_eq!(error(&emulator, &id).0, "UPSTREAM_UNREACHABLE");
}

#[test]
fn https_upstream_is_an_error_event_and_asks_nobody() {
    let emulator = start();
    let id = emulator
        .add_stream(r#"{"name":"n","url":"https://api.example.invalid/"}"#)
        .expect("a stream");
    emulator.until_logged(&id, 1).wait().expect("an event");
    let (code, message) = error(&emulator, &id);
    assert_eq!(code, "UPSTREAM_UNSUPPORTED");
    assert!(message.contains("http upstreams only"), "{message}");
}

#[test]
fn inactive_stream_is_not_polled_until_it_starts() {
    let (emulator, upstream) = (start(), upstream("1"));
    let id = stream(&emulator, &upstream, json!({"status":"INACTIVE"}));
    let active = stream(&emulator, &upstream, json!({}));
    emulator.until_logged(&active, 1).wait().expect("an event of the other");
    assert_eq!(emulator.log(&id).len(), 0);
    call(&emulator, "POST", &format!("/streams/{id}/start"), "");
    emulator.until_logged(&id, 1).wait().expect("an event");
}

#[test]
fn stopped_stream_is_not_polled() {
    let (emulator, upstream) = (start(), upstream("1"));
    let id = stream(&emulator, &upstream, json!({}));
    emulator.until_logged(&id, 1).wait().expect("an event");
    call(&emulator, "POST", &format!("/streams/{id}/stop"), "");
    upstream.set("2");
    // Another stream's polls tell that time has passed.
    let other = stream(&emulator, &upstream, json!({}));
    emulator.until_logged(&other, 1).wait().expect("an event of the other");
    upstream.until_hits(upstream.hits() + 3).wait().expect("polls of the other");
    assert_eq!(data(&emulator, &id), ["1"]);
}

#[test]
fn update_changes_what_is_polled() {
    let (emulator, first, second) = (start(), upstream("1"), upstream("2"));
    let id = stream(&emulator, &first, json!({}));
    emulator.until_logged(&id, 1).wait().expect("an event");
    let body = json!({"url":second.url()}).to_string();
    call(&emulator, "PATCH", &format!("/streams/{id}"), &body);
    emulator.until_logged(&id, 2).wait().expect("an event");
    assert_eq!(data(&emulator, &id), ["1", "2"]);
}

#[test]
fn polling_strategy_sets_the_interval_in_its_window() {
    let (emulator, upstream) = (start(), upstream("1"));
    stream(
        &emulator,
        &upstream,
        json!({"pollingInterval":86_400,"pollingStrategies":[
            {"startTime":"00:00","endTime":"12:00","intervalSeconds":1},
            {"startTime":"12:00","endTime":"00:00","intervalSeconds":1}]}),
    );
    // With the day-long interval there would be one.
    upstream.until_hits(3).wait().expect("polls");
}

#[test]
fn patches_are_made_of_what_is_polled() {
    let (emulator, upstream) = (start(), upstream(r#"{"n":1.0}"#));
    let id = stream(&emulator, &upstream, json!({"payloadMode":"JSON_PATCH"}));
    emulator.until_logged(&id, 1).wait().expect("an event");
    upstream.set(r#"{"n":1.00}"#);
    emulator.until_logged(&id, 2).wait().expect("an event");
    assert_eq!(
        data(&emulator, &id),
        [r#"{"n":1.0}"#, r#"[{"op":"replace","path":"/n","value":1.00}]"#]
    );
}
