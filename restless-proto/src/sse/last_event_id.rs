//! A last event ID (WHATWG HTML §9.2.6), copied only when the chunk that it lies in goes.

use std::ops::Range;

use bytes::Bytes;

/// The value of an `id` field, or none, which is the same as an empty value.
#[derive(Debug, Default)]
pub(super) struct LastEventId {
    /// Where the ID lies in the chunk being read, if it does: plain ASCII without NUL.
    in_chunk: Option<Range<usize>>,
    /// The ID that lies elsewhere.
    text: String,
}

impl LastEventId {
    /// Takes a value of the chunk as the value lies there.
    #[inline(always)]
    pub(super) fn set_in_chunk(&mut self, value: Range<usize>) {
        self.in_chunk = Some(value);
    }

    /// Takes a copy of any value, decoded as UTF-8.
    pub(super) fn set(&mut self, value: &[u8]) {
        self.in_chunk = None;
        self.text.clear();
        // Nearly all are, and need no decoding, which takes 300 instructions.
        match restless_scan::ascii(value) {
            Some(id) => self.text.push_str(id),
            None => self.text.push_str(&String::from_utf8_lossy(value)),
        }
    }

    /// Takes another's value, and leaves the other with any value.
    #[inline(always)]
    pub(super) fn take(&mut self, other: &mut Self) {
        match &other.in_chunk {
            Some(value) => self.in_chunk = Some(value.clone()),
            None => {
                self.in_chunk = None;
                std::mem::swap(&mut self.text, &mut other.text);
            }
        }
    }

    /// Keeps what lies in a chunk that is about to go.
    #[inline]
    pub(super) fn leave_chunk(&mut self, chunk: &[u8]) {
        if let Some(value) = self.in_chunk.take() {
            self.set(chunk.get(value).unwrap_or_default());
        }
    }

    /// Returns the ID. To check its UTF-8 costs more than to find it, so whoever asks pays for the
    /// check.
    pub(super) fn text<'a>(&'a self, chunk: &'a Bytes) -> &'a str {
        match &self.in_chunk {
            Some(value) => {
                let id = chunk.get(value.clone()).unwrap_or_default();
                restless_scan::ascii(id).unwrap_or_default()
            }
            None => &self.text,
        }
    }
}
