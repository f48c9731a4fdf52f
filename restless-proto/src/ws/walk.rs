//! From the head of one frame to the head of the next: the one place that keeps a position in the
//! frames of input that comes in chunks.

use std::ops::Range;

use super::error::Error;
use super::frame::FrameHeader;

/// Walks from head to head over the frames of input that comes in chunks, and past their payloads.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameWalk {
    /// Where the next head is to begin, counted from the start of the chunk at hand. [`NOWHERE`]
    /// while its start is in `cut`, so that a search here finds none.
    at: u64,
    /// The start of a head that the chunks before ended with. The head goes on at the start of this
    /// chunk.
    cut: [u8; FrameHeader::MAX_BYTES],
    cut_bytes: usize,
}

/// A frame without a mask that lies whole in a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WholeFrame {
    /// The first byte of the head, which is unchecked.
    pub(crate) first: u8,
    /// Where the payload lies in the chunk.
    pub(crate) payload: Range<usize>,
}

impl FrameWalk {
    /// Returns the next frame, where the frame lies whole in this chunk and is unmasked, as most
    /// are. [`pass`](Self::pass) steps over the frame. Any other frame is for [`next`](Self::next).
    #[inline]
    pub(crate) fn whole(&self, chunk: &[u8]) -> Option<WholeFrame> {
        whole_frame(chunk, usize::try_from(self.at).ok()?)
    }

    /// Steps over the frame that [`whole`](Self::whole) has given.
    #[inline]
    pub(crate) fn pass(&mut self, frame: &WholeFrame) {
        self.at = frame.payload.end as u64;
    }

    /// Steps over frames that lie whole in this chunk, as long as `skip` says so for the first byte
    /// of each.
    #[inline]
    pub(crate) fn pass_while(&mut self, chunk: &[u8], mut skip: impl FnMut(u8) -> bool) {
        while let Some(frame) = self.whole(chunk) {
            if !skip(frame.first) {
                return;
            }
            self.pass(&frame);
        }
    }

    /// Returns the next head that is whole in this chunk, which may have grown since the last call,
    /// and steps over the frame, payload and all.
    ///
    /// # Errors
    ///
    /// As [`FrameHeader::decode`]: where the next head would be is unknown then.
    pub(crate) fn next(&mut self, chunk: &[u8]) -> Result<Option<FrameHeader>, Error> {
        if self.cut_bytes > 0 {
            return self.next_cut(chunk);
        }
        let Some(rest) = usize::try_from(self.at).ok().and_then(|at| chunk.get(at..)) else {
            return Ok(None);
        };
        let Some((header, used)) = FrameHeader::decode(rest)? else { return Ok(None) };
        self.at = self.at.saturating_add(used as u64).saturating_add(header.length);
        Ok(Some(header))
    }

    /// Steps over all frames whose heads are whole in this chunk.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub(crate) fn skip(&mut self, chunk: &[u8]) -> Result<(), Error> {
        loop {
            self.pass_while(chunk, |_| true);
            if self.next(chunk)?.is_none() {
                return Ok(());
            }
        }
    }

    fn next_cut(&mut self, chunk: &[u8]) -> Result<Option<FrameHeader>, Error> {
        let mut head = self.cut;
        let free = head.get_mut(self.cut_bytes..).unwrap_or_default();
        let length = self.cut_bytes + free.len().min(chunk.len());
        for (to, from) in free.iter_mut().zip(chunk) {
            *to = *from;
        }
        let decoded = FrameHeader::decode(head.get(..length).unwrap_or_default())?;
        let Some((header, used)) = decoded else { return Ok(None) };
        let here = used.saturating_sub(self.cut_bytes);
        self.cut_bytes = 0;
        self.at = (here as u64).saturating_add(header.length);
        Ok(Some(header))
    }

    /// Returns where the frame ends whose head came last, counted from the start of the chunk at
    /// hand.
    pub(crate) fn end(&self) -> u64 {
        if self.cut_bytes > 0 { 0 } else { self.at }
    }

    /// Whether the chunks before ended within a head.
    pub(crate) fn is_within_head(&self) -> bool {
        self.cut_bytes > 0
    }

    /// Goes on to the next chunk, once [`next`](Self::next) has no more of this one.
    pub(crate) fn leave(&mut self, chunk: &[u8]) {
        let at = self.end();
        let rest = usize::try_from(at).ok().and_then(|at| chunk.get(at..));
        let free = self.cut.get_mut(self.cut_bytes..).unwrap_or_default();
        for (to, from) in free.iter_mut().zip(rest.unwrap_or_default()) {
            *to = *from;
            self.cut_bytes += 1;
        }
        self.at = if self.cut_bytes > 0 { NOWHERE } else { at.saturating_sub(chunk.len() as u64) };
    }
}

