//! One client and its peer: bytes of the peer's in, what the user is told out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use restless_proto::http1::{Exchange, StreamEnd, TargetForm, request_bytes};
use restless_proto::machine::{Input, Machine, Output};
use restless_proto::subscription::{Ended, Event, Item, Rejected, SubscriptionMachine};
use restless_proto::{
    Call, CallMachine, CallOptions, Entropy, Error, Instant, Limits, Service, Subscription, ws,
};
use sha1::{Digest, Sha1};

use super::memory;

/// The limit of everything that has one, in bytes: small, so that it is reached soon.
pub(crate) const LIMIT: usize = 8 << 10;

/// What is kept of what the user is told.
const KEPT: usize = 4;

pub(crate) struct Peer<M: Machine> {
    machine: M,
    wire: Option<Exchange>,
    /// The bytes of the last request.
    pub(crate) request: Bytes,
    pub(crate) now: Instant,
    /// The last that the user was told, and how much there was.
    pub(crate) told: Vec<M::Event>,
    pub(crate) count: usize,
    /// What the machine sends after its request.
    pub(crate) sent: usize,
    held_before: usize,
    /// The most that was held at a time.
    pub(crate) most_held: usize,
    pub(crate) deadline: Option<Instant>,
    pub(crate) is_over: bool,
    /// Connects so far, by their time.
    pub(crate) connects: Vec<Instant>,
}

/// The limits under test.
pub(crate) fn limits() -> Limits {
    Limits::default().line_bytes(LIMIT).event_bytes(LIMIT).content_bytes(LIMIT)
}

/// A subscription over server-sent events, under [`limits`].
pub(crate) fn stream() -> Subscription {
    Subscription::url("https://s.test/?streamId=a").limits(limits())
}

/// A subscription over WebSocket, under like limits.
pub(crate) fn frames() -> Subscription {
    let options = ws::Options::default().message_bytes(LIMIT).fragments(1000);
    stream().websocket().websocket_options(options)
}

/// Follows it, as far as the request.
pub(crate) fn follow(subscription: Subscription) -> Peer<SubscriptionMachine> {
    let held_before = memory::held();
    let service = Service::new("rs_test");
    let entropy = Entropy::from_seed(1);
    let machine = subscription.start(&service, entropy, Instant::ORIGIN).unwrap();
    Peer::new(machine, held_before)
}

/// Makes the call once, as far as the request, under [`limits`].
pub(crate) fn call<T>(call: impl Into<Call<T>>) -> Peer<CallMachine<T>> {
    call_within(call, limits())
}

/// Makes the call once, as far as the request, under these limits.
pub(crate) fn call_within<T>(call: impl Into<Call<T>>, limits: Limits) -> Peer<CallMachine<T>> {
    let held_before = memory::held();
    let options = CallOptions::default().limits(limits).max_retries(0);
    let service = Service::new("rs_test").with_api_base_url("https://a.test").unwrap();
    let entropy = Entropy::from_seed(1);
    let machine = call.into().start(&service, options, entropy, Instant::ORIGIN).unwrap();
    Peer::new(machine, held_before)
}

impl<M: Machine> Peer<M> {
    pub(crate) fn new(machine: M, held_before: usize) -> Self {
        let mut peer = Self {
            machine,
            wire: None,
            request: Bytes::new(),
            now: Instant::ORIGIN,
            told: Vec::with_capacity(KEPT + 1),
            count: 0,
            sent: 0,
            held_before,
            most_held: 0,
            deadline: None,
            is_over: false,
            connects: Vec::new(),
        };
        peer.drain();
        peer
    }

    /// The bytes come, a piece at a time, as long as anybody reads them.
    pub(crate) fn say(&mut self, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(piece) {
            let Some(wire) = &mut self.wire else { return };
            wire.handle_data(Bytes::copy_from_slice(piece));
            self.pass_on();
        }
    }

