//! Faults of a service that loses its place, over SSE and WebSocket.

mod common;

use std::time::Duration;

use common::websocket::Client;
use common::{exchange, quiet_stream, quiet_stream_with, subscribe};
use restless_emulator::{Emulator, Fault, LoggedEvent};
use serde_json::{Value, json};

/// An emulator and a stream with five events, whose data counts from 0.
fn start() -> (Emulator, String, Vec<LoggedEvent>) {
    let emulator = Emulator::start().expect("an emulator");
    let id = quiet_stream(&emulator);
    for n in 0..5 {
        emulator.publish(&id, &n.to_string()).expect("an event");
    }
    let log = emulator.log(&id);
    (emulator, id, log)
}

/// The next events of a subscriber with this query, over each transport: the JSON, with the id in
/// `event_id`.
fn over_both(emulator: &Emulator, fault: &Fault, query: &str, count: usize) -> [Vec<Value>; 2] {
    emulator.inject(fault.clone());
    let mut wire = subscribe(emulator, query);
    let sse = (0..count).map(|_| {
        let event = wire.event();
        let mut json = event.json;
        json["event_id"] = event.id.into();
        json
    });
    let sse = sse.collect();
    emulator.inject(fault.clone());
    let mut client = Client::open(emulator, query, true).expect("a handshake");
    [sse, (0..count).map(|_| client.event()).collect()]
}

/// The same, of the data alone, which both transports have to agree on.
#[track_caller]
fn data(emulator: &Emulator, fault: &Fault, query: &str, count: usize) -> Vec<Value> {
    let [sse, websocket] = over_both(emulator, fault, query, count);
    assert_eq!(sse, websocket);
    sse.into_iter().map(|event| event["data"].clone()).collect()
}

#[test]
fn forgotten_position_is_none() {
    let (emulator, id, log) = start();
    let query = format!("streamId={id}&cursor={}", log[0].id);
    assert_eq!(data(&emulator, &Fault::forget_position(), &query, 1), [4]);
}

#[test]
fn start_over_begins_with_the_oldest_event() {
    let (emulator, id, log) = start();
    let query = format!("streamId={id}&cursor={}", log[3].id);
    assert_eq!(data(&emulator, &Fault::start_over(), &query, 5), [0, 1, 2, 3, 4]);
}

#[test]
fn start_at_now_leaves_out_what_came_before() {
    let (emulator, id, log) = start();
    let query = format!("streamId={id}&cursor={}", log[0].id);
    emulator.inject(Fault::start_at_now().times(2));
    let mut wire = subscribe(&emulator, &query);
    let mut client = Client::open(&emulator, &query, true).expect("a handshake");
    emulator.publish(&id, "5").expect("an event");
    assert_eq!((wire.event().data(), client.data()), (&json!(5), json!(5)));
}

#[test]
fn refused_position_has_a_status_and_no_position_is_served() {
    let (emulator, id, log) = start();
    emulator.inject(Fault::refuse_position(410).times(5));
    subscribe(&emulator, &format!("streamId={id}"));
    let key = format!("authorization: Bearer {}\r\n", emulator.api_key());
    for position in ["cursor", "since"] {
        let target = format!("/?streamId={id}&{position}={}", log[0].id);
        let refused = exchange(&emulator, "GET", &target, &key, "").expect("a response");
        assert_eq!(refused.status, 410, "{position}");
    }
    let resumes = format!("{key}last-event-id: {}\r\n", log[0].id);
    let target = format!("/?streamId={id}");
    let refused = exchange(&emulator, "GET", &target, &resumes, "").expect("a response");
    assert_eq!(refused.status, 410);
    assert!(Client::open(&emulator, &format!("streamId={id}&cursor=1"), true).is_err());
    assert_eq!(emulator.pending_faults(), 1);
}

#[test]
fn last_events_come_again_under_their_ids() {
    let (emulator, id, log) = start();
    let query = format!("streamId={id}&cursor={}", log[2].id);
    let [sse, websocket] = over_both(&emulator, &Fault::repeat_last(2), &query, 4);
    assert_eq!(sse, websocket);
    for (event, due) in sse.iter().zip(&log[1..]) {
        assert_eq!(event["event_id"], due.id);
    }
}

#[test]
fn events_are_repeated_after_as_many_as_ordered() {
    let (emulator, id, _) = start();
    let query = format!("streamId={id}&since=0");
    let fault = Fault::repeat_last(2).after_events(3);
    assert_eq!(data(&emulator, &fault, &query, 7), [0, 1, 2, 1, 2, 3, 4]);
}

#[test]
fn skipped_events_do_not_come() {
    let (emulator, id, _) = start();
    let query = format!("streamId={id}&since=0");
    let fault = Fault::skip_events(2).after_events(1);
    assert_eq!(data(&emulator, &fault, &query, 3), [0, 3, 4]);
}

#[test]
fn event_that_is_skipped_may_be_one_to_come() {
    let (emulator, id, log) = start();
    emulator.inject(Fault::skip_events(2));
    let mut wire = subscribe(&emulator, &format!("streamId={id}&cursor={}", log[3].id));
    for n in 5..7 {
        emulator.publish(&id, &n.to_string()).expect("an event");
    }
    assert_eq!(wire.event().data(), 6);
}

#[test]
fn patch_behind_a_skipped_event_is_one_of_the_document_that_was_left_out() {
    let emulator = Emulator::start().expect("an emulator");
    let id = quiet_stream_with(&emulator, r#","payloadMode":"JSON_PATCH""#);
    for document in ["[1]", "[1,2]", "[1,2,3]"] {
        emulator.publish(&id, document).expect("an event");
    }
    let query = format!("streamId={id}&since=0");
    let due = json!([{"op":"add","path":"/2","value":3}]);
    let fault = Fault::skip_events(1).after_events(1);
    assert_eq!(data(&emulator, &fault, &query, 2), [json!([1]), due]);
}

#[test]
fn document_heals_by_a_connect_without_a_position() {
    let emulator = Emulator::start().expect("an emulator");
    let id = quiet_stream_with(&emulator, r#","payloadMode":"JSON_PATCH""#);
    for document in ["[1]", "[1,2]"] {
        emulator.publish(&id, document).expect("an event");
    }
    let query = format!("streamId={id}");
    let [sse, websocket] = over_both(&emulator, &Fault::none(), &query, 1);
    assert_eq!(sse, websocket);
    assert_eq!(sse[0]["data"], json!([1, 2]));
    assert_eq!(sse[0]["meta"]["payload_mode_fallback"], "FULL_DATA");
}

#[test]
fn ids_and_timestamps_fall() {
    let (emulator, id, log) = start();
    let fault = Fault::go_back(Duration::from_secs(3600)).after_events(2);
    let [sse, websocket] = over_both(&emulator, &fault, &format!("streamId={id}&since=0"), 3);
    assert_eq!(sse, websocket);
    let due = log[2].id.parse::<i64>().expect("milliseconds") - 3_600_000;
    assert_eq!(sse[2]["event_id"], due.to_string());
    assert_eq!(sse[2]["data"], 2);
    assert!(sse[2]["meta"]["timestamp"].as_str() < sse[1]["meta"]["timestamp"].as_str());
}
