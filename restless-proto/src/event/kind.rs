//! An event's `type`.

use std::fmt;

use super::error::Error;
use crate::json::string::unescape;
use crate::redact::shown;

/// An event's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// New data, or a change to it: see [`Envelope::data`](super::Envelope::data).
    Update,
    /// The service could not get data: see [`Envelope::error`](super::Envelope::error).
    Error,
}

impl Kind {
    /// Reads the type of what stands between its quotes.
    pub(super) fn parse(raw: &str) -> Result<Self, Error> {
        match raw {
            "update" => Ok(Self::Update),
            "error" => Ok(Self::Error),
            _ => Self::parse_escaped(raw),
        }
    }

    #[cold]
    fn parse_escaped(raw: &str) -> Result<Self, Error> {
        match &*unescape(raw) {
            "update" => Ok(Self::Update),
            "error" => Ok(Self::Error),
            other => Err(Error::UnknownType { found: shown(other).chars().take(64).collect() }),
        }
    }

    /// Returns the type as it stands in the event: `update` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
