//! A piece of a stream, and what the last search in it has seen.

use std::ops::Range;

use bytes::Bytes;

use crate::{Start, ascii, line, short_line, within};

/// A piece of a stream that lines are looked for in.
///
/// Whether a long line is ASCII comes out of the search for its end: the chunk remembers that of
/// the last such line, so that the line becomes a text without a second look.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Bytes,
    /// Bytes that were found to be ASCII. What `Bytes` holds never changes.
    ascii: Range<usize>,
}

impl Chunk {
    /// A chunk in which nothing was looked for yet.
    #[inline]
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, ascii: 0..0 }
    }

    /// Puts other bytes in the place of these, in which nothing was looked for yet.
    #[inline(always)]
    pub fn replace(&mut self, bytes: Bytes) {
        self.bytes = bytes;
        self.ascii = 0..0;
    }

    /// A chunk that begins with so many bytes that were found to be ASCII.
    pub(crate) fn with_ascii(bytes: Bytes, ascii: usize) -> Self {
        Self { bytes, ascii: 0..ascii }
    }

    /// The whole chunk.
    #[inline(always)]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Finds the first CR or LF from this place on, as a distance from it; `None` where there is
    /// none.
    #[inline(always)]
    pub fn line_end(&mut self, at: usize) -> Option<usize> {
        let bytes = self.bytes.get(at..)?;
        let Start { is_ascii, rest } = match short_line(bytes) {
            Ok(length) => return Some(length),
            Err(start) => start,
        };
        let line = line(rest);
        let length = bytes.len() - rest.len() + line.length;
        if is_ascii && line.is_ascii {
            self.ascii = at..at + length;
        }
        (length < bytes.len()).then_some(length)
    }

    /// The bytes of this range as a text, where all of them are ASCII.
    #[inline]
    pub fn ascii(&self, range: Range<usize>) -> Option<&str> {
        let is_known = within(&range, &self.ascii);
        let bytes = self.bytes.get(range)?;
        #[cfg(all(not(feature = "scalar"), target_arch = "x86_64"))]
        if is_known {
            #[expect(unsafe_code, reason = "saves to look at each byte twice")]
            // SAFETY: they lie in the range that was found to be ASCII, which is UTF-8.
            return Some(unsafe { std::str::from_utf8_unchecked(bytes) });
        }
        debug_assert!(!is_known || bytes.is_ascii());
        ascii(bytes)
    }
}
