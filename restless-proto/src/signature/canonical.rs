//! Canonical JSON, written straight from the text.
//!
//! Most of the canonical text stands in the original as it is due, so the writer hands on the
//! longest pieces of it that it can, and spells anew only what differs. A text that is canonical
//! already comes out in one piece, and no memory is taken.

use std::borrow::Cow;
use std::ops::Range;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::PAYLOAD_LEVELS;
use super::order::Orders;
use crate::json::{JsonError, Number, RawStr, Scanner, StackText, decode_escape};

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
    run: Range<u32>,
}

impl<'a, 'o, S: Sink<'a>> Writer<'a, 'o, S> {
    fn new(text: &'a str, scanner: Scanner<'a>, orders: Option<&'o Orders>, sink: S) -> Self {
        Self { text, scanner, orders, sink, run: 0..0 }
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
            self.mark("{");
            for (i, key) in keys.iter().enumerate() {
                if i > 0 {
                    self.mark(",");
                }
                self.scanner.jump(*key);
                let key = self.scanner.key()?;
                self.member(key, level)?;
            }
            self.mark("}");
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
                self.mark(",");
            }
            self.member(key, level)?;
            last = Some(key);
        }
        self.mark("}");
        Ok(())
    }

    fn member(&mut self, key: RawStr<'a>, level: u32) -> Result<(), Stop> {
        self.string(key);
        self.mark(":");
        self.value(level + 1)
    }

    fn array(&mut self, level: u32) -> Result<(), Stop> {
        let start = self.scanner.at();
        self.scanner.enter();
        self.keep(start, start + 1);
        let mut first = true;
        loop {
            let is_first = first;
            if !self.scanner.element(&mut first)? {
                break;
            }
            if !is_first {
                self.mark(",");
            }
            self.value(level + 1)?;
        }
        self.mark("]");
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

    /// Writes a text that the original does not have here.
    fn put(&mut self, text: &str) {
        self.flush();
        self.sink.put(text);
    }

    /// Writes a punctuation mark, which most likely is what the original goes on with.
    fn mark(&mut self, mark: &str) {
        if self.text.as_bytes().get(self.run.end as usize) == mark.as_bytes().first() {
            self.run.end += 1;
        } else {
            self.put(mark);
        }
    }

    fn flush(&mut self) {
        if !self.run.is_empty() {
            let run = self.run.start as usize..self.run.end as usize;
            self.sink.keep(self.text.get(run).unwrap_or_default());
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::canonicalize;
    use super::*;
    use crate::json::JsonProblem;

    #[test]
    fn canonical_text_is_lent_back_in_one_piece() {
        for text in [
            "null",
            "[]",
            r#"{"":{},"a":[1,-2.5,1e+16,"é\u001f\n\"\\"],"b":{"c":[[],{}]}}"#,
            "[18446744073709551616,-0.0]",
        ] {
            assert!(
                matches!(canonicalize(text), Ok(Cow::Borrowed(same)) if same == text),
                "{text}"
            );
        }
    }

    #[test]
    fn white_space_around_canonical_text_costs_no_memory() {
        let lent = canonicalize(" \t{\"a\":1}\r\n").unwrap();
        assert!(matches!(lent, Cow::Borrowed(r#"{"a":1}"#)));
    }

    #[test]
    fn members_are_sorted_at_every_level_wherever_they_stand() {
        let text = r#"[{"b":[{"z":1,"y":{"d":0,"c":0}}],"a":2},{"k":1}, {"n":1,"m":2}]"#;
        let due = r#"[{"a":2,"b":[{"y":{"c":0,"d":0},"z":1}]},{"k":1},{"m":2,"n":1}]"#;
        assert_eq!(canonicalize(text).unwrap(), due);
    }

    #[test]
    fn of_equal_keys_the_last_one_counts_however_it_is_spelt() {
        let text = r#"{"a":{"z":1,"y":2},"b":2,"\u0061":{"x":1},"b":3}"#;
        assert_eq!(canonicalize(text).unwrap(), r#"{"a":{"x":1},"b":3}"#);
        assert_eq!(canonicalize(r#"{"a":1,"a":2}"#).unwrap(), r#"{"a":2}"#);
    }

    #[test]
    fn what_a_later_key_hides_must_be_json_all_the_same() {
        let problem = canonicalize(r#"{"a":1e400,"a":2}"#).unwrap_err().problem();
        assert_eq!(problem, JsonProblem::NumberRange);
    }

    #[test]
    fn strings_keep_only_the_escapes_that_are_due() {
        let text = r#""\/\u0041\u000A\n\u001F\u001f\u007f\u2028\ud83d\ude00\u0022\"x""#;
        let due = "\"/A\\n\\n\\u001f\\u001f\u{7f}\u{2028}😀\\\"\\\"x\"";
        assert_eq!(canonicalize(text).unwrap(), due);
    }

    #[test]
    fn a_payload_may_nest_as_deep_as_the_limit_and_no_deeper() {
        let nested = |levels: usize, open: &str, close: &str| {
            format!("{}1{}", open.repeat(levels - 1), close.repeat(levels - 1))
        };
        let most = PAYLOAD_LEVELS as usize;
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"{"b":1,"a":"#, "}")] {
            assert!(canonicalize(&nested(most, open, close)).is_ok(), "{open}");
            let error = canonicalize(&nested(most + 1, open, close)).unwrap_err();
            assert_eq!(error.problem(), JsonProblem::TooDeep, "{open}");
            assert!(canonicalize(&open.repeat(100_000)).is_err());
        }
    }

    #[test]
    fn the_text_is_one_value_and_nothing_else() {
        for (text, offset) in [("", 0), (" ", 1), ("1 2", 2), ("{} x", 3), ("\u{feff}1", 0)] {
            assert_eq!(canonicalize(text).unwrap_err().offset(), offset, "{text:?}");
        }
    }
}
