//! Subscriptions over server-sent events, where nothing goes wrong.

use std::time::Duration;

use restless_emulator::{Emulator, Fault, Upstream};
use restless_hyper::Runtime;
use restless_hyper::proto::event::Kind;
use restless_hyper::proto::signature::Signer;
use restless_hyper::proto::subscription::{Ended, RejectReason};
use restless_hyper::proto::url::to_websocket_url;
use restless_hyper::proto::{Entropy, Limits, Subscription, USER_AGENT, direct, streams, ws};

use super::support::{
    Stage, all_of, data, ended, envelope, event, frame, ids, lost, move_until, opened, rejected,
    take, take_ids,
};

// What is followed

/// A stream, by its id: its events come in order, and are those of the server's log.
pub async fn a_stream_is_followed_by_its_id<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 100);
    let mut events = stage.subscribe(all_of(&id));
    let received = take(&mut events, 100).await;
    assert_eq!(ids(&received), stage.log(&id));
    for (n, event) in received.iter().enumerate() {
        assert_eq!(data(event), n.to_string());
    }
    assert_eq!(stage.queried("streamId"), [Some(id)]);
}

/// A direct session, by its id.
pub async fn a_session_is_followed_by_its_id<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let upstream = Upstream::start(r#"{"n":1}"#).expect("an upstream");
    let target = direct::target(upstream.url()).polling_interval(1);
    let session = direct::session(target);
    let session = stage.client.send(session).await.expect("a session");
    let subscription = Subscription::session(&session.session_id).since("0");
    let mut events = stage.subscribe(subscription);
    assert_eq!(data(&event(&mut events).await), r#"{"n":1}"#);
    let request = stage.emulator.requests().pop().expect("a request");
    assert!(request.uri.contains(&format!("sessionId={}", session.session_id)), "{}", request.uri);
}

/// A runtime URL, as the service gives it out.
pub async fn a_url_is_followed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    let mut events = stage.subscribe(Subscription::url(stage.emulator.sse_url(&id)).since("0"));
    assert_eq!(take_ids(&mut events, 2).await, stage.log(&id));
}

/// A REST API, without a stream of its own: what it answers comes as it changes.
pub async fn a_rest_api_is_followed_directly<R: Runtime>(rt: R) {
    let emulator = Emulator::builder().seconds_are(Duration::from_millis(10));
    let stage = Stage::with(rt, emulator);
    let upstream = Upstream::start(r#"{"items":[1]}"#).expect("an upstream");
    let target = direct::target(upstream.url()).polling_interval(1).jq_filter(".items");
    let mut events = stage.subscribe(Subscription::direct(target).since("0"));
    assert_eq!(data(&event(&mut events).await), "[1]");
    upstream.set(r#"{"items":[1,2]}"#);
    assert_eq!(data(&event(&mut events).await), "[1,2]");
}

/// The client's key goes out as a bearer token.
pub async fn the_key_goes_out_as_a_bearer_token<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    event(&mut stage.subscribe(all_of(&id))).await;
    let due = format!("Bearer {}", stage.emulator.api_key());
    assert_eq!(stage.sent("authorization"), [Some(due)]);
    assert_eq!(stage.sent("x-api-key"), [None]);
}

/// Each request says what client it comes from: of calls, event streams and WebSockets alike. What
/// the caller says instead goes before it.
pub async fn each_request_says_what_client_it_comes_from<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let said = || stage.sent("user-agent").pop().expect("a request");
    stage.client.send(streams::get(&id)).await.expect("a stream");
    assert_eq!(said().as_deref(), Some(USER_AGENT));
    stage.client.send(streams::get(&id).header("User-Agent", "mine")).await.expect("a stream");
    assert_eq!(said().as_deref(), Some("mine"));
    for subscription in [all_of(&id), all_of(&id).websocket()] {
        opened(&mut stage.subscribe(subscription.clone())).await;
        assert_eq!(said().as_deref(), Some(USER_AGENT));
        opened(&mut stage.subscribe(subscription.header("user-agent", "mine"))).await;
        assert_eq!(said().as_deref(), Some("mine"));
    }
    let mut entropy = Entropy::from_seed(1);
    let url = to_websocket_url(stage.emulator.sse_url(&id)).expect("a URL");
    let url = url.expose().parse().expect("a URL");
    let handshake = ws::Handshake::new(&url, &mut entropy).expect("a handshake");
    assert_eq!(handshake.request().headers().get("user-agent"), None);
    let mut socket = stage.client.websocket(handshake, ws::Options::default()).expect("a socket");
    socket.next().await;
    assert_eq!(said().as_deref(), Some(USER_AGENT));
}

