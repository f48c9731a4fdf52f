//! How a connection ends (RFC 6455 §7).

use std::fmt;
use std::time::Duration;

use super::close_code::CloseCode;
use super::error::Error;
use super::frame::MAX_CONTROL_BYTES;

/// What a Close frame says (RFC 6455 §5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Close {
    code: Option<CloseCode>,
    reason: String,
}

impl Close {
    pub(crate) fn new(code: CloseCode, reason: &str) -> Self {
        Self { code: Some(code), reason: reason.to_owned() }
    }

    /// Reads the payload of a Close frame.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Error> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() { Ok(Self::default()) } else { Err(Error::ShortClose) };
        };
        let code = CloseCode::new(u16::from_be_bytes(*code));
        if !code.may_be_sent() {
            return Err(Error::CloseCode { code });
        }
        let reason = std::str::from_utf8(reason).map_err(|_| Error::CloseReason)?;
        Ok(Self { code: Some(code), reason: reason.to_owned() })
    }

    /// Returns the code; [`CloseCode::NO_STATUS`] for a frame without a code (§7.1.5).
    pub fn code(&self) -> CloseCode {
        self.code.unwrap_or(CloseCode::NO_STATUS)
    }

    /// Returns the reason, written for people; often empty. 123 bytes at most.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the code as it stands on the wire, `None` for an empty Close frame.
    pub(crate) fn sent_code(&self) -> Option<CloseCode> {
        self.code
    }
}

/// One of the two endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Side {
    /// Our side.
    Local,
    /// The other side.
    Peer,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// The closing handshake was done (RFC 6455 §7.1.4).
    Clean {
        /// What the peer's Close frame said. If our Close frame was the first, the peer's mostly
        /// repeats our code.
        close: Close,
        /// Who sent the first Close frame.
        first: Side,
    },
    /// The peer broke the protocol or passed a limit. The peer was sent the error's
    /// [`close_code`](Error::close_code), and the connection failed (§7.1.7).
    Failed(Error),
    /// The peer was sent a ping, and has been silent since then, for
    /// [`pong_within`](super::Options::pong_within).
    Unresponsive {
        /// How long the peer had.
        within: Duration,
    },
    /// The peer left our Close frame unanswered for [`close_within`](super::Options::close_within).
    CloseUnanswered {
        /// How long the peer had.
        within: Duration,
    },
    /// The transport ended without a Close frame from the peer.
    Cut {
        /// Whether the transport ended within a frame or between two fragments, so that a part of a
        /// message is lost.
        within_message: bool,
    },
}

impl Closed {
    /// Returns the close code of the connection (RFC 6455 §7.1.5): the code of the peer's Close
    /// frame, [`CloseCode::NO_STATUS`] for a frame that lacks a code, [`CloseCode::ABNORMAL`] for a
    /// peer that sent no Close frame.
    pub fn code(&self) -> CloseCode {
        match self {
            Self::Clean { close, .. } => close.code(),
            Self::Failed(_)
            | Self::Unresponsive { .. }
            | Self::CloseUnanswered { .. }
            | Self::Cut { .. } => CloseCode::ABNORMAL,
        }
    }

    /// Returns the reason in the peer's Close frame, empty where there is none.
    pub fn reason(&self) -> &str {
        match self {
            Self::Clean { close, .. } => close.reason(),
            Self::Failed(_)
            | Self::Unresponsive { .. }
            | Self::CloseUnanswered { .. }
            | Self::Cut { .. } => "",
        }
    }

    /// Whether the closing handshake was done (RFC 6455 §7.1.4).
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Clean { .. })
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean { close, first } => {
                let who = match first {
                    Side::Local => "closed by us, the peer answered",
                    Side::Peer => "closed by the peer",
                };
                write!(f, "{who} with {}", close.code())?;
                if close.reason().is_empty() {
                    return Ok(());
                }
                write!(f, ": {}", crate::redact::shown(close.reason()))
            }
            Self::Failed(_) => {
                f.write_str("the peer broke a rule or passed a limit, and the connection failed")
            }
            Self::Unresponsive { within } => {
                write!(f, "nothing was heard for {within:?} after a ping")
            }
            Self::CloseUnanswered { within } => {
                write!(f, "the peer did not answer the closing handshake within {within:?}")
            }
            Self::Cut { within_message: true } => {
                f.write_str("the connection ended within a message")
            }
            Self::Cut { within_message: false } => {
                f.write_str("the connection ended without a closing handshake")
            }
        }
    }
}

/// Gives the end as an error, for a program to which any end is an error. A clean end has no
/// source.
impl std::error::Error for Closed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Clean { .. }
            | Self::Unresponsive { .. }
            | Self::CloseUnanswered { .. }
            | Self::Cut { .. } => None,
        }
    }
}

/// The most text that fits into a Close frame beside its code.
pub(crate) const MAX_REASON_BYTES: usize = MAX_CONTROL_BYTES - 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_close_frame_has_no_status() {
        let close = Close::parse(b"").expect("allowed");
        assert_eq!((close.code(), close.sent_code()), (CloseCode::NO_STATUS, None));
    }

    #[test]
    fn half_a_code_is_refused() {
        assert_eq!(Close::parse(&[3]), Err(Error::ShortClose));
    }

    #[test]
    fn codes_that_must_not_be_on_the_wire_are_refused() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535u16] {
            let seen = Close::parse(&code.to_be_bytes());
            assert_eq!(seen, Err(Error::CloseCode { code: CloseCode::new(code) }));
        }
        for code in [1000, 1003, 1007, 1011, 1014, 3000, 4999u16] {
            assert_eq!(Close::parse(&code.to_be_bytes()).map(|c| c.code().get()), Ok(code));
        }
    }

    #[test]
    fn a_reason_that_is_not_utf8_is_refused() {
        assert_eq!(Close::parse(b"\x03\xe8\xff"), Err(Error::CloseReason));
    }
}
