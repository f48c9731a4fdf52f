use bytes::Bytes;
use restless_proto::Limits;
use restless_proto::sse::{Block, Decoder};

/// However an event stream is cut, the same comes out of it, and never more than the limits allow.
///
/// | bytes of `data` | mean |
/// | --- | --- |
/// | 0 | the limits: for a line the low four bits, for an event the high four; times 4, 0 is the default |
/// | 1 | how many lengths of chunks follow, modulo 8 |
/// | the lengths | used over and over until the stream is cut up; 0 is an empty chunk |
/// | the rest | the stream |
pub fn sse_split(data: &[u8]) {
    let [limits, count, rest @ ..] = data else { return };
    let Some((lengths, stream)) = rest.split_at_checked(usize::from(count % 8)) else { return };
    let limits = read_limits(*limits);

    let due = decode(Decoder::new(limits), limits, &[stream]);
    let chunks = cut(stream, lengths);
    assert_eq!(decode(Decoder::new(limits), limits, &chunks), due, "fed chunk by chunk");

    let mut ahead = Decoder::new(limits);
    for chunk in &chunks {
        ahead.feed(Bytes::copy_from_slice(chunk));
    }
    assert_eq!(decode(ahead, limits, &[]), due, "all chunks fed ahead");

    let mut again = Decoder::new(limits).with_last_event_id("what the next stream starts with");
    for chunk in &chunks {
        again.feed(Bytes::copy_from_slice(chunk));
        let _ = again.poll();
    }
    let kept = again.last_event_id().to_owned();
    again.reset();
    assert_eq!(again.last_event_id(), kept, "reset keeps the last event ID");
    assert!(!again.is_mid_block(), "reset leaves no block behind");
    let fresh = Decoder::new(limits).with_last_event_id(&kept);
    // The time of the stream before stays too, and is not looked at here.
    let (again, fresh) = (decode(again, limits, &chunks), decode(fresh, limits, &chunks));
    assert_eq!(again.seen, fresh.seen, "after a reset");
}

#[derive(Debug, PartialEq)]
struct Outcome {
    seen: Vec<Seen>,
    last_event_id: String,
    retry_ms: Option<u128>,
    mid_block: bool,
}

#[derive(Debug, PartialEq)]
enum Seen {
    Event { event_type: String, data: String, last_event_id: String, id: Option<String> },
    Id(String),
    OverLimit(&'static str),
}

fn decode(mut decoder: Decoder, limits: Limits, chunks: &[&[u8]]) -> Outcome {
    let mut seen = Vec::new();
    drain(&mut decoder, limits, &mut seen);
    for chunk in chunks {
        decoder.feed(Bytes::copy_from_slice(chunk));
        drain(&mut decoder, limits, &mut seen);
    }
    assert!(!decoder.last_event_id().contains(['\0', '\n', '\r']));
    Outcome {
        seen,
        last_event_id: decoder.last_event_id().to_owned(),
        retry_ms: decoder.reconnection_time().map(|time| time.as_millis()),
        mid_block: decoder.is_mid_block(),
    }
}

fn drain(decoder: &mut Decoder, limits: Limits, seen: &mut Vec<Seen>) {
    loop {
        seen.push(match decoder.poll() {
            Ok(None) => return,
            Ok(Some(Block::Event(event))) => {
                assert!(event.data().len() <= limits.event());
                assert!(!event.data().contains('\r'));
                assert!(!event.event_type().is_empty());
                assert_eq!(event.data_bytes(), event.data());
                Seen::Event {
                    event_type: event.event_type().to_owned(),
                    data: event.data().to_owned(),
                    last_event_id: event.last_event_id().to_owned(),
                    id: event.id().map(str::to_owned),
                }
            }
            Ok(Some(Block::Id(id))) => Seen::Id(id.to_owned()),
            Ok(Some(other)) => panic!("a block of a new kind: {other:?}"),
            Err(error) => {
                assert!(error.seen() > error.maximum());
                Seen::OverLimit(error.limit())
            }
        });
    }
}

fn read_limits(byte: u8) -> Limits {
    let (line, event) = (usize::from(byte & 15) * 4, usize::from(byte >> 4) * 4);
    let mut limits = Limits::default();
    if line > 0 {
        limits = limits.line_bytes(line);
    }
    if event > 0 {
        limits = limits.event_bytes(event);
    }
    limits
}

/// Cuts the stream at the lengths, over and over. Where they come to nothing, each byte is a chunk.
fn cut<'a>(stream: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    if lengths.iter().all(|length| *length == 0) {
        return stream.chunks(1).collect();
    }
    let mut chunks = Vec::new();
    let mut rest = stream;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at(rest.len().min(usize::from(*length)));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}
