//! Close codes, and how a connection ends (RFC 6455 §7).

use std::fmt;
use std::time::Duration;

use super::Error;

/// Why an endpoint closes (RFC 6455 §7.4), 0 to 65535; [`may_be_sent`](Self::may_be_sent) says
/// which of them may stand in a Close frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: what the connection was for is done.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint goes away: a server that stops, a page that is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that the endpoint can't take, such as binary.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the Close frame had no code. Never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: there was no Close frame. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that is not what its message says, such as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: against the endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message larger than the endpoint takes.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: the server did not agree to an extension that the client must have.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met something that it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (registered with IANA).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; come back later (registered with IANA).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got a bad answer from its upstream (registered with IANA).
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never on the wire.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// The code of this number, whether or not it means anything.
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether the code may stand in a Close frame: 1000 to 1003, 1007 to 1014, and 3000 to 4999
    /// (§7.4.1, §7.4.2 and the IANA registry). A peer's Close frame with another one is a protocol
    /// error.
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NORMAL => "normal closure",
            Self::GOING_AWAY => "going away",
            Self::PROTOCOL_ERROR => "protocol error",
            Self::UNSUPPORTED_DATA => "unsupported data",
            Self::NO_STATUS => "no status received",
            Self::ABNORMAL => "abnormal closure",
            Self::INVALID_DATA => "invalid frame payload data",
            Self::POLICY_VIOLATION => "policy violation",
            Self::TOO_BIG => "message too big",
            Self::MANDATORY_EXTENSION => "mandatory extension",
            Self::INTERNAL_ERROR => "internal error",
            Self::SERVICE_RESTART => "service restart",
            Self::TRY_AGAIN_LATER => "try again later",
            Self::BAD_GATEWAY => "bad gateway",
            Self::TLS_HANDSHAKE => "TLS handshake",
            _ => return None,
        })
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

/// The number, and the standard's name for it where there is one: `1001 (going away)`.
impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

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
        let code = CloseCode(u16::from_be_bytes(*code));
        if !code.may_be_sent() {
            return Err(Error::CloseCode { code });
        }
        let reason = std::str::from_utf8(reason).map_err(|_| Error::CloseReason)?;
        Ok(Self { code: Some(code), reason: reason.to_owned() })
    }

    /// The code; [`CloseCode::NO_STATUS`] where the frame had none (§7.1.5).
    pub fn code(&self) -> CloseCode {
        self.code.unwrap_or(CloseCode::NO_STATUS)
    }

    /// The reason, written for people; often empty. 123 bytes at most.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The code as it stands on the wire, `None` for an empty Close frame.
    pub(crate) fn sent_code(&self) -> Option<CloseCode> {
        self.code
    }
}

/// Which of the two endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Side {
    /// This one.
    Local,
    /// The other one.
    Peer,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// With the closing handshake (RFC 6455 §7.1.4).
    Clean {
        /// What the peer's Close frame said. If we were first, it mostly repeats our code.
        close: Close,
        /// Who sent the first Close frame.
        first: Side,
    },
    /// The peer broke the protocol or passed a limit: it was sent the error's
    /// [`close_code`](Error::close_code), and the connection failed (§7.1.7).
    Failed(Error),
    /// The peer was sent a ping and nothing was heard from it since, for
    /// [`pong_within`](super::Options::pong_within).
    Unresponsive {
        /// How long it had.
        within: Duration,
    },
    /// The peer did not answer our Close frame for
    /// [`close_within`](super::Options::close_within).
    CloseUnanswered {
        /// How long it had.
        within: Duration,
    },
    /// The transport ended without a Close frame from the peer.
    Cut {
        /// Whether it ended within a frame or between two fragments, so that a part of a message
        /// is lost.
        within_message: bool,
    },
}

impl Closed {
    /// The close code of the connection (RFC 6455 §7.1.5): that of the peer's Close frame,
    /// [`CloseCode::NO_STATUS`] where it had none, [`CloseCode::ABNORMAL`] without one.
    pub fn code(&self) -> CloseCode {
        match self {
            Self::Clean { close, .. } => close.code(),
            Self::Failed(_)
            | Self::Unresponsive { .. }
            | Self::CloseUnanswered { .. }
            | Self::Cut { .. } => CloseCode::ABNORMAL,
        }
    }

    /// The reason in the peer's Close frame, empty where there is none.
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

/// For those to whom any end is an error; a clean one has no source.
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
pub(crate) const MAX_REASON_BYTES: usize = super::frame::MAX_CONTROL_BYTES - 2;

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
            assert_eq!(seen, Err(Error::CloseCode { code: CloseCode(code) }));
        }
        for code in [1000, 1003, 1007, 1011, 1014, 3000, 4999u16] {
            assert_eq!(Close::parse(&code.to_be_bytes()).map(|c| c.code().get()), Ok(code));
        }
    }

    #[test]
    fn a_reason_that_is_not_utf8_is_refused() {
        assert_eq!(Close::parse(b"\x03\xe8\xff"), Err(Error::CloseReason));
    }

    #[test]
    fn a_close_code_prints_its_name() {
        assert_eq!(CloseCode::GOING_AWAY.to_string(), "1001 (going away)");
        assert_eq!(CloseCode::new(4001).to_string(), "4001");
    }
}
