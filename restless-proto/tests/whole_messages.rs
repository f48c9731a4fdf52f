//! A subscription whose driver speaks WebSocket itself.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::{Ended, Event, Item, LossReason, SubscriptionMachine};
use restless_proto::ws::CloseCode;
use restless_proto::{Entropy, Error, Instant, LimitError, Service, Subscription};

const EVENT: &[u8] = br#"{"type":"update","meta":{"timestamp":"2026-03-24T00:00:00Z"},"data":1}"#;

fn at(seconds: u64) -> Instant {
    Instant::from_origin(Duration::from_secs(seconds))
}

fn start() -> (SubscriptionMachine, ExchangeId) {
    let service =
        Service::new("rs_test").with_stream_base_url("http://127.0.0.1:1").expect("a URL");
    let subscription =
        Subscription::stream("s").whole_messages().idle_timeout(Duration::from_secs(10));
    let mut machine = subscription.start(&service, Entropy::from_seed(1), at(0)).expect("a start");
    let (exchange, uri) = opened(&mut machine);
    assert_eq!(uri, "ws://127.0.0.1:1/ws?streamId=s");
    (machine, exchange)
}

fn opened(machine: &mut SubscriptionMachine) -> (ExchangeId, String) {
    match machine.poll() {
        Output::Open { exchange, request } => (exchange, request.uri().to_string()),
        other => panic!("{other:?}"),
    }
}

fn respond(
    machine: &mut SubscriptionMachine,
    exchange: ExchangeId,
    response: http::response::Builder,
) {
    let head = Box::new(response.body(()).expect("a head").into_parts().0);
    machine.handle(Input::Response { exchange, head }, at(0));
}

fn connected() -> (SubscriptionMachine, ExchangeId) {
    let (mut machine, exchange) = start();
    respond(&mut machine, exchange, Response::builder().status(101));
    assert!(matches!(machine.poll(), Output::Event(Event::Opened(_))));
    (machine, exchange)
}

#[test]
fn a_message_is_an_event_and_the_next_connect_resumes_behind_it() {
    let (mut machine, exchange) = connected();
    machine.handle(Input::Message { exchange, message: Bytes::from_static(EVENT) }, at(1));
    assert!(matches!(machine.poll(), Output::Event(Event::Item(Item::Event(_)))));
    let why = End::Closed { code: CloseCode::GOING_AWAY, reason: String::new() };
    machine.handle(Input::Ended { exchange, why }, at(1));
    assert!(matches!(machine.poll(), Output::Hangup));
    let Output::Event(Event::Lost(lost)) = machine.poll() else { panic!() };
    assert!(matches!(lost.reason, LossReason::Complete));
    machine.handle(Input::Elapsed, lost.retry_at);
    assert_eq!(opened(&mut machine).1, "ws://127.0.0.1:1/ws?streamId=s&cursor=1774310400000");
}

#[test]
fn a_redirect_leads_to_a_websocket_whatever_its_scheme() {
    for (location, due) in [
        ("/else", "ws://127.0.0.1:1/else"),
        ("http://127.0.0.1:2/else", "ws://127.0.0.1:2/else"),
        ("https://other.test/else", "wss://other.test/else"),
        ("wss://other.test/else", "wss://other.test/else"),
    ] {
        let (mut machine, exchange) = start();
        let response = Response::builder().status(307).header("location", location);
        respond(&mut machine, exchange, response);
        assert_eq!(opened(&mut machine).1, due);
    }
}

#[test]
fn subprotocols_go_with_the_request_and_are_checked_before() {
    let service = Service::default();
    let start = |subscription: Subscription| {
        subscription.whole_messages().start(&service, Entropy::from_seed(1), at(0))
    };
    let stream = || Subscription::stream("s");
    let mut machine = start(stream().subprotocol("v2").subprotocol("v1")).expect("a start");
    let Output::Open { exchange, request } = machine.poll() else { panic!() };
    assert_eq!(request.headers()["sec-websocket-protocol"], "v2, v1");
    let response = Response::builder().status(101).header("sec-websocket-protocol", "v1");
    respond(&mut machine, exchange, response);
    let Output::Event(Event::Opened(opened)) = machine.poll() else { panic!() };
    assert_eq!(opened.subprotocol.as_deref(), Some("v1"));
    assert!(start(stream().subprotocol("bad name\r\n")).is_err());
    assert!(start(stream().header("Sec-WebSocket-Protocol", "v2")).is_err());
}

