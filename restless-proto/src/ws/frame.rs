//! The head of a frame (RFC 6455 §5.2).

use bytes::{BufMut, BytesMut};

use super::error::Error;
use super::opcode::Opcode;

/// The head of one frame: all that stands before its payload (RFC 6455 §5.2).
///
/// ```
/// use restless_proto::ws::{FrameHeader, Opcode};
///
/// let (header, used) = FrameHeader::decode(&[0x81, 0x05, b'H'])?.expect("it is all there");
/// assert_eq!((header.opcode, header.fin, header.length, used), (Opcode::Text, true, 5, 2));
/// # Ok::<(), restless_proto::ws::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameHeader {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// The three reserved bits, RSV1 as 4, RSV2 as 2, RSV3 as 1. RSV1 says "compressed" on the
    /// first frame of a message where permessage-deflate was agreed on (RFC 7692 §6).
    pub reserved: u8,
    /// What the frame is for.
    pub opcode: Opcode,
    /// The masking key, which each frame of a client has, and no frame of a server.
    pub key: Option<[u8; 4]>,
    /// How many bytes of payload follow, at most 2⁶³ - 1.
    pub length: u64,
}

impl FrameHeader {
    /// The longest head there is, in bytes.
    pub const MAX_BYTES: usize = 14;

    /// Makes the head of a whole message or a control frame, without a mask.
    pub fn new(opcode: Opcode, length: u64) -> Self {
        Self { fin: true, reserved: 0, opcode, key: None, length }
    }

    /// Reads the head of a frame at the start of `bytes`. Returns the head and how many bytes it
    /// takes, or `None` while there are too few of them.
    ///
    /// # Errors
    ///
    /// For a frame that every peer and every extension is forbidden to send: a reserved opcode, a
    /// control frame that is fragmented or longer than 125 bytes, a length in a longer form than
    /// its shortest or from 2⁶³ on. The reserved bits and the mask are left to the caller: what is
    /// right there depends on who sent the frame and on what was agreed.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, Error> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let fin = first & 0x80 != 0;
        let opcode = Opcode::from_bits(first & 0x0f)
            .ok_or(Error::ReservedOpcode { opcode: first & 0x0f })?;
        if opcode.is_control() && !fin {
            return Err(Error::FragmentedControl { opcode });
        }
        let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
        let short = second & 0x7f;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL_BYTES {
            return Err(Error::LongControl { opcode });
        }
        let (length, rest) = match short {
            126 => {
                let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
                let length = u64::from(u16::from_be_bytes(*length));
                if length < 126 {
                    return Err(Error::LengthNotMinimal { length });
                }
                (length, rest)
            }
            127 => {
                let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
                let length = u64::from_be_bytes(*length);
                if length > i64::MAX as u64 {
                    return Err(Error::LengthTooLarge { length });
                }
                if length <= u64::from(u16::MAX) {
                    return Err(Error::LengthNotMinimal { length });
                }
                (length, rest)
            }
            short => (u64::from(short), rest),
        };
        let (key, rest) = if second & 0x80 != 0 {
            let Some((key, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (Some(*key), rest)
        } else {
            (None, rest)
        };
        let header = Self { fin, reserved: (first & 0x70) >> 4, opcode, key, length };
        Ok(Some((header, bytes.len() - rest.len())))
    }

    /// Writes the head, its length in the shortest form.
    pub fn encode(&self, to: &mut BytesMut) {
        let masked = if self.key.is_some() { 0x80 } else { 0 };
        to.put_u8(self.first_byte());
        match (u8::try_from(self.length), u16::try_from(self.length)) {
            (Ok(length), _) if length < 126 => to.put_u8(masked | length),
            (_, Ok(length)) => {
                to.put_u8(masked | 126);
                to.put_u16(length);
            }
            (_, Err(_)) => {
                to.put_u8(masked | 127);
                to.put_u64(self.length);
            }
        }
        if let Some(key) = self.key {
            to.put_slice(&key);
        }
    }

    /// Returns the first byte on the wire: whether the frame is the last fragment, the reserved
    /// bits, the opcode.
    pub(crate) fn first_byte(&self) -> u8 {
        let fin = if self.fin { 0x80 } else { 0 };
        fin | (self.reserved & 0x07) << 4 | self.opcode.bits()
    }
}

/// The first of the three reserved bits.
pub(crate) const RSV1: u8 = 4;

/// The most payload that a control frame carries (§5.5).
pub(crate) const MAX_CONTROL_BYTES: usize = 125;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(length: u64) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        FrameHeader::new(Opcode::Binary, length).encode(&mut bytes);
        bytes.to_vec()
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        let lengths = [0, 125, 126, 65_535, 65_536, i64::MAX as u64];
        let sizes = lengths.map(|length| header(length).len());
        assert_eq!(sizes, [2, 2, 4, 4, 10, 10]);
    }

    #[test]
    fn a_length_in_a_longer_form_than_needed_is_refused() {
        assert_eq!(
            FrameHeader::decode(&[0x82, 126, 0, 125]),
            Err(Error::LengthNotMinimal { length: 125 })
        );
        assert_eq!(
            FrameHeader::decode(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
            Err(Error::LengthNotMinimal { length: 65_535 })
        );
    }

    #[test]
    fn a_length_of_64_bits_is_refused_and_one_of_63_is_read() {
        let mut bytes = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(FrameHeader::decode(&bytes), Err(Error::LengthTooLarge { length: 1 << 63 }));
        bytes[2] = 0x40;
        assert_eq!(
            FrameHeader::decode(&bytes),
            Ok(Some((FrameHeader::new(Opcode::Binary, 1 << 62), 10)))
        );
    }

    #[test]
    fn reserved_opcodes_are_refused_at_the_first_byte() {
        for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
            let seen = FrameHeader::decode(&[0x80 | opcode]);
            assert_eq!(seen, Err(Error::ReservedOpcode { opcode }));
        }
    }

    #[test]
    fn control_frames_are_whole_and_short() {
        for opcode in [Opcode::Close, Opcode::Ping, Opcode::Pong] {
            let fragmented = FrameHeader::decode(&[opcode.bits()]);
            assert_eq!(fragmented, Err(Error::FragmentedControl { opcode }));
            let long = FrameHeader::decode(&[0x80 | opcode.bits(), 126]);
            assert_eq!(long, Err(Error::LongControl { opcode }));
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_and_any_start_of_it_asks_for_more(
            fin: bool, reserved in 0u8..8, bits in 0u8..3, key: Option<[u8; 4]>,
            length in prop_oneof![0u64..300, 65_000u64..66_000, 0..=i64::MAX as u64],
        ) {
            let opcode = Opcode::from_bits(bits).expect("a data frame");
            let header = FrameHeader { fin, reserved, opcode, key, length };
            let mut bytes = BytesMut::new();
            header.encode(&mut bytes);
            prop_assert!(bytes.len() <= FrameHeader::MAX_BYTES);
            prop_assert_eq!(FrameHeader::decode(&bytes), Ok(Some((header, bytes.len()))));
            for cut in 0..bytes.len() {
                prop_assert_eq!(FrameHeader::decode(&bytes[..cut]), Ok(None));
            }
        }
    }
}
