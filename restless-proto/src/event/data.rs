//! JSON text, parsed into the caller's type on demand.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::error::Error;

/// How deep an event's data may nest: a value in it stands inside 199 arrays and objects at most.
/// Deeper data is refused, so that no text can exhaust the stack.
pub const DATA_LEVELS: u32 = 200;

/// A JSON value as it arrived: a piece of the event's text, byte for byte, parsed when asked to be.
///
/// The text is one JSON value, white space around it cut off, that nests at most [200
/// levels](super::DATA_LEVELS) deep.
///
/// ```
/// use restless_proto::event::Envelope;
///
/// let text = r#"{"type":"update","meta":{"timestamp":"t"},"data":{"total": 1.50}}"#;
/// let data = Envelope::parse(text)?.data().unwrap_or_default();
/// assert_eq!(data.get(), r#"{"total": 1.50}"#);
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     total: f64,
/// }
/// assert_eq!(data.parse::<Order>()?.total, 1.5);
/// # Ok::<(), restless_proto::event::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawJson<'a>(&'a str);

impl<'a> RawJson<'a> {
    /// Takes a value that the scanner has read.
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Returns the text.
    pub fn get(self) -> &'a str {
        self.0
    }

    /// Reads the text as a value of the caller's type, which may borrow from the text.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] where the text is of another form, with the reason in its source.
    pub fn parse<T: Deserialize<'a>>(self) -> Result<T, Error> {
        let mut reader = serde_json::Deserializer::from_str(self.0);
        // The depth of the text has been checked, and the stack bears more.
        reader.disable_recursion_limit();
        T::deserialize(&mut reader).map_err(|error| Error::data(&error))
    }
}

/// `null`
impl Default for RawJson<'_> {
    fn default() -> Self {
        Self("null")
    }
}

impl fmt::Debug for RawJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for RawJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Writes the text as it is, where the serializer is `serde_json`'s.
impl Serialize for RawJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}
