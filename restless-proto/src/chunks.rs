//! Input that waits to be read.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};

/// Pieces of input, in the order in which they came.
///
/// The first piece is being read. A driver that reads its socket only when it is told to wait never
/// has another piece behind: so the first has a place of its own, and the others have a queue that
/// takes memory when it is used.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    first: Bytes,
    later: VecDeque<Bytes>,
    later_bytes: usize,
}

impl Chunks {
    /// Takes the next piece. An empty piece changes nothing.
    #[inline]
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if self.first.is_empty() {
            self.first = chunk;
        } else if !chunk.is_empty() {
            self.later_bytes += chunk.len();
            self.later.push_back(chunk);
        }
    }

    /// Returns the piece that is being read, empty where there is none.
    #[inline]
    pub(crate) fn first(&self) -> &Bytes {
        &self.first
    }

    /// Goes on in the first piece, behind so many of its bytes.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.first.advance(bytes.min(self.first.len()));
        if self.first.is_empty() {
            self.leave_first();
        }
    }

    /// Goes on to the next piece, and says whether there is one. The memory of the piece that is
    /// left behind is free, unless somebody has a slice of it.
    #[inline]
    pub(crate) fn leave_first(&mut self) -> bool {
        self.first = Bytes::new();
        // There is hardly ever another piece, and moving one that may be there is slow.
        if !self.later.is_empty() {
            self.first = self.later.pop_front().unwrap_or_default();
            self.later_bytes -= self.first.len();
            give_back(&mut self.later);
        }
        !self.first.is_empty()
    }

    /// Takes the first piece out, which is empty where there is none.
    #[inline]
    pub(crate) fn pop(&mut self) -> Bytes {
        let first = std::mem::take(&mut self.first);
        self.leave_first();
        first
    }

    /// Returns the piece that stands so many places behind the first.
    pub(crate) fn get(&self, behind: usize) -> Option<&Bytes> {
        match behind.checked_sub(1) {
            None => Some(&self.first).filter(|first| !first.is_empty()),
            Some(later) => self.later.get(later),
        }
    }

    /// Returns how many pieces there are.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        usize::from(!self.first.is_empty()) + self.later.len()
    }

    /// Returns the bytes of all pieces, and what it takes to keep many small ones.
    pub(crate) fn held_bytes(&self) -> usize {
        self.first.len() + self.later_bytes + self.later.len() * 2 * size_of::<Bytes>()
    }

    /// Forgets all pieces.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Gives back what a queue took in a burst, once the queue is empty: a connection may stand for
/// months.
pub(crate) fn give_back(queue: &mut VecDeque<Bytes>) {
    if queue.is_empty() && queue.capacity() > KEPT {
        *queue = VecDeque::new();
    }
}

/// The pieces for which an empty queue keeps its memory.
const KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_burst_took_is_given_back() {
        let mut chunks = Chunks::default();
        (0..10_000).for_each(|_| chunks.push(Bytes::from_static(b"a")));
        while chunks.leave_first() {}
        assert!(chunks.later.capacity() <= KEPT, "{}", chunks.later.capacity());
    }

    #[test]
    fn a_piece_that_is_read_to_its_end_gives_way_to_the_next() {
        let mut chunks = Chunks::default();
        chunks.push(Bytes::from_static(b"abc"));
        chunks.push(Bytes::from_static(b"d"));
        chunks.advance(2);
        assert_eq!(chunks.first(), "c");
        chunks.advance(1);
        assert_eq!(chunks.first(), "d");
        chunks.advance(9);
        assert_eq!((chunks.count(), chunks.held_bytes()), (0, 0));
    }

    #[test]
    fn pieces_come_in_order_and_empty_ones_not_at_all() {
        let mut chunks = Chunks::default();
        for piece in ["", "a", "", "bc", "d"] {
            chunks.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!(chunks.count(), 3);
        let all: Vec<&Bytes> = (0..4).filter_map(|behind| chunks.get(behind)).collect();
        assert_eq!(all, ["a", "bc", "d"]);
        let mut seen = vec![chunks.first().clone()];
        while chunks.leave_first() {
            seen.push(chunks.first().clone());
        }
        assert_eq!(seen, ["a", "bc", "d"]);
        assert_eq!((chunks.count(), chunks.held_bytes()), (0, 0));
    }
}
