//! Any WebSocket, as one machine: what comes before it stands, and what is refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Response;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::websocket::{Event, WebSocketMachine};
use restless_proto::ws::{CloseCode, Closed, Handshake, Message, Options, SendError};
use restless_proto::{
    Entropy, Error, Instant, LimitError, TimeoutError, Timer, TransportErrorKind,
};
use sha1::{Digest, Sha1};

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

/// A WebSocket that stands, its frames limited to 1,000 bytes.
fn open() -> (WebSocketMachine, ExchangeId) {
    let mut entropy = Entropy::from_seed(1);
    let handshake = Handshake::new(&"wss://s.test/chat".parse().unwrap(), &mut entropy).unwrap();
    let options = Options::default().message_bytes(1000);
    let mut machine = WebSocketMachine::new(handshake, options, entropy, at(0));
    let Output::Open { exchange, request } = machine.poll() else { panic!() };
    let guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let key = request.headers()["sec-websocket-key"].as_bytes();
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(guid).finalize());
    let head = Response::builder()
        .status(101)
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("sec-websocket-accept", accept);
    let head = Box::new(head.body(()).unwrap().into_parts().0);
    machine.handle(Input::Response { exchange, head }, at(1));
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
fn what_comes_before_the_user_knows_that_it_stands_is_not_lost() {
    let (mut machine, exchange) = open();
    machine.handle(Input::Data { exchange, bytes: Bytes::from_static(b"\x81\x01a") }, at(1));
    assert!(matches!(machine.poll(), Output::Event(Event::Open(_))));
    let Output::Event(Event::Message(message)) = machine.poll() else { panic!() };
    assert!(matches!(message, Message::Text(text) if text == "a"));
}

#[test]
fn pings_pongs_and_what_is_too_large_are_told() {
    let (mut machine, exchange) = open();
    assert!(matches!(machine.poll(), Output::Event(Event::Open(_))));
    let frames = b"\x89\x01a\x8A\x01b\x82\x7E\x04\x00";
    machine.handle(Input::Data { exchange, bytes: Bytes::from_static(frames) }, at(1));
    let mut told = Vec::new();
    loop {
        match machine.poll() {
            Output::Event(Event::Ping(payload)) => told.push(("ping", payload)),
            Output::Event(Event::Pong(payload)) => told.push(("pong", payload)),
            Output::Event(Event::TooLarge(error)) => {
                assert_eq!((error.maximum(), error.seen()), (1000, 1024));
                told.push(("too large", Bytes::new()));
            }
            Output::Send(_) => {}
            Output::Wait(_) => break,
            other => panic!("{other:?}"),
        }
    }
    let due = [("ping", "a"), ("pong", "b"), ("too large", "")];
    assert_eq!(told, due.map(|(what, payload)| (what, Bytes::from_static(payload.as_bytes()))));
}

#[test]
fn what_waits_to_be_sent_is_counted_until_it_is_polled() {
    let (mut machine, _) = open();
    assert_eq!(machine.unsent_bytes(), 0);
    assert!(matches!(machine.poll(), Output::Event(Event::Open(_))));
    machine.send_text("abc").unwrap();
    // A head of two bytes and a mask of four.
    assert_eq!(machine.unsent_bytes(), 2 + 4 + 3);
    assert!(matches!(machine.poll(), Output::Send(bytes) if bytes.len() == 9));
    assert_eq!(machine.unsent_bytes(), 0);
}

#[test]
fn a_ping_of_our_own_goes_out_in_time_and_its_pong_is_waited_for() {
    let (mut machine, _) = open();
    assert!(matches!(machine.poll(), Output::Event(Event::Open(_))));
    assert!(matches!(machine.poll(), Output::Wait(Some(due)) if due == at(21)));
    machine.handle(Input::Elapsed, at(21));
    assert!(matches!(machine.poll(), Output::Send(_)));
    assert!(matches!(machine.poll(), Output::Wait(Some(due)) if due == at(41)));
    machine.handle(Input::Elapsed, at(41));
    let mut closed = false;
    while let output @ (Output::Send(_) | Output::Hangup | Output::Event(_)) = machine.poll() {
        closed |= matches!(output, Output::Event(Event::Closed(Closed::Unresponsive { .. })));
    }
    assert!(closed);
}

/// Whoever was suspended looks at the socket once more before silence counts.
#[test]
fn a_deadline_that_is_noticed_late_gets_one_more_look() {
    let (mut machine, _) = open();
    assert!(matches!(machine.poll(), Output::Event(Event::Open(_))));
    let Output::Wait(Some(due)) = machine.poll() else { panic!("it has no deadline") };
    let late = due + Duration::from_secs(60);
    machine.handle(Input::Elapsed, late);
    let look = late + Duration::from_millis(20);
    assert!(matches!(machine.poll(), Output::Wait(Some(until)) if until == look));
    machine.handle(Input::Elapsed, look);
    assert!(matches!(machine.poll(), Output::Send(_)));
}

#[test]
fn closing_waits_for_the_answer_and_no_longer_than_its_time() {
    for answered in [true, false] {
        let (mut machine, exchange) = open();
        assert!(matches!(machine.poll(), Output::Event(Event::Open(_))));
        machine.close(CloseCode::NORMAL, "", at(2)).unwrap();
        assert!(matches!(machine.poll(), Output::Send(_)));
        assert!(matches!(machine.poll(), Output::Wait(Some(due)) if due == at(12)));
        if answered {
            let bytes = Bytes::from_static(b"\x88\x02\x03\xE8");
            machine.handle(Input::Data { exchange, bytes }, at(3));
            machine.handle(Input::Ended { exchange, why: End::Complete }, at(3));
        } else {
            machine.handle(Input::Elapsed, at(12));
        }
        let mut told = Vec::new();
        loop {
            match machine.poll() {
                Output::Event(event) => told.push(event),
                Output::Done => break,
                Output::Wait(deadline) => panic!("it waits until {deadline:?}"),
                _ => {}
            }
        }
        assert!(matches!(told[..], [Event::Closed(_)]), "{told:?}");
    }
}

#[test]
fn before_it_stands_and_after_its_end_nothing_can_be_sent() {
    let refused = |machine: &mut WebSocketMachine| {
        let all = [
            machine.send_text("a"),
            machine.send_binary(b"a"),
            machine.ping(b"a"),
            machine.close(CloseCode::NORMAL, "", at(0)),
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
