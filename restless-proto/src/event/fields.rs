//! The fields of a JSON object: those that are looked for, and the others.

use std::borrow::Cow;

use super::DATA_LEVELS;
use super::data::RawJson;
use super::error::{Error, JsonType};
use crate::json::{JsonError, Scanner, Span, integer};

/// An event's data may have [`DATA_LEVELS`]; the event itself is one more around it.
const EVENT_LEVELS: u32 = DATA_LEVELS + 1;

/// Reads the whole text, which must be an object, and hands each member to the reader, as
/// [`members`] does.
pub(super) fn read<'a>(
    text: &'a str,
    each: impl FnMut(&str, &mut Scanner<'a>) -> Result<(), JsonError>,
) -> Result<(), Error> {
    let mut scanner = Scanner::new(text, EVENT_LEVELS)?;
    let event = members(&mut scanner, 1, each)?;
    scanner.end()?;
    Field { text, path: "value", value: Some(event) }.required_object()?;
    Ok(())
}

/// Reads a value at the given level. If it is an object, the reader is given each key, and has to
/// read the value, one level deeper. A key that comes twice comes twice here too; the last one
/// counts, as in most JSON readers.
#[inline]
pub(super) fn members<'a>(
    scanner: &mut Scanner<'a>,
    level: u32,
    mut each: impl FnMut(&str, &mut Scanner<'a>) -> Result<(), JsonError>,
) -> Result<Span, JsonError> {
    if scanner.peek() != Some(b'{') {
        return scanner.value(level);
    }
    let start = scanner.at();
    scanner.enter();
    let mut first = true;
    while let Some(key) = scanner.member(&mut first)? {
        each(&key.decode(), scanner)?;
    }
    Ok(scanner.since(start))
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
    #[inline]
    pub(super) fn or_twin(self, path: &'static str, value: Option<Span>) -> Self {
        let twin = Self { path, value, ..self };
        match (self.value, value) {
            (_, None) => self,
            (None, Some(_)) => twin,
            (Some(_), Some(_)) if twin.worth() > self.worth() => twin,
            (Some(_), Some(_)) => self,
        }
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
    #[inline]
    pub(super) fn required_string(self) -> Result<Span, Error> {
        let value = self.required()?;
        match self.found(value) {
            JsonType::String => Ok(value.within_quotes()),
            found => Err(self.wrong(JsonType::String, found)),
        }
    }

    /// Likewise, where the field may be absent or null.
    #[inline]
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

    #[inline]
    pub(super) fn integer(self) -> Result<Option<i64>, Error> {
        let Some(value) = self.non_null() else { return Ok(None) };
        let integer = match self.found(value) {
            JsonType::Number => integer(value.of(self.text)),
            found => return Err(self.wrong(JsonType::Integer, found)),
        };
        integer.map(Some).ok_or_else(|| self.wrong(JsonType::Integer, JsonType::Number))
    }

    #[inline]
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
            let value = scanner.value(2).ok()?;
            let key = key.decode();
            if !self.known.contains(&&*key) {
                return Some((key, RawJson::new(value.of(self.text))));
            }
        }
        self.scanner = None;
        None
    }
}
