//! What a response comes to, by whoever reads it.

use bytes::Bytes;
use http::{HeaderMap, Request};
use restless_proto::http1::{Exchange, StreamEnd};
use restless_proto::machine::{End, ExchangeId, Input, Machine as _, Output};
use restless_proto::{Entropy, Instant, Service, Subscription};

/// A response that was read to its end; `None` for one that was refused, or did not end well.
pub(crate) type Outcome = Option<Read>;

#[derive(Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) content: Vec<u8>,
}

/// A `GET`, as everybody here sends it.
pub(crate) fn request() -> Request<Bytes> {
    Request::get("http://127.0.0.1/").body(Bytes::new()).expect("a request")
}

/// What our exchange makes of these reads, and of the end of the connection behind them.
pub(crate) fn ours(reads: &[&[u8]]) -> Outcome {
    let mut exchange = Exchange::new(id(), &request());
    let mut inputs = Vec::new();
    for bytes in reads {
        exchange.handle_data(Bytes::copy_from_slice(bytes));
        inputs.extend(std::iter::from_fn(|| exchange.poll()));
    }
    exchange.handle_end(StreamEnd::Closed);
    inputs.extend(std::iter::from_fn(|| exchange.poll()));

    let mut read = None;
    for input in inputs {
        match (input, &mut read) {
            (Input::Response { head, .. }, None) => {
                let (status, fields) = (head.status.as_u16(), head.headers);
                read = Some(Read { status, fields, content: Vec::new() });
            }
            (Input::Data { bytes, .. }, Some(read)) => read.content.extend_from_slice(&bytes),
            (Input::Ended { why: End::Complete, .. }, Some(_)) => return read,
            (Input::Ended { why: End::Failed(_), .. }, _) => return None,
            (other, _) => panic!("{other:?}"),
        }
    }
    panic!("no end")
}

/// An id, as every driver gets one.
fn id() -> ExchangeId {
    let subscription = Subscription::url("http://127.0.0.1/");
    let entropy = Entropy::from_seed(1);
    let machine = subscription.start(&Service::default(), entropy, Instant::ORIGIN);
    match machine.expect("a machine").poll() {
        Output::Open { exchange, .. } => exchange,
        other => panic!("{other:?}"),
    }
}

/// Cuts bytes into reads of these lengths, over and over.
pub(crate) fn cut<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut reads = Vec::new();
    let mut lengths = lengths.iter().cycle();
    while !bytes.is_empty() {
        let length = lengths.next().map_or(bytes.len(), |length| (*length).max(1));
        let (read, rest) = bytes.split_at(length.min(bytes.len()));
        reads.push(read);
        bytes = rest;
    }
    reads
}
