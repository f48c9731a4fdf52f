//! JSON text (RFC 8259), read where it lies: nothing is copied, nothing is built.
//!
//! Events and signatures need the text itself: `data` is handed out byte for byte, and what was
//! signed depends on how each number is spelt. So both read with this [`Scanner`], which is strict
//! (the grammar, no more), takes no memory of its own, and stops at a depth that the stack bears.

mod finite;
mod number;
pub(crate) mod object;
mod skip;
mod text;

use std::fmt;
use std::num::NonZeroU64;

pub(crate) use finite::to_raw;
pub(crate) use number::{Number, StackText, integer};
pub(crate) use text::{RawStr, decode_escape, unescape};

use skip::{
    blank_end, colon_end, literal_end, number_end, stop, string_end, unexpected, value_end,
};

/// Text that is not JSON, or not JSON that can be used here: what is wrong, and where.
///
/// Beyond the grammar of RFC 8259, text is refused whose strings are no Unicode text (half a
/// surrogate pair, RFC 8259 §8.2), whose floats are beyond a double's range (§6), and which nests
/// deeper than its reader says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    offset: u32,
    problem: JsonProblem,
}

impl JsonError {
    /// Where it is, in bytes from the start of the text.
    pub fn offset(&self) -> usize {
        self.offset as usize
    }

    /// What is wrong there.
    pub fn problem(&self) -> JsonProblem {
        self.problem
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.problem, self.offset)
    }
}

impl std::error::Error for JsonError {}

/// What can be wrong with JSON text, by the sections of RFC 8259.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JsonProblem {
    /// The text ends before its value does (§2).
    EndsEarly,
    /// Something else is due here, or nothing (§2 to §5).
    Unexpected,
    /// A number is not spelt as numbers are (§6).
    Number,
    /// A float is beyond what a double can hold, such as `1e400` (§6). Integers have no bound.
    NumberRange,
    /// A character below U+0020 stands in a string unescaped (§7).
    ControlCharacter,
    /// There is no such escape (§7).
    Escape,
    /// An escape gives one half of a surrogate pair without the other (§8.2).
    LoneSurrogate,
    /// It nests deeper than is read (§9).
    TooDeep,
    /// The text is 4 GiB or longer (§9).
    TooLong,
}

impl fmt::Display for JsonProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndsEarly => "the text ends too early",
            Self::Unexpected => "unexpected character",
            Self::Number => "malformed number",
            Self::NumberRange => "number out of range",
            Self::ControlCharacter => "control character in a string",
            Self::Escape => "malformed escape",
            Self::LoneSurrogate => "half a surrogate pair",
            Self::TooDeep => "value nested too deep",
            Self::TooLong => "text too long",
        })
    }
}

/// The deepest that any reader goes.
pub(crate) const MOST_LEVELS: u32 = 512;

/// A piece of the text, in bytes. It starts and ends between characters, and never ends at 0: a
/// piece or none fits into 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(NonZeroU64);

impl Span {
    #[inline(always)]
    fn new(start: usize, end: usize) -> Self {
        // The scanner takes no text whose offsets don't fit.
        let packed = (start as u64) << 32 | end as u64;
        Self(NonZeroU64::new(packed).unwrap_or(NonZeroU64::MIN))
    }

    fn start(self) -> usize {
        (self.0.get() >> 32) as usize
    }

    fn end(self) -> usize {
        self.0.get() as u32 as usize
    }

    /// The piece of the text that the span was found in.
    #[inline(always)]
    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start()..self.end()).unwrap_or_default()
    }

    /// What stands between the quotes of a string.
    #[inline(always)]
    pub(crate) fn within_quotes(self) -> Self {
        Self::new(self.start() + 1, self.end() - 1)
    }
}

/// A place in JSON text, moved forward value by value.
///
/// A value's *level* is 1 plus the number of arrays and objects around it. Callers count it on the
/// way down; what lies deeper than `deepest` is refused.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    deepest: u32,
}

