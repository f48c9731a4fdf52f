//! Frames by hand (RFC 6455 §5.2), for what a well-behaved codec refuses to write.

/// The opcodes that are written by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Ping = 0x9,
}

/// A frame's first bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) is_final: bool,
    /// RSV1 is 4, RSV2 is 2, RSV3 is 1.
    pub(crate) reserved: u8,
    pub(crate) opcode: Opcode,
    pub(crate) is_masked: bool,
}

/// A masking key without a zero byte, so that a masked payload always differs from a plain one.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

impl Frame {
    /// Makes a whole message in one unmasked frame, as a server should write it.
    pub(crate) fn whole(opcode: Opcode) -> Self {
        Self { is_final: true, reserved: 0, opcode, is_masked: false }
    }

    /// Returns the header of a frame with this much payload.
    pub(crate) fn header(self, payload: usize) -> Vec<u8> {
        let first = u8::from(self.is_final) << 7 | (self.reserved & 0x7) << 4 | self.opcode as u8;
        let mask = u8::from(self.is_masked) << 7;
        let mut header = vec![first];
        match (u8::try_from(payload), u16::try_from(payload)) {
            (Ok(length @ ..126), _) => header.push(mask | length),
            (_, Ok(length)) => {
                header.push(mask | 126);
                header.extend(length.to_be_bytes());
            }
            _ => {
                header.push(mask | 127);
                header.extend((payload as u64).to_be_bytes());
            }
        }
        if self.is_masked {
            header.extend(MASK);
        }
        header
    }

    pub(crate) fn encode(self, payload: &[u8]) -> Vec<u8> {
        let mut frame = self.header(payload.len());
        if self.is_masked {
            frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        } else {
            frame.extend_from_slice(payload);
        }
        frame
    }

    /// Cuts the payload into `count` fragments that differ by at most a byte in length; some are
    /// empty if there are fewer bytes than fragments.
    pub(crate) fn fragments(self, payload: &[u8], count: usize) -> Vec<Vec<u8>> {
        let count = count.max(1);
        let mut rest = payload;
        (0..count)
            .map(|index| {
                let (piece, after) = rest.split_at(rest.len().div_ceil(count - index));
                rest = after;
                let first = index == 0;
                let frame = Self {
                    is_final: index + 1 == count,
                    reserved: if first { self.reserved } else { 0 },
                    opcode: if first { self.opcode } else { Opcode::Continuation },
                    ..self
                };
                frame.encode(piece)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_in_its_shortest_form() {
        let header = |length| Frame::whole(Opcode::Text).header(length);
        assert_eq!(header(125), [0x81, 125]);
        assert_eq!(header(126), [0x81, 126, 0, 126]);
        assert_eq!(header(65_535), [0x81, 126, 0xff, 0xff]);
        assert_eq!(header(65_536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn masked_frame_has_its_key_and_a_masked_payload() {
        let frame = Frame { is_masked: true, ..Frame::whole(Opcode::Text) };
        // "Hello", the example of RFC 6455 §5.7, with its key.
        let expected = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(frame.encode(b"Hello"), expected);
    }

    #[test]
    fn reserved_bits_stand_after_the_fin_bit() {
        let frame = Frame { reserved: 0b101, ..Frame::whole(Opcode::Binary) };
        assert_eq!(frame.encode(b""), [0b1101_0010, 0]);
    }

    #[test]
    fn only_the_last_fragment_is_final_and_only_the_first_has_the_opcode() {
        let fragments = Frame::whole(Opcode::Text).fragments(b"Hello", 3);
        assert_eq!(fragments, [&b"\x01\x02He"[..], b"\x00\x02ll", b"\x80\x01o"]);
    }

    #[test]
    fn fragments_may_be_empty() {
        let fragments = Frame::whole(Opcode::Text).fragments(b"a", 2);
        assert_eq!(fragments, [&b"\x01\x01a"[..], b"\x80\x00"]);
    }
}
