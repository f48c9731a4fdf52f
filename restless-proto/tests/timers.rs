//! The timers run out when the table at `restless_proto::timing` says, unless they are set.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use restless_proto::machine::{ExchangeId, Input, Machine, Output};
use restless_proto::subscription::State;
use restless_proto::{Call, CallOptions, Entropy, Instant, Service, Subscription, Timer, streams};
use sha1::{Digest, Sha1};

const NOW: Instant = Instant::ORIGIN;

/// What the table says of a timer, in seconds, and who arms it.
fn row(timer: Timer) -> (u64, &'static str) {
    let link = format!("Timer::{timer:?})");
    let table = include_str!("../src/timing/mod.rs");
    let row = table.lines().find(|line| line.contains(&link)).unwrap();
    let cells: Vec<_> = row.split('|').map(str::trim).collect();
    let (count, unit) = cells[4].split_once(' ').unwrap();
    let seconds = if unit == "min" { 60 } else { 1 };
    (count.parse::<u64>().unwrap() * seconds, cells[2])
}

/// How long a machine waits, in seconds, once it has done what there was to do; and its last
/// exchange with the key of its WebSocket handshake.
fn wait<M: Machine>(machine: &mut M, now: Instant) -> (u64, Option<(ExchangeId, String)>) {
    let mut opened = None;
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                let key = request.headers().get("sec-websocket-key");
                let key = key.map(|key| key.to_str().unwrap().to_owned());
                opened = Some((exchange, key.unwrap_or_default()));
            }
            Output::Wait(deadline) => {
                let span = deadline.unwrap().saturating_duration_since(now);
                assert_eq!(span.subsec_nanos(), 0);
                return (span.as_secs(), opened);
            }
            Output::Done => panic!("it is done"),
            _ => {}
        }
    }
}

fn head(response: http::response::Builder) -> Box<http::response::Parts> {
    Box::new(response.body(()).unwrap().into_parts().0)
}

fn entropy() -> Entropy {
    Entropy::from_seed(1)
}

#[test]
fn a_subscription_says_that_a_connection_stands_and_no_head_comes() {
    let subscription = Subscription::url("https://stream.test/sse");
    let mut machine = subscription.start(&Service::default(), entropy(), NOW).unwrap();
    let exchange = wait(&mut machine, NOW).1.unwrap().0;
    machine.handle(Input::Connected { exchange }, NOW);
    assert!(matches!(machine.status().state, State::Connecting));
    let later = NOW + Duration::from_secs(10);
    machine.handle(Input::Elapsed, later);
    wait(&mut machine, later);
    assert!(matches!(machine.status().state, State::Unanswered));
}

#[test]
fn a_subscription_says_until_when_a_redirect_asks_to_wait() {
    let subscription = Subscription::url("https://stream.test/sse");
    let mut machine = subscription.start(&Service::default(), entropy(), NOW).unwrap();
    let (_, opened) = wait(&mut machine, NOW);
    let response = http::Response::builder().status(302);
    let response = response.header("location", "/there").header("retry-after", "3600");
    let exchange = opened.unwrap().0;
    machine.handle(Input::Response { exchange, head: head(response) }, NOW);
    assert_eq!(wait(&mut machine, NOW).0, 3600);
    let later = NOW + Duration::from_secs(3600);
    let State::Redirected { retry_at } = machine.status().state else { panic!("no redirect") };
    assert_eq!(retry_at, later);
    machine.handle(Input::Elapsed, later);
    assert!(matches!(machine.poll(), Output::Open { .. }));
    assert!(matches!(machine.status().state, State::Connecting));
}

#[test]
fn the_table_has_the_numbers_that_are_promised() {
    for (timer, due) in [
        (Timer::Connect, 10),
        (Timer::TlsHandshake, 10),
        (Timer::Credentials, 30),
        (Timer::ResponseHead, 30),
        (Timer::Idle, 300),
        (Timer::Total, 30),
        (Timer::Pong, 20),
        (Timer::Close, 10),
    ] {
        assert_eq!(row(timer).0, due, "{timer:?}");
    }
    assert!(row(Timer::Pong).1.contains("every 20 s"));
}

#[test]
fn a_call_ends_after_its_total() {
    let call = Call::from(streams::list());
    let mut machine =
        call.start(&Service::default(), CallOptions::default(), entropy(), NOW).unwrap();
    assert_eq!(wait(&mut machine, NOW).0, row(Timer::Total).0);
}

#[test]
fn a_subscription_waits_for_credentials_a_head_and_sound() {
    let service = Service::default().with_credentials_on_demand();
    let subscription = Subscription::stream("s");
    let mut machine = subscription.start(&service, entropy(), NOW).unwrap();
    assert_eq!(wait(&mut machine, NOW).0, row(Timer::Credentials).0);
    machine.handle(Input::Credentials(Ok(None)), NOW);
    // Of an event stream, silence before the head is silence.
    let (head_wait, opened) = wait(&mut machine, NOW);
    assert_eq!(head_wait, row(Timer::Idle).0);
    let head = head(http::Response::builder().header("content-type", "text/event-stream"));
    machine.handle(Input::Response { exchange: opened.unwrap().0, head }, NOW);
    assert_eq!(wait(&mut machine, NOW).0, row(Timer::Idle).0);
}

#[test]
fn over_websocket_it_pings_waits_for_a_pong_and_for_a_close() {
    let subscription = Subscription::stream("s").websocket();
    let mut machine = subscription.start(&Service::default(), entropy(), NOW).unwrap();
    let (head_wait, opened) = wait(&mut machine, NOW);
    assert_eq!(head_wait, row(Timer::ResponseHead).0);
    let (exchange, key) = opened.unwrap();
    let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(guid).finalize());
    let head = http::Response::builder().status(101);
    let head = head.header("upgrade", "websocket").header("connection", "upgrade");
    let head = self::head(head.header("sec-websocket-accept", accept));
    machine.handle(Input::Response { exchange, head }, NOW);
    assert_eq!(wait(&mut machine, NOW).0, 20);
    let later = NOW + Duration::from_secs(20);
    machine.handle(Input::Elapsed, later);
    assert_eq!(wait(&mut machine, later).0, row(Timer::Pong).0);
    machine.close(later);
    assert_eq!(wait(&mut machine, later).0, row(Timer::Close).0);
}
