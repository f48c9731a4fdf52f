//! Event streams of managed streams: cursors, replay, payload modes, signatures.

mod common;

use std::time::Duration;

use common::{Ending, call, exchange, open, quiet_stream, quiet_stream_with, subscribe};
use restless_emulator::{Emulator, Fault, LoggedKind};
use serde_json::{Value, json};

fn start() -> Emulator {
    Emulator::start().expect("an emulator")
}

#[test]
fn event_is_the_services_envelope() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    let published = emulator.publish(&id, r#"{"any":"json"}"#).expect("an event");
    let event = wire.event();
    assert_eq!(event.id, published);
    assert_eq!(event.json["type"], "update");
    assert_eq!(event.data(), &json!({"any":"json"}));
    for field in ["error", "signature", "event_id"] {
        assert_eq!(event.json[field], Value::Null, "{field}");
    }
    let meta = event.json["meta"].as_object().expect("meta");
    let keys: Vec<_> = meta.keys().map(String::as_str).collect();
    assert_eq!(keys, ["attempt_id", "latency_ms", "payload_mode_fallback", "status", "timestamp"]);
    assert!(meta["timestamp"].as_str().expect("timestamp").ends_with("+00:00"));
}

#[test]
fn error_event_has_a_code_and_a_message() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    emulator.publish_error(&id, "UPSTREAM_STATUS", "upstream answered 503").expect("an event");
    let event = wire.event();
    assert_eq!(event.json["type"], "error");
    assert_eq!(
        event.json["error"],
        json!({"code":"UPSTREAM_STATUS","message":"upstream answered 503"})
    );
    assert_eq!(emulator.log(&id)[0].kind, LoggedKind::Error);
}

#[test]
fn data_keeps_its_spelling() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    let data = "{\"n\": 1.10, \"big\": 123456789012345678901234567890,\n \"s\": \"\\u00e9\"}";
    emulator.publish(&id, data).expect("an event");
    assert!(wire.event().text.contains(data));
    assert_eq!(emulator.log(&id)[0].data.as_deref(), Some(data));
}

#[test]
fn data_may_nest_200_levels() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    emulator.publish(&id, &deep).expect("an event");
    let wire = &mut subscribe(&emulator, &format!("streamId={id}&since=0"));
    assert!(wire.block().contains(&deep));
}

#[test]
fn subscriber_without_a_cursor_gets_the_latest_event_and_then_what_is_new() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    emulator.publish(&id, "1").expect("an event");
    emulator.publish(&id, "2").expect("an event");
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    assert_eq!(wire.event().data(), 2);
    emulator.publish(&id, "3").expect("an event");
    assert_eq!(wire.event().data(), 3);
}

#[test]
fn proxies_are_told_to_hand_each_event_on() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let mut wire = open(&emulator, &format!("streamId={id}"));
    let (_, headers) = wire.head().expect("a head");
    let told = headers.iter().find(|(name, _)| name == "x-accel-buffering");
    assert_eq!(told.map(|(_, value)| value.as_str()), Some("no"));
}

#[test]
fn subscriber_that_is_counted_gets_the_next_event() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    for n in 0..100 {
        let mut wire = open(&emulator, &format!("streamId={id}"));
        emulator.until_subscribers(1).wait().expect("a subscriber");
        emulator.publish(&id, &n.to_string()).expect("an event");
        wire.head().expect("a head");
        // The latest one comes first, where there is one.
        if n > 0 {
            assert_eq!(wire.event().data(), n - 1);
        }
        assert_eq!(wire.event().data(), n);
        drop(wire);
        emulator.until_subscribers(0).wait().expect("none");
    }
}

#[test]
fn cursor_replays_what_came_after_it_and_goes_on_live() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let ids: Vec<_> =
        (0..4).map(|n| emulator.publish(&id, &n.to_string()).expect("an event")).collect();
    let mut wire = subscribe(&emulator, &format!("streamId={id}&cursor={}", ids[1]));
    emulator.publish(&id, "4").expect("an event");
    for n in 2..=4 {
        assert_eq!(wire.event().data(), n);
    }
}

#[test]
fn since_takes_a_timestamp_or_milliseconds() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    emulator.publish(&id, "1").expect("an event");
    let timestamp =
        subscribe(&emulator, &format!("streamId={id}&since=0")).event().json["meta"]["timestamp"]
            .as_str()
            .expect("timestamp")
            .replace('+', "%2B");
    emulator.publish(&id, "2").expect("an event");
    for since in ["2020-01-01T00:00:00Z", "1577836800000"] {
        let mut wire = subscribe(&emulator, &format!("streamId={id}&since={since}"));
        assert_eq!(wire.event().data(), 1, "{since}");
    }
    let mut wire = subscribe(&emulator, &format!("streamId={id}&since={timestamp}"));
    assert_eq!(wire.event().data(), 2);
}

