//! Canonical JSON, written straight from the text.
//!
//! Most of the canonical text stands in the original as it is due, so the writer hands on the
//! longest pieces of it that it can, and spells anew only what differs. A text that is canonical
//! already comes out in one piece, and no memory is taken.

use std::borrow::Cow;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::PAYLOAD_LEVELS;
use super::order::Orders;
use crate::json::{JsonError, Number, RawStr, Scanner, Span, StackText, decode_escape};

/// Where canonical text goes, in pieces.
pub(super) trait Sink<'a> {
    /// Takes a piece of the original text.
    fn keep(&mut self, piece: &'a str);
    /// Takes a piece that is spelt otherwise in the original.
    fn put(&mut self, piece: &str);
}

impl<'a> Sink<'a> for Cow<'a, str> {
    fn keep(&mut self, piece: &'a str) {
        *self += piece;
    }

    fn put(&mut self, piece: &str) {
        self.to_mut().push_str(piece);
    }
}

impl Sink<'_> for Hmac<Sha256> {
    fn keep(&mut self, piece: &str) {
        self.update(piece.as_bytes());
    }

    fn put(&mut self, piece: &str) {
        self.update(piece.as_bytes());
    }
}

/// Writes the canonical form of the text to a fresh sink.
pub(super) fn write<'a, S: Sink<'a>>(text: &'a str, fresh: impl Fn() -> S) -> Result<S, JsonError> {
    let scanner = Scanner::new(text, PAYLOAD_LEVELS)?;
    let mut orders = None;
    loop {
        match Writer::new(text, scanner.clone(), orders.as_ref(), fresh()).write() {
            Ok(sink) => return Ok(sink),
            Err(Stop::NotJson(error)) => return Err(error),
            // Happens once: then the order of each such object is known.
            Err(Stop::Unsorted) => orders = Some(Orders::of(scanner.clone())?),
        }
    }
}

/// Why a writer stops early.
enum Stop {
    NotJson(JsonError),
    /// An object's keys are not in order, and where they are is not known.
    Unsorted,
}

impl From<JsonError> for Stop {
    fn from(error: JsonError) -> Self {
        Self::NotJson(error)
    }
}

struct Writer<'a, 'o, S> {
    text: &'a str,
    scanner: Scanner<'a>,
    /// Without it, only objects that are in order can be written.
    orders: Option<&'o Orders>,
    sink: S,
    /// A piece of the text that is due next as it is. It grows until something else is due.
    run: Span,
}

