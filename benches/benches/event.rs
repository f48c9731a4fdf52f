//! Reading an event's envelope, beside `serde_json` into a struct and into a tree; and signing.

use std::hint::black_box;

use bytes::Bytes;
use restless_benches::{Contest, Outcome};
use restless_proto::event::{Envelope, SseId, StreamEvent};
use restless_proto::signature::{Signer, canonicalize};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

fn main() {
    for payload_bytes in [60, 600, 64 << 10] {
        let data = payload(payload_bytes);
        read(&data);
        sign(&data);
    }
}

/// What there is to find in an event: status, latency and the lengths of its texts and its data.
type Found = (i64, i64, [usize; 5]);

fn read(data: &str) {
    let text = event(data);
    let bytes = Bytes::from(text.clone());
    let due: Found = (200, 43, [29, 8, 64, 13, data.len()]);
    let outcomes = Contest::new(format!("an event around {} bytes", data.len()), text.len(), due)
        .contender("Envelope", || {
            let event = Envelope::parse(black_box(&text)).expect("an event");
            let meta = event.meta();
            let lengths = [
                meta.timestamp().len(),
                meta.attempt_id().map_or(0, |id| id.len()),
                event.signature().map_or(0, |signature| signature.len()),
                event.event_id().map_or(0, |id| id.len()),
                event.data().unwrap_or_default().get().len(),
            ];
            (meta.status().unwrap_or(0), meta.latency_ms().unwrap_or(0), lengths)
        })
        .contender("StreamEvent", || {
            let event = StreamEvent::parse(black_box(&bytes).clone(), SseId::None);
            let event = event.expect("an event");
            let meta = event.meta();
            let lengths = [
                meta.timestamp().len(),
                meta.attempt_id().map_or(0, |id| id.len()),
                event.signature().map_or(0, |signature| signature.len()),
                event.event_id().map_or(0, str::len),
                event.data().unwrap_or_default().get().len(),
            ];
            (meta.status().unwrap_or(0), meta.latency_ms().unwrap_or(0), lengths)
        })
        .contender("serde_json, &RawValue", || {
            let event: Borrowed<'_> = serde_json::from_str(black_box(&text)).expect("an event");
            assert!(event.kind == "update" && event.error.is_none());
            assert!(event.meta.payload_mode_fallback.is_none());
            let lengths = [
                event.meta.timestamp.len(),
                event.meta.attempt_id.map_or(0, str::len),
                event.signature.map_or(0, str::len),
                event.event_id.map_or(0, str::len),
                event.data.map_or(0, |data| data.get().len()),
            ];
            (event.meta.status.unwrap_or(0), event.meta.latency_ms.unwrap_or(0), lengths)
        })
        .contender("serde_json, Value", || {
            let event: Value = serde_json::from_str(black_box(&text)).expect("an event");
            let len = |value: &Value| value.as_str().map_or(0, str::len);
            // A tree has lost the text of the data.
            let data_len = if event["data"].is_object() { data.len() } else { 0 };
            let meta = &event["meta"];
            let lengths = [
                len(&meta["timestamp"]),
                len(&meta["attempt_id"]),
                len(&event["signature"]),
                len(&event["event_id"]),
                data_len,
            ];
            let number = |value: &Value| value.as_i64().unwrap_or(0);
            (number(&meta["status"]), number(&meta["latency_ms"]), lengths)
        })
        .run();
    let ours: &Outcome = &outcomes[0];
    assert_eq!(ours.allocations.count, 0, "a lent event allocates nothing");
}

fn sign(data: &str) {
    let canonical = canonicalize(data).expect("a payload").into_owned();
    let signer = Signer::new("whsec_5f2b");
    let due = *signer.sign(data).expect("a payload").as_bytes();
    let sign = |text: &str| *signer.sign(black_box(text)).expect("a payload").as_bytes();
    Contest::new(format!("signing {} bytes", data.len()), data.len(), due)
        .contender("canonical already", || sign(&canonical))
        .contender("in another order", || sign(data))
        .run();
}

/// What `serde_json` is given to fill: every field of the contract, and nothing kept beside them.
#[derive(Deserialize)]
struct Borrowed<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    meta: BorrowedMeta<'a>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    signature: Option<&'a str>,
    event_id: Option<&'a str>,
}

#[derive(Deserialize)]
struct BorrowedMeta<'a> {
    timestamp: &'a str,
    attempt_id: Option<&'a str>,
    status: Option<i64>,
    latency_ms: Option<i64>,
    payload_mode_fallback: Option<&'a str>,
}

fn event(data: &str) -> String {
    format!(
        concat!(
            r#"{{"type":"update","meta":{{"timestamp":"2026-06-07T00:49:36.562+00:00","#,
            r#""attempt_id":"a59d80d4","status":200,"latency_ms":43,"payload_mode_fallback":null}},"#,
            r#""data":{data},"error":null,"#,
            r#""signature":"0e8d5075fec7809ec154d186f8b561bfd9f984bb8f9732c2784425d2f4987f8b","#,
            r#""event_id":"1780793376562"}}"#,
        ),
        data = data,
    )
}

/// A list of orders as a REST API might give it, of about that many bytes.
fn payload(bytes: usize) -> String {
    if bytes < 100 {
        return r#"{"id":"o_1","total":42.5,"paid":true,"note":"at the door"}"#.to_owned();
    }
    let mut orders = Vec::new();
    let mut len = 0;
    while len < bytes {
        let i = orders.len();
        let order = format!(
            r#"{{"id":"o_{i}","total":{}.{:02},"qty":{},"paid":{},"note":"left at door {i}","tags":["a","ü"]}}"#,
            i * 7 % 1000,
            i % 100,
            i % 9,
            i % 2 == 0,
        );
        len += order.len() + 1;
        orders.push(order);
    }
    format!(r#"{{"page":1,"orders":[{}]}}"#, orders.join(","))
}
