//! Pings, found ahead of the messages that stand before them.

use bytes::Bytes;

use super::deflate::DeflateParameters;
use super::frame::FrameHeader;
use super::opcode::Opcode;
use super::sequence::Sequence;
use super::walk::FrameWalk;
use crate::chunks::Chunks;

/// Walks over the frames of what has come, and finds the pings there: a user who takes a while for
/// each message must not keep the peer waiting for its pongs (RFC 6455 §5.5.2: "as soon as is
/// practical").
///
/// The search reads heads only. At a head that breaks a rule the search stops for good, and
/// [`Incoming`](super::incoming::Incoming) says what is wrong when it comes there. A payload that
/// is wrong, or too large, goes unseen: a ping behind that payload may be answered before the
/// connection fails, where both came at once. At a Close frame, which is answered in its turn, the
/// search stops too.
#[derive(Debug)]
pub(crate) struct Lookahead {
    /// The number of waiting pieces that have been looked at.
    seen: usize,
    walk: FrameWalk,
    sequence: Sequence,
    /// A ping whose head has come: the ping comes out once all of its payload has come.
    ping: Option<Ping>,
    over: bool,
}

#[derive(Debug)]
struct Ping {
    payload: Vec<u8>,
    length: usize,
}

impl Lookahead {
    pub(crate) fn new(deflate: Option<&DeflateParameters>) -> Self {
        Self {
            seen: 0,
            walk: FrameWalk::default(),
            sequence: Sequence::new(deflate),
            ping: None,
            over: false,
        }
    }

    /// Ends the search.
    pub(crate) fn stop(&mut self) {
        self.ping = None;
        self.over = true;
    }

    /// Whether all of these pieces were looked at.
    #[inline]
    pub(crate) fn has_seen(&self, chunks: &Chunks) -> bool {
        self.over || self.seen == chunks.count()
    }

    /// States that the first of the pieces has gone.
    pub(crate) fn first_left(&mut self) {
        self.seen = self.seen.saturating_sub(1);
    }

    /// Returns the payload of the next ping; `None` when all input was looked at.
    pub(crate) fn next_ping(&mut self, chunks: &Chunks) -> Option<Bytes> {
        while let Some(chunk) = chunks.get(self.seen).filter(|_| !self.over) {
            if let Some(Ping { payload, length }) = &mut self.ping {
                // The payload was cut by the end of the piece before this one.
                let missing = length.saturating_sub(payload.len());
                payload.extend_from_slice(chunk.get(..missing).unwrap_or(chunk));
            }
            if let Some(ping) = self.ping.take_if(|ping| ping.payload.len() == ping.length) {
                return Some(ping.payload.into());
            }
            let sequence = &mut self.sequence;
            self.walk.pass_while(chunk, |first| {
                sequence.data(first).inspect(|&frame| sequence.pass(frame)).is_some()
            });
            let head = match self.walk.next(chunk) {
                Ok(Some(header)) => self.sequence.take(&header).map(|_| Some(header)),
                other => other,
            };
            match head {
                Ok(Some(FrameHeader { opcode: Opcode::Ping, length, .. })) => {
                    let start = usize::try_from(self.walk.end() - length).unwrap_or(usize::MAX);
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    let payload = chunk.get(start..).unwrap_or_default();
                    match payload.get(..length) {
                        Some(payload) => return Some(Bytes::copy_from_slice(payload)),
                        None => self.ping = Some(Ping { payload: payload.to_vec(), length }),
                    }
                    self.leave(chunk);
                }
                Ok(Some(FrameHeader { opcode: Opcode::Close, .. })) | Err(_) => self.stop(),
                Ok(Some(_)) => {}
                Ok(None) => self.leave(chunk),
            }
        }
        None
    }

    fn leave(&mut self, chunk: &[u8]) {
        self.walk.leave(chunk);
        self.seen += 1;
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

    /// Returns what is found when each chunk is looked at before the next one comes; all at once
    /// must give the same.
    fn pings(chunks: &[&[u8]]) -> Vec<Bytes> {
        let (mut one_by_one, mut at_once) = (Lookahead::new(None), Lookahead::new(None));
        let (mut found, mut waiting) = (Vec::new(), Chunks::default());
        for chunk in chunks {
            waiting.push(Bytes::copy_from_slice(chunk));
            found.extend(std::iter::from_fn(|| one_by_one.next_ping(&waiting)));
        }
        let all: Vec<Bytes> = std::iter::from_fn(|| at_once.next_ping(&waiting)).collect();
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
        // Wherever one would go on to read, there would be a ping.
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
