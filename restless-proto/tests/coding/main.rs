//! Content codings, as calls and subscriptions meet them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod decoder;
mod encode;

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use restless_proto::coding::{CodingError, ContentCoding};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::model::BaseActionResponse;
use restless_proto::subscription::{Ended, Event, Item, LossReason, SubscriptionMachine};
use restless_proto::{
    Call, CallOptions, ContentError, Entropy, Error, Instant, Limits, Service, Subscription,
    streams,
};

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    encode::encode_whole("gzip", text.as_ref())
}

fn head(status: u16, fields: &[(&str, &str)]) -> Box<http::response::Parts> {
    let mut response = http::Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    Box::new(response.body(()).unwrap().into_parts().0)
}

fn call() -> Call<BaseActionResponse> {
    streams::delete("a")
}

/// The answer to a call, driven.
fn driven(
    limits: Limits,
    status: u16,
    coding: &str,
    content: &[u8],
) -> Result<BaseActionResponse, Error> {
    let options = CallOptions::default().limits(limits);
    let entropy = Entropy::from_seed(1);
    let machine = call().start(&Service::default(), options, entropy, Instant::ORIGIN);
    let mut machine = machine.unwrap();
    let Output::Open { exchange, .. } = machine.poll() else { panic!("a request comes first") };
    let head = head(status, &[("content-encoding", coding)]);
    let mut inputs = vec![Input::Response { exchange, head }];
    for piece in content.chunks(100) {
        inputs.push(Input::Data { exchange, bytes: Bytes::copy_from_slice(piece) });
    }
    inputs.push(Input::Ended { exchange, why: End::Complete });
    for input in inputs {
        machine.handle(input, Instant::ORIGIN);
        loop {
            match machine.poll() {
                Output::Wait(_) => break,
                Output::Event(answer) => return answer,
                Output::Hangup => {}
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("no answer");
}

/// The answer to a call, driven and by hand: they are the same.
fn answer(status: u16, coding: &str, content: &[u8]) -> Result<BaseActionResponse, Error> {
    let head = head(status, &[("content-encoding", coding)]);
    let by_hand = call().response(&head, Bytes::copy_from_slice(content));
    let driven = driven(Limits::default(), status, coding, content);
    assert_eq!(format!("{driven:?}"), format!("{by_hand:?}"));
    driven
}

fn coding_error(error: Error) -> CodingError {
    match error {
        Error::Content(content) => match *content {
            ContentError::Coding(error) => error,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

const REPLY: &str = r#"{"id":"a","affected":true}"#;

#[test]
fn a_call_asks_for_what_it_takes_off() {
    let request = call().request(&Service::default()).unwrap();
    let asked = request.headers()["accept-encoding"].to_str().unwrap();
    for coding in asked.split(", ") {
        // Known: no content is none in any coding.
        let error = answer(200, coding, b"").unwrap_err().to_string();
        assert!(error.contains("has no content"), "{coding}: {error}");
    }
    assert!(asked.starts_with("gzip, deflate, br"), "{asked}");
}

#[test]
fn a_coded_reply_is_read_as_if_it_were_not() {
    assert_eq!(answer(200, "gzip", &gzip(REPLY)).unwrap().id, "a");
    assert_eq!(answer(200, "identity", REPLY.as_bytes()).unwrap().id, "a");
}

#[test]
fn a_reply_is_read_as_it_is_where_its_coding_is_none_of_the_registry() {
    for coding in ["none", "utf-8", "binary", "aws-chunked", "none, identity"] {
        assert_eq!(answer(200, coding, REPLY.as_bytes()).unwrap().id, "a", "{coding}");
    }
}

#[test]
fn a_transfer_coding_is_told_of_calls_and_subscriptions() {
    let fields = [("content-type", "text/event-stream"), ("transfer-encoding", "gzip, chunked")];
    let error = call().response(&head(200, &fields), gzip(REPLY).into()).unwrap_err();
    let due = CodingError::Transfer { coding: "gzip".to_owned() };
    assert_eq!(coding_error(error), due);
    let said = Stream::answered("http://s/", 200, &fields).said();
    assert_eq!(said, [format!("ended: {due}")]);
}

#[test]
fn the_limit_counts_what_comes_out() {
    let within = |maximum, text: &str| {
        driven(Limits::default().content_bytes(maximum), 200, "gzip", &gzip(text))
    };
    // The coded bytes are more than that.
    within(REPLY.len(), REPLY).unwrap();
    let Err(Error::Limit(error)) = within(REPLY.len() - 1, REPLY) else { panic!("too large") };
    assert_eq!((error.maximum(), error.seen()), (REPLY.len() - 1, REPLY.len()));

    let Err(Error::Limit(error)) = within(1000, &" ".repeat(10 << 20)) else { panic!("a bomb") };
    assert!(error.seen() <= 1000 + (16 << 10), "{error}");
    // By hand, too.
    let bomb = gzip(" ".repeat(20 << 20));
    let head = head(200, &[("content-encoding", "gzip")]);
    assert!(matches!(call().response(&head, bomb.into()), Err(Error::Limit(_))));
}

#[test]
fn a_reply_that_can_t_be_decoded_says_why() {
    let whole = gzip(REPLY);
    let truncated = answer(200, "gzip", &whole[..whole.len() - 1]).unwrap_err();
    assert_eq!(coding_error(truncated), CodingError::Truncated { coding: ContentCoding::Gzip });
    let corrupt = coding_error(answer(200, "gzip", REPLY.as_bytes()).unwrap_err());
    assert!(matches!(corrupt, CodingError::Corrupt { .. }), "{corrupt:?}");
    let unknown = coding_error(answer(200, "compress", &whole).unwrap_err());
    assert_eq!(unknown, CodingError::Unknown { coding: "compress".to_owned() });
}

#[test]
fn a_refusal_is_read_as_far_as_it_goes() {
    let whole = gzip(r#"{"message":"no such stream"}"#);
    let message = |coding, content: &[u8]| match answer(404, coding, content) {
        Err(Error::Refused(refused)) => refused.message().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(message("gzip", &whole), "no such stream");
    assert_eq!(message("gzip", &whole[..whole.len() - 8]), "no such stream");
    assert_eq!(message("gzip", b"it is not"), "");
    assert_eq!(message("compress", &whole), "");
    assert_eq!(message("none", br#"{"message":"no"}"#), "no");
    assert_eq!(message("gzip", b""), "");
}

// Subscriptions

struct Stream {
    machine: SubscriptionMachine,
    exchange: ExchangeId,
}

impl Stream {
    /// A subscription whose first request is answered so.
    fn answered(url: &str, status: u16, fields: &[(&str, &str)]) -> Self {
        Self::of(Subscription::url(url), status, fields)
    }

    fn of(subscription: Subscription, status: u16, fields: &[(&str, &str)]) -> Self {
        let limits = Limits::default().line_bytes(1 << 17).event_bytes(1 << 17);
        let subscription = subscription.limits(limits);
        let service = Service::default();
        let mut machine =
            subscription.start(&service, Entropy::from_seed(1), Instant::ORIGIN).unwrap();
        let Output::Open { exchange, .. } = machine.poll() else { panic!("a request comes first") };
        let head = head(status, fields);
        machine.handle(Input::Response { exchange, head }, Instant::ORIGIN);
        Self { machine, exchange }
    }

    fn coded(coding: &str) -> Self {
        let fields = [("content-type", "text/event-stream"), ("content-encoding", coding)];
        Self::answered("http://s/", 200, &fields)
    }

    /// What it says to these bytes, in short.
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.take_at(Instant::ORIGIN, bytes)
    }

    fn take_at(&mut self, now: Instant, bytes: &[u8]) -> Vec<String> {
        let (exchange, bytes) = (self.exchange, Bytes::copy_from_slice(bytes));
        self.machine.handle(Input::Data { exchange, bytes }, now);
        self.said()
    }

    fn end(&mut self, why: End) -> Vec<String> {
        self.machine.handle(Input::Ended { exchange: self.exchange, why }, Instant::ORIGIN);
        self.said()
    }

    fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            said.push(match self.machine.poll() {
                Output::Wait(_) | Output::Done => return said,
                Output::Hangup | Output::Event(Event::Opened(_) | Event::Continuity(_)) => continue,
                Output::Event(Event::Item(Item::Event(event))) => {
                    format!("event {}", event.event_id().unwrap())
                }
                Output::Event(Event::Item(Item::Rejected(_))) => "rejected".to_owned(),
                Output::Event(Event::Lost(lost)) => match lost.reason {
                    LossReason::Error(error) => format!("lost: {error}"),
                    reason => format!("lost: {reason:?}"),
                },
                Output::Event(Event::Ended(Ended::Failed(error))) => format!("ended: {error}"),
                other => panic!("{other:?}"),
            });
        }
    }
}

fn block(id: u32) -> String {
    let meta = r#""meta":{"timestamp":"2026-03-24T00:00:00Z"}"#;
    format!("id: {id}\ndata: {{\"type\":\"update\",{meta},\"data\":1}}\n\n")
}

fn accept_encoding(subscription: Subscription) -> Vec<String> {
    let mut machine =
        subscription.start(&Service::default(), Entropy::from_seed(1), Instant::ORIGIN).unwrap();
    let Output::Open { request, .. } = machine.poll() else { panic!("a request comes first") };
    let values = request.headers().get_all("accept-encoding").iter();
    values.map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_subscription_asks_for_a_coding_by_choice() {
    let sse = || Subscription::url("http://s/");
    assert!(accept_encoding(sse()).is_empty());
    let asked = accept_encoding(sse().accept_encoding(true));
    assert!(asked.len() == 1 && asked[0].starts_with("gzip, deflate, br"), "{asked:?}");
    let own = sse().accept_encoding(true).header("accept-encoding", "br;q=0.5");
    assert_eq!(accept_encoding(own), ["br;q=0.5"]);
    let websocket = Subscription::url("ws://s/ws").accept_encoding(true);
    assert!(accept_encoding(websocket).is_empty());
}

#[test]
fn an_event_comes_out_when_it_is_flushed() {
    let mut coder = GzEncoder::new(Vec::new(), Compression::default());
    let mut stream = Stream::coded("gzip");
    for id in 1..=3 {
        coder.write_all(block(id).as_bytes()).unwrap();
        coder.flush().unwrap();
        let coded = std::mem::take(coder.get_mut());
        assert_eq!(stream.take(&coded), [format!("event {id}")]);
    }
    assert_eq!(stream.take(&coder.finish().unwrap()), [""; 0]);
    assert_eq!(stream.end(End::Complete), ["lost: Complete"]);
}

#[test]
fn a_truncated_stream_is_a_loss_after_its_events() {
    let mut coder = GzEncoder::new(Vec::new(), Compression::default());
    coder.write_all(format!("retry: 7\n{}{}", block(1), block(2)).as_bytes()).unwrap();
    coder.flush().unwrap();
    let mut stream = Stream::coded("gzip");
    assert_eq!(stream.take(coder.get_ref()), ["event 1", "event 2"]);
    let lost = "lost: the content ended in the middle of its gzip coding";
    assert_eq!(stream.end(End::Complete), [lost]);
    // And goes on from there, when the server has said.
    let at = Instant::ORIGIN + Duration::from_millis(14);
    stream.machine.handle(Input::Elapsed, at);
    let Output::Open { request, .. } = stream.machine.poll() else { panic!("it reconnects") };
    assert_eq!(request.uri().query(), Some("cursor=2"));
}

#[test]
fn a_corrupt_stream_is_a_loss_after_its_events() {
    let mut content = gzip(format!("{}{}", block(1), block(2)));
    let checksum = content.len() - 8;
    content[checksum] ^= 1;
    let mut stream = Stream::coded("gzip");
    let said = stream.take(&content);
    assert_eq!(said[..2], ["event 1", "event 2"]);
    assert!(said[2].starts_with("lost: the content's gzip coding is broken: "), "{said:?}");
    assert_eq!(stream.machine.cursor(), Some("2"));
    assert_eq!(stream.end(End::Complete), [""; 0], "that connection is gone");
}

#[test]
fn a_broken_connection_is_told_as_one() {
    let mut stream = Stream::coded("gzip");
    stream.take(&gzip(block(1))[..20]);
    let why = End::Failed(restless_proto::TransportErrorKind::Broken.into());
    assert_eq!(stream.end(why), ["lost: the connection broke"]);
}

#[test]
fn an_unknown_coding_ends_the_subscription() {
    let mut stream = Stream::coded("compress");
    let due = "ended: the content is in a coding that is not understood: compress";
    assert_eq!(stream.said(), [due]);
}

#[test]
fn events_are_read_as_they_are_where_their_coding_is_none_of_the_registry() {
    for coding in ["none", "utf-8", "binary", "aws-chunked", "none, identity"] {
        let mut stream = Stream::coded(coding);
        assert_eq!(stream.take(block(1).as_bytes()), ["event 1"], "{coding}");
    }
}

/// The limit on what is decoded in vain, for the subscriptions here: the least there is.
const IN_VAIN: usize = 32 << 20;

#[test]
fn comments_without_end_are_no_way_to_keep_us_busy() {
    is_no_way_to_keep_us_busy(": nothing\n");
}

#[test]
fn ids_without_end_are_no_way_to_keep_us_busy() {
    is_no_way_to_keep_us_busy("id: 1\n\n");
}

fn is_no_way_to_keep_us_busy(line: &str) {
    let lines = line.repeat(IN_VAIN / 8 * 9 / line.len());
    let coded = gzip(&lines);
    let mut stream = Stream::coded("gzip");
    let said = stream.take(&coded);
    assert_eq!(said.len(), 1, "{said:?}");
    let due = "ended: what is decoded in a minute without an event is over its limit";
    assert!(said[0].starts_with(due), "{said:?}");
    // Nor in pieces, however small: what came before counts.
    let mut stream = Stream::coded("gzip");
    let mut pieces = coded.chunks(16);
    let said = pieces.by_ref().map(|piece| stream.take(piece)).find(|said| !said.is_empty());
    assert!(said.is_some_and(|said| said[0].starts_with(due)));
    let most = coded.len() * (IN_VAIN / 100 * 101) / lines.len();
    let taken = coded.len() - pieces.map(<[u8]>::len).sum::<usize>();
    assert!(taken <= most, "{taken} of {} bytes, {most} due", coded.len());
}

#[test]
fn an_event_that_is_repeated_without_end_and_dropped_is_no_way_to_keep_us_busy() {
    let fields = [("content-type", "text/event-stream"), ("content-encoding", "gzip")];
    let mut stream = Stream::of(Subscription::url("http://s/").dedupe(8), 200, &fields);
    let repeated = |bytes: usize| gzip(block(1).repeat(bytes / block(1).len()));
    // A server that repeats its log does no harm.
    assert_eq!(stream.take(&repeated(IN_VAIN * 2)), ["event 1"]);
    assert_eq!(stream.take(&repeated(1000)), [""; 0]);
    assert_eq!(stream.take(&gzip(block(2))), ["event 2"]);
    let said = stream.take(&repeated(IN_VAIN * 9));
    assert_eq!(said.len(), 1, "{said:?}");
    let due = "ended: what is decoded in a minute of repeated events is over its limit";
    assert!(said[0].starts_with(due), "{said:?}");
}

#[test]
fn an_event_over_the_limit_that_never_ends_is_no_way_to_keep_us_busy() {
    let coded = gzip(format!("data: {}", "x".repeat(8 * IN_VAIN + (20 << 20))));
    let mut stream = Stream::coded("gzip");
    let said = stream.take(&coded);
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0], "rejected");
    let due = "ended: what is decoded of an event over its limit is over its limit";
    assert!(said[1].starts_with(due), "{said:?}");
}

#[test]
fn an_event_is_not_in_vain_and_what_came_before_it_is_forgiven() {
    let comments = ": nothing\n".repeat(IN_VAIN / 2 / 10);
    let mut stream = Stream::coded("gzip");
    let comments = gzip(comments);
    for id in 1..=4 {
        assert_eq!(stream.take(&comments), [""; 0]);
        assert_eq!(stream.take(&gzip(block(id))), [format!("event {id}")]);
    }
}

#[test]
fn an_event_over_the_limit_is_passed_over_in_any_coding() {
    // Larger than what may be decoded in vain.
    let large = format!("id: 2\ndata: {}\n\n", "x".repeat(IN_VAIN + (1 << 20)));
    let content = format!("{}{large}{}", block(1), block(3));
    let mut plain = Stream::answered("http://s/", 200, &[("content-type", "text/event-stream")]);
    let said = plain.take(content.as_bytes());
    assert_eq!(said, ["event 1", "rejected", "event 3"]);
    assert_eq!(Stream::coded("gzip").take(&gzip(content)), said);
}

#[test]
fn heartbeats_may_go_on_for_ever() {
    let mut coder = GzEncoder::new(Vec::new(), Compression::default());
    let mut stream = Stream::coded("gzip");
    let (mut now, mut decoded, mut coded) = (Instant::ORIGIN, 0, 0);
    // Filled up, so that no proxy holds them back: of four thousand bytes, some twenty are left.
    let heartbeat = format!(":{}\n\n", " ".repeat(4096));
    for _ in 0..10_000 {
        now = now + Duration::from_secs(15);
        coder.write_all(heartbeat.as_bytes()).unwrap();
        coder.flush().unwrap();
        let piece = std::mem::take(coder.get_mut());
        assert_eq!(stream.take_at(now, &piece), [""; 0]);
        decoded += heartbeat.len();
        coded += piece.len();
    }
    assert!(decoded > IN_VAIN && decoded > 50 * coded, "{coded} bytes for {decoded}");
    coder.write_all(block(1).as_bytes()).unwrap();
    assert_eq!(stream.take_at(now, &coder.finish().unwrap()), ["event 1"]);
}

#[test]
fn a_refused_subscription_is_read_too() {
    let fields = [("content-type", "text/html"), ("content-encoding", "gzip")];
    let content = gzip("<p>no</p>");
    for (url, status) in [("http://s/", 404), ("ws://s/ws", 404)] {
        let mut stream = Stream::answered(url, status, &fields);
        assert_eq!(stream.take(&content), [""; 0]);
        let due = ["ended: the service refused with 404 Not Found: <p>no</p>"];
        assert_eq!(stream.end(End::Complete), due);
    }
    let mut stream = Stream::answered("http://s/", 200, &fields);
    stream.take(&content);
    stream
        .machine
        .handle(Input::Ended { exchange: stream.exchange, why: End::Complete }, Instant::ORIGIN);
    let ended = loop {
        match stream.machine.poll() {
            Output::Event(Event::Ended(Ended::Failed(Error::Content(content)))) => break content,
            Output::Hangup => {}
            other => panic!("{other:?}"),
        }
    };
    let ContentError::NotAnEventStream { excerpt, .. } = *ended else { panic!("{ended:?}") };
    assert_eq!(&*excerpt, b"<p>no</p>");
}
