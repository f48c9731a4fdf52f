//! The fields of a JSON object: those that are looked for, and the others.

use std::borrow::Cow;
use std::fmt;

use super::data::{DATA_LEVELS, RawJson};
use super::error::{Error, JsonType};
use crate::json::number::integer;
use crate::json::span::Span;
use crate::json::string::unescape;
use crate::json::token::Key;
use crate::json::value::{Member, blank, first_member, next_member, value};
use crate::redact::shown;

/// The levels of an event: its data may have [`DATA_LEVELS`], and the event itself is one more
/// around the data.
pub(super) const EVENT_LEVELS: u32 = DATA_LEVELS + 1;

/// A field that was looked for: its name for an error, and its value, if the value came.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) text: &'a str,
    pub(super) path: &'static str,
    pub(super) value: Option<Span>,
}

impl Field<'_> {
    /// Returns the field, or its twin of the other spelling where the twin alone has a value.
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

    /// Tells nothing, an empty string and a value apart.
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

    /// Returns what stands between the quotes of a string.
    #[inline]
    pub(super) fn required_string(self) -> Result<Span, Error> {
        let value = self.required()?;
        match self.first(value) {
            b'"' => Ok(value.within_quotes()),
            _ => Err(self.wrong(JsonType::String, value)),
        }
    }

    /// Does the same, where the field may be absent or null.
    #[inline]
    pub(super) fn string(self) -> Result<Option<Span>, Error> {
        self.non_null().map(|_| self.required_string()).transpose()
    }

    pub(super) fn required_object(self) -> Result<Span, Error> {
        let value = self.required()?;
        match self.first(value) {
            b'{' => Ok(value),
            _ => Err(self.wrong(JsonType::Object, value)),
        }
    }

    pub(super) fn object(self) -> Result<Option<Span>, Error> {
        self.non_null().map(|_| self.required_object()).transpose()
    }

    #[inline]
    pub(super) fn integer(self) -> Result<Option<i64>, Error> {
        let Some(value) = self.non_null() else { return Ok(None) };
        let number = match self.first(value) {
            b'-' | b'0'..=b'9' => integer(value.of(self.text)),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(JsonType::Integer, value))
    }

    #[inline]
    pub(super) fn non_null(self) -> Option<Span> {
        self.value.filter(|value| self.first(*value) != b'n')
    }

    /// Returns the byte that says what type a value has.
    #[inline(always)]
    fn first(self, value: Span) -> u8 {
        self.text.as_bytes().get(value.start()).copied().unwrap_or_default()
    }

    #[cold]
    fn wrong(self, expected: JsonType, value: Span) -> Error {
        let found = JsonType::of(value.of(self.text));
        Error::WrongType { field: self.path, expected, found }
    }
}

/// Fields of an event for which this crate has no name, in the order in which they came, under the
/// names with which they came.
///
/// A key that comes twice is given twice; the last one counts.
#[derive(Clone)]
pub struct ExtraFields<'a> {
    text: &'a str,
    /// Where the next field is read from.
    from: Place<'a>,
    known: &'static [&'static str],
}

/// What is left of an object that is read member by member.
#[derive(Clone, Copy)]
enum Place<'a> {
    Bracket(&'a [u8]),
    Value(&'a [u8]),
    End,
}

/// Prints the names only: values may be keys.
impl fmt::Debug for ExtraFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.clone().map(|(name, _)| shown(&name))).finish()
    }
}

impl<'a> ExtraFields<'a> {
    /// Makes all fields but the known ones of an object that has been read before.
    pub(super) fn of(object: &'a str, known: &'static [&'static str]) -> Self {
        let from = match blank(object.as_bytes()) {
            [b'{', rest @ ..] => Place::Bracket(rest),
            _ => Place::End,
        };
        Self { text: object, from, known }
    }

    /// Reads the next member, known or not.
    fn member(&mut self) -> Option<(Cow<'a, str>, RawJson<'a>)> {
        let member = match self.from {
            Place::Bracket(rest) => first_member(rest),
            Place::Value(rest) => next_member(rest),
            Place::End => return None,
        };
        // An object that was read before can't fail now.
        let Ok(Member::Key(Key { raw, rest, .. })) = member else { return None };
        let start = blank(rest);
        let rest = value(start, 2, EVENT_LEVELS).ok()?;
        self.from = Place::Value(rest);
        let key = unescape(std::str::from_utf8(raw).ok()?);
        Some((key, RawJson::new(Span::between(self.text, start, rest).of(self.text))))
    }
}

impl<'a> Iterator for ExtraFields<'a> {
    type Item = (Cow<'a, str>, RawJson<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((key, value)) = self.member() {
            if !self.known.contains(&&*key) {
                return Some((key, value));
            }
        }
        self.from = Place::End;
        None
    }
}