/// A key in a direct URL, where the caller asks for it, is the only one sent.
pub async fn a_key_in_the_url_is_the_only_one<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let upstream = Upstream::start("1").expect("an upstream");
    let key = stage.emulator.api_key();
    let target = direct::target(upstream.url()).api_key_in_url(key);
    let mut events = stage.subscribe(Subscription::direct(target).since("0"));
    event(&mut events).await;
    assert_eq!(stage.queried("apiKey"), [Some(key.to_owned())]);
    assert_eq!(stage.sent("authorization"), [None]);
    assert!(!format!("{events:?}").contains(key));
}

// Where it starts

/// A subscription without a position starts with what is the latest now.
pub async fn without_a_position_it_starts_with_the_latest<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    let mut events = stage.subscribe(Subscription::stream(&id));
    assert_eq!(opened(&mut events).await.cursor, None);
    stage.emulator.publish(&id, "4").expect("an event");
    assert_eq!(take_ids(&mut events, 2).await, stage.log(&id)[2..]);
    assert_eq!((stage.queried("cursor"), stage.queried("since")), (vec![None], vec![None]));
}

/// A subscription without an event has a position all the same, over both transports: what comes
/// during an outage before the first event comes afterwards. The position is the time of the first
/// answer, until an event has given a cursor.
pub async fn what_comes_in_an_outage_before_the_first_event_comes<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for websocket in [false, true] {
        stage.emulator.clear_requests();
        let id = stage.stream();
        let subscription = Subscription::stream(&id).retry(Duration::ZERO);
        let subscription = if websocket { subscription.websocket() } else { subscription };
        let mut events = stage.subscribe(subscription);
        for _ in 0..2 {
            opened(&mut events).await;
            stage.emulator.disconnect_all();
            lost(&mut events).await;
        }
        stage.publish(&id, 2);
        assert_eq!(take_ids(&mut events, 2).await, stage.log(&id), "WebSocket: {websocket}");
        let since = stage.queried("since");
        let [None, Some(first), Some(later)] = &since[..] else { panic!("{since:?}") };
        assert_eq!(first, later);
        stage.emulator.disconnect_all();
        lost(&mut events).await;
        assert_eq!(opened(&mut events).await.cursor, stage.log(&id).pop());
    }
}

/// `since` replays what came after it.
pub async fn since_replays_what_came_after_it<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 5);
    let log = stage.log(&id);
    let mut events = stage.subscribe(Subscription::stream(&id).since(&log[1]));
    assert_eq!(take_ids(&mut events, 3).await, log[2..]);
}

/// The cursor that one subscription was left at is where another goes on: each event comes once,
/// wherever the first one stopped.
pub async fn a_stored_cursor_resumes_in_another_subscription<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 10);
    let log = stage.log(&id);
    for stop in 0..=10 {
        let mut first = stage.subscribe(all_of(&id));
        let mut received = take_ids(&mut first, stop).await;
        let stored = first.cursor().unwrap_or_default().to_owned();
        drop(first);
        let mut second = stage.subscribe(all_of(&id).cursor(&stored));
        received.extend(take_ids(&mut second, 10 - stop).await);
        assert_eq!(received, log, "stopped after {stop}");
        assert_eq!(second.cursor(), log.last().map(String::as_str));
    }
}

/// The cursor is that of the last event handed out, whatever has arrived behind it.
pub async fn the_cursor_moves_when_an_event_is_handed_out<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 5);
    let mut events = stage.subscribe(all_of(&id));
    for due in stage.log(&id) {
        assert_ne!(events.cursor(), Some(&*due));
        event(&mut events).await;
        assert_eq!(events.cursor(), Some(&*due));
    }
}

// What comes

/// Data is the text that arrived, byte for byte.
pub async fn data_is_the_text_that_arrived<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let text = r#"{ "b" : 1.0, "a":1e5, "c":"é\u00e9\/", "d": 12345678901234567890123 }"#;
    stage.emulator.inject(Fault::raw([frame("1", text)]).then_stall());
    let mut events = stage.subscribe(all_of(&id));
    assert_eq!(data(&event(&mut events).await), text);
}

/// An event of type `error` comes out as an event, with its code and message.
pub async fn an_error_event_has_code_and_message<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.emulator.publish_error(&id, "UPSTREAM_TIMEOUT", "no answer").expect("an event");
    let event = event(&mut stage.subscribe(all_of(&id))).await;
    assert_eq!(event.kind(), Kind::Error);
    let error = event.error().expect("an error");
    assert_eq!((&*error.code(), &*error.message()), ("UPSTREAM_TIMEOUT", "no answer"));
}

