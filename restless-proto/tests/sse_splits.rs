//! However the bytes are cut, the decoder makes of them what a plain and slow one makes of the
//! whole (WHATWG HTML §9.2.5 and §9.2.6).

use bytes::Bytes;
use proptest::prelude::*;
use restless_proto::Limits;
use restless_proto::sse::{Block, Decoder};

#[derive(Debug, PartialEq)]
enum Seen {
    Event { event_type: String, data: String, last_event_id: String, id: Option<String> },
    Id(String),
    OverLimit(String),
}

#[derive(Debug, PartialEq)]
struct Outcome {
    seen: Vec<Seen>,
    last_event_id: String,
    retry_ms: Option<u128>,
}

/// Reads the standard word by word: decode everything, cut it into lines, go through them.
fn plain(stream: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n");
    let mut lines: Vec<&str> = text.split(['\n', '\r']).collect();
    lines.pop(); // what no line end ends
    let (mut data, mut event_type, mut id) = (String::new(), String::new(), None);
    let mut out = Outcome { seen: Vec::new(), last_event_id: String::new(), retry_ms: None };
    for line in lines {
        if line.is_empty() {
            if let Some(id) = &id {
                out.last_event_id = String::clone(id);
            }
            let last_event_id = out.last_event_id.clone();
            if data.pop().is_some() {
                let event_type = if event_type.is_empty() { "message" } else { &event_type };
                let event_type = event_type.to_owned();
                out.seen.push(Seen::Event { event_type, data, last_event_id, id });
            } else if id.is_some() {
                out.seen.push(Seen::Id(last_event_id));
            }
            (data, event_type, id) = (String::new(), String::new(), None);
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => data = data + value + "\n",
            "event" => event_type = value.to_owned(),
            "id" if !value.contains('\0') => id = Some(value.to_owned()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                out.retry_ms = value.parse::<u64>().ok().map(u128::from).or(out.retry_ms);
            }
            _ => {}
        }
    }
    out
}

fn decode<'a>(limits: Limits, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new(limits);
    let mut seen = Vec::new();
    for chunk in chunks {
        decoder.feed(Bytes::copy_from_slice(chunk));
        loop {
            seen.push(match decoder.poll() {
                Ok(None) => break,
                Ok(Some(Block::Event(event))) => Seen::Event {
                    event_type: event.event_type().to_owned(),
                    data: event.data().to_owned(),
                    last_event_id: event.last_event_id().to_owned(),
                    id: event.id().map(str::to_owned),
                },
                Ok(Some(Block::Id(id))) => Seen::Id(id.to_owned()),
                Ok(Some(other)) => panic!("a block of a new kind: {other:?}"),
                Err(error) => Seen::OverLimit(error.limit().to_owned()),
            });
        }
    }
    let retry_ms = decoder.reconnection_time().map(|time| time.as_millis());
    Outcome { seen, last_event_id: decoder.last_event_id().to_owned(), retry_ms }
}

/// Cuts a stream at places that may come in any order, more than once and beyond its end.
fn cut<'a>(stream: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.sort_unstable();
    let mut chunks = Vec::new();
    let (mut rest, mut start) = (stream, 0);
    for end in cuts {
        let (chunk, after) = rest.split_at(end - start);
        chunks.push(chunk);
        (rest, start) = (after, end);
    }
    chunks.push(rest);
    chunks
}

const STREAMS: [&[u8]; 10] = [
    b"\xEF\xBB\xBFid: 7\r\nevent: e\r\ndata: one\r\ndata: two\r\n\r\ndata: z\r\n\r\n",
    b"\xEF\ndata: a\n\n",
    b"\xEF\xBBdata: a\n\nid\r\rdata\r\ndata\n\n:c\n\n",
    b"id:1\rdata:a\r\rid:2\r\rdata:b\n\rretry:10\rretry:x\r",
    b"data: \xF0\x9F\x98\x80\xF0\x9F\x98\n\nid: \xE2\x82\xAC\xFF\n\n",
    b"datax: 1\ndat: 2\n data: 3\nDATA: 4\ndata : 5\ndata: 6\n\n",
    b"event:a\n\nevent\ndata:  b \ndata:\tc\n\nid: \0\nid:x\0\ndata\n\n",
    b"retry: 99999999999999999999\nretry:07\nevent: q\nid: u\n\ndata: w",
    b"data: 0123456789\nid: 1\n\ndata: 1\ndata: 2\ndata: 3\ndata: 4\nid: 2\n\n",
    b"id: 0123456789\ndata: a\nid: 3\n\nevent: 0123456\nid: 4\ndata\n\ndata: \xFF\xFF\xFF\xFF\n\n",
];

#[test]
fn two_cuts_anywhere_give_what_the_plain_reading_gives() {
    for stream in STREAMS {
        let due = plain(stream);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let got = decode(Limits::default(), cut(stream, &[first, second]));
                assert_eq!(got, due, "{} cut at {first}, {second}", stream.escape_ascii());
            }
        }
    }
}

#[test]
fn two_cuts_anywhere_give_the_same_errors() {
    let mut errors = 0;
    for stream in STREAMS {
        for limits in [(10, 6), (8, 100), (100, 8), (4, 4), (0, 0), (6, 0)] {
            let limits = Limits::default().line_bytes(limits.0).event_bytes(limits.1);
            let due = decode(limits, [stream]);
            errors += due.seen.iter().filter(|seen| matches!(seen, Seen::OverLimit(_))).count();
            for first in 0..=stream.len() {
                for second in first..=stream.len() {
                    let got = decode(limits, cut(stream, &[first, second]));
                    assert_eq!(got, due, "{} cut at {first}, {second}", stream.escape_ascii());
                }
            }
        }
    }
    assert!(errors > 50, "the limits are meant to be reached, and were {errors} times");
}

/// Streams that are mostly made of what means something.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        8 => prop::sample::select(vec![
            "data", "data:", "data: ", "event: ", "id: ", "id", "retry: ", "1", "20", ":", " ", "\0", "x",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        6 => prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::sample::select(vec!["\u{feff}", "😀", "é", "\u{2028}"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn any_cut_gives_what_the_plain_reading_gives(
        stream in streams(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        prop_assert_eq!(decode(Limits::default(), cut(&stream, &cuts)), plain(&stream));
    }

    #[test]
    fn any_cut_gives_the_same_errors(
        stream in streams(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        line in 0usize..20,
        event in 0usize..20,
    ) {
        let limits = Limits::default().line_bytes(line).event_bytes(event);
        prop_assert_eq!(decode(limits, cut(&stream, &cuts)), decode(limits, [&stream[..]]));
        prop_assert_eq!(decode(limits, stream.chunks(1)), decode(limits, [&stream[..]]));
    }
}
