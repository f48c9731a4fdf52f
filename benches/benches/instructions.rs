//! Rows for `instructions.sh`: the same work every time, so that its instructions can be counted.
//!
//! `--list` prints the rows' names and how many events each has. A name runs that row once to warm
//! up and once in [`measured`], whose instructions count. Without either, each row only checks its
//! answer.

use std::hint::black_box;

use bytes::Bytes;
use restless_proto::Limits;
use restless_proto::event::{Envelope, Kind, SseId, StreamEvent};
use restless_proto::signature::Signer;
use restless_proto::sse::{Block, Decoder};

/// A name, how many events there are, and the work.
type Row = (String, usize, Box<dyn FnMut()>);

fn main() {
    let wanted = std::env::args().nth(1).filter(|argument| argument != "--bench");
    for (name, events, mut work) in rows() {
        match wanted.as_deref() {
            Some("--list") => println!("{name}\t{events}"),
            Some(wanted) if wanted != name => {}
            wanted => {
                work();
                if wanted.is_some() {
                    measured(&mut *work);
                }
            }
        }
    }
}

#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

fn rows() -> Vec<Row> {
    let small: Vec<String> =
        (0..400).map(|n| format!("{{\"n\":{}}}", 10_u64.pow(16) + n)).collect();
    let small: Vec<String> = small.iter().map(|text| format!("{text:<64}")).collect();
    let usual: Vec<String> = (0..100).map(event).collect();
    let large: Vec<String> = (0..4).map(|n| large_event(n, 64 << 10)).collect();
    let lines = vec![event_of_lines(2800)];

    let mut rows = vec![
        decode("sse, 64 B, reads of 16 KiB", &small, "\n", 16 << 10),
        decode("sse, 600 B, reads of 16 KiB", &usual, "\n", 16 << 10),
        decode("sse, 600 B, CRLF, reads of 16 KiB", &usual, "\r\n", 16 << 10),
        decode("sse, 64 KiB in a line, reads of 16 KiB", &large, "\n", 16 << 10),
        decode("sse, 64 KiB in a line, reads of 1,460 B", &large, "\n", 1460),
        decode("sse, 2,800 lines, reads of 16 KiB", &lines, "\n", 16 << 10),
        decode("sse, 600 B, single bytes", &usual[..4], "\n", 1),
    ];
    for (size, texts) in [("600 B", &usual), ("64 KiB", &large)] {
        rows.push(envelope(&format!("envelope, {size}"), texts));
        rows.push(stream_event(&format!("stream event, {size}"), texts));
        rows.push(sign(&format!("signing, {size}"), texts));
    }
    rows.push(sign("signing, 1,000 keys", &[keys("k")]));
    rows.push(sign("signing, 1,000 keys with an escape", &[keys(r"\u006b")]));
    rows
}

fn decode(name: &str, data: &[String], line_end: &str, read_bytes: usize) -> Row {
    let due: usize = data.iter().map(String::len).sum();
    let events = data.len();
    let blocks = data.iter().enumerate().map(|(n, data)| {
        let data = data.replace('\n', &format!("{line_end}data: "));
        format!(
            "id: {}{line_end}data: {data}{line_end}{line_end}",
            1_780_000_000_000_u64 + n as u64
        )
    });
    let stream = Bytes::from(blocks.collect::<String>());
    let work = move || {
        let mut decoder = Decoder::new(Limits::default());
        let (mut found, mut bytes) = (0, 0);
        for start in (0..stream.len()).step_by(read_bytes) {
            decoder.feed(stream.slice(start..stream.len().min(start + read_bytes)));
            while let Some(block) = decoder.poll().expect("a stream within the limits") {
                if let Block::Event(event) = block {
                    found += 1;
                    bytes += black_box(event.data()).len();
                }
            }
        }
        assert_eq!((found, bytes), (events, due));
    };
    (name.to_owned(), events, Box::new(work))
}

