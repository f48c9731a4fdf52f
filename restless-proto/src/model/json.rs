//! Somebody else's JSON, as it is spelt.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::json::to_raw;

/// Any JSON value, kept as text: every number keeps its spelling. Two values are equal if their
/// texts are.
///
/// ```
/// use restless_proto::model::Json;
///
/// let body: Json = "[1.0, 18446744073709551616]".parse()?;
/// assert_eq!(body.get(), "[1.0, 18446744073709551616]");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Writes a value as JSON.
    ///
    /// # Errors
    ///
    /// When the value can't be written: NaN, or a map whose keys are no texts.
    pub fn new(value: impl Serialize) -> Result<Self, serde_json::Error> {
        to_raw(&value).map(Self)
    }

    /// Returns the text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Reads the value as the caller's type. Half a surrogate pair in the text is read as U+FFFD
    /// (RFC 8259 §8.2).
    ///
    /// # Errors
    ///
    /// When the JSON is of another type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        crate::json::surrogate::read(self.get())
    }

    pub(crate) fn is_object(&self) -> bool {
        self.get().trim_start().starts_with('{')
    }
}

impl std::str::FromStr for Json {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Json {}

/// Prints the length alone: only the owner of the JSON knows whether secrets are in there.
impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.get().len())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}
