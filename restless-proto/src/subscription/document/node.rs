//! A JSON value as a tree whose numbers and strings keep their spelling.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::places::Places;
use super::pointer;
use crate::json::string::unescape;

/// A value. `serde_json`'s own type would round a number beyond 2^53, unless a feature is switched
/// on that changes the type for everybody in the program.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// `null`, `true`, `false`.
    Literal(&'static str),
    /// The number as it is spelt.
    Number(Box<str>),
    /// The text as it is spelt, without its quotes.
    String(Box<str>),
    Array(Vec<Self>),
    /// The members by decoded name. Of members of one name the last counts.
    Object(BTreeMap<Box<str>, Self>),
}

/// What a value takes: the bytes of its text as it is written, and how deep it nests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) bytes: usize,
    pub(super) levels: usize,
}

impl Node {
    /// Reads a text whose grammar and depth have been checked, as those of an event's data have.
    /// `None` for a text that is no JSON after all.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut reader = Reader { text, at: 0 };
        let node = reader.value(0)?;
        reader.blank();
        (reader.at == text.len()).then_some(node)
    }

    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Literal(text) => out.push_str(text),
            Self::Number(text) => out.push_str(text),
            Self::String(raw) => {
                out.push('"');
                out.push_str(raw);
                out.push('"');
            }
            Self::Array(elements) => {
                out.push('[');
                for (n, element) in elements.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (n, (name, value)) in members.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    write_name(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    pub(super) fn extent(&self) -> Extent {
        let around = |inner: Extent, own: usize| Extent {
            bytes: inner.bytes.saturating_add(own),
            levels: inner.levels + 1,
        };
        match self {
            Self::Literal(text) => Extent { bytes: text.len(), levels: 0 },
            Self::Number(text) => Extent { bytes: text.len(), levels: 0 },
            Self::String(raw) => Extent { bytes: raw.len() + 2, levels: 0 },
            Self::Array(elements) => {
                let inner =
                    elements.iter().map(Self::extent).fold(Extent::default(), Extent::beside);
                around(inner, elements.len() + 2)
            }
            Self::Object(members) => {
                let extents = members.iter().map(|(name, value)| {
                    let Extent { bytes, levels } = value.extent();
                    Extent { bytes: bytes.saturating_add(member_bytes(name)), levels }
                });
                around(extents.fold(Extent::default(), Extent::beside), 2)
            }
        }
    }

    /// Compares as JSON Patch does (RFC 6902 §4.6): numbers by value, strings by their characters,
    /// objects whatever the order of their members.
    pub(super) fn is_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(a), Self::Literal(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => {
                a == b || decimal(a).is_some_and(|a| decimal(b) == Some(a))
            }
            (Self::String(a), Self::String(b)) => a == b || unescape(a) == unescape(b),
            (Self::Array(a), Self::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_equal(b))
            }
            (Self::Object(a), Self::Object(b)) => {
                let both = || a.iter().zip(b);
                a.len() == b.len() && both().all(|((m, a), (n, b))| m == n && a.is_equal(b))
            }
            (
                Self::Literal(_)
                | Self::Number(_)
                | Self::String(_)
                | Self::Array(_)
                | Self::Object(_),
                _,
            ) => false,
        }
    }

    /// Returns the text of a string, decoded.
    pub(super) fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::String(raw) => Some(unescape(raw)),
            Self::Literal(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }
}

impl Extent {
    fn beside(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            levels: self.levels.max(other.levels),
        }
    }
}

