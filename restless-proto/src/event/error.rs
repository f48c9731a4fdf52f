//! What is wrong with an event.

use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;

use crate::json::error::JsonError;
use crate::redact::redacted;

/// A text that is no event, or data of another type than the caller asked for.
///
/// A field is given by its path in the event, such as `meta.attempt_id`, as the event spells the
/// path.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no UTF-8, as JSON has to be (RFC 8259 §8.1).
    #[error("the event is not UTF-8 from byte {offset} on")]
    NotUtf8 {
        /// The number of good bytes from the start.
        offset: usize,
    },
    /// The text breaks the grammar of JSON, or is JSON that can't be used.
    #[error("the event is not JSON")]
    NotJson(#[source] JsonError),
    /// A field that every event has is absent.
    #[error("the event has no {field}")]
    Missing {
        /// The field's path.
        field: &'static str,
    },
    /// A field's value has the wrong type.
    #[error("the event's {field} should be {expected}, not {found}")]
    WrongType {
        /// The field's path; `value` for the event as a whole.
        field: &'static str,
        /// The expected type.
        expected: JsonType,
        /// The type that was found.
        found: JsonType,
    },
    /// The event's type is another than `update` and `error`.
    #[error("the event's type is {found:?}, which is unknown")]
    UnknownType {
        /// The type, at most 64 characters of it, and without what looks like a key.
        found: String,
    },
    /// The data can't be read as the type that was asked for.
    #[error("the event's data can't be read as what was asked for")]
    Data(#[source] Arc<serde_json::Error>),
}

impl Error {
    /// Makes the error of data that is of another type than the caller's. The reason may quote the
    /// data: what looks like a key is left out.
    pub(crate) fn data(source: &serde_json::Error) -> Self {
        Self::Data(Arc::new(serde_json::Error::custom(redacted(&source.to_string()))))
    }
}

impl From<JsonError> for Error {
    fn from(error: JsonError) -> Self {
        Self::NotJson(error)
    }
}

/// The types of JSON values (RFC 8259 §3), and the whole numbers among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JsonType {
    /// `[…]`
    Array,
    /// `true` or `false`
    Boolean,
    /// A number without a fraction (`7`, `7.0`, `2e2`) that fits 64 bits with a sign.
    Integer,
    /// `null`
    Null,
    /// Any other number.
    Number,
    /// `{…}`
    Object,
    /// `"…"`
    String,
}

impl JsonType {
    /// Returns the type of a value, by the byte that the value starts with.
    pub(super) fn of(value: &str) -> Self {
        match value.as_bytes().first() {
            Some(b'[') => Self::Array,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'{') => Self::Object,
            Some(b'"') => Self::String,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Array => "an array",
            Self::Boolean => "a boolean",
            Self::Integer => "a whole number of 64 bits",
            Self::Null => "null",
            Self::Number => "another number",
            Self::Object => "an object",
            Self::String => "a string",
        })
    }
}
