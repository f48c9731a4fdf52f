//! Pings, found ahead of the messages that stand before them.

use std::collections::VecDeque;

use bytes::Bytes;

use super::frame::{FrameHeader, Opcode, Sequence};
use super::walk::FrameWalk;

/// Walks over the frames of what has come, and finds the pings in it: a user who takes a while for
/// each message must not keep the peer waiting for its pongs (RFC 6455 §5.5.2: "as soon as is
/// practical").
///
/// It reads heads only. At one that breaks a rule it stops for good, and the
/// [`Assembler`](super::message::Assembler) says what is wrong when it comes there. What is wrong with
/// a payload, or too much of it, it does not see: a ping behind that may be answered before the
/// connection fails, where both came at once. At a Close frame it stops too, which is answered in its
/// turn.
#[derive(Debug)]
pub(crate) struct Lookahead {
    chunk: Bytes,
    /// Chunks that were given before the one before them was looked at.
    later: VecDeque<Bytes>,
    walk: FrameWalk,
    sequence: Sequence,
    /// A ping whose head has come: it comes out once all of its payload has.
    ping: Option<Ping>,
    over: bool,
}

#[derive(Debug)]
struct Ping {
    payload: Vec<u8>,
    length: usize,
}

impl Lookahead {
    pub(crate) fn new(deflate: bool) -> Self {
        Self {
            chunk: Bytes::new(),
            later: VecDeque::new(),
            walk: FrameWalk::default(),
            sequence: Sequence::new(deflate),
            ping: None,
            over: false,
        }
    }

    /// Takes the next piece of input.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if self.over {
            return;
        }
        if self.chunk.is_empty() {
            self.enter(chunk);
        } else {
            self.later.push_back(chunk);
        }
    }

    /// Looks at nothing any more.
    pub(crate) fn stop(&mut self) {
        self.chunk = Bytes::new();
        self.later.clear();
        self.ping = None;
        self.over = true;
    }

    /// The payload of the next ping; `None` when all input was looked at.
    pub(crate) fn next_ping(&mut self) -> Option<Bytes> {
        while !self.chunk.is_empty() {
            if let Some(ping) = self.ping.take_if(|ping| ping.payload.len() == ping.length) {
                return Some(ping.payload.into());
            }
            self.walk.skip_whole_frames(&self.chunk, |header| {
                !header.opcode.is_control() && self.sequence.take(header).is_ok()
            });
            let head = match self.walk.next(&self.chunk) {
                Ok(Some(header)) => self.sequence.take(&header).map(|_| Some(header)),
                other => other,
            };
            match head {
                Ok(Some(FrameHeader { opcode: Opcode::Ping, length, .. })) => {
                    let start = usize::try_from(self.walk.end() - length).unwrap_or(usize::MAX);
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    let payload = self.chunk.get(start..).unwrap_or_default();
                    let payload = payload.get(..length).unwrap_or(payload).to_vec();
                    self.ping = Some(Ping { payload, length });
                }
                Ok(Some(FrameHeader { opcode: Opcode::Close, .. })) | Err(_) => self.stop(),
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.walk.leave(&self.chunk);
                    let next = self.later.pop_front().unwrap_or_default();
                    self.enter(next);
                }
            }
        }
        None
    }

    /// Goes on to this chunk; a ping that was cut goes on at its start.
    fn enter(&mut self, chunk: Bytes) {
        if let Some(Ping { payload, length }) = &mut self.ping {
            let missing = length.saturating_sub(payload.len());
            payload.extend_from_slice(chunk.get(..missing).unwrap_or(&chunk));
        }
        self.chunk = chunk;
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

    /// What is found when each chunk is looked at before the next one comes; the same is found when
    /// all come at once.
    fn pings(chunks: &[&[u8]]) -> Vec<Bytes> {
        let (mut one_by_one, mut at_once) = (Lookahead::new(false), Lookahead::new(false));
        let mut found = Vec::new();
        for chunk in chunks {
            one_by_one.push(Bytes::copy_from_slice(chunk));
            at_once.push(Bytes::copy_from_slice(chunk));
            found.extend(std::iter::from_fn(|| one_by_one.next_ping()));
        }
        let all: Vec<Bytes> = std::iter::from_fn(|| at_once.next_ping()).collect();
        assert_eq!(all, found);
        found
    }

    #[test]
    fn nothing_is_found_behind_a_close_frame_or_what_is_no_frame() {
        let mut wire = BytesMut::new();
        frame(Opcode::Ping, b"01", &mut wire);
        let before = wire.len();
        frame(Opcode::Close, b"", &mut wire);
        let close = wire.len();
        // Wherever one would go on to read, there would be one.
        for _ in 0..10 {
            frame(Opcode::Ping, b"", &mut wire);
        }
        for chunks in [&[&wire[..]][..], &[&wire[..close], &wire[close..]]] {
            assert_eq!(pings(chunks), ["01"]);
        }
        // A reserved opcode in its place, a masked frame, a reserved bit.
        for (at, bits) in [(before, 0x03), (before + 1, 0x80), (before, 0x10)] {
            let mut wire = wire.to_vec();
            wire[at] ^= bits;
            assert_eq!(pings(&[&wire]), ["01"]);
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
