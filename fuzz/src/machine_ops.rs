//! A subscription and a call, driven by anybody: scripts of inputs, time steps and polls.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use http::Response;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::{Event, Item};
use restless_proto::ws::{CloseCode, FrameHeader, Opcode};
use restless_proto::{
    CallOptions, CredentialsError, Entropy, Instant, LimitError, Service, Subscription,
    TransportErrorKind, streams,
};
use sha1::{Digest as _, Sha1};

/// A subscription comes to an end or waits for something, hands out no event twice, and is silent
/// once it is over.
///
/// | bytes of `data` | mean |
/// | --- | --- |
/// | 0 | bit 1: a key on demand; bit 2: three reconnects at most; bit 3: any silence is accepted; |
/// | | bits 0 and 4: the transport, an event stream, whole messages or a WebSocket in frames, |
/// | | with compression (3) or without |
/// | the rest, by three | an input, a number that says how, and the steps of 0.1 s before it |
pub fn subscription_ops(data: &[u8]) {
    let [options, script @ ..] = data else { return };
    let on = |bit: u8| options & (1 << bit) != 0;
    let mut subscription = Subscription::url("https://s.test/?streamId=a");
    let way = match (on(4), on(0)) {
        (false, false) => Way::EventStream,
        (false, true) => Way::Messages,
        (true, _) => Way::Frames,
    };
    if way == Way::Messages {
        subscription = subscription.whole_messages();
    } else if way == Way::Frames {
        subscription = subscription.websocket();
        if !on(0) {
            subscription = subscription.deflate(None);
        }
    }
    if on(2) {
        subscription = subscription.max_reconnects(3);
    }
    if on(3) {
        subscription = subscription.no_idle_timeout();
    }
    let machine = subscription.start(&service(on(1)), Entropy::from_seed(7), Instant::ORIGIN);
    let mut machine = machine.expect("a subscription that can work");
    let (mut last, mut over) = (0, false);
    let wait_for_ever = on(3);
    play(&mut machine, script, way, wait_for_ever, |event| {
        assert!(!over, "something behind the end");
        match event {
            Event::Item(Item::Event(event)) => {
                let number = event.data().and_then(|data| data.get().parse().ok());
                let number: u64 = number.expect("a number");
                assert!(number > last, "{number} comes behind {last}");
                last = number;
            }
            Event::Ended(_) => over = true,
            _ => {}
        }
    });
}

/// A call has one answer, a deadline until then, and nothing behind it.
///
/// The bytes are those of [`subscription_ops`]; bit 0 of the first is for a call that may not be
/// made twice.
pub fn road_ops(data: &[u8]) {
    let [options, script @ ..] = data else { return };
    let service = service(options & 2 != 0);
    let (entropy, now) = (Entropy::from_seed(7), Instant::ORIGIN);
    let mut answers = 0;
    let mut count = || {
        answers += 1;
        assert_eq!(answers, 1, "one answer");
    };
    if options & 1 == 0 {
        let call = streams::get("s").start(&service, CallOptions::default(), entropy, now);
        let mut machine = call.expect("a call that can be made");
        play(&mut machine, script, Way::EventStream, false, |_| count());
    } else {
        let call = streams::create("n", "https://b.test/");
        let call = restless_proto::Call::from(call);
        let call = call.start(&service, CallOptions::default(), entropy, now);
        let mut machine = call.expect("a call that can be made");
        play(&mut machine, script, Way::EventStream, false, |_| count());
    }
}

fn service(on_demand: bool) -> Service {
    let service = Service::new("rs_test");
    if on_demand { service.with_credentials_on_demand() } else { service }
}

/// How events come.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    EventStream,
    Messages,
    Frames,
}

/// What was said so far.
struct Stage {
    exchanges: Vec<ExchangeId>,
    /// The key of the last opening handshake.
    handshake: String,
    open: bool,
    asked: bool,
    done: bool,
    deadline: Option<Instant>,
    now: Instant,
}

fn play<M: Machine>(
    machine: &mut M,
    script: &[u8],
    way: Way,
    wait_for_ever: bool,
    mut told: impl FnMut(M::Event),
) {
    let mut stage = Stage {
        exchanges: Vec::new(),
        handshake: String::new(),
        open: false,
        asked: false,
        done: false,
        deadline: None,
        now: Instant::ORIGIN,
    };
    let mut next = 1;
    drain(machine, &mut stage, wait_for_ever, &mut told);
    for step in script.chunks_exact(3).take(2000) {
        let &[input, how, pause] = step else { return };
        stage.now = stage.now + Duration::from_millis(u64::from(pause) * 100);
        let Some(input) = made(&mut stage, input, how, way, &mut next) else { continue };
        machine.handle(input, stage.now);
        // One in eight is not polled for at once.
        if how % 8 != 7 {
            drain(machine, &mut stage, wait_for_ever, &mut told);
        }
    }
    drain(machine, &mut stage, wait_for_ever, &mut told);
}

