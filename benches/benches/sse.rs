//! The event stream decoder beside sse-stream and eventsource-stream.
//!
//! Both peers are a `Stream` over a `Stream` of chunks, so they get one that is always ready, and
//! are polled with a waker that does nothing. All three count the events and the bytes of their
//! data; what has to be allocated for that is each one's own doing.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use eventsource_stream::EventStream;
use futures_core::Stream;
use restless_benches::{Contest, Outcome};
use restless_proto::Limits;
use restless_proto::sse::{Block, Decoder};
use sse_stream::SseByteStream;

fn main() {
    let small = Fixture::events(4000, |n| format!("data: {n}\n\n"));
    lends(contest("small events", &small, &small.cut(READ_BYTES), true));

    let medium = Fixture::events(1000, |n| event(n, "paid, 42.50 EUR; ", "\n"));
    lends(contest("600 B events", &medium, &medium.cut(READ_BYTES), true));
    lends(contest("600 B events, a chunk each", &medium, &medium.block_by_block(), true));
    let foreign = Fixture::events(1000, |n| event(n, "Zürich, 日本, 42,50 €; ", "\n"));
    lends(contest("600 B events, not ASCII", &foreign, &foreign.cut(READ_BYTES), true));
    let crlf = Fixture::events(1000, |n| event(n, "paid, 42.50 EUR; ", "\r\n"));
    lends(contest("600 B events, CRLF", &crlf, &crlf.cut(READ_BYTES), true));

    let lines = Fixture::events(1000, |n| {
        let line = |line| format!("data: line {line} of the event {n}, and what it says\n");
        (0..8).map(line).collect::<String>() + "\n"
    });
    lends(contest("events of 8 data lines", &lines, &lines.cut(READ_BYTES), true));

    let heartbeats = Fixture::heartbeats(4000);
    lends(contest("heartbeats", &heartbeats, &heartbeats.cut(READ_BYTES), true));
    lends(contest("heartbeats, a chunk each", &heartbeats, &heartbeats.block_by_block(), true));

    // eventsource-stream reads a line anew with each chunk: it gets a short line in few chunks,
    // and sits out what it would not finish.
    let short = Fixture::line(256 << 10);
    contest("a line of 256 KiB in chunks of 1 KiB", &short, &short.cut(1 << 10), true);
    let long = Fixture::line(8 << 20);
    contest("a line of 8 MiB in chunks of 16 KiB", &long, &long.cut(READ_BYTES), false);
    contest("a line of 8 MiB in chunks of 1 B", &long, &long.cut(1), false);
}

/// What one read of a socket gives at most: a TLS record.
const READ_BYTES: usize = 16 << 10;

/// An event of about 600 bytes, with an ID.
fn event(n: usize, text: &str, line_end: &str) -> String {
    let text = text.repeat(550 / text.len());
    format!(
        "id: {}{line_end}data: {{\"text\":\"{text}\"}}{line_end}{line_end}",
        1_780_000_000_000 + n
    )
}

/// How many events, and how many bytes their data has.
type Found = (usize, usize);

/// A stream, and what there is to find in it.
struct Fixture {
    blocks: Vec<String>,
    due: Found,
}

impl Fixture {
    fn events(count: usize, event: impl FnMut(usize) -> String) -> Self {
        let blocks: Vec<String> = (0..count).map(event).collect();
        let bytes = blocks.iter().map(|block| data_bytes(block)).sum();
        Self { blocks, due: (count, bytes) }
    }

    fn heartbeats(count: usize) -> Self {
        Self { blocks: vec![": keep-alive\n\n".to_owned(); count], due: (0, 0) }
    }

    /// One event of one line.
    fn line(bytes: usize) -> Self {
        Self::events(1, |_| format!("data: {}\n\n", "0123456789abcdef".repeat(bytes / 16)))
    }

    fn cut(&self, chunk_bytes: usize) -> Vec<Bytes> {
        let whole = Bytes::from(self.blocks.concat());
        let starts = (0..whole.len()).step_by(chunk_bytes);
        starts.map(|at| whole.slice(at..whole.len().min(at + chunk_bytes))).collect()
    }

    fn block_by_block(&self) -> Vec<Bytes> {
        self.blocks.iter().cloned().map(Bytes::from).collect()
    }
}

/// How much data a block has: the values of its `data` fields, and a line feed between each two.
fn data_bytes(block: &str) -> usize {
    let values = block.lines().filter_map(|line| line.strip_prefix("data: "));
    values.map(|value| value.len() + 1).sum::<usize>() - 1
}

fn contest(name: &str, fixture: &Fixture, chunks: &[Bytes], all: bool) -> Outcome {
    let input_bytes = chunks.iter().map(Bytes::len).sum();
    let mut contest = Contest::new(name, input_bytes, fixture.due)
        .contender("ours", || ours(chunks))
        .contender("sse-stream", || sse_stream(chunks));
    if all {
        contest = contest.contender("eventsource-stream", || eventsource_stream(chunks));
    }
    contest.run().swap_remove(0)
}

/// A new decoder allocates its few buffers, and then nothing more for any number of events.
fn lends(ours: Outcome) {
    assert!(ours.allocations.count <= 16, "{:?}", ours.allocations);
}

// Each contender is a function of its own, so that a profiler tells them apart.

#[inline(never)]
fn ours(chunks: &[Bytes]) -> Found {
    let mut decoder = Decoder::new(Limits::default());
    let mut found = (0, 0);
    for chunk in chunks {
        decoder.feed(chunk.clone());
        while let Some(block) = decoder.poll().expect("a stream within the limits") {
            if let Block::Event(event) = block {
                found.0 += 1;
                found.1 += black_box(event.data()).len();
            }
        }
    }
    found
}

#[inline(never)]
fn sse_stream(chunks: &[Bytes]) -> Found {
    let mut found = (0, 0);
    drain(pin!(SseByteStream::new(Ready(chunks.iter()))), |event| {
        if let Some(data) = event.expect("a good stream").data {
            found.0 += 1;
            found.1 += black_box(&data).len();
        }
    });
    found
}

#[inline(never)]
fn eventsource_stream(chunks: &[Bytes]) -> Found {
    let mut found = (0, 0);
    drain(pin!(EventStream::new(Ready(chunks.iter()))), |event| {
        found.0 += 1;
        found.1 += black_box(&event.expect("a good stream").data).len();
    });
    found
}

fn drain<S: Stream>(mut stream: Pin<&mut S>, mut take: impl FnMut(S::Item)) {
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(item)) = stream.as_mut().poll_next(&mut context) {
        take(item);
    }
}

/// Chunks that are there already.
struct Ready<'a>(std::slice::Iter<'a, Bytes>);

impl Stream for Ready<'_> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().cloned().map(Ok))
    }
}