impl<'a> Scanner<'a> {
    /// Starts at the beginning of the text. `deepest` is at most [`MOST_LEVELS`].
    pub(crate) fn new(text: &'a str, deepest: u32) -> Result<Self, JsonError> {
        // Offsets are 32 bits wide from here on.
        if u32::try_from(text.len()).is_err() {
            return Err(JsonError { offset: 0, problem: JsonProblem::TooLong });
        }
        Ok(Self { text, at: 0, deepest: deepest.min(MOST_LEVELS) })
    }

    /// Where the scanner is.
    pub(crate) fn at(&self) -> u32 {
        self.at as u32
    }

    /// Moves to a place seen before.
    pub(crate) fn jump(&mut self, at: u32) {
        self.at = at as usize;
    }

    /// Skips white space, and looks at the byte that the next token starts with.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let (at, first) = blank_end(self.bytes(), self.at);
        self.at = at;
        first
    }

    /// Reads one value of any kind, and says where it stands.
    #[inline(always)]
    pub(crate) fn value(&mut self, level: u32) -> Result<Span, JsonError> {
        self.check_level(level)?;
        let first = self.peek();
        let start = self.at;
        self.at = match first {
            Some(b'"') => string_end(self.bytes(), self.at + 1)?.0,
            Some(b'{' | b'[') => value_end(self.bytes(), self.at, level, self.deepest)?,
            Some(b'-' | b'0'..=b'9') => number_end(self.bytes(), self.at)?.0,
            _ => literal_end(self.bytes(), self.at)?,
        };
        Ok(Span::new(start, self.at))
    }

    /// Refuses what is deeper than the scanner goes.
    pub(crate) fn check_level(&self, level: u32) -> Result<(), JsonError> {
        if level > self.deepest { Err(stop(self.at, JsonProblem::TooDeep)) } else { Ok(()) }
    }

    /// Steps over the bracket that [`peek`](Self::peek) has seen.
    pub(crate) fn enter(&mut self) {
        self.at += 1;
    }

    /// What was read from a place seen before.
    pub(crate) fn since(&self, start: u32) -> Span {
        Span::new(start as usize, self.at)
    }

    /// Steps over the next key of an object and its colon, or over the object's end.
    #[inline(always)]
    pub(crate) fn member(&mut self, first: &mut bool) -> Result<Option<RawStr<'a>>, JsonError> {
        if self.next(first, b'}')? { self.key().map(Some) } else { Ok(None) }
    }

    /// Steps over what stands before the next element of an array, or over the array's end.
    pub(crate) fn element(&mut self, first: &mut bool) -> Result<bool, JsonError> {
        self.next(first, b']')
    }

    /// Reads a key and its colon.
    #[inline(always)]
    pub(crate) fn key(&mut self) -> Result<RawStr<'a>, JsonError> {
        let key = self.string()?;
        self.at = colon_end(self.bytes(), self.at)?;
        Ok(key)
    }

    /// Reads a string.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<RawStr<'a>, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(unexpected(self.bytes(), self.at));
        }
        let start = self.at;
        let (end, escaped) = string_end(self.bytes(), start + 1)?;
        self.at = end;
        let raw = Span::new(start, self.at).within_quotes().of(self.text);
        Ok(RawStr { start: start as u32, raw, escaped })
    }

    /// Reads a number.
    pub(crate) fn number(&mut self) -> Result<Number<'a>, JsonError> {
        let start = self.at;
        let (end, float) = number_end(self.bytes(), start)?;
        self.at = end;
        Ok(Number::new(Span::new(start, self.at).of(self.text), float))
    }

    /// Reads `true`, `false` or `null`.
    pub(crate) fn literal(&mut self) -> Result<(), JsonError> {
        self.at = literal_end(self.bytes(), self.at)?;
        Ok(())
    }

    /// Refuses anything but white space up to the end of the text.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(unexpected(self.bytes(), self.at)),
        }
    }

    /// After a comma, or before the first: whether something follows. It is for the caller to read,
    /// so `[1,]` is refused then.
    fn next(&mut self, first: &mut bool, closing: u8) -> Result<bool, JsonError> {
        match self.peek() {
            Some(byte) if byte == closing => {
                self.at += 1;
                Ok(false)
            }
            _ if std::mem::take(first) => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(unexpected(self.bytes(), self.at)),
        }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, deepest: u32) -> Result<(), JsonError> {
        let mut scanner = Scanner::new(text, deepest)?;
        scanner.value(1)?;
        scanner.end()
    }

    #[test]
    fn json_is_read() {
        for text in [
            "0",
            "-0",
            "-1.5e+7",
            "1E4",
            "true",
            "false",
            "null",
            "\"\"",
            "[]",
            "{}",
            " [ ] ",
            r#"{"a":1}"#,
            r#" { "a" : [ 1 , { } , [ ] ] , "a" : "\ud83d\ude00" } "#,
            "[[],[[]],{},{\"\":[]}]",
            "\"\u{7f}\u{2028}\"",
            "\r\n\t 1",
        ] {
            assert_eq!(read(text, 9), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_goes_wrong() {
        use JsonProblem::*;
        for (text, offset, problem) in [
            ("", 0, EndsEarly),
            (" [", 2, EndsEarly),
            ("[1", 2, EndsEarly),
            ("[1,", 3, EndsEarly),
            ("[1,]", 3, Unexpected),
            ("[,1]", 1, Unexpected),
            ("[1 2]", 3, Unexpected),
            ("[1}", 2, Unexpected),
            ("{", 1, EndsEarly),
            ("{1:2}", 1, Unexpected),
            (r#"{"a"}"#, 4, Unexpected),
            (r#"{"a":}"#, 5, Unexpected),
            (r#"{"a":1,}"#, 7, Unexpected),
            (r#"{"a":1]"#, 6, Unexpected),
            (r#"{,"a":1}"#, 1, Unexpected),
            (r#"{"a":1 "b":2}"#, 7, Unexpected),
            ("]", 0, Unexpected),
            ("'a'", 0, Unexpected),
            ("nul", 0, Unexpected),
            ("nulL", 0, Unexpected),
            ("NaN", 0, Unexpected),
            ("-Infinity", 1, Number),
            ("01", 0, Number),
            ("+1", 0, Unexpected),
            (".5", 0, Unexpected),
            ("\"a", 2, EndsEarly),
            ("\"a\nb\"", 2, ControlCharacter),
            ("\"long enough for a block or two, and only then a tab:\t\"", 53, ControlCharacter),
            (r#""ab\q""#, 3, Escape),
            (r#""\ud800""#, 1, LoneSurrogate),
            ("// c\n1", 0, Unexpected),
            ("\u{feff}1", 0, Unexpected),
            ("\u{a0}1", 0, Unexpected),
            ("1 x", 2, Unexpected),
        ] {
            let error = read(text, 9).unwrap_err();
            assert_eq!((error.offset(), error.problem()), (offset, problem), "{text:?}");
        }
    }

    #[test]
    fn a_value_deeper_than_asked_for_is_refused() {
        for text in ["[[[]]]", "[[1]]", r#"{"a":{"a":1}}"#, r#"[{"a":[]}]"#] {
            assert_eq!(read(text, 3), Ok(()), "{text}");
        }
        for text in ["[[[1]]]", "[[[[]]]]", r#"{"a":{"a":{"a":1}}}"#, r#"[{"a":[{}]}]"#] {
            assert_eq!(read(text, 3).unwrap_err().problem(), JsonProblem::TooDeep, "{text}");
        }
    }

    #[test]
    fn brackets_match_at_every_depth_there_is() {
        let most = MOST_LEVELS as usize - 1;
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]")] {
            let count = most / close.len();
            let text = format!("{}1{}", open.repeat(count), close.repeat(count));
            assert_eq!(read(&text, MOST_LEVELS), Ok(()));
            let wrong = if close.ends_with(']') { "}" } else { "]" };
            let text = format!("{}1{}{wrong}", open.repeat(count), &close.repeat(count)[1..]);
            assert_eq!(read(&text, MOST_LEVELS).unwrap_err().problem(), JsonProblem::Unexpected);
        }
    }

    #[test]
    fn a_text_that_never_stops_opening_takes_no_stack() {
        for open in ["[", r#"{"a":"#] {
            let error = read(&open.repeat(100_000), 9).unwrap_err();
            assert_eq!(error.problem(), JsonProblem::TooDeep);
        }
    }
}
