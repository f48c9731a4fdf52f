//! URLs that some boxes in between are too small for: the error says so.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::{Ended, Event, SubscriptionMachine};
use restless_proto::{Entropy, Instant, Service, Subscription, TransportErrorKind, direct};

const NOW: Instant = Instant::ORIGIN;

fn started(body_bytes: usize, reconnect: bool) -> (SubscriptionMachine, ExchangeId) {
    let target = direct::target("https://api.example.com/").method("POST");
    let target = target.body(serde_json::json!({ "text": "x".repeat(body_bytes) }));
    let subscription = Subscription::direct(target).reconnect(reconnect);
    let service = Service::default();
    let mut machine = subscription.start(&service, Entropy::from_seed(1), NOW).unwrap();
    let Output::Open { exchange, request } = machine.poll() else { panic!("it opens") };
    assert!(request.uri().to_string().len() > body_bytes);
    (machine, exchange)
}

fn told(machine: &mut SubscriptionMachine) -> String {
    loop {
        match machine.poll() {
            Output::Event(Event::Ended(Ended::Failed(error))) => return error.to_string(),
            Output::Done | Output::Wait(_) => panic!("it ends with an error"),
            _ => {}
        }
    }
}

fn refused(body_bytes: usize, status: u16) -> String {
    let (mut machine, exchange) = started(body_bytes, false);
    let head = http::Response::builder().status(status).body(()).unwrap().into_parts().0;
    machine.handle(Input::Response { exchange, head: Box::new(head) }, NOW);
    machine.handle(Input::Ended { exchange, why: End::Complete }, NOW);
    told(&mut machine)
}

fn failed(body_bytes: usize, kind: TransportErrorKind) -> String {
    let (mut machine, exchange) = started(body_bytes, false);
    machine.handle(Input::Ended { exchange, why: End::Failed(kind.into()) }, NOW);
    told(&mut machine)
}

#[test]
fn a_refusal_of_a_long_url_says_how_long_it_was_and_what_helps() {
    for status in [400, 414, 431] {
        let told = refused(5000, status);
        assert!(told.contains("direct::session") && told.contains("the URL has 5"), "{told}");
    }
    assert!(!refused(5000, 403).contains("direct::session"));
    assert!(!refused(100, 414).contains("direct::session"));
}

/// As where a balancer has no back end for a moment.
#[test]
fn a_long_url_that_was_answered_once_is_no_reason_to_end() {
    let (mut machine, mut exchange) = started(5000, true);
    let head = http::Response::builder().header("content-type", "text/event-stream");
    let head = Box::new(head.body(()).unwrap().into_parts().0);
    machine.handle(Input::Response { exchange, head }, NOW);
    let mut now = NOW;
    for _ in 0..5 {
        let why = End::Failed(TransportErrorKind::Broken.into());
        machine.handle(Input::Ended { exchange, why }, now);
        exchange = loop {
            match machine.poll() {
                Output::Open { exchange, .. } => break exchange,
                Output::Wait(Some(at)) => {
                    now = at;
                    machine.handle(Input::Elapsed, now);
                }
                Output::Hangup | Output::Event(Event::Opened(_) | Event::Lost(_)) => {}
                other => panic!("{other:?}"),
            }
        };
    }
}

#[test]
fn a_connection_that_breaks_under_a_long_url_says_so_too() {
    let told = failed(5000, TransportErrorKind::Broken);
    assert!(told.contains("direct::session") && told.contains("the URL has 5"), "{told}");
    assert!(!failed(5000, TransportErrorKind::Resolve).contains("direct::session"));
    assert!(!failed(100, TransportErrorKind::Broken).contains("direct::session"));
}