    /// The peer closes the connection in good order.
    pub(crate) fn end(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.handle_end(StreamEnd::Closed);
            self.pass_on();
        }
    }

    /// Time goes by until the machine's deadline.
    pub(crate) fn elapse(&mut self) {
        if let Some(deadline) = self.deadline {
            self.now = self.now.max(deadline);
            self.machine.handle(Input::Elapsed, self.now);
            self.drain();
        }
    }

    /// Whether anybody still reads.
    pub(crate) fn is_open(&self) -> bool {
        self.wire.is_some()
    }

    /// The head that opens a WebSocket, with these fields beside what it takes.
    pub(crate) fn upgrade(&self, fields: &str) -> String {
        let request = String::from_utf8_lossy(&self.request);
        let mut lines = request.lines();
        let key = lines.find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
        let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(guid).finalize());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: {accept}\r\n{fields}\r\n"
        )
    }

    fn pass_on(&mut self) {
        while let Some(input) = self.wire.as_mut().and_then(Exchange::poll) {
            let ends = matches!(input, Input::Ended { .. });
            self.machine.handle(input, self.now);
            if ends {
                self.wire = None;
            }
            self.drain();
        }
        self.count_memory();
    }

    fn drain(&mut self) {
        loop {
            match self.machine.poll() {
                Output::Open { exchange, request } => {
                    self.request = request_bytes(&request, TargetForm::Origin).unwrap();
                    let mut wire = Exchange::new(exchange, &request).with_head_limit(LIMIT);
                    wire.handle_connected();
                    self.wire = Some(wire);
                    self.connects.push(self.now);
                    self.pass_on();
                }
                Output::Send(bytes) => self.sent += bytes.len(),
                Output::Hangup => self.wire = None,
                Output::Authorize { .. } => panic!("the key is known"),
                Output::Event(event) => {
                    self.count += 1;
                    if self.told.len() == KEPT {
                        self.told.remove(0);
                    }
                    self.told.push(event);
                    self.count_memory();
                }
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
                Output::Done => {
                    (self.is_over, self.deadline) = (true, None);
                    self.wire = None;
                    return;
                }
            }
        }
    }

    fn count_memory(&mut self) {
        let held = memory::held().saturating_sub(self.held_before);
        self.most_held = self.most_held.max(held);
    }
}

impl Peer<SubscriptionMachine> {
    /// The head of an event stream has come.
    pub(crate) fn opens(mut self) -> Self {
        self.say(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", usize::MAX);
        assert!(matches!(self.told.last(), Some(Event::Opened(_))), "{:?}", self.told);
        self
    }

    /// The WebSocket stands, with these fields beside what it takes.
    pub(crate) fn upgrades(mut self, fields: &str) -> Self {
        let head = self.upgrade(fields);
        self.say(head.as_bytes(), usize::MAX);
        assert!(matches!(self.told.last(), Some(Event::Opened(_))), "{:?}", self.told);
        self
    }

    /// The error that it came to, as a loss or as the end.
    pub(crate) fn error(&self) -> Option<&Error> {
        self.told.iter().rev().find_map(|event| match event {
            Event::Ended(Ended::Failed(error)) => Some(error),
            Event::Lost(lost) => match &lost.reason {
                restless_proto::subscription::LossReason::Error(error) => Some(error),
                _ => None,
            },
            _ => None,
        })
    }

    pub(crate) fn rejected(&self) -> Option<&Rejected> {
        self.told.iter().rev().find_map(|event| match event {
            Event::Item(Item::Rejected(rejected)) => Some(rejected),
            _ => None,
        })
    }

    /// The data of the last event.
    pub(crate) fn data(&self) -> Option<&str> {
        self.told.iter().rev().find_map(|event| match event {
            Event::Item(item) => item.event()?.data().map(|data| data.get()),
            _ => None,
        })
    }
}

/// An event as text.
pub(crate) fn event(data: &str) -> String {
    format!(r#"{{"type":"update","meta":{{"timestamp":"2026-03-24T00:00:00Z"}},"data":{data}}}"#)
}

/// A frame of a server's (RFC 6455 §5.2).
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(length as u8),
        length @ 126..65536 => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}
