//! A value that can't work.

use std::fmt;

use crate::redact::shown;

/// A value that can't work, found before anything was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    field: &'static str,
    value: Given,
    accepted: &'static str,
}

/// What may be told of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    Shown(String),
    /// What is wrong with the value.
    Hidden(String),
}

impl ConfigError {
    /// States the field, the value that was given (never a secret) and what the field accepts. One
    /// line of the value is kept, without what looks like a key: a key may have been given by
    /// mistake.
    pub fn new(field: &'static str, value: impl Into<String>, accepted: &'static str) -> Self {
        Self { field, value: Given::Shown(shown(&value.into())), accepted }
    }

    /// States the field and what the field accepts, for a value that may hold a secret. `wrong`
    /// stands in the value's place, and says what is wrong with the value.
    pub fn hidden(field: &'static str, wrong: impl Into<String>, accepted: &'static str) -> Self {
        Self { field, value: Given::Hidden(shown(&wrong.into())), accepted }
    }

    /// Returns the field or option, as the caller spells it.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Returns what was given; for a value that may hold a secret, what is wrong with the value.
    pub fn value(&self) -> &str {
        match &self.value {
            Given::Shown(value) => value,
            Given::Hidden(wrong) => wrong,
        }
    }

    /// Returns what would be accepted.
    pub fn accepted(&self) -> &'static str {
        self.accepted
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, accepted } = self;
        match value {
            Given::Shown(value) if value.is_empty() => {
                write!(f, "{field} is missing: {accepted}")
            }
            Given::Shown(value) => write!(f, "{field} can't be {value:?}: {accepted}"),
            Given::Hidden(wrong) => write!(f, "{field} must be {accepted}; {wrong}"),
        }
    }
}