impl<'a, 'o, S: Sink<'a>> Writer<'a, 'o, S> {
    fn new(text: &'a str, scanner: Scanner<'a>, orders: Option<&'o Orders>, sink: S) -> Self {
        Self { text, scanner, orders, sink, run: Span { start: 0, end: 0 } }
    }

    fn write(mut self) -> Result<S, Stop> {
        self.value(1)?;
        self.scanner.end()?;
        self.flush();
        Ok(self.sink)
    }

    fn value(&mut self, level: u32) -> Result<(), Stop> {
        self.scanner.check_level(level)?;
        match self.scanner.peek() {
            Some(b'{') => self.object(level)?,
            Some(b'[') => self.array(level)?,
            Some(b'"') => {
                let string = self.scanner.string()?;
                self.string(string);
            }
            Some(b'-' | b'0'..=b'9') => {
                let start = self.scanner.at();
                let number = self.scanner.number()?;
                self.number(start, number);
            }
            _ => {
                let start = self.scanner.at();
                self.scanner.literal()?;
                self.keep(start, self.scanner.at());
            }
        }
        Ok(())
    }

    fn object(&mut self, level: u32) -> Result<(), Stop> {
        let start = self.scanner.at();
        if let Some((keys, end)) = self.orders.and_then(|orders| orders.get(start)) {
            self.put("{");
            for (i, key) in keys.iter().enumerate() {
                if i > 0 {
                    self.put(",");
                }
                self.scanner.jump(*key);
                let key = self.scanner.key()?;
                self.member(key, level)?;
            }
            self.put("}");
            self.scanner.jump(end);
            return Ok(());
        }

        self.scanner.enter();
        self.keep(start, start + 1);
        let mut first = true;
        let mut last: Option<RawStr<'a>> = None;
        while let Some(key) = self.scanner.member(&mut first)? {
            if let Some(last) = last {
                if last.compare(key).is_ge() {
                    return Err(Stop::Unsorted);
                }
                self.put(",");
            }
            self.member(key, level)?;
            last = Some(key);
        }
        self.put("}");
        Ok(())
    }

    fn member(&mut self, key: RawStr<'a>, level: u32) -> Result<(), Stop> {
        self.string(key);
        self.put(":");
        self.value(level + 1)
    }

    fn array(&mut self, level: u32) -> Result<(), Stop> {
        let start = self.scanner.at();
        self.scanner.enter();
        self.keep(start, start + 1);
        let mut first = true;
        loop {
            let separator = if first { "" } else { "," };
            if !self.scanner.element(&mut first)? {
                break;
            }
            self.put(separator);
            self.value(level + 1)?;
        }
        self.put("]");
        Ok(())
    }

    fn string(&mut self, string: RawStr<'a>) {
        let end = string.start + string.raw.len() as u32 + 2;
        if !string.escaped {
            self.keep(string.start, end);
            return;
        }
        let mut kept = string.start;
        let mut at = string.start + 1;
        let mut rest = string.raw;
        while let Some(plain) = memchr::memchr(b'\\', rest.as_bytes()) {
            let (_, escape) = rest.split_at(plain);
            // The scanner has read these escapes before.
            let Ok((decoded, len)) = decode_escape(escape.as_bytes()) else { break };
            let (spelt, after) = escape.split_at(len);
            at += plain as u32;
            let due = &mut [0; 6];
            let due = escape_canonically(decoded, due);
            if due != spelt {
                self.keep(kept, at);
                self.put(due);
                kept = at + len as u32;
            }
            at += len as u32;
            rest = after;
        }
        self.keep(kept, end);
    }

    fn number(&mut self, start: u32, number: Number<'a>) {
        let mut buffer = StackText::default();
        let due = number.canonical(&mut buffer);
        if due == number.text() {
            self.keep(start, self.scanner.at());
        } else {
            self.put(due);
        }
    }

    /// Writes a piece of the original text.
    fn keep(&mut self, start: u32, end: u32) {
        if start != self.run.end {
            self.flush();
            self.run.start = start;
        }
        self.run.end = end;
    }

    /// Writes a text that may be what the original goes on with, or not.
    fn put(&mut self, text: &str) {
        let next = Span { start: self.run.end, end: self.run.end + text.len() as u32 };
        if next.of(self.text) == text {
            self.run.end = next.end;
        } else {
            self.flush();
            self.sink.put(text);
        }
    }

    fn flush(&mut self) {
        if self.run.start < self.run.end {
            self.sink.keep(self.run.of(self.text));
        }
        self.run.start = self.run.end;
    }
}

/// The one way in which a character stands in a canonical string, save where it needs no escape in
/// the original.
fn escape_canonically(c: char, buffer: &mut [u8; 6]) -> &str {
    match c {
        '"' => r#"\""#,
        '\\' => r"\\",
        '\u{8}' => r"\b",
        '\u{c}' => r"\f",
        '\n' => r"\n",
        '\r' => r"\r",
        '\t' => r"\t",
        '\0'..'\u{20}' => {
            let digit = |value: u32| char::from_digit(value, 16).map_or(b'0', |digit| digit as u8);
            let unit = u32::from(c);
            *buffer = [b'\\', b'u', b'0', b'0', digit(unit >> 4), digit(unit & 15)];
            std::str::from_utf8(buffer).unwrap_or_default()
        }
        plain => plain.encode_utf8(buffer),
    }
}
