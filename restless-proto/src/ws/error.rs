//! What a peer does wrong.

use super::close_code::CloseCode;
use super::opcode::Opcode;
use crate::kinds::LimitError;

/// The name of a message in the error of a limit.
pub(super) const MESSAGE: &str = "a WebSocket message";
pub(crate) const UNREAD: &str = "input that nobody polled for";
pub(super) const FRAGMENTS: &str = "the fragments of a WebSocket message";

/// The peer broke RFC 6455 or RFC 7692, or passed one of our limits, on an open connection.
///
/// The error fails the connection; [`close_code`](Self::close_code) is what the peer is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reserved bits are set to which no agreed extension gives a meaning (RFC 6455 §5.2, RFC 7692
    /// §6): RSV1 as 4, RSV2 as 2, RSV3 as 1.
    #[error("the reserved bits {bits:03b} are set on a frame with opcode {opcode:?}")]
    ReservedBits {
        /// All three bits of the frame.
        bits: u8,
        /// The frame's opcode.
        opcode: Opcode,
    },
    /// An opcode without a meaning (RFC 6455 §5.2).
    #[error("the opcode {opcode:#x} is reserved")]
    ReservedOpcode {
        /// The four bits.
        opcode: u8,
    },
    /// A server masked a frame (RFC 6455 §5.1).
    #[error("the server masked a frame")]
    Masked,
    /// A length takes more bytes than it needs (RFC 6455 §5.2).
    #[error("the length {length} is not written in its shortest form")]
    LengthNotMinimal {
        /// The length.
        length: u64,
    },
    /// A length of 2⁶³ or more (RFC 6455 §5.2).
    #[error("the length {length} has its highest bit set")]
    LengthTooLarge {
        /// The length.
        length: u64,
    },
    /// A control frame that is not the last of its message (RFC 6455 §5.5).
    #[error("a control frame with opcode {opcode:?} is fragmented")]
    FragmentedControl {
        /// The frame's opcode.
        opcode: Opcode,
    },
    /// A control frame with more than 125 bytes of payload (RFC 6455 §5.5).
    #[error("a control frame with opcode {opcode:?} is longer than 125 bytes")]
    LongControl {
        /// The frame's opcode.
        opcode: Opcode,
    },
    /// A continuation with nothing to continue (RFC 6455 §5.4).
    #[error("a continuation frame came while no message was begun")]
    UnexpectedContinuation,
    /// A new message within another (RFC 6455 §5.4).
    #[error("a frame with opcode {opcode:?} came between the fragments of a message")]
    ExpectedContinuation {
        /// The frame's opcode.
        opcode: Opcode,
    },
    /// A Close frame with one byte of payload, where a code takes two (RFC 6455 §5.5.1).
    #[error("a close frame has one byte of payload")]
    ShortClose,
    /// A Close frame with a code that must not be sent (RFC 6455 §7.4).
    #[error("a close frame has the code {code}, which must not be sent")]
    CloseCode {
        /// The code.
        code: CloseCode,
    },
    /// The reason in a Close frame is not UTF-8 (RFC 6455 §5.5.1).
    #[error("the reason in a close frame is not UTF-8")]
    CloseReason,
    /// A text message is not UTF-8 (RFC 6455 §8.1).
    #[error("a text message is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Where the bad character starts within the message, after decompression.
        at: usize,
    },
    /// A compressed message can't be decompressed (RFC 7692 §7.2.2).
    #[error("a compressed message is not valid DEFLATE data")]
    Deflate,
    /// The connection passed a limit that ends it: input that waits to be polled, or compressed
    /// bytes that bring nothing, as the error says.
    #[error(transparent)]
    TooLarge(#[from] LimitError),
}

impl Error {
    /// Returns the code that the peer is sent for this error (RFC 6455 §7.4.1): 1002 for a broken
    /// protocol, 1007 for data that is not what it should be, 1009 for a passed limit.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::ReservedBits { .. }
            | Self::ReservedOpcode { .. }
            | Self::Masked
            | Self::LengthNotMinimal { .. }
            | Self::LengthTooLarge { .. }
            | Self::FragmentedControl { .. }
            | Self::LongControl { .. }
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation { .. }
            | Self::ShortClose
            | Self::CloseCode { .. } => CloseCode::PROTOCOL_ERROR,
            Self::CloseReason | Self::NotUtf8 { .. } | Self::Deflate => CloseCode::INVALID_DATA,
            Self::TooLarge(_) => CloseCode::TOO_BIG,
        }
    }
}