fn drain<M: Machine>(
    machine: &mut M,
    stage: &mut Stage,
    wait_for_ever: bool,
    told: &mut impl FnMut(M::Event),
) {
    for _ in 0..5000 {
        let output = machine.poll();
        assert!(!stage.done || matches!(output, Output::Done), "over is over");
        match output {
            Output::Open { exchange, request } => {
                assert!(stage.exchanges.last() < Some(&exchange), "ids rise");
                if let Some(key) = request.headers().get("sec-websocket-key") {
                    stage.handshake = key.to_str().expect("Base64").to_owned();
                }
                stage.exchanges.push(exchange);
                (stage.open, stage.asked) = (true, false);
            }
            Output::Hangup => (stage.open, stage.asked) = (false, false),
            Output::Authorize { .. } => {
                assert!(!stage.open, "a question with an exchange open");
                stage.asked = true;
            }
            Output::Event(event) => {
                stage.asked = false;
                told(event);
            }
            Output::Send(_) => assert!(stage.open, "bytes without a connection"),
            Output::Wait(deadline) => {
                let silent = wait_for_ever && stage.open;
                assert!(deadline.is_some() || silent, "it waits for nothing");
                stage.deadline = deadline;
                return;
            }
            Output::Done => {
                stage.done = true;
                return;
            }
        }
    }
    panic!("it talks without end");
}

fn made(stage: &mut Stage, input: u8, how: u8, way: Way, next: &mut u64) -> Option<Input> {
    // An older one now and then.
    let back = if how % 16 == 15 { 1 } else { 0 };
    let exchange = stage.exchanges.iter().rev().nth(back).copied();
    let current = back == 0 && stage.open;
    Some(match input % 10 {
        0 => Input::Connected { exchange: exchange? },
        1 => {
            let good = if way == Way::EventStream { 200 } else { 101 };
            let statuses = [good, good, 204, 302, 401, 404, 429, 503];
            let mut head = Response::builder()
                .status(statuses[usize::from(how % 8)])
                .header("content-type", "text/event-stream")
                .header("location", "/elsewhere?streamId=a")
                .header("retry-after", u16::from(how % 3));
            if way == Way::Frames {
                head = head
                    .header("upgrade", "websocket")
                    .header("connection", "Upgrade")
                    .header("sec-websocket-accept", accept(&stage.handshake));
            }
            let head = head.body(()).expect("a head").into_parts().0;
            Input::Response { exchange: exchange?, head: Box::new(head) }
        }
        2..=4 => {
            // Each is made once, so none may come twice.
            let number = std::mem::replace(next, *next + 1);
            let json = format!(
                r#"{{"type":"update","meta":{{"timestamp":"2026-03-24T00:00:00Z"}},"data":{number}}}"#
            );
            let exchange = exchange?;
            match way {
                Way::EventStream => {
                    let bytes = format!("id: {number}\ndata: {json}\n\n").into();
                    Input::Data { exchange, bytes }
                }
                Way::Messages => Input::Message { exchange, message: json.into() },
                Way::Frames => Input::Data { exchange, bytes: framed(&json, how) },
            }
        }
        5 => {
            let at = usize::from(how % 10);
            let bytes = match way {
                // Ping, pong, an empty message, Close, a mask, a reserved bit, half of a head.
                Way::Frames => {
                    let frames: [&[u8]; 10] = [
                        b"",
                        b"\x89\x00",
                        b"\x89\x02hi",
                        b"\x8a\x00",
                        b"\x82\x02{}",
                        b"\x81\x00",
                        b"\x88\x02\x03\xe8",
                        b"\x81\x80abcd",
                        b"\xf1\x00",
                        b"\x81\x7e\x00",
                    ];
                    frames[at]
                }
                Way::EventStream | Way::Messages => &b": beat\nid\n{}\r\n"[at..],
            };
            Input::Data { exchange: exchange?, bytes: Bytes::from_static(bytes) }
        }
        6 => {
            let why = match how % 5 {
                0 => End::Complete,
                1 => End::Failed(TransportErrorKind::Broken.into()),
                2 => End::Failed(TransportErrorKind::Connect.into()),
                3 => End::Closed { code: CloseCode::new(1000 + u16::from(how)), reason: "".into() },
                _ => End::TooLarge(LimitError::new("a message", 1, 2)),
            };
            stage.open &= !current;
            Input::Ended { exchange: exchange?, why }
        }
        7 => Input::Credentials(match how % 3 {
            0 => Ok(Some("rs_test".into())),
            1 => Ok(None),
            _ => Err(CredentialsError::new("none")),
        }),
        8 => {
            // As a driver does that waits.
            stage.now = stage.now.max(stage.deadline.unwrap_or(stage.now));
            Input::Elapsed
        }
        _ => Input::Elapsed,
    })
}

/// Returns a text message, in one frame or, by an odd number, in two.
fn framed(text: &str, how: u8) -> Bytes {
    let (first, last) = text.split_at(if how % 2 == 0 { 0 } else { text.len() / 2 });
    let mut bytes = BytesMut::new();
    if !first.is_empty() {
        let mut header = FrameHeader::new(Opcode::Text, first.len() as u64);
        header.fin = false;
        header.encode(&mut bytes);
        bytes.extend_from_slice(first.as_bytes());
    }
    let opcode = if first.is_empty() { Opcode::Text } else { Opcode::Continuation };
    FrameHeader::new(opcode, last.len() as u64).encode(&mut bytes);
    bytes.extend_from_slice(last.as_bytes());
    bytes.freeze()
}

/// Returns the answer to the key of an opening handshake (RFC 6455 §4.2.2).
fn accept(key: &str) -> String {
    let hash = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    BASE64_STANDARD.encode(hash)
}
