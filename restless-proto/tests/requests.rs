//! What every request has, whatever it is for.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use restless_proto::machine::{Machine, Output};
use restless_proto::websocket::WebSocketMachine;
use restless_proto::ws::{Handshake, Options};
use restless_proto::{CallOptions, Entropy, Instant, Service, Subscription, USER_AGENT, streams};

const NOW: Instant = Instant::ORIGIN;

fn entropy() -> Entropy {
    Entropy::from_seed(1)
}

/// The first request of a machine: method and target, then its fields, one a line.
fn sent(mut machine: impl Machine) -> String {
    let Output::Open { request, .. } = machine.poll() else { panic!("it opens") };
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let mut lines = vec![format!("{} {target}", request.method())];
    let fields = request.headers().iter();
    lines.extend(fields.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())));
    lines.join("\n")
}

fn all() -> Vec<String> {
    let service = Service::default().with_stream_base_url("https://s.test?region=eu").unwrap();
    let service = service.with_api_base_url("https://s.test").unwrap();
    let subscriptions = [
        Subscription::url("https://s.test?streamId=s"),
        Subscription::url("wss://s.test?streamId=s"),
        Subscription::stream("s"),
        Subscription::stream("s").websocket(),
        Subscription::stream("s").whole_messages(),
    ];
    let mut sent_ones: Vec<_> = subscriptions
        .into_iter()
        .map(|subscription| sent(subscription.start(&service, entropy(), NOW).unwrap()))
        .collect();
    let call = streams::get("s");
    sent_ones.push(sent(call.start(&service, CallOptions::default(), entropy(), NOW).unwrap()));
    let handshake = Handshake::new(&"wss://s.test?x=1".parse().unwrap(), &mut entropy()).unwrap();
    sent_ones.push(sent(WebSocketMachine::new(handshake, Options::default(), entropy(), NOW)));
    sent_ones
}

#[test]
fn each_has_a_path() {
    for request in all() {
        assert!(request.starts_with("GET /"), "{request}");
    }
}

#[test]
fn each_says_what_client_it_comes_from_once() {
    for request in all() {
        assert_eq!(request.matches("user-agent: ").count(), 1, "{request}");
        assert!(request.contains(&format!("user-agent: {USER_AGENT}")), "{request}");
    }
}

#[test]
fn a_machine_that_is_lent_or_boxed_is_one() {
    let service = Service::default();
    let mut machine = Subscription::stream("s").start(&service, entropy(), NOW).unwrap();
    assert!(sent(&mut machine).starts_with("GET /"));
    let machine = Subscription::stream("s").start(&service, entropy(), NOW).unwrap();
    assert!(sent(Box::new(machine)).starts_with("GET /"));
}
