//! The fields of a response: dates, media types, codings.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use restless_proto::coding::{CodingError, Decoder};
use restless_proto::machine::{End, Input, Machine, Output};
use restless_proto::subscription::Event;
use restless_proto::{Entropy, Instant, Service, Subscription, retry_after};

/// Any fields of a response are judged as plain twins judge them: times to wait, in seconds and
/// until a date, codings, and whether the content is an event stream.
///
/// `data` is fields by lines, `NAME:VALUE`; an empty line ends them, and the rest is content. The
/// first ten bytes are two times as well, which go through each form of a date.
pub fn http_fields(data: &[u8]) {
    let (fields, content) = read(data);
    if let Some(due) = wait(&fields) {
        assert_eq!(retry_after(&fields), due);
    }
    if let Some((times, _)) = data.split_first_chunk::<10>() {
        let seconds = |bytes: &[u8]| {
            let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            number % YEAR_10000
        };
        dates(seconds(&times[..5]), seconds(&times[5..]));
    }
    let readable = coding(&fields);
    assert_eq!(opens(200, &fields, &content), is_event_stream(&fields) && readable);
    assert!(!opens(429, &fields, &content));
}

/// Reads the fields that a target's bytes begin with, and what follows them.
pub(crate) fn read(data: &[u8]) -> (HeaderMap, Bytes) {
    let mut fields = HeaderMap::new();
    let mut rest = data;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    (fields, Bytes::copy_from_slice(rest))
}

/// Returns what `Retry-After` asks for, where that is as clear as can be.
fn wait(fields: &HeaderMap) -> Option<Option<Duration>> {
    let text = |name| fields.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(value) = text("retry-after").map(str::trim) else { return Some(None) };
    if let Ok(seconds) = value.parse::<u32>() {
        let seconds = Duration::from_secs(seconds.into());
        return Some(Some(seconds).filter(|_| !value.starts_with('+')));
    }
    if !value.contains(':') && value.bytes().any(|byte| !byte.is_ascii_digit()) {
        return Some(None);
    }
    let until = of_imf(value)?;
    match fields.get("date") {
        None => Some(None),
        Some(_) => {
            let made = of_imf(text("date")?.trim())?;
            Some(Some(Duration::from_secs(until.saturating_sub(made))))
        }
    }
}

/// Sends two times through each form of a date (RFC 9110 §5.6.7).
fn dates(made: u64, until: u64) {
    let due = Duration::from_secs(until.saturating_sub(made));
    assert_eq!((of_imf(&imf(made)), of_imf(&imf(until))), (Some(made), Some(until)));
    for made in forms(made) {
        for until in forms(until) {
            let mut fields = HeaderMap::new();
            fields.insert("date", made.parse().expect("a value"));
            fields.insert("retry-after", until.parse().expect("a value"));
            assert_eq!(retry_after(&fields), Some(due), "{made}, {until}");
        }
    }
}

/// The time from 1970 to the beginning of that year.
const YEAR_10000: u64 = 253_402_300_800;
const MONTHS: [(&str, u64); 12] = [
    ("Jan", 31),
    ("Feb", 28),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];
const WEEKDAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

fn is_leap(year: u64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length_of(year: u64, month: usize) -> u64 {
    MONTHS[month].1 + u64::from(month == 1 && is_leap(year))
}

/// Returns year, month from 0 on, and day of the month.
fn civil(mut days: u64) -> (u64, usize, u64) {
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let mut year = 1970 + 400 * (days / DAYS_IN_400_YEARS);
    days %= DAYS_IN_400_YEARS;
    loop {
        for month in 0..12 {
            let length = length_of(year, month);
            if days < length {
                return (year, month, days + 1);
            }
            days -= length;
        }
        year += 1;
    }
}

fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

fn weekday(seconds: u64) -> &'static str {
    WEEKDAYS[(seconds / 86_400 % 7) as usize]
}

fn imf(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let (weekday, clock) = (&weekday(seconds)[..3], clock(seconds));
    format!("{weekday}, {day:02} {} {year:04} {clock} GMT", MONTHS[month].0)
}