#[test]
fn messages_that_nobody_polls_for_are_bounded() {
    let options = restless_proto::ws::Options::default().unread_bytes(1000);
    let subscription = Subscription::stream("s").whole_messages().websocket_options(options);
    let mut machine =
        subscription.start(&Service::default(), Entropy::from_seed(1), at(0)).expect("a start");
    let (exchange, _) = opened(&mut machine);
    respond(&mut machine, exchange, Response::builder().status(101));
    for _ in 0..100 {
        machine.handle(Input::Message { exchange, message: Bytes::from_static(EVENT) }, at(1));
    }
    let mut events = 0;
    loop {
        match machine.poll() {
            Output::Event(Event::Item(_)) => events += 1,
            Output::Event(Event::Ended(Ended::Failed(Error::Limit(over)))) => {
                assert_eq!(over.maximum(), 1000);
                break;
            }
            Output::Done => panic!("nothing was said of it"),
            _ => {}
        }
    }
    assert!((10..30).contains(&events), "{events}");
}

/// The cursor stands before what was dropped, so that it comes again on the next connect.
#[test]
fn behind_a_message_that_was_dropped_none_comes_out() {
    let service = Service::new("rs_test").with_stream_base_url("http://127.0.0.1:1");
    let options = restless_proto::ws::Options::default().unread_bytes(EVENT.len() + 10);
    let subscription = Subscription::stream("s").whole_messages().websocket_options(options);
    let service = service.expect("a URL");
    let mut machine = subscription.start(&service, Entropy::from_seed(1), at(0)).expect("a start");
    let (exchange, _) = opened(&mut machine);
    respond(&mut machine, exchange, Response::builder().status(101));
    assert!(matches!(machine.poll(), Output::Event(Event::Opened(_))));
    let hand_in = |machine: &mut SubscriptionMachine| {
        machine.handle(Input::Message { exchange, message: Bytes::from_static(EVENT) }, at(1));
    };
    // Two fit, the third is dropped.
    (0..3).for_each(|_| hand_in(&mut machine));
    assert!(matches!(machine.poll(), Output::Event(Event::Item(Item::Event(_)))));
    // There is room again, and it is too late.
    hand_in(&mut machine);
    assert!(matches!(machine.poll(), Output::Event(Event::Item(Item::Event(_)))));
    let next = machine.poll();
    assert!(!matches!(next, Output::Event(Event::Item(_))), "{next:?}");
}

#[test]
fn empty_data_is_sound() {
    let (mut machine, exchange) = connected();
    machine.handle(Input::Data { exchange, bytes: Bytes::new() }, at(9));
    machine.handle(Input::Elapsed, at(18));
    assert!(matches!(machine.poll(), Output::Wait(Some(until)) if until == at(19)));
    machine.handle(Input::Elapsed, at(19));
    assert!(matches!(machine.poll(), Output::Hangup));
    assert!(matches!(machine.poll(), Output::Event(Event::Lost(_))));
}

#[test]
fn a_message_that_is_too_large_ends_it() {
    let (mut machine, exchange) = connected();
    let why = End::TooLarge(LimitError::new("a message", 4, 5));
    machine.handle(Input::Ended { exchange, why }, at(1));
    assert!(matches!(machine.poll(), Output::Hangup));
    let Output::Event(Event::Ended(Ended::Failed(Error::Limit(error)))) = machine.poll() else {
        panic!()
    };
    assert_eq!((error.maximum(), error.seen()), (4, 5));
    assert!(matches!(machine.poll(), Output::Done));
}
