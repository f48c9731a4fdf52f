//! A driver that is confused, or a peer that is hostile. Whatever the order of inputs, the process
//! goes on, a machine stops talking, and after the end nothing is waited for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use restless_proto::machine::{End, Input, Machine, Output};
use restless_proto::subscription::SubscriptionMachine;
use restless_proto::websocket::WebSocketMachine;
use restless_proto::ws::{CloseCode, Handshake, Options};
use restless_proto::{
    CredentialsError, Entropy, Instant, Service, Subscription, TransportErrorKind,
};
use sha1::{Digest, Sha1};

/// What to do next, a number that says how, and the milliseconds before it.
type Step = (u8, usize, u64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((0_u8..13, 0_usize..400, 0_u64..70_000), 0..60)
}

/// Blocks of an event stream.
fn blocks() -> Vec<u8> {
    let json = r#"{"type":"update","meta":{"timestamp":"2026-03-24T00:00:00Z"},"data":"\u00e9"}"#;
    format!("id: 1\r\ndata: {json}\r\n\r\n: beat\nretry: 10\ndata: {json}\n\n").repeat(8).into()
}

/// Frames of a server: a text that is an event, in one frame and in two with a ping in between.
fn frames() -> Vec<u8> {
    let json = br#"{"type":"update","meta":{"timestamp":"2026-03-24T00:00:00Z"},"data":1}"#;
    let (head, tail) = json.split_at(9);
    let mut bytes = vec![0x81, json.len() as u8];
    bytes.extend(json);
    bytes.extend([0x01, head.len() as u8]);
    bytes.extend(head);
    bytes.extend(b"\x89\x02hi\x80");
    bytes.push(tail.len() as u8);
    bytes.extend(tail);
    bytes.repeat(8)
}

fn head(number: usize, statuses: &[u16], request: &HeaderMap) -> Box<http::response::Parts> {
    let mut response = http::Response::builder()
        .status(statuses[number % statuses.len()])
        .header("content-type", "text/event-stream")
        .header("location", "/elsewhere")
        .header("retry-after", number.to_string());
    if let Some(key) = request.get("sec-websocket-key") {
        let guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        let accept = Sha1::new().chain_update(key.as_bytes()).chain_update(guid).finalize();
        response = response
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .header("sec-websocket-accept", STANDARD.encode(accept));
    }
    Box::new(response.body(()).unwrap().into_parts().0)
}

/// Plays the steps; `own` is what the user of this machine may do besides.
fn play<M: Machine>(
    mut machine: M,
    own: fn(&mut M, usize, Instant),
    stream: &[u8],
    statuses: &[u16],
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let (mut exchanges, mut request, mut now) = (Vec::new(), HeaderMap::new(), 0);
    for &(step, number, pause) in steps {
        let mut over = false;
        for turn in 0.. {
            prop_assert!(turn < 1000, "the machine talks without end");
            match machine.poll() {
                Output::Open { exchange, request: opened } => {
                    prop_assert!(exchanges.last() < Some(&exchange), "ids rise");
                    exchanges.push(exchange);
                    request = opened.headers().clone();
                }
                Output::Wait(_) => break,
                Output::Done => {
                    over = true;
                    break;
                }
                _ => {}
            }
        }
        now += pause;
        let at = Instant::from_origin(Duration::from_millis(now));
        let Some(&exchange) = exchanges.iter().rev().nth(number % 3) else {
            machine.handle(Input::Credentials(Ok(None)), at);
            continue;
        };
        machine.handle(
            match step {
                0..=2 => Input::Response { exchange, head: head(number, statuses, &request) },
                3..=6 => {
                    let from = number % stream.len();
                    let to = (from + number).min(stream.len());
                    Input::Data { exchange, bytes: Bytes::copy_from_slice(&stream[from..to]) }
                }
                7 => Input::Ended { exchange, why: End::Complete },
                8 => {
                    let why = End::Failed(TransportErrorKind::Broken.into());
                    Input::Ended { exchange, why }
                }
                9 => {
                    let key = Some("rs_test".into()).filter(|_| number % 5 > 0);
                    let none = || CredentialsError::new("none");
                    Input::Credentials(if number % 3 > 0 { Ok(key) } else { Err(none()) })
                }
                10 => {
                    own(&mut machine, number, at);
                    continue;
                }
                11 => {
                    let from = number % stream.len();
                    let message = Bytes::copy_from_slice(&stream[from..]);
                    Input::Message { exchange, message }
                }
                _ => Input::Elapsed,
            },
            at,
        );
        if over {
            prop_assert!(matches!(machine.poll(), Output::Done), "over is over");
        }
    }
    Ok(())
}

fn close(machine: &mut SubscriptionMachine, number: usize, now: Instant) {
    if number == 7 {
        machine.close(now);
    }
}

fn use_it(machine: &mut WebSocketMachine, number: usize, now: Instant) {
    // Refused where the state forbids it.
    let _ = match number % 4 {
        0 => machine.send_text("hello"),
        1 => machine.send_binary(&[0; 300]),
        2 => machine.ping(b"?"),
        _ => machine.close(CloseCode::NORMAL, "", now),
    };
}

fn start(subscription: Subscription, on_demand: bool) -> SubscriptionMachine {
    let service = Service::new("rs_test");
    let service = if on_demand { service.with_credentials_on_demand() } else { service };
    subscription.start(&service, Entropy::from_seed(1), Instant::ORIGIN).unwrap()
}

const EVENT_STREAM: [u16; 9] = [200, 200, 200, 204, 302, 401, 404, 429, 500];
const WEBSOCKET: [u16; 8] = [101, 101, 101, 200, 302, 401, 429, 500];

proptest! {
    #[test]
    fn no_order_breaks_an_event_stream(on_demand: bool, steps in steps()) {
        let machine = start(Subscription::stream("s"), on_demand);
        play(machine, close, &blocks(), &EVENT_STREAM, &steps)?;
    }

    #[test]
    fn no_order_breaks_a_subscription_over_websocket(on_demand: bool, steps in steps()) {
        let machine = start(Subscription::stream("s").websocket(), on_demand);
        play(machine, close, &frames(), &WEBSOCKET, &steps)?;
    }

    #[test]
    fn no_order_breaks_a_subscription_of_whole_messages(on_demand: bool, steps in steps()) {
        let machine = start(Subscription::stream("s").whole_messages(), on_demand);
        play(machine, close, &frames(), &WEBSOCKET, &steps)?;
    }

    #[test]
    fn no_order_breaks_any_websocket(steps in steps()) {
        let mut entropy = Entropy::from_seed(1);
        let handshake = Handshake::new(&"wss://s.test".parse().unwrap(), &mut entropy).unwrap();
        let machine =
            WebSocketMachine::new(handshake, Options::default(), entropy, Instant::ORIGIN);
        play(machine, use_it, &frames(), &WEBSOCKET, &steps)?;
    }
}
