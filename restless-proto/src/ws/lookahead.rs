//! Pings, found ahead of the messages that stand before them.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::frame::{FrameHeader, Opcode, Sequence};

/// Walks over the frames of what has come, and finds the pings in it: a user who takes a while for
/// each message must not keep the peer waiting for its pongs (RFC 6455 §5.5.2: "as soon as is
/// practical").
///
/// It reads heads only. At one that breaks a rule it stops for good, and the
/// [`Assembler`](super::message::Assembler) says what is wrong when it comes there: nothing behind
/// that is answered (§7.1.7). At a Close frame it stops too, which is answered in its turn.
///
/// ```text
///            head of a ping, whole                    its last byte
///   Head ──────────────────────────▶ Ping ──────────────────────────▶ its payload; Head
///    │  ▲       head of another          all of its payload
///    │  └────────────────────────── Skip ◀┐
///    ├────────────────────────────────────┘
///    └── what is no head, or a Close frame's ──▶ Over
/// ```
#[derive(Debug)]
pub(crate) struct Lookahead {
    chunks: VecDeque<Bytes>,
    head: Vec<u8>,
    sequence: Sequence,
    state: State,
}

#[derive(Debug)]
enum State {
    Head,
    Ping { payload: Vec<u8>, length: usize },
    Skip(u64),
    Over,
}

impl Lookahead {
    pub(crate) fn new(deflate: bool) -> Self {
        let sequence = Sequence::new(deflate);
        Self { chunks: VecDeque::new(), head: Vec::new(), sequence, state: State::Head }
    }

    /// Takes the next piece of input.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if !matches!(self.state, State::Over) {
            self.chunks.push_back(chunk);
        }
    }

    /// Looks at nothing any more.
    pub(crate) fn stop(&mut self) {
        self.chunks.clear();
        self.state = State::Over;
    }

    /// The payload of the next ping; `None` when all input was looked at.
    pub(crate) fn next_ping(&mut self) -> Option<Bytes> {
        loop {
            let chunk = self.chunks.front_mut()?;
            if chunk.is_empty() {
                self.chunks.pop_front();
                continue;
            }
            match &mut self.state {
                State::Skip(rest) => {
                    let here = usize::try_from(*rest).unwrap_or(usize::MAX).min(chunk.len());
                    chunk.advance(here);
                    *rest -= here as u64;
                    if *rest == 0 {
                        self.state = State::Head;
                    }
                }
                State::Ping { payload, length } => {
                    let here = (*length - payload.len()).min(chunk.len());
                    payload.extend_from_slice(&chunk.split_to(here));
                    if payload.len() == *length {
                        let payload = Bytes::from(std::mem::take(payload));
                        self.state = State::Head;
                        return Some(payload);
                    }
                }
                State::Head => {
                    // A head that is cut is put together; most are not.
                    let whole = if self.head.is_empty() {
                        FrameHeader::decode(chunk)
                    } else {
                        let (&byte, _) = chunk.split_first()?;
                        self.head.push(byte);
                        FrameHeader::decode(&self.head)
                    };
                    match whole {
                        Ok(Some((header, used))) => {
                            chunk.advance(if self.head.is_empty() { used } else { 1 });
                            self.head.clear();
                            if let Some(payload) = self.begin(header) {
                                return Some(payload);
                            }
                        }
                        Ok(None) if self.head.is_empty() => self.head.extend(chunk.split_off(0)),
                        Ok(None) => chunk.advance(1),
                        Err(_) => self.stop(),
                    }
                }
                State::Over => return None,
            }
        }
    }

    /// A ping without a payload is whole with its head.
    fn begin(&mut self, header: FrameHeader) -> Option<Bytes> {
        if self.sequence.take(&header).is_err() {
            self.stop();
            return None;
        }
        match header.opcode {
            Opcode::Ping if header.length == 0 => return Some(Bytes::new()),
            Opcode::Ping => {
                // 125 at the most, or it would be no head.
                let length = usize::try_from(header.length).unwrap_or_default();
                self.state = State::Ping { payload: Vec::with_capacity(length), length };
            }
            Opcode::Close => self.stop(),
            Opcode::Continuation | Opcode::Text | Opcode::Binary | Opcode::Pong => {
                self.state = State::Skip(header.length);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: Opcode, payload: &[u8], to: &mut BytesMut) {
        FrameHeader::new(opcode, payload.len() as u64).encode(to);
        to.extend_from_slice(payload);
    }

    fn pings(chunks: &[&[u8]]) -> Vec<Bytes> {
        let mut lookahead = Lookahead::new(false);
        let mut found = Vec::new();
        for chunk in chunks {
            lookahead.push(Bytes::copy_from_slice(chunk));
            found.extend(std::iter::from_fn(|| lookahead.next_ping()));
        }
        found
    }

    #[test]
    fn nothing_is_found_behind_a_close_frame_or_what_is_no_frame() {
        let mut wire = BytesMut::new();
        frame(Opcode::Ping, b"1", &mut wire);
        let before = wire.len();
        frame(Opcode::Close, b"", &mut wire);
        frame(Opcode::Ping, b"2", &mut wire);
        assert_eq!(pings(&[&wire]), ["1"]);
        // A reserved opcode in its place, a masked frame, a reserved bit.
        for (at, bits) in [(before, 0x03), (before + 1, 0x80), (before, 0x10)] {
            let mut wire = wire.to_vec();
            wire[at] ^= bits;
            assert_eq!(pings(&[&wire]), ["1"]);
        }
    }

    proptest! {
        #[test]
        fn each_ping_is_found_however_the_bytes_are_cut(
            frames in proptest::collection::vec((any::<bool>(), 0usize..300), 0..12),
            size in 1usize..40,
        ) {
            let mut wire = BytesMut::new();
            let mut due = Vec::new();
            for (n, &(ping, length)) in frames.iter().enumerate() {
                if ping {
                    let payload = vec![n as u8; length.min(125)];
                    frame(Opcode::Ping, &payload, &mut wire);
                    due.push(Bytes::from(payload));
                } else {
                    // A payload that looks like pings.
                    frame(Opcode::Binary, &vec![0x89; length], &mut wire);
                }
            }
            prop_assert_eq!(&pings(&wire.chunks(size).collect::<Vec<_>>()), &due);
            prop_assert_eq!(&pings(&[&wire]), &due);
        }
    }
}