#[test]
fn cursor_counts_before_since_and_the_header_before_both() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let ids: Vec<_> =
        (0..3).map(|n| emulator.publish(&id, &n.to_string()).expect("an event")).collect();
    let query = format!("streamId={id}&since=0&cursor={}", ids[0]);
    assert_eq!(subscribe(&emulator, &query).event().data(), 1);
    let headers =
        format!("authorization: bearer {}\r\nlast-event-id: {}\r\n", emulator.api_key(), ids[1]);
    let mut wire =
        common::Wire::send(&emulator, "GET", &format!("/?{query}"), &headers, "").expect("a wire");
    wire.head().expect("a head");
    assert_eq!(wire.event().data(), 2);
}

#[test]
fn empty_cursor_is_none() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    emulator.publish(&id, "1").expect("an event");
    let mut wire = subscribe(&emulator, &format!("streamId={id}&cursor=&since=0"));
    assert_eq!(wire.event().data(), 1);
}

#[test]
fn position_that_is_none_is_400() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    for position in ["cursor=abc", "since=yesterday"] {
        let mut wire = open(&emulator, &format!("streamId={id}&{position}"));
        assert_eq!(wire.head().expect("a head").0, 400, "{position}");
    }
}

#[test]
fn nothing_is_lost_or_doubled_between_replay_and_live() {
    let emulator = Emulator::builder().ring(100_000).start().expect("an emulator");
    let id = quiet_stream(&emulator);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..2_000 {
                emulator.publish(&id, &n.to_string()).expect("an event");
            }
        });
        // Each joins in the middle of the publishing, at another place.
        for _ in 0..5 {
            scope.spawn(|| {
                let mut wire = subscribe(&emulator, &format!("streamId={id}&since=0"));
                for n in 0..2_000 {
                    assert_eq!(wire.event().data(), n);
                }
            });
        }
    });
}

#[test]
fn slow_reader_loses_nothing_that_the_ring_holds() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    let data = format!("\"{}\"", "x".repeat(64 * 1024));
    // More than sockets buffer, so that the writer has to stop for the reader.
    for _ in 0..150 {
        emulator.publish(&id, &data).expect("an event");
    }
    let ids: Vec<_> = (0..150).map(|_| wire.event().id).collect();
    let log: Vec<_> = emulator.log(&id).into_iter().map(|event| event.id).collect();
    assert_eq!(ids, log);
}

#[test]
fn ring_keeps_as_many_events_as_it_was_told() {
    let emulator = Emulator::builder().ring(3).start().expect("an emulator");
    let id = quiet_stream(&emulator);
    for n in 0..10 {
        emulator.publish(&id, &n.to_string()).expect("an event");
    }
    assert_eq!(emulator.log(&id).len(), 3);
    assert_eq!(subscribe(&emulator, &format!("streamId={id}&cursor=1")).event().data(), 7);
}

