//! Pings, found ahead of the messages that stand before them.

use std::collections::VecDeque;

use bytes::Bytes;

use super::frame::{FrameHeader, Opcode, Sequence};

/// Walks over the frames of what has come, and finds the pings in it: a user who takes a while for
/// each message must not keep the peer waiting for its pongs (RFC 6455 §5.5.2: "as soon as is
/// practical").
///
/// It reads heads only. At one that breaks a rule it stops for good, and the
/// [`Assembler`](super::message::Assembler) says what is wrong when it comes there. What is wrong with
/// a payload, or too much of it, it does not see: a ping behind that may be answered before the
/// connection fails, where both came at once. At a Close frame it stops too, which is answered in its
/// turn.
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
    chunk: Bytes,
    /// How much of `chunk` was looked at.
    at: usize,
    /// Chunks that were given before the one before them was looked at.
    later: VecDeque<Bytes>,
    /// The start of a head that is cut.
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
        Self {
            chunk: Bytes::new(),
            at: 0,
            later: VecDeque::new(),
            head: Vec::new(),
            sequence: Sequence::new(deflate),
            state: State::Head,
        }
    }

    /// Takes the next piece of input.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if matches!(self.state, State::Over) {
            return;
        }
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            self.later.push_back(chunk);
        }
    }

    /// Looks at nothing any more.
    pub(crate) fn stop(&mut self) {
        self.chunk = Bytes::new();
        self.later.clear();
        self.state = State::Over;
    }

    /// The payload of the next ping; `None` when all input was looked at.
    pub(crate) fn next_ping(&mut self) -> Option<Bytes> {
        while !self.chunk.is_empty() {
            if let Some(payload) = self.ping_in_chunk() {
                return Some(payload);
            }
            self.at = 0;
            self.chunk = self.later.pop_front().unwrap_or_default();
        }
        None
    }

    /// Steps over messages' frames that lie whole in this chunk: most do.
    #[inline]
    fn skip_whole_frames(&mut self) {
        let (mut at, mut sequence) = (self.at, self.sequence);
        let mut rest = self.chunk.get(at..).unwrap_or_default();
        while let Ok(Some((header, used))) = FrameHeader::decode(rest) {
            if header.opcode.is_control() {
                break;
            }
            let end =
                usize::try_from(header.length).ok().and_then(|length| used.checked_add(length));
            let Some(after) = end.and_then(|end| rest.get(end..)) else { break };
            if sequence.take(&header).is_err() {
                break;
            }
            at += rest.len() - after.len();
            rest = after;
        }
        (self.at, self.sequence) = (at, sequence);
    }

    /// The payload of the next ping that ends in this chunk.
    fn ping_in_chunk(&mut self) -> Option<Bytes> {
        if matches!(self.state, State::Head) && self.head.is_empty() {
            self.skip_whole_frames();
        }
        while let Some(rest) = self.chunk.get(self.at..).filter(|rest| !rest.is_empty()) {
            match &mut self.state {
                State::Head if self.head.is_empty() => match FrameHeader::decode(rest) {
                    Ok(Some((header, used))) => {
                        self.at += used;
                        if let Some(payload) = self.begin(header) {
                            return Some(payload);
                        }
                    }
                    Ok(None) => {
                        self.head.extend_from_slice(rest);
                        return None;
                    }
                    Err(_) => self.stop(),
                },
                State::Head => {
                    // Cut anywhere, it is whole within a few bytes.
                    self.head.extend(rest.first());
                    self.at += 1;
                    match FrameHeader::decode(&self.head) {
                        Ok(Some((header, _))) => {
                            self.head.clear();
                            if let Some(payload) = self.begin(header) {
                                return Some(payload);
                            }
                        }
                        Ok(None) => {}
                        Err(_) => self.stop(),
                    }
                }
                State::Skip(length) => {
                    let here = usize::try_from(*length).unwrap_or(usize::MAX).min(rest.len());
                    self.at += here;
                    *length -= here as u64;
                    if *length == 0 {
                        self.state = State::Head;
                        self.skip_whole_frames();
                    }
                }
                State::Ping { payload, length } => {
                    let here = rest.get(..*length - payload.len()).unwrap_or(rest);
                    payload.extend_from_slice(here);
                    self.at += here.len();
                    if payload.len() == *length {
                        let payload = Bytes::from(std::mem::take(payload));
                        self.state = State::Head;
                        return Some(payload);
                    }
                }
                State::Over => return None,
            }
        }
        None
    }

    /// Takes note of what follows this head. A ping without a payload is whole with it.
    #[inline]
    fn begin(&mut self, header: FrameHeader) -> Option<Bytes> {
        if self.sequence.take(&header).is_err() {
            self.stop();
            return None;
        }
        match header.opcode {
            Opcode::Continuation | Opcode::Text | Opcode::Binary | Opcode::Pong => {
                self.state = State::Skip(header.length);
            }
            Opcode::Ping if header.length == 0 => return Some(Bytes::new()),
            Opcode::Ping => {
                // 125 at the most, or it would be no head.
                let length = usize::try_from(header.length).unwrap_or_default();
                self.state = State::Ping { payload: Vec::with_capacity(length), length };
            }
            Opcode::Close => self.stop(),
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
