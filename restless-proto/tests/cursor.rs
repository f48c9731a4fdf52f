//! Cursors at their limits: what is given, what a stream sends, and what is told of them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::Response;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::{Event, SubscriptionMachine};
use restless_proto::{Entropy, Instant, Service, Subscription};
use url::Url;

/// Longest cursor that is taken, in bytes.
const MOST: usize = 4096;

fn start(subscription: Subscription) -> SubscriptionMachine {
    let service = Service::new("rs_test");
    subscription.start(&service, Entropy::from_seed(1), Instant::ORIGIN).unwrap()
}

/// Lets time pass until the machine connects, and gives its request's URL.
fn opened(machine: &mut SubscriptionMachine, now: &mut Instant) -> (ExchangeId, Url) {
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                return (exchange, Url::parse(&request.uri().to_string()).unwrap());
            }
            Output::Wait(deadline) => {
                *now = deadline.unwrap();
                machine.handle(Input::Elapsed, *now);
            }
            Output::Done => panic!("it is over"),
            _ => {}
        }
    }
}

/// Answers as an event stream would, and gives the events that come of it.
fn answered(
    machine: &mut SubscriptionMachine,
    (exchange, now): (ExchangeId, Instant),
    head: Response<()>,
    content: String,
) -> Vec<Event> {
    let head = Box::new(head.into_parts().0);
    machine.handle(Input::Response { exchange, head }, now);
    let mut events = drained(machine);
    machine.handle(Input::Data { exchange, bytes: Bytes::from(content) }, now);
    events.extend(drained(machine));
    machine.handle(Input::Ended { exchange, why: End::Complete }, now);
    events
}

fn drained(machine: &mut SubscriptionMachine) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        match machine.poll() {
            Output::Event(event) => events.push(event),
            Output::Wait(_) | Output::Open { .. } | Output::Done => return events,
            _ => {}
        }
    }
}

fn event_stream() -> Response<()> {
    Response::builder().header("content-type", "text/event-stream").body(()).unwrap()
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[test]
fn a_stream_whose_ids_are_too_long_does_not_repeat_itself_for_ever() {
    // A service that numbers its events with ids that no URL carries back, at one event a
    // connection, and resumes by time.
    let mut machine = start(Subscription::url("https://s/?streamId=a"));
    let (mut now, mut delivered) = (Instant::ORIGIN, Vec::new());
    for _ in 0..5 {
        let (exchange, url) = opened(&mut machine, &mut now);
        let after = parameter(&url, "cursor").map_or(0, |cursor| cursor.parse::<u64>().unwrap());
        let second = after / 1000 + 1;
        let content = format!(
            "id: {}\ndata: {{\"type\":\"update\",\"meta\":{{\"timestamp\":\
             \"1970-01-01T00:00:0{second}Z\"}},\"data\":{second}}}\n\n",
            "9".repeat(MOST + 1),
        );
        for event in answered(&mut machine, (exchange, now), event_stream(), content) {
            if let Event::Item(item) = event {
                let event = item.event().unwrap();
                delivered.push(event.data().unwrap().parse::<u64>().unwrap());
            }
        }
        assert_eq!(machine.cursor(), Some(format!("{second}000").as_str()));
    }
    assert_eq!(delivered, [1, 2, 3, 4, 5]);
}

#[test]
fn a_connection_tells_the_cursor_that_was_sent() {
    for (location, due) in [("/b?since=1", Some("7")), ("/b?cursor=6", Some("6"))] {
        let mut machine = start(Subscription::url("https://s/?streamId=a").cursor("7"));
        let mut now = Instant::ORIGIN;
        let (exchange, _) = opened(&mut machine, &mut now);
        let head = Response::builder().status(307).header("location", location).body(()).unwrap();
        let head = Box::new(head.into_parts().0);
        machine.handle(Input::Response { exchange, head }, now);
        let (exchange, url) = opened(&mut machine, &mut now);
        assert_eq!(parameter(&url, "cursor").as_deref(), due);
        let events = answered(&mut machine, (exchange, now), event_stream(), String::new());
        let told = events.iter().find_map(|event| match event {
            Event::Opened(opened) => Some(opened.cursor.as_deref()),
            _ => None,
        });
        assert_eq!(told, Some(due), "{location}");
    }
}

/// A refusal that ends the subscription leaves the cursor: whoever starts anew may know better.
#[test]
fn a_refused_position_that_ends_the_subscription_is_still_told() {
    for given_up in [false, true] {
        let subscription = Subscription::stream("a").cursor("6").continuity();
        let subscription =
            if given_up { subscription.max_reconnects(0) } else { subscription.reconnect(false) };
        let mut now = Instant::ORIGIN;
        let mut machine = start(subscription);
        let (exchange, _) = opened(&mut machine, &mut now);
        let gone = Response::builder().status(410).body(()).unwrap();
        answered(&mut machine, (exchange, now), gone, String::new());
        let events = drained(&mut machine);
        assert!(matches!(events.as_slice(), [Event::Ended(_)]), "{events:?}");
        assert_eq!(machine.cursor(), Some("6"), "given up: {given_up}");
    }
}
