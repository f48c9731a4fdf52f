//! Which frame may follow which (RFC 6455 §5.1, §5.2, §5.4; RFC 7692 §6).

use super::deflate::DeflateParameters;
use super::error::Error;
use super::frame::{FrameHeader, RSV1};
use super::opcode::Opcode;

/// What a server's frames must keep to from one to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence {
    /// Where the next data frame is to stand: a bit for [`MAY_STAND`].
    place: u8,
    /// The place of the first frame of a message.
    between: u8,
}

/// Between two messages, where compression was not agreed on.
const BETWEEN: u8 = 1;
/// Between two messages, where compression was agreed on: the first frame of a message may say that
/// the message is compressed.
const BETWEEN_COMPRESSIBLE: u8 = 2;
/// Within a message: its last fragment has not come.
const WITHIN: u8 = 4;

/// The places where a data frame with this first byte may stand. Each frame is looked up twice on
/// its way, for three instructions each; asking for bits and opcode takes fifteen.
const MAY_STAND: [u8; 256] = {
    let mut places = [0; 256];
    let mut first = 0;
    while first < 256 {
        // The last of the three reserved bits, RSV3, stands above the opcode.
        let (reserved, opcode) = ((first as u8 & 0x70) >> 4, first as u8 & 0x0f);
        #[expect(clippy::indexing_slicing, reason = "in a constant, where a mistake is an error")]
        let place = &mut places[first];
        *place = match (reserved, opcode) {
            (0, 0x0) => WITHIN,
            (0, 0x1 | 0x2) => BETWEEN | BETWEEN_COMPRESSIBLE,
            (RSV1, 0x1 | 0x2) => BETWEEN_COMPRESSIBLE,
            _ => 0,
        };
        first += 1;
    }
    places
};

/// A data frame that may stand where it stands, as its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataFrame(u8);

impl DataFrame {
    /// Whether the frame is the last one of its message.
    #[inline]
    pub(crate) fn is_last(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Whether the frame is the first one of its message, and not a later fragment.
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
    pub(crate) fn new(deflate: Option<&DeflateParameters>) -> Self {
        let between = if deflate.is_some() { BETWEEN_COMPRESSIBLE } else { BETWEEN };
        Self { place: between, between }
    }

    pub(crate) fn is_within_message(self) -> bool {
        self.place == WITHIN
    }

    /// Returns the data frame with this first byte, where the frame may come next. `None` for a
    /// control frame, and for a frame that breaks a rule: [`take`](Self::take) tells them apart.
    #[inline]
    pub(crate) fn data(self, first: u8) -> Option<DataFrame> {
        let places = MAY_STAND.get(usize::from(first)).copied().unwrap_or_default();
        (places & self.place != 0).then_some(DataFrame(first))
    }

    /// Goes on behind this frame.
    #[inline]
    pub(crate) fn pass(&mut self, frame: DataFrame) {
        self.place = if frame.is_last() { self.between } else { WITHIN };
    }

    /// Takes the next frame; `None` for a control frame, which changes nothing.
    ///
    /// # Errors
    ///
    /// Where the frame is forbidden at this place, or to a server.
    pub(crate) fn take(&mut self, header: &FrameHeader) -> Result<Option<DataFrame>, Error> {
        let &FrameHeader { reserved, opcode, .. } = header;
        let compressible = self.between == BETWEEN_COMPRESSIBLE && opcode.begins_message();
        if reserved != 0 && !(reserved == RSV1 && compressible) {
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
