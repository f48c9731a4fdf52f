//! JSON that is 100,000 levels deep, numbers of a million digits, and objects of keys in the worst
//! order.

use restless_proto::event::SseId;
use restless_proto::model::PayloadMode;
use restless_proto::signature::Signer;
use restless_proto::subscription::{Change, Document, RejectReason};
use restless_proto::{Error, Limits, StreamEvent, streams};

use super::memory;
use super::peer::{call_within, event, follow, frame, stream};

const LEVELS: usize = 100_000;
const DIGITS: usize = 1_000_000;

fn deep() -> [String; 4] {
    [
        "[".repeat(LEVELS),
        format!("{}1{}", "[".repeat(LEVELS), "]".repeat(LEVELS)),
        format!("{}1{}", r#"{"a":"#.repeat(LEVELS), "}".repeat(LEVELS)),
        format!("{}1{}", r#"[{"a":"#.repeat(LEVELS / 2), "}]".repeat(LEVELS / 2)),
    ]
}

#[test]
fn an_event_100_000_levels_deep_is_rejected_and_the_next_one_comes() {
    let _alone = memory::alone();
    for data in deep() {
        let text = event(&data);
        let mut peer = follow(stream().limits(Limits::default())).opens();
        peer.say(format!("data: {text}\n\n").as_bytes(), 4096);
        peer.say(format!("data: {}\n\n", event("7")).as_bytes(), 4096);
        let told = peer.rejected().map(|it| &it.reason);
        assert!(matches!(told, Some(RejectReason::Malformed(_))), "{told:?}");
        assert_eq!(peer.data(), Some("7"));
        assert!(peer.most_held < 6 * text.len(), "{} bytes", peer.most_held);

        let mut peer = follow(stream().websocket()).upgrades("");
        peer.say(&frame(0x81, text.as_bytes()), 4096);
        peer.say(&frame(0x81, event("7").as_bytes()), 4096);
        let told = peer.rejected().map(|it| &it.reason);
        assert!(matches!(told, Some(RejectReason::Malformed(_))), "{told:?}");
        assert_eq!(peer.data(), Some("7"));
    }
}

#[test]
fn a_reply_100_000_levels_deep_is_an_error_of_its_content() {
    let _alone = memory::alone();
    for content in deep() {
        let length = content.len();
        let mut peer = call_within(streams::list(), Limits::default());
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        peer.say(head.as_bytes(), usize::MAX);
        peer.say(content.as_bytes(), 4096);
        let told = peer.told.last();
        assert!(matches!(told, Some(Err(Error::Content(_)))), "{told:?}");

        for content in [content.clone(), format!(r#"{{"message":{content}}}"#)] {
            let mut peer = follow(stream().limits(Limits::default()));
            let head = format!("HTTP/1.1 403 No\r\ncontent-length: {}\r\n\r\n", content.len());
            peer.say(head.as_bytes(), usize::MAX);
            peer.say(content.as_bytes(), 4096);
            assert!(matches!(peer.error(), Some(Error::Refused(_))), "{:?}", peer.told);
        }
    }
}

#[test]
fn a_reply_as_deep_as_the_default_limit_allows_is_an_error_and_no_overflow() {
    let _alone = memory::alone();
    for content in deep() {
        let call: restless_proto::Call<_> = streams::list().into();
        let head = http::Response::new(()).into_parts().0;
        let read = call.response(&head, content.into_bytes().into());
        assert!(matches!(read, Err(Error::Content(_))), "{read:?}");
    }
}

#[test]
fn a_number_of_a_million_digits_comes_as_it_is_spelt() {
    let _alone = memory::alone();
    let numbers = [
        "9".repeat(DIGITS),
        format!("-0.{}1", "0".repeat(DIGITS)),
        format!("1.{}", "3".repeat(DIGITS)),
        format!("1e-{}", "9".repeat(DIGITS)),
        format!("0.{}e{DIGITS}", "0".repeat(DIGITS)),
    ];
    for number in numbers {
        let mut peer = follow(stream().limits(Limits::default())).opens();
        peer.say(format!("data: {}\n\n", event(&number)).as_bytes(), 4096);
        let told = peer.rejected().map(|it| &it.reason);
        assert!(peer.data() == Some(&*number), "{}…: {told:?}", &number[..20]);
        assert!(peer.most_held < 8 * DIGITS, "{} bytes", peer.most_held);

        let event = StreamEvent::parse(event(&number), SseId::None).unwrap();
        let before = memory::asked_for();
        // As a number it is near enough, or an error; as a document it is what it was.
        let _ = event.data().unwrap().parse::<f64>();
        let mut document = Document::new(PayloadMode::FullData);
        let _ = document.take(&event);
        assert!(document.text().as_deref() == Some(&*number), "{}…", &number[..20]);
        let _ = Signer::new("secret").sign(&number);
        let asked = memory::asked_for() - before;
        assert!(asked < 32 * DIGITS, "{asked} bytes were asked for");
    }
}

#[test]
fn a_name_as_long_as_a_document_is_not_listed_for_each_value_in_it() {
    let _alone = memory::alone();
    const BYTES: usize = 64 << 10;
    const VALUES: usize = BYTES / 2;
    let name = "k".repeat(BYTES);
    let full = |number: &str| {
        let data = format!(r#"{{"{name}":[{}]}}"#, vec![number; VALUES].join(","));
        StreamEvent::parse(event(&data), SseId::None).unwrap()
    };
    let mut document = Document::new(PayloadMode::FullData);
    let _ = document.take(&full("0"));
    let next = full("1");
    let before = memory::asked_for();
    let Change::Value(places) = document.take(&next) else { panic!("{:?}", document.stale()) };
    let asked = memory::asked_for() - before;
    assert_eq!(places, [""]);
    assert!(asked < 100 * BYTES, "{asked} bytes were asked for");

    // A patch is as long as the places that it names: each name is there.
    let add = |n: usize| format!(r#"{{"op":"replace","path":"/{name}/{n}","value":2}}"#);
    let patch = format!("[{}]", (0..64).map(add).collect::<Vec<_>>().join(","));
    let mut document = Document::new(PayloadMode::JsonPatch);
    let fallback = full("0").raw().replacen(r#""meta":{"#, FALLBACK, 1);
    let _ = document.take(&StreamEvent::parse(fallback, SseId::None).unwrap());
    let next = StreamEvent::parse(event(&patch), SseId::None).unwrap();
    let before = memory::asked_for();
    let Change::Value(places) = document.take(&next) else { panic!("{:?}", document.stale()) };
    let asked = memory::asked_for() - before;
    assert_eq!(places, [""]);
    assert!(asked < 10 * patch.len(), "{asked} bytes were asked for");
}

const FALLBACK: &str = r#""meta":{"payload_mode_fallback":"FULL_DATA","#;

/// Reads JSON of so many bytes.
pub(crate) type Reading = fn(usize);

/// What is read where instructions are counted.
pub(crate) const WORK: &[(&str, Reading)] = &[
    // Beyond 200 levels the reading ends, and what is counted would be the same for each size.
    ("levels of an event", |bytes| {
        let levels = format!("{}{},", "[".repeat(16), "]".repeat(16));
        read(&format!("[{}0]", levels.repeat(bytes / levels.len())));
    }),
    ("digits of an event", |bytes| read(&"7".repeat(bytes))),
    ("digits of a fraction", |bytes| read(&format!("0.{}", "3".repeat(bytes)))),
    ("escapes of a string", |bytes| read(&format!("\"{}\"", "\\u00e9".repeat(bytes / 6)))),
    ("one key again and again", |bytes| {
        read(&format!("{{{}\"a\":1}}", "\"a\":1,".repeat(bytes / 6)));
    }),
    ("empty arrays", |bytes| read(&format!("[{}1]", "[],".repeat(bytes / 3)))),
];

/// As an event, for its signature, and as a document.
fn read(data: &str) {
    let event = StreamEvent::parse(event(data), SseId::None).unwrap();
    let _ = event.data().unwrap().parse::<serde_json::Value>();
    let _ = Signer::new("secret").sign(data);
    let mut document = Document::new(PayloadMode::FullData);
    let _ = document.take(&event);
}
