//! The fields of a JSON body, read one by one, with the message a wrong one is answered with.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::json;

/// What a body says about a field. Null is something else than an absent field: in an update, null
/// clears.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given<T> {
    Absent,
    Null,
    Value(T),
}

impl<T> Given<T> {
    /// Checks and converts the value of the field.
    pub(crate) fn map<U>(
        self,
        check: impl FnOnce(T) -> Result<U, Invalid>,
    ) -> Result<Given<U>, Invalid> {
        Ok(match self {
            Self::Absent => Given::Absent,
            Self::Null => Given::Null,
            Self::Value(value) => Given::Value(check(value)?),
        })
    }

    /// Returns the value; null counts as absent.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Null | Self::Absent => None,
        }
    }

    /// Overwrites `slot`; null clears it.
    pub(crate) fn store(self, slot: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Null => *slot = None,
            Self::Value(value) => *slot = Some(value),
        }
    }

    /// Overwrites `slot`, which can't be cleared.
    pub(crate) fn store_required(self, name: &str, slot: &mut T) -> Result<(), Invalid> {
        match self {
            Self::Absent => Ok(()),
            Self::Null => Err(Invalid::new(format!("{name} must not be null"))),
            Self::Value(value) => {
                *slot = value;
                Ok(())
            }
        }
    }
}

/// A body or a query that is not right: status 400, and why.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Invalid(pub(crate) String);

impl Invalid {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// The members of a JSON object. Each `take` removes one, so that what is left is unknown.
#[derive(Debug)]
pub(crate) struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// Reads an object. An empty body is an object without members.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Invalid> {
        let text = std::str::from_utf8(body).map_err(|_| Invalid::new("body must be UTF-8"))?;
        if text.trim().is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        json::parse(text).map_err(|error| Invalid(format!("body must be JSON: {error}")))?;
        serde_json::from_str(text).map(Self).map_err(|_| Invalid::new("body must be a JSON object"))
    }

    /// Puts a member back.
    pub(crate) fn put(&mut self, name: &str, value: Box<RawValue>) {
        self.0.insert(name.to_owned(), value);
    }

    pub(crate) fn ignore(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Returns what nobody took.
    pub(crate) fn rest(self) -> BTreeMap<String, Box<RawValue>> {
        self.0
    }

    pub(crate) fn take_raw(&mut self, name: &str) -> Given<Box<RawValue>> {
        match self.0.remove(name) {
            None => Given::Absent,
            Some(raw) if raw.get() == "null" => Given::Null,
            Some(raw) => Given::Value(raw),
        }
    }

    /// Takes the field as a `T`, or fails with a message that the field must be `what`.
    pub(crate) fn take<T: serde::de::DeserializeOwned>(
        &mut self,
        name: &str,
        what: &str,
    ) -> Result<Given<T>, Invalid> {
        match self.take_raw(name) {
            Given::Absent => Ok(Given::Absent),
            Given::Null => Ok(Given::Null),
            Given::Value(raw) => serde_json::from_str(raw.get())
                .map(Given::Value)
                .map_err(|_| Invalid(format!("{name} must be {what}"))),
        }
    }

    /// Takes the field as a `T`, which has to be there.
    pub(crate) fn require<T: serde::de::DeserializeOwned>(
        &mut self,
        name: &str,
        what: &str,
    ) -> Result<T, Invalid> {
        self.take(name, what)?.value().ok_or_else(|| Invalid(format!("{name} is required")))
    }

    pub(crate) fn require_text(&mut self, name: &str) -> Result<String, Invalid> {
        self.require(name, "a string")
    }

    /// Fails if a member is left that nobody took.
    pub(crate) fn finish(self) -> Result<(), Invalid> {
        match self.0.into_keys().next() {
            Some(name) => Err(Invalid(format!("{name} is unknown here"))),
            None => Ok(()),
        }
    }

    pub(crate) fn take_text(&mut self, name: &str) -> Result<Given<String>, Invalid> {
        self.take(name, "a string")
    }
}

/// Writes any serialisable value as raw JSON text.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the emulator's own models are always JSON")
}
