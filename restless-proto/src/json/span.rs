//! Where a piece of a text stands.

use std::num::NonZeroU64;

/// A piece of the text, in bytes. A piece starts and ends between characters, and ends above 0, so
/// that an optional piece fits into 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(NonZeroU64);

impl Span {
    /// Makes the piece from where `from` was all that was left of the text to where `to` is.
    #[inline(always)]
    pub(crate) fn between(text: &str, from: &[u8], to: &[u8]) -> Self {
        Self::new(text.len() - from.len(), text.len() - to.len())
    }

    #[inline(always)]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        // All offsets fit 32 bits: see `value::start`.
        let packed = (start as u64) << 32 | end as u64;
        Self(NonZeroU64::new(packed).unwrap_or(NonZeroU64::MIN))
    }

    #[inline(always)]
    pub(crate) fn start(self) -> usize {
        (self.0.get() >> 32) as usize
    }

    #[inline(always)]
    pub(crate) fn end(self) -> usize {
        self.0.get() as u32 as usize
    }

    /// Returns the piece of the text in which the span was found.
    #[inline(always)]
    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start()..self.end()).unwrap_or_default()
    }

    /// Returns what stands between the quotes of a string.
    #[inline(always)]
    pub(crate) fn within_quotes(self) -> Self {
        Self::new(self.start() + 1, self.end() - 1)
    }
}
