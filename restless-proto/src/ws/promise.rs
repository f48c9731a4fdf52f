//! The memory that a message gets before it has come.

/// What the heads so far say about a message's size.
#[derive(Clone, Copy)]
pub(super) struct Promise {
    /// The message's size at the end of the frame at hand.
    pub(super) frame_end: usize,
    /// Whether that frame is the message's last.
    pub(super) last: bool,
    /// Whether that frame is the message's first.
    pub(super) first: bool,
    /// The most that a message may take.
    pub(super) limit: usize,
}

impl Promise {
    /// Returns how much room to ask for, for `more` bytes behind `length` of them. Room is asked
    /// for what heads have promised, and for twice what there is, so that appending stays linear,
    /// but for no more than can come. A promise beyond 64 KiB is only believed as its bytes come.
    #[cold]
    fn room(self, length: usize, capacity: usize, more: usize) -> usize {
        let most = if self.last { self.frame_end } else { self.limit };
        // A first fragment says that there are more, most likely of its size.
        let fragments = if self.first && !self.last { 4 } else { 1 };
        let promised = self.frame_end.saturating_mul(fragments).min(PROMISED_BYTES).min(most);
        let doubled = capacity.saturating_mul(2).min(most);
        promised.max(doubled).max(length + more) - length
    }
}

/// Appends a piece of a frame to its message, in a buffer that grows by what was promised.
#[inline]
pub(super) fn append(joined: &mut Vec<u8>, piece: &[u8], promise: Promise) {
    if joined.capacity() - joined.len() < piece.len() {
        joined.reserve_exact(promise.room(joined.len(), joined.capacity(), piece.len()));
    }
    joined.extend_from_slice(piece);
}

/// How much memory a head may ask for before its payload has come.
const PROMISED_BYTES: usize = 64 << 10;
