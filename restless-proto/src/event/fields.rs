//! The fields of a JSON object: those that are looked for, and the others.

use std::borrow::Cow;

use super::DATA_LEVELS;
use super::data::RawJson;
use super::error::{Error, JsonType};
use crate::json::{JsonError, Scanner, Span};

/// An event's data may have [`DATA_LEVELS`]; the event itself is one more around it.
const EVENT_LEVELS: u32 = DATA_LEVELS + 1;

/// Reads the whole text, which must be one JSON object, and shows each member's key and value.
///
/// A key that comes twice is shown twice; the last one counts, as in most JSON readers.
pub(super) fn read(text: &str, mut show: impl FnMut(&str, Span)) -> Result<(), Error> {
    let mut scanner = Scanner::new(text, EVENT_LEVELS)?;
    if scanner.peek() != Some(b'{') {
        let value = scanner.span(1)?;
        scanner.end()?;
        return Err(Error::WrongType {
            field: "value",
            expected: JsonType::Object,
            found: JsonType::of(value.of(text)),
        });
    }
    read_members(&mut scanner, 1, &mut show)?;
    scanner.end()?;
    Ok(())
}

/// The same for an object within the text.
pub(super) fn read_at(
    text: &str,
    object: Span,
    mut show: impl FnMut(&str, Span),
) -> Result<(), Error> {
    let mut scanner = Scanner::new(text, EVENT_LEVELS)?;
    scanner.jump(object.start);
    read_members(&mut scanner, 2, &mut show)?;
    Ok(())
}

fn read_members(
    scanner: &mut Scanner<'_>,
    level: u32,
    show: &mut impl FnMut(&str, Span),
) -> Result<(), JsonError> {
    scanner.enter();
    let mut first = true;
    while let Some(key) = scanner.member(&mut first)? {
        let value = scanner.span(level + 1)?;
        show(&key.decode(), value);
    }
    Ok(())
}

/// A field that was looked for: what to call it in an error, and its value, if it came.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) text: &'a str,
    pub(super) path: &'static str,
    pub(super) value: Option<Span>,
}

impl Field<'_> {
    /// This field, unless it has no value and its twin, spelt otherwise, has one.
    pub(super) fn or_twin(self, path: &'static str, value: Option<Span>) -> Self {
        let twin = Self { path, value, ..self };
        if twin.worth() > self.worth() { twin } else { self }
    }

    /// Nothing, an empty string, or a value.
    fn worth(self) -> u8 {
        match self.value.map(|value| value.of(self.text)) {
            None | Some("null") => 0,
            Some("\"\"") => 1,
            Some(_) => 2,
        }
    }

    pub(super) fn required(self) -> Result<Span, Error> {
        self.value.ok_or(Error::Missing { field: self.path })
    }

    /// What stands between the quotes of a string.
    pub(super) fn required_string(self) -> Result<Span, Error> {
        let value = self.required()?;
        match self.found(value) {
            JsonType::String => Ok(value.within_quotes()),
            found => Err(self.wrong(JsonType::String, found)),
        }
    }

    /// Likewise, where the field may be absent or null.
    pub(super) fn string(self) -> Result<Option<Span>, Error> {
        self.non_null().map(|_| self.required_string()).transpose()
    }

    pub(super) fn required_object(self) -> Result<Span, Error> {
        let value = self.required()?;
        match self.found(value) {
            JsonType::Object => Ok(value),
            found => Err(self.wrong(JsonType::Object, found)),
        }
    }

    pub(super) fn object(self) -> Result<Option<Span>, Error> {
        self.non_null().map(|_| self.required_object()).transpose()
    }

    pub(super) fn integer(self) -> Result<Option<i64>, Error> {
        let Some(value) = self.non_null() else { return Ok(None) };
        let found = self.found(value);
        let mut scanner = Scanner::new(value.of(self.text), EVENT_LEVELS)?;
        let integer = match found {
            JsonType::Number => scanner.number()?.integer(),
            _ => None,
        };
        integer.map(Some).ok_or_else(|| self.wrong(JsonType::Integer, found))
    }

    pub(super) fn non_null(self) -> Option<Span> {
        self.value.filter(|value| value.of(self.text) != "null")
    }

    fn found(self, value: Span) -> JsonType {
        JsonType::of(value.of(self.text))
    }

    fn wrong(self, expected: JsonType, found: JsonType) -> Error {
        Error::WrongType { field: self.path, expected, found }
    }
}

/// Fields of an event that this crate has no name for, in the order they came, under the names
/// they came with.
///
/// A key that comes twice is given twice; the last one counts.
#[derive(Clone, Debug)]
pub struct ExtraFields<'a> {
    text: &'a str,
    /// `None` at the end.
    scanner: Option<Scanner<'a>>,
    first: bool,
    known: &'static [&'static str],
}

impl<'a> ExtraFields<'a> {
    /// All fields but the known ones of an object that has been read before.
    pub(super) fn of(object: &'a str, known: &'static [&'static str]) -> Self {
        let mut scanner = Scanner::new(object, EVENT_LEVELS).ok();
        if let Some(scanner) = &mut scanner {
            scanner.peek();
            scanner.enter();
        }
        Self { text: object, scanner, first: true, known }
    }
}

impl<'a> Iterator for ExtraFields<'a> {
    type Item = (Cow<'a, str>, RawJson<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let scanner = self.scanner.as_mut()?;
        while let Ok(Some(key)) = scanner.member(&mut self.first) {
            let value = scanner.span(2).ok()?;
            let key = key.decode();
            if !self.known.contains(&&*key) {
                return Some((key, RawJson::new(value.of(self.text))));
            }
        }
        self.scanner = None;
        None
    }
}
