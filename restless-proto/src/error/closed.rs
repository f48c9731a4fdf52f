//! A WebSocket that the peer closed.

use std::fmt;

use super::refused::Message;
use crate::redact::{self, Keys};
use crate::ws;

/// The server closed a WebSocket connection with a code that says that something is wrong.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server closed with {code}{}", Message(.shown))]
pub struct PeerClosed {
    code: ws::CloseCode,
    reason: String,
    /// The reason without keys.
    shown: String,
}

/// The reason without keys.
impl fmt::Debug for PeerClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerClosed({}{})", self.code, Message(&self.shown))
    }
}

impl PeerClosed {
    pub(crate) fn new(code: ws::CloseCode, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { code, shown: redact::redacted(&reason), reason }
    }

    pub(super) fn redact(&mut self, keys: &Keys) {
        keys.redact(&mut self.shown);
    }

    /// Returns the code of the server's Close frame (RFC 6455 §7.4).
    pub fn code(&self) -> ws::CloseCode {
        self.code
    }

    /// Returns the reason in the Close frame, at most 123 bytes.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
