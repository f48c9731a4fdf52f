//! HTTP/1.1 without I/O beside what it is made of: httparse for heads, and a copy of the content
//! for chunks.

use std::hint::black_box;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use restless_benches::Contest;
use restless_proto::http1::Exchange;
use restless_proto::machine::{ExchangeId, Input, Machine as _, Output};
use restless_proto::{Entropy, Instant, Service, Subscription};

fn main() {
    let (id, request) = open();
    let fields: String = (0..100).map(|n| format!("x-field-{n}: some value of {n}\r\n")).collect();
    let head = Bytes::from(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
    Contest::new("a head of 100 fields", head.len(), 100)
        .contender("ours", || fields_of(id, &request, &head))
        .contender("httparse and HeaderMap", || httparse_and_map(&head))
        .contender("httparse alone", || httparse_alone(&head))
        .run();

    for size in [600, 16 << 10] {
        let (wire, content) = chunked((8 << 20) / size, size);
        let reads = cut(&wire, 64 << 10);
        let outcomes = Contest::new(format!("chunks of {size} bytes"), wire.len(), content)
            .contender("ours", || content_of(id, &request, &reads))
            .contender("a copy of the content", || copy(&reads, content))
            .run();
        // Of its own it has no memory for any number of chunks; a slice of a block is none.
        assert!(outcomes[0].allocations.count <= 32, "{:?}", outcomes[0].allocations);
    }
}

/// An exchange, as every driver gets one.
fn open() -> (ExchangeId, Request<Bytes>) {
    let subscription = Subscription::url("http://127.0.0.1/");
    let entropy = Entropy::from_seed(1);
    let machine = subscription.start(&Service::default(), entropy, Instant::ORIGIN);
    match machine.expect("a machine").poll() {
        Output::Open { exchange, request } => (exchange, *request),
        other => panic!("{other:?}"),
    }
}

fn chunked(count: usize, size: usize) -> (Bytes, usize) {
    let chunk = format!("{size:x}\r\n{}\r\n", "x".repeat(size));
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    ([head, &chunk.repeat(count), "0\r\n\r\n"].concat().into(), count * size)
}

fn cut(whole: &Bytes, length: usize) -> Vec<Bytes> {
    let starts = (0..whole.len()).step_by(length);
    // Each in memory of its own that is shared already, as a read buffer's blocks are.
    let cut = |at| Bytes::copy_from_slice(&whole[at..whole.len().min(at + length)]);
    starts.map(cut).inspect(|read| drop(read.clone())).collect()
}

#[inline(never)]
fn fields_of(id: ExchangeId, request: &Request<Bytes>, head: &Bytes) -> usize {
    let mut exchange = Exchange::new(id, request);
    exchange.handle_data(head.clone());
    match exchange.poll() {
        Some(Input::Response { head, .. }) => black_box(head).headers.len(),
        other => panic!("{other:?}"),
    }
}

#[inline(never)]
fn httparse_and_map(head: &Bytes) -> usize {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Response::new(&mut fields);
    assert!(parsed.parse(head).is_ok_and(|status| status.is_complete()));
    let mut map = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).expect("a name");
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value)).expect("a value");
        map.append(name, value);
    }
    black_box(map).len()
}

#[inline(never)]
fn httparse_alone(head: &Bytes) -> usize {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Response::new(&mut fields);
    assert!(parsed.parse(head).is_ok_and(|status| status.is_complete()));
    black_box(parsed.headers).len()
}

#[inline(never)]
fn content_of(id: ExchangeId, request: &Request<Bytes>, reads: &[Bytes]) -> usize {
    let mut exchange = Exchange::new(id, request);
    let mut content = 0;
    for read in reads {
        exchange.handle_data(read.clone());
        while let Some(input) = exchange.poll() {
            if let Input::Data { bytes, .. } = input {
                content += black_box(bytes).len();
            }
        }
    }
    content
}

/// Copies as much of what was read as there is content.
#[inline(never)]
fn copy(reads: &[Bytes], content: usize) -> usize {
    let mut memory = vec![0; 64 << 10];
    let mut copied = 0;
    for read in reads {
        let length = read.len().min(content - copied);
        memory[..length].copy_from_slice(&read[..length]);
        copied += black_box(&mut memory)[..length].len();
    }
    copied
}
