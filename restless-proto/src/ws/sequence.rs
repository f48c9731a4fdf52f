//! Which frame may follow which (RFC 6455 §5.1, §5.2, §5.4; RFC 7692 §6).

use super::error::Error;
use super::frame::{FrameHeader, RSV1};
use super::opcode::Opcode;

/// What a server's frames must keep to from one to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence {
    /// Whether compression was agreed on.
    deflate: bool,
    /// A message has begun, and its last fragment not.
    within_message: bool,
}

/// A data frame that may stand where it stands: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataFrame(u8);

impl DataFrame {
    /// Whether the frame is the last one of its message.
    #[inline]
    pub(crate) fn is_last(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Whether the frame is the first one of its message; else it continues one.
    #[inline]
    pub(crate) fn is_first(self) -> bool {
        self.0 & 0x0f != 0
    }

    /// Whether the frame begins a text message.
    #[inline]
    pub(crate) fn is_text(self) -> bool {
        self.0 & 0x0f == 1
    }

    /// Whether the frame begins a compressed message.
    #[inline]
    pub(crate) fn is_compressed(self) -> bool {
        self.0 & 0x40 != 0
    }
}

impl Sequence {
    pub(crate) fn new(deflate: bool) -> Self {
        Self { deflate, within_message: false }
    }

    pub(crate) fn is_within_message(self) -> bool {
        self.within_message
    }

    /// The data frame with this first byte, where it may come next. `None` for a control frame, and
    /// for what breaks a rule: [`take`](Self::take) tells them apart.
    #[inline]
    pub(crate) fn data(self, first: u8) -> Option<DataFrame> {
        let fits = match first & 0x0f {
            0x0 => self.within_message,
            0x1 | 0x2 => !self.within_message,
            _ => false,
        };
        let reserved = first & 0x70;
        // RSV1 says "compressed", on the first frame of a message alone.
        let may_be_reserved = reserved == RSV1 << 4 && self.deflate && !self.within_message;
        (fits && (reserved == 0 || may_be_reserved)).then_some(DataFrame(first))
    }

    /// Goes on behind this frame.
    #[inline]
    pub(crate) fn pass(&mut self, frame: DataFrame) {
        self.within_message = !frame.is_last();
    }

    /// Takes the next frame; `None` for a control frame, which changes nothing.
    ///
    /// # Errors
    ///
    /// Where the frame may not come next, or not from a server.
    pub(crate) fn take(&mut self, header: &FrameHeader) -> Result<Option<DataFrame>, Error> {
        let &FrameHeader { reserved, opcode, .. } = header;
        let compressed = reserved == RSV1 && opcode.begins_message() && self.deflate;
        if reserved != 0 && !compressed {
            return Err(Error::ReservedBits { bits: reserved, opcode });
        }
        if header.key.is_some() {
            return Err(Error::Masked);
        }
        if let Some(frame) = self.data(header.first_byte()) {
            self.pass(frame);
            return Ok(Some(frame));
        }
        match opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => Ok(None),
            Opcode::Continuation => Err(Error::UnexpectedContinuation),
            Opcode::Text | Opcode::Binary => Err(Error::ExpectedContinuation { opcode }),
        }
    }
}