/// A place behind the end of any chunk.
const NOWHERE: u64 = u64::MAX;

/// Reads the frame at this place of the chunk, if the frame lies whole in the chunk without a mask.
/// To read a frame here takes a dozen instructions. [`FrameHeader::decode`], which names every
/// fault, takes fifty.
#[inline(always)]
fn whole_frame(chunk: &[u8], at: usize) -> Option<WholeFrame> {
    let head = chunk.get(at..)?;
    let [first, second] = *head.first_chunk()?;
    let (used, length) = match second {
        0..=125 => (2, usize::from(second)),
        126 => {
            let [_, _, length @ ..] = *head.first_chunk::<4>()?;
            (4, usize::from(u16::from_be_bytes(length)))
        }
        127 => {
            let [_, _, length @ ..] = *head.first_chunk::<10>()?;
            (10, usize::try_from(u64::from_be_bytes(length)).ok()?)
        }
        128.. => return None,
    };
    // A length in a longer form than it needs is an error.
    if (used == 4 && length <= 125) || (used == 10 && length <= usize::from(u16::MAX)) {
        return None;
    }
    let start = at + used;
    let end = start.checked_add(length).filter(|&end| end <= chunk.len())?;
    Some(WholeFrame { first, payload: start..end })
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;

    use super::*;
    use crate::ws::opcode::Opcode;

    proptest! {
        #[test]
        fn a_walk_comes_by_each_head_however_the_bytes_are_cut_and_grow(
            frames in proptest::collection::vec((0u64..200, any::<bool>()), 0..12),
            cuts in proptest::collection::vec((1usize..300, 1usize..40), 1..12),
        ) {
            let mut wire = BytesMut::new();
            let mut headers = Vec::new();
            for (length, masked) in frames {
                let key = masked.then_some([1, 2, 3, 4]);
                headers.push(FrameHeader { key, ..FrameHeader::new(Opcode::Text, length) });
                headers[headers.len() - 1].encode(&mut wire);
                wire.put_bytes(0x81, length as usize);
            }
            let (mut walk, mut seen, mut rest) = (FrameWalk::default(), Vec::new(), &wire[..]);
            for (size, step) in cuts.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at(size.min(rest.len()));
                for length in (0..chunk.len()).step_by(step).chain([chunk.len()]) {
                    while let Some(header) = walk.next(&chunk[..length]).expect("heads") {
                        seen.push(header);
                    }
                }
                walk.leave(chunk);
                rest = after;
            }
            prop_assert_eq!(seen, headers);
            prop_assert_eq!(walk.end(), 0);
        }

        #[test]
        fn a_whole_frame_is_what_its_head_says(
            bits in proptest::sample::select(vec![0x81u8, 0x82, 0x02, 0x00, 0x80, 0x89, 0xc1]),
            length in prop_oneof![0usize..300, 65_500usize..65_600],
            before in 0usize..20, missing in 0usize..3, behind in 0usize..3, masked: bool,
        ) {
            let mut chunk = BytesMut::new();
            chunk.put_bytes(0xff, before);
            let opcode = Opcode::from_bits(bits & 0x0f).expect("an opcode");
            let key = masked.then_some([1, 2, 3, 4]);
            FrameHeader { key, ..FrameHeader::new(opcode, length as u64) }.encode(&mut chunk);
            chunk[before] = bits;
            let start = chunk.len();
            chunk.put_bytes(7, length + behind);
            chunk.truncate(chunk.len() - missing);
            let whole = !masked && start + length <= chunk.len();
            let due = whole.then(|| WholeFrame { first: bits, payload: start..start + length });
            prop_assert_eq!(whole_frame(&chunk, before), due);
        }

        #[test]
        fn a_frame_is_whole_only_where_its_head_is_right(
            head in proptest::collection::vec(
                prop_oneof![any::<u8>(), proptest::sample::select(vec![0u8, 126, 127])], 0..12,
            ),
        ) {
            let chunk = [&head[..], &[0; 300]].concat();
            if let Some(frame) = whole_frame(&chunk, 0) {
                // What is wrong with the first byte alone is for whoever looks at that byte.
                let mut plain = chunk.clone();
                plain[0] = 0x82;
                let (header, used) = FrameHeader::decode(&plain).expect("a head").expect("whole");
                prop_assert_eq!(header.length, frame.payload.len() as u64);
                prop_assert_eq!(used, frame.payload.start);
            }
        }
    }
}
