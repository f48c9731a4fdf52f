//! From the head of one frame to that of the next.

use super::Error;
use super::frame::FrameHeader;

/// Walks from head to head over the frames of what comes in chunks, and past their payloads.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameWalk {
    /// Where the next head is to begin, counted from the start of the chunk at hand.
    at: u64,
    /// The start of a head that the chunks before ended with; it goes on at the start of this one.
    cut: [u8; FrameHeader::MAX_BYTES],
    cut_bytes: usize,
}

impl FrameWalk {
    /// The next head that is whole in this chunk, which may have grown since the last call. It is
    /// stepped over, and its payload.
    ///
    /// # Errors
    ///
    /// As [`FrameHeader::decode`]: there is no telling where the next one would be.
    #[inline]
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
            self.skip_whole_frames(chunk, |_| true);
            if self.next(chunk)?.is_none() {
                return Ok(());
            }
        }
    }

    /// Steps over frames that lie whole in this chunk, as most do, while `skip` says so: a tight
    /// loop. What it stops at is for [`next`](Self::next).
    #[inline]
    pub(crate) fn skip_whole_frames(
        &mut self,
        chunk: &[u8],
        mut skip: impl FnMut(&FrameHeader) -> bool,
    ) {
        if self.cut_bytes > 0 {
            return;
        }
        let mut rest = usize::try_from(self.at).ok().and_then(|at| chunk.get(at..));
        while let Some(frame) = rest {
            self.at = (chunk.len() - frame.len()) as u64;
            let Ok(Some((header, used))) = FrameHeader::decode(frame) else { break };
            let length = usize::try_from(header.length).ok().and_then(|all| used.checked_add(all));
            rest = length.and_then(|length| frame.get(length..));
            if rest.is_some() && !skip(&header) {
                break;
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

    /// Where the frame ends whose head came last, counted from the start of the chunk at hand.
    pub(crate) fn end(&self) -> u64 {
        self.at
    }

    /// Goes on to the next chunk, once [`next`](Self::next) has no more of this one.
    pub(crate) fn leave(&mut self, chunk: &[u8]) {
        let rest = usize::try_from(self.at).ok().and_then(|at| chunk.get(at..));
        self.at = self.at.saturating_sub(chunk.len() as u64);
        let free = self.cut.get_mut(self.cut_bytes..).unwrap_or_default();
        for (to, from) in free.iter_mut().zip(rest.unwrap_or_default()) {
            *to = *from;
            self.cut_bytes += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;

    use super::*;
    use crate::ws::Opcode;

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
    }
}
