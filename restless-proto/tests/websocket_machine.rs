//! Any WebSocket, as one machine: what comes before it stands, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::websocket::{Event, WebSocketMachine};
use restless_proto::ws::{Handshake, Options, SendError};
use restless_proto::{
    Entropy, Error, Instant, LimitError, TimeoutError, Timer, TransportErrorKind,
};

fn at(seconds: u64) -> Instant {
    Instant::from_origin(Duration::from_secs(seconds))
}

fn start() -> (WebSocketMachine, ExchangeId) {
    let mut entropy = Entropy::from_seed(1);
    let handshake = Handshake::new(&"wss://s.test/chat".parse().unwrap(), &mut entropy).unwrap();
    let mut machine = WebSocketMachine::new(handshake, Options::default(), entropy, at(0));
    let Output::Open { exchange, request } = machine.poll() else { panic!() };
    assert_eq!(request.uri(), "https://s.test/chat");
    (machine, exchange)
}

fn answered(status: u16) -> (WebSocketMachine, ExchangeId) {
    let (mut machine, exchange) = start();
    let head = Response::builder().status(status).body(()).unwrap().into_parts().0;
    machine.handle(Input::Response { exchange, head: Box::new(head) }, at(1));
    (machine, exchange)
}

/// The error that it ends with, its connection dropped before.
fn failure(machine: &mut WebSocketMachine) -> Error {
    assert!(matches!(machine.poll(), Output::Hangup));
    let Output::Event(Event::Failed(error)) = machine.poll() else { panic!("it did not fail") };
    assert!(matches!(machine.poll(), Output::Done));
    error
}

#[test]
fn a_head_that_does_not_come_is_a_timeout_after_30_s() {
    let (mut machine, _) = start();
    assert!(matches!(machine.poll(), Output::Wait(Some(due)) if due == at(30)));
    machine.handle(Input::Elapsed, at(30));
    let Error::Timeout(timeout) = failure(&mut machine) else { panic!() };
    assert_eq!((timeout.timer(), timeout.after()), (Timer::ResponseHead, Duration::from_secs(30)));
}

#[test]
fn an_end_before_the_head_says_how_it_was() {
    let timeout = || TimeoutError::new(Timer::Connect, Duration::from_secs(1));
    type Judge = fn(&Error) -> bool;
    let ends: [(End, Judge); 4] = [
        (End::Complete, |error| matches!(error, Error::Transport(_))),
        (End::Failed(TransportErrorKind::Resolve.into()), |error| {
            matches!(error, Error::Transport(why)
                    if why.kind() == TransportErrorKind::Resolve)
        }),
        (End::TimedOut(timeout()), |error| matches!(error, Error::Timeout(_))),
        (End::TooLarge(LimitError::new("it", 1, 2)), |error| matches!(error, Error::Limit(_))),
    ];
    for (why, due) in ends {
        let (mut machine, exchange) = start();
        machine.handle(Input::Ended { exchange, why }, at(1));
        let error = failure(&mut machine);
        assert!(due(&error), "{error:?}");
    }
}

#[test]
fn a_refusal_keeps_a_bounded_piece_of_its_content() {
    let (mut machine, exchange) = answered(403);
    machine.handle(Input::Data { exchange, bytes: Bytes::from(vec![b'x'; 1 << 20]) }, at(2));
    let Error::Refused(refused) = failure(&mut machine) else { panic!() };
    assert_eq!((refused.status().as_u16(), refused.excerpt().len()), (403, 8 << 10));
}

#[test]
fn a_refusal_whose_content_does_not_come_is_told_without_it() {
    let (mut machine, _) = answered(503);
    let Output::Wait(Some(due)) = machine.poll() else { panic!() };
    machine.handle(Input::Elapsed, due);
    assert!(matches!(failure(&mut machine), Error::Refused(_)));
}

#[test]
fn a_response_that_opens_no_websocket_is_an_error() {
    for (status, due) in [(101, true), (200, false), (302, false)] {
        let (mut machine, exchange) = answered(status);
        machine.handle(Input::Ended { exchange, why: End::Complete }, at(2));
        assert_eq!(matches!(failure(&mut machine), Error::Handshake(_)), due, "{status}");
    }
}

#[test]
fn inputs_of_another_exchange_change_nothing() {
    let (mut machine, _) = start();
    // The second exchange of another machine: an id that this one has never given out.
    let mut subscription = {
        let subscription = restless_proto::Subscription::stream("s").retry(Duration::ZERO);
        let service = restless_proto::Service::default();
        let mut machine = subscription.start(&service, Entropy::from_seed(1), at(0)).unwrap();
        let Output::Open { exchange, .. } = machine.poll() else { panic!() };
        let why = End::Failed(TransportErrorKind::Connect.into());
        machine.handle(Input::Ended { exchange, why }, at(0));
        machine
    };
    let second = loop {
        match subscription.poll() {
            Output::Open { exchange, .. } => break exchange,
            Output::Wait(_) => subscription.handle(Input::Elapsed, at(9)),
            _ => {}
        }
    };
    let why = End::Failed(TransportErrorKind::Connect.into());
    machine.handle(Input::Ended { exchange: second, why }, at(1));
    machine.handle(Input::Data { exchange: second, bytes: Bytes::from_static(b"x") }, at(1));
    assert!(matches!(machine.poll(), Output::Wait(Some(due)) if due == at(30)));
}

#[test]
fn before_it_stands_and_after_its_end_nothing_can_be_sent() {
    let refused = |machine: &mut WebSocketMachine| {
        let all = [
            machine.send_text("a"),
            machine.send_binary(b"a"),
            machine.ping(b"a"),
            machine.close(restless_proto::ws::CloseCode::NORMAL, "", at(0)),
        ];
        assert!(all.iter().all(|sent| matches!(sent, Err(SendError::Closed(_)))), "{all:?}");
        assert_eq!(machine.unsent_bytes(), 0);
    };
    let (mut machine, exchange) = start();
    refused(&mut machine);
    machine.handle(Input::Ended { exchange, why: End::Complete }, at(1));
    refused(&mut machine);
    failure(&mut machine);
    refused(&mut machine);
}