/// Reads what [`imf`] writes.
fn of_imf(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (day, year) = (number(5, 7)?, number(12, 16)?);
    let month = MONTHS.iter().position(|(name, _)| text.get(8..11) == Some(name))?;
    if !(1970..10_000).contains(&year) || day == 0 || day > length_of(year, month) {
        return None;
    }
    let years: u64 = (1970..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    let months: u64 = (0..month).map(|month| length_of(year, month)).sum();
    let clock = number(17, 19)? * 3600 + number(20, 22)? * 60 + number(23, 25)?;
    let seconds = (years + months + day - 1) * 86_400 + clock;
    Some(seconds).filter(|seconds| imf(*seconds) == text)
}

/// All forms in which a time can be written.
fn forms(seconds: u64) -> Vec<String> {
    let (year, month, day) = civil(seconds / 86_400);
    let (weekday, month, clock) = (weekday(seconds), MONTHS[month].0, clock(seconds));
    let mut forms =
        vec![imf(seconds), format!("{} {month} {day:2} {clock} {year:04}", &weekday[..3])];
    // Two digits stand for one century.
    if (1970..2070).contains(&year) {
        forms.push(format!("{weekday}, {day:02}-{month}-{:02} {clock} GMT", year % 100));
    }
    forms
}

/// Checks which coding is taken off, and returns whether the content can be read.
fn coding(fields: &HeaderMap) -> bool {
    let transfer = listed(fields, "transfer-encoding", TRANSFER_CODINGS);
    let content = listed(fields, "content-encoding", CONTENT_CODINGS);
    let decoder = Decoder::of(fields);
    let readable = decoder.is_ok();
    match (transfer.as_slice(), content.as_slice(), decoder) {
        ([], [], Ok(None)) => {}
        ([], ["br"], Ok(Some(decoder))) => assert_eq!(format!("{decoder:?}"), "Decoder(br)"),
        ([], ["deflate"], Ok(Some(decoder))) => {
            assert_eq!(format!("{decoder:?}"), "Decoder(deflate)");
        }
        ([], ["gzip" | "x-gzip"], Ok(Some(decoder))) => {
            assert_eq!(format!("{decoder:?}"), "Decoder(gzip)");
        }
        // Which it is depends on a feature.
        ([], ["zstd"], Ok(Some(_)) | Err(CodingError::Unknown { .. })) => {}
        ([], ["br" | "deflate" | "gzip" | "x-gzip"], decoder) => panic!("{decoder:?}"),
        ([], names @ [_, ..], Err(CodingError::Unknown { coding })) => {
            assert!(names.join(", ").starts_with(coding.trim_end_matches('…')));
        }
        (names @ [_, ..], _, Err(CodingError::Transfer { coding })) => {
            assert!(names.join(", ").starts_with(coding.trim_end_matches('…')));
        }
        (transfer, content, decoder) => panic!("{transfer:?}, {content:?}: {decoder:?}"),
    }
    readable
}

/// What IANA has registered, but for `identity` and `chunked`.
const CONTENT_CODINGS: &str =
    "aes128gcm br compress dcb dcz deflate exi gzip pack200-gzip x-compress x-gzip zstd";
const TRANSFER_CODINGS: &str = "compress deflate gzip x-compress x-gzip";

/// Returns the names of a list that a field has.
fn listed(fields: &HeaderMap, field: &str, list: &'static str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for line in fields.get_all(field) {
        for name in String::from_utf8_lossy(line.as_bytes()).split(',') {
            let name = name.trim_matches([' ', '\t']).to_ascii_lowercase();
            found.extend(list.split(' ').find(|known| **known == name));
        }
    }
    found
}

/// Whether the last type that is one, but for `*/*`, is that of event streams (WHATWG Fetch §3.6,
/// "extract a MIME type").
fn is_event_stream(fields: &HeaderMap) -> bool {
    let lines = fields.get_all("content-type").into_iter();
    let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    let (mut types, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for char in lines.join(", ").chars() {
        if char == ',' && !quoted {
            types.push(String::new());
        } else if let Some(last) = types.last_mut() {
            last.push(char);
        }
        (quoted, escaped) = match char {
            _ if escaped => (quoted, false),
            '"' => (!quoted, false),
            char => (quoted, quoted && char == '\\'),
        };
    }
    let last = types.iter().rev().find_map(|text| {
        let essence = text.split(';').next()?.trim_matches([' ', '\t']).to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        (is_token(kind) && is_token(subtype) && essence != "*/*").then_some(essence)
    });
    last.as_deref() == Some("text/event-stream")
}

/// Whether a text is a token (RFC 9110 §5.6.2): no control, no blank and no delimiter.
fn is_token(text: &str) -> bool {
    let delimits = |char| "\"(),/:;<=>?@[\\]{}".contains(char);
    !text.is_empty() && text.chars().all(|char| char.is_ascii_graphic() && !delimits(char))
}

/// Whether a subscription takes an answer with this head for an event stream.
fn opens(status: u16, fields: &HeaderMap, content: &Bytes) -> bool {
    let subscription = Subscription::url("https://s.test/");
    let started = subscription.start(&Service::default(), Entropy::from_seed(1), Instant::ORIGIN);
    let mut machine = started.expect("a subscription that can work");
    let Output::Open { exchange, .. } = machine.poll() else { panic!("it opens") };
    let mut head = Response::builder().status(status).body(()).expect("a head").into_parts().0;
    head.headers = fields.clone();
    let mut opened = false;
    for input in [
        Input::Response { exchange, head: Box::new(head) },
        Input::Data { exchange, bytes: content.clone() },
        Input::Ended { exchange, why: End::Complete },
    ] {
        machine.handle(input, Instant::ORIGIN);
        for number in 0.. {
            // What is coded may be much more than comes here.
            assert!(number <= content.len() + 8 || coded(fields), "it talks without end");
            match machine.poll() {
                Output::Event(Event::Opened(_)) => opened = true,
                Output::Wait(_) | Output::Done => break,
                _ => {}
            }
        }
    }
    opened
}

fn coded(fields: &HeaderMap) -> bool {
    !listed(fields, "content-encoding", CONTENT_CODINGS).is_empty()
}
