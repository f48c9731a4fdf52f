//! JSON text (RFC 8259), read where it lies: nothing is copied, nothing is built.
//!
//! Events and signatures need the text itself: `data` is handed out byte for byte, and what was
//! signed depends on how each number is spelt. So both read with this [`Scanner`], which is strict
//! (the grammar, no more), takes no memory of its own, and stops at a depth that the stack bears.

mod finite;
mod number;
pub(crate) mod object;
mod text;

use std::fmt;

pub(crate) use finite::to_raw;
pub(crate) use number::{Number, StackText};
pub(crate) use text::{RawStr, decode_escape, unescape};

use text::plain_len;

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

/// A piece of the text, in bytes. It always starts and ends between characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// The piece of the text that the span was found in.
    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// What stands between the quotes of a string.
    pub(crate) fn within_quotes(self) -> Self {
        Self { start: self.start.saturating_add(1), end: self.end.saturating_sub(1) }
    }
}

/// A place in JSON text, moved forward value by value.
///
/// A value's *level* is 1 plus the number of arrays and objects around it. Callers count it on the
/// way down and give it to [`value`](Self::value), which refuses what lies deeper than `deepest`.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    deepest: u32,
}

impl<'a> Scanner<'a> {
    /// Starts at the beginning of the text.
    pub(crate) fn new(text: &'a str, deepest: u32) -> Result<Self, JsonError> {
        // Offsets are 32 bits wide from here on.
        if u32::try_from(text.len()).is_err() {
            return Err(JsonError { offset: 0, problem: JsonProblem::TooLong });
        }
        Ok(Self { text, at: 0, deepest })
    }

    /// Where the scanner is.
    pub(crate) fn at(&self) -> u32 {
        // `new` has seen that every offset fits.
        self.at as u32
    }

    /// Moves to a place seen before.
    pub(crate) fn jump(&mut self, at: u32) {
        self.at = at as usize;
    }

    /// Skips white space, and looks at the byte that the next token starts with.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other,
            }
        }
    }

    /// Reads one value of any kind.
    pub(crate) fn value(&mut self, level: u32) -> Result<(), JsonError> {
        self.check_level(level)?;
        let mut first = true;
        match self.peek() {
            Some(b'"') => {
                self.string()?;
            }
            Some(b'{') => {
                self.enter();
                while self.member(&mut first)?.is_some() {
                    self.value(level + 1)?;
                }
            }
            Some(b'[') => {
                self.enter();
                while self.element(&mut first)? {
                    self.value(level + 1)?;
                }
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
            }
            _ => {
                self.literal()?;
            }
        }
        Ok(())
    }

    /// Reads one value of any kind, and says where it stands.
    pub(crate) fn span(&mut self, level: u32) -> Result<Span, JsonError> {
        self.peek();
        let start = self.at();
        self.value(level)?;
        Ok(Span { start, end: self.at() })
    }

    /// Refuses what is deeper than the scanner goes.
    pub(crate) fn check_level(&self, level: u32) -> Result<(), JsonError> {
        if level > self.deepest { Err(self.error(JsonProblem::TooDeep)) } else { Ok(()) }
    }

    /// Steps over the bracket that [`peek`](Self::peek) has seen.
    pub(crate) fn enter(&mut self) {
        self.at += 1;
    }

    /// Steps over the next key of an object and its colon, or over the object's end.
    pub(crate) fn member(&mut self, first: &mut bool) -> Result<Option<RawStr<'a>>, JsonError> {
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !*first => self.at += 1,
            _ if *first => {}
            _ => return Err(self.unexpected()),
        }
        *first = false;
        self.key().map(Some)
    }

    /// Reads a key and its colon.
    pub(crate) fn key(&mut self) -> Result<RawStr<'a>, JsonError> {
        let key = self.string()?;
        if self.peek() != Some(b':') {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(key)
    }

    /// Steps over what stands before the next element of an array, or over the array's end.
    pub(crate) fn element(&mut self, first: &mut bool) -> Result<bool, JsonError> {
        match self.peek() {
            Some(b']') => {
                self.at += 1;
                return Ok(false);
            }
            Some(b',') if !*first => self.at += 1,
            _ if *first => {}
            _ => return Err(self.unexpected()),
        }
        *first = false;
        Ok(true)
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<RawStr<'a>, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        let start = self.at();
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at += plain_len(self.rest());
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    let span = Span { start, end: self.at() };
                    return Ok(RawStr { start, raw: span.within_quotes().of(self.text), escaped });
                }
                Some(b'\\') => {
                    let (_, len) =
                        decode_escape(self.rest()).map_err(|problem| self.error(problem))?;
                    self.at += len;
                    escaped = true;
                }
                Some(_) => return Err(self.error(JsonProblem::ControlCharacter)),
                None => return Err(self.error(JsonProblem::EndsEarly)),
            }
        }
    }

    /// Reads a number.
    pub(crate) fn number(&mut self) -> Result<Number<'a>, JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let number = Number::parse(rest).map_err(|problem| self.error(problem))?;
        self.at += number.text().len();
        Ok(number)
    }

    /// Reads `true`, `false` or `null`.
    pub(crate) fn literal(&mut self) -> Result<&'static str, JsonError> {
        for literal in ["null", "true", "false"] {
            if self.rest().starts_with(literal.as_bytes()) {
                self.at += literal.len();
                return Ok(literal);
            }
        }
        Err(self.unexpected())
    }

    /// Refuses anything but white space up to the end of the text.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        if self.peek().is_some() { Err(self.unexpected()) } else { Ok(()) }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn unexpected(&self) -> JsonError {
        self.error(match self.byte() {
            Some(_) => JsonProblem::Unexpected,
            None => JsonProblem::EndsEarly,
        })
    }

    fn error(&self, problem: JsonProblem) -> JsonError {
        JsonError { offset: self.at(), problem }
    }
}