#[test]
fn patches_follow_full_data_for_who_has_no_base() {
    let emulator = start();
    let id = quiet_stream_with(&emulator, r#","payloadMode":"JSON_PATCH""#);
    emulator.publish(&id, r#"{"n":1}"#).expect("an event");
    emulator.publish(&id, r#"{"n":2}"#).expect("an event");
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    emulator.publish(&id, r#"{"n":3}"#).expect("an event");
    let first = wire.event();
    assert_eq!(first.data(), &json!({"n":2}));
    assert_eq!(first.json["meta"]["payload_mode_fallback"], "FULL_DATA");
    let second = wire.event();
    assert_eq!(second.data(), &json!([{"op":"replace","path":"/n","value":3}]));
    assert_eq!(second.json["meta"]["payload_mode_fallback"], Value::Null);
}

#[test]
fn patches_replayed_after_a_cursor_rebuild_the_document() {
    let emulator = start();
    let id = quiet_stream_with(&emulator, r#","payloadMode":"JSON_PATCH""#);
    let documents =
        [json!({"a":[1,2]}), json!({"a":[2],"b":{}}), json!({"b":{"c":null}}), json!([1])];
    let cursor = emulator.publish(&id, &documents[0].to_string()).expect("an event");
    for document in &documents[1..] {
        emulator.publish(&id, &document.to_string()).expect("an event");
    }
    let mut wire = subscribe(&emulator, &format!("streamId={id}&cursor={cursor}"));
    let mut document = documents[0].clone();
    for wanted in &documents[1..] {
        let patch: json_patch::Patch =
            serde_json::from_value(wire.event().data().clone()).expect("a patch");
        json_patch::patch(&mut document, &patch).expect("applies");
        assert_eq!(&document, wanted);
    }
}

#[test]
fn signature_is_over_the_data_that_is_sent() {
    let emulator = Emulator::builder().hmac_secret("secret").start().expect("an emulator");
    let id = quiet_stream_with(&emulator, r#","hmacSignatureEnabled":true"#);
    emulator.publish(&id, r#"{"total":42,"id":"order_123"}"#).expect("an event");
    let event = subscribe(&emulator, &format!("streamId={id}&since=0")).event();
    assert_eq!(
        event.json["signature"],
        "0e8d5075fec7809ec154d186f8b561bfd9f984bb8f9732c2784425d2f4987f8b"
    );
}

#[test]
fn error_event_is_not_signed() {
    let emulator = start();
    let id = quiet_stream_with(&emulator, r#","hmacSignatureEnabled":true"#);
    emulator.publish_error(&id, "C", "m").expect("an event");
    let event = subscribe(&emulator, &format!("streamId={id}&since=0")).event();
    assert_eq!(event.json["signature"], Value::Null);
}

#[test]
fn heartbeat_is_a_comment() {
    let emulator =
        Emulator::builder().heartbeat(Duration::from_millis(5)).start().expect("an emulator");
    let id = quiet_stream(&emulator);
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    for _ in 0..3 {
        assert_eq!(wire.block(), ": heartbeat\n\n");
    }
}

#[test]
fn missing_or_wrong_bearer_is_401() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let key = emulator.api_key();
    for (target, headers) in [
        (format!("/?streamId={id}"), String::new()),
        (format!("/?streamId={id}"), "authorization: Bearer rs_other\r\n".to_owned()),
        (format!("/?streamId={id}"), format!("authorization: Basic {key}\r\n")),
        (format!("/?streamId={id}"), format!("x-api-key: {key}\r\n")),
        (format!("/?streamId={id}&apiKey={key}"), String::new()),
    ] {
        let response = exchange(&emulator, "GET", &target, &headers, "").expect("a response");
        assert_eq!(response.status, 401, "{target} {headers}");
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
        assert_eq!(response.message(), "Invalid or missing API key");
    }
}

#[test]
fn unknown_stream_is_404() {
    let emulator = start();
    assert_eq!(open(&emulator, "streamId=none").head().expect("a head").0, 404);
    assert_eq!(open(&emulator, "sessionId=none").head().expect("a head").0, 404);
}

#[test]
fn url_must_name_exactly_one_thing() {
    let emulator = start();
    assert_eq!(open(&emulator, "cursor=1").head().expect("a head").0, 400);
    assert_eq!(open(&emulator, "streamId=a&sessionId=b").head().expect("a head").0, 400);
}

#[test]
fn payload_mode_can_change_under_a_subscriber() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    emulator.publish(&id, "[1]").expect("an event");
    call(&emulator, "PATCH", &format!("/streams/{id}"), r#"{"payloadMode":"JSON_PATCH"}"#);
    emulator.publish(&id, "[1,2]").expect("an event");
    assert_eq!(wire.event().data(), &json!([1]));
    assert_eq!(wire.event().data(), &json!([{"op":"add","path":"/1","value":2}]));
}

#[test]
fn subscriber_that_leaves_is_no_longer_counted() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let wire = subscribe(&emulator, &format!("streamId={id}"));
    emulator.until_subscribers(1).wait().expect("a subscriber");
    drop(wire);
    emulator.until_subscribers(0).wait().expect("none");
    emulator.until_connections(0).wait().expect("none");
}

#[test]
fn log_is_what_a_subscriber_got() {
    let emulator = start();
    let id = quiet_stream_with(&emulator, r#","payloadMode":"JSON_PATCH""#);
    emulator.inject(Fault::end_after_events(5));
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    for n in 0..5 {
        emulator.publish(&id, &format!("[{n}]")).expect("an event");
    }
    let got: Vec<_> = (0..5).map(|_| wire.event().text).collect();
    let log: Vec<_> = emulator.log(&id).into_iter().map(|event| event.envelope).collect();
    assert_eq!(got, log);
    assert_eq!(wire.rest().1, Ending::Clean);
}