/// Returns what a member takes beside its value: its name as [`write_name`] spells it, quotes,
/// colon, comma.
pub(super) fn member_bytes(name: &str) -> usize {
    let spelt = |byte| match byte {
        b'"' | b'\\' => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    name.bytes().map(spelt).sum::<usize>() + 4
}

fn write_name(name: &str, out: &mut String) {
    out.push('"');
    for c in name.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c < ' ' => {
                // Writing to a text can't fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Splits a number into its sign, its digits stripped of zeros at both ends, and the exponent of
/// the last digit. Comparisons are then exact: 1, 1.0 and 10e-1 are one number, 2^53 and 2^53 + 1
/// are two. `None` where the exponent has more than 38 digits: such numbers are equal where they
/// are spelt alike.
fn decimal(text: &str) -> Option<(bool, String, i128)> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_start_matches('0').trim_end_matches('0');
    if kept.is_empty() {
        return Some((false, String::new(), 0));
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let shift = i128::try_from(zeros).ok()? - i128::try_from(fraction.len()).ok()?;
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent).parse::<i128>().ok()?;
    Some((negative, kept.to_owned(), exponent.checked_add(shift)?))
}

/// Reads what is known to be JSON, and gives up on any other text.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// The deepest nesting: as deep as an event's data may nest, and some more.
const MOST_LEVELS: usize = 256;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Passes this byte, if the byte comes next but for blanks.
    fn pass(&mut self, byte: u8) -> bool {
        self.blank();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, level: usize) -> Option<Node> {
        if level > MOST_LEVELS {
            return None;
        }
        self.blank();
        match self.peek()? {
            b'{' => {
                self.at += 1;
                let mut members = BTreeMap::new();
                if self.pass(b'}') {
                    return Some(Node::Object(members));
                }
                loop {
                    self.blank();
                    let name = unescape(self.string()?).into_owned();
                    if !self.pass(b':') {
                        return None;
                    }
                    members.insert(name.into_boxed_str(), self.value(level + 1)?);
                    if self.pass(b'}') {
                        return Some(Node::Object(members));
                    }
                    if !self.pass(b',') {
                        return None;
                    }
                }
            }
            b'[' => {
                self.at += 1;
                let mut elements = Vec::new();
                if self.pass(b']') {
                    return Some(Node::Array(elements));
                }
                loop {
                    elements.push(self.value(level + 1)?);
                    if self.pass(b']') {
                        return Some(Node::Array(elements));
                    }
                    if !self.pass(b',') {
                        return None;
                    }
                }
            }
            b'"' => self.string().map(|raw| Node::String(raw.into())),
            b'-' | b'0'..=b'9' => Some(Node::Number(self.word().into())),
            _ => {
                let word = self.word();
                ["null", "true", "false"].into_iter().find(|it| *it == word).map(Node::Literal)
            }
        }
    }

    /// Reads a string, without its quotes.
    fn string(&mut self) -> Option<&str> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at + 1;
        self.at = start;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.text.get(start..self.at - 1)
    }

    /// Reads what stands until a value's end.
    fn word(&mut self) -> &str {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E')) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }
}

/// Collects where two values differ; the place `at` itself for a value of another shape.
pub(super) fn differences(old: &Node, new: &Node, at: &mut String, places: &mut Places) {
    if places.is_all() {
        return;
    }
    match (old, new) {
        (Node::Object(old), Node::Object(new)) => {
            let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
            for name in names {
                let length = at.len();
                pointer::push(at, name);
                match (old.get(name), new.get(name)) {
                    (Some(old), Some(new)) => differences(old, new, at, places),
                    (Some(_), None) | (None, Some(_)) => places.add(at),
                    (None, None) => {}
                }
                at.truncate(length);
            }
        }
        (Node::Array(old), Node::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                let length = at.len();
                pointer::push(at, &index.to_string());
                differences(old, new, at, places);
                at.truncate(length);
            }
        }
        _ if old.is_equal(new) => {}
        _ => places.add(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_equal(a: &str, b: &str) -> bool {
        Node::read(a).unwrap().is_equal(&Node::read(b).unwrap())
    }

    #[test]
    fn numbers_are_equal_by_value_and_never_by_rounding() {
        for (a, b) in [("1", "1.0"), ("10e-1", "1"), ("0", "-0.0"), ("1E+2", "100"), ("0e9", "0")] {
            assert!(is_equal(a, b), "{a} {b}");
        }
        for (a, b) in [("9007199254740992", "9007199254740993"), ("1", "-1"), ("1e400", "1e401")] {
            assert!(!is_equal(a, b), "{a} {b}");
        }
    }

    #[test]
    fn strings_are_equal_by_their_characters() {
        assert!(is_equal(r#""a\u0062\/""#, r#""ab/""#));
        assert!(is_equal("\"\u{FFFD}\"", r#""\uFFFD""#));
        assert!(!is_equal(r#""a\u0301""#, r#""\u00e1""#));
    }

    #[test]
    fn a_value_is_written_as_it_was_spelt() {
        let text = r#"{"a":[1.0,9007199254740993,1e400,"\ud83d\ude00A",true,null],"b\"":{}}"#;
        let mut written = String::new();
        let node = Node::read(text).unwrap();
        node.write(&mut written);
        assert_eq!(written, text);
    }

    #[test]
    fn an_extent_is_no_less_than_the_text() {
        for text in [
            "1",
            r#""ab""#,
            "[]",
            "[1,2]",
            r#"{"a":1,"b":[{"c":null}]}"#,
            r#"{"\"":"\"","\\":"\\"}"#,
            r#"{"\n\u0001\u001f":"\n\u0001\u001f"}"#,
            "{\"\u{7f}é\u{2028}\":\"\u{7f}é\u{2028}\"}",
        ] {
            let node = Node::read(text).unwrap();
            let (mut written, extent) = (String::new(), node.extent());
            node.write(&mut written);
            assert!(
                (written.len()..written.len() + 5).contains(&extent.bytes),
                "{text} {extent:?}"
            );
        }
        assert_eq!(Node::read(r#"{"a":[1]}"#).unwrap().extent().levels, 2);
    }

    #[test]
    fn what_differs_is_named_by_the_deepest_pointer_that_says_it() {
        let (old, new) =
            (r#"{"a":{"b":1,"c":2},"d":[1,2],"e":1}"#, r#"{"a":{"b":1.0,"c":3},"d":[1]}"#);
        let mut places = Places::default();
        let read = |text| Node::read(text).unwrap();
        differences(&read(old), &read(new), &mut String::new(), &mut places);
        assert_eq!(places.into_list(), ["/a/c", "/d", "/e"]);
    }
}