/// A malformed event comes out with its bytes and moves the cursor, and the stream goes on.
pub async fn a_malformed_event_is_handed_out_and_passed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let script = ["id: 7\ndata: {\"type\":\n\n".to_owned(), frame("8", "1")];
    stage.emulator.inject(Fault::raw(script).then_stall());
    let mut events = stage.subscribe(all_of(&id));
    let bad = rejected(&mut events).await;
    assert_eq!(bad.data, r#"{"type":"#);
    assert!(matches!(bad.reason, RejectReason::Malformed(_)), "{bad:?}");
    assert_eq!(events.cursor(), Some("7"));
    assert_eq!(data(&event(&mut events).await), "1");
}

/// An event over the limit is rejected, and the stream goes on.
pub async fn an_event_over_the_limit_is_rejected_and_passed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.emulator.publish(&id, &format!("\"{}\"", "x".repeat(2 << 20))).expect("an event");
    let due = stage.emulator.publish(&id, "1").expect("an event");
    let limits = Limits::default().event_bytes(4096);
    let mut events = stage.subscribe(all_of(&id).limits(limits));
    let bad = rejected(&mut events).await;
    assert!(matches!(bad.reason, RejectReason::TooLarge(_)), "{bad:?}");
    assert_eq!(take_ids(&mut events, 1).await, [due]);
}

/// Large events come through whole.
pub async fn large_events_come_through_whole<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let text = format!("\"{}\"", "é".repeat(1 << 20));
    stage.emulator.publish(&id, &text).expect("an event");
    assert!(data(&event(&mut stage.subscribe(all_of(&id))).await) == text);
}

// Signatures

/// With the right secret, signed updates are events.
pub async fn signed_updates_are_events_with_the_right_secret<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.signed_stream();
    for text in [r#"{"b":1.0,"a":[1e5,"é"]}"#, "-0.0"] {
        stage.emulator.publish(&id, text).expect("an event");
    }
    let signer = Signer::new(stage.emulator.hmac_secret());
    let mut events = stage.subscribe(all_of(&id).verify(signer));
    assert_eq!(take_ids(&mut events, 2).await, stage.log(&id));
}

/// With another secret, they are rejected, each one, and move the cursor.
pub async fn signed_updates_are_rejected_with_a_wrong_secret<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.signed_stream();
    stage.publish(&id, 3);
    let mut events = stage.subscribe(all_of(&id).verify(Signer::new("another secret")));
    for due in stage.log(&id) {
        let bad = rejected(&mut events).await;
        assert!(matches!(bad.reason, RejectReason::Signature(_)), "{bad:?}");
        assert_eq!(events.cursor(), Some(&*due));
    }
}

/// Updates without a signature are rejected where a secret is given; error events bear none.
pub async fn unsigned_updates_are_rejected_where_a_secret_is_given<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    let due = stage.emulator.publish_error(&id, "CODE", "message").expect("an event");
    let signer = Signer::new(stage.emulator.hmac_secret());
    let mut events = stage.subscribe(all_of(&id).verify(signer));
    assert!(matches!(rejected(&mut events).await.reason, RejectReason::Signature(_)));
    assert_eq!(take_ids(&mut events, 1).await, [due]);
}

// How it ends

/// With reconnecting off, the end of the stream is the end.
pub async fn with_reconnect_off_the_end_of_the_stream_is_the_end<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    stage.emulator.inject(Fault::end_after_events(2));
    let mut events = stage.subscribe(all_of(&id).reconnect(false));
    take(&mut events, 2).await;
    assert!(events.next().await.is_none());
    assert!(events.next().await.is_none(), "it ended twice");
    assert_eq!(stage.emulator.requests().len(), 1);
}

/// A stream that the service closes ends as its connection does, and says so.
pub async fn a_stream_that_is_deleted_ends_with_404_on_the_next_connect<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let mut events = stage.subscribe(all_of(&id));
    opened(&mut events).await;
    let delete = streams::delete(&id);
    move_until(&mut events, stage.emulator.until_subscribers(1)).await;
    stage.client.send(delete).await.expect("an answer");
    lost(&mut events).await;
    let Ended::Failed(error) = ended(&mut events).await else { panic!("no error") };
    assert_eq!(error.status().map(|status| status.as_u16()), Some(404));
}

/// A client without a key sends requests without one.
pub async fn a_client_without_a_key_sends_none<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    emulator.inject(Fault::raw([frame("1", "1")]).then_stall());
    let client = restless_hyper::ClientBuilder::new(rt)
        .stream_base_url(emulator.stream_base_url())
        .build()
        .expect("a client");
    let mut events = client.subscribe(Subscription::stream("any")).expect("a subscription");
    assert_eq!(event(&mut events).await.raw(), envelope("1"));
    assert!(!emulator.requests()[0].headers.contains_key("authorization"));
}