fn envelope(name: &str, texts: &[String]) -> Row {
    let texts = texts.to_vec();
    let events = texts.len();
    let work = move || {
        for text in &texts {
            let event = Envelope::parse(black_box(text)).expect("an event");
            assert!(event.kind() == Kind::Update && event.data().is_some());
        }
    };
    (name.to_owned(), events, Box::new(work))
}

fn stream_event(name: &str, texts: &[String]) -> Row {
    let texts: Vec<Bytes> = texts.iter().cloned().map(Bytes::from).collect();
    let events = texts.len();
    let work = move || {
        for text in &texts {
            let event = StreamEvent::parse(black_box(text).clone(), SseId::None).expect("an event");
            assert!(event.kind() == Kind::Update && event.data().is_some());
        }
    };
    (name.to_owned(), events, Box::new(work))
}

/// The hash is part of it, and most of it.
fn sign(name: &str, texts: &[String]) -> Row {
    let texts = texts.to_vec();
    let events = texts.len();
    let signer = Signer::new("whsec_5f2b");
    let signatures: Vec<String> = texts
        .iter()
        .map(|text| {
            let canonical = restless_proto::signature::canonicalize(text).expect("a payload");
            signer.sign(&canonical).expect("a payload").to_string()
        })
        .collect();
    let work = move || {
        for (text, signature) in texts.iter().zip(&signatures) {
            assert_eq!(signer.verify(black_box(text), signature), Ok(()));
        }
    };
    (name.to_owned(), events, Box::new(work))
}

fn event(n: usize) -> String {
    around(n, &order(n))
}

fn large_event(n: usize, bytes: usize) -> String {
    let orders: Vec<String> = (0..bytes / 390).map(|i| order(n * 1000 + i)).collect();
    around(
        n,
        &format!("{{\"orders\":[{}],\"pad\":\"{}\"}}", orders.join(","), "padding ".repeat(99)),
    )
}

fn around(n: usize, data: &str) -> String {
    format!(
        "{{\"type\":\"update\",\"meta\":{{\"timestamp\":\"2026-06-07T00:49:{:02}.562+00:00\",\
         \"attempt_id\":\"a59d80d4-1b7e-4a55-8c11-{:012}\",\"status\":200,\"latency_ms\":{},\
         \"payload_mode_fallback\":null}},\"data\":{data},\"error\":null,\"signature\":null}}",
        n % 60,
        n * 7919,
        n % 900 + 10,
    )
}

fn order(n: usize) -> String {
    format!(
        "{{\"order\":{{\"id\":\"ord_{n:08}\",\"status\":\"open\",\"currency\":\"EUR\",\
         \"total_cents\":{},\"customer\":{{\"id\":\"cus_{n:06}\",\"name\":\"Zo\\u00eb M\\u00fcller\",\
         \"tier\":\"gold\"}},\"lines\":[{{\"sku\":\"SKU-{n:05}\",\"qty\":{},\"price_cents\":{}}},\
         {{\"sku\":\"SKU-{n:05}\",\"qty\":1,\"price_cents\":1999}}],\"shipping\":{{\"carrier\":\"dhl\",\
         \"eta\":\"2026-06-{:02}\",\"address\":{{\"city\":\"Lisboa\",\"zip\":\"1100-{:03}\"}}}},\
         \"notes\":null,\"paid\":true}}}}",
        n * 31 % 90_000 + 10_000,
        n % 9 + 1,
        n % 9000 + 1000,
        n % 20 + 10,
        n % 900 + 100,
    )
}

fn event_of_lines(count: usize) -> String {
    let lines: Vec<String> = (0..count).map(|n| format!("      \"key_{n:04}\": {n}")).collect();
    lines.join("\n")
}

/// An object whose keys are in no order.
fn keys(start: &str) -> String {
    let member = |n: u64| {
        let scattered = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        format!("\"{start}{scattered:016x}\":{n}")
    };
    let members: Vec<String> = (0..1000).map(member).collect();
    format!("{{{}}}", members.join(","))
}
