//! A text that is put together.

use crate::{Chunk, ascii, chosen};

/// Bytes that are put together from pieces, and looked at on the way: how many of them are ASCII is
/// known in the end, without another look at the long ones.
#[derive(Debug, Default)]
pub struct Joined {
    bytes: Vec<u8>,
    /// So many of them, from the first on, were found to be ASCII.
    ascii: usize,
}

impl Joined {
    /// All bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many there is room for.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Makes room for so many more, and no more than that.
    #[inline]
    pub fn reserve_exact(&mut self, more: usize) {
        self.bytes.reserve_exact(more);
    }

    /// Appends a piece, and looks at it, as long as all before it was looked at.
    #[inline]
    pub fn push(&mut self, piece: &[u8]) {
        if self.ascii < self.bytes.len() {
            return self.bytes.extend_from_slice(piece);
        }
        if let [byte] = piece {
            // Without a call, for a line that comes byte by byte.
            self.bytes.push(*byte);
            self.ascii += usize::from(byte.is_ascii());
            return;
        }
        if chosen::append(&mut self.bytes, piece) {
            self.ascii = self.bytes.len();
        }
    }

    /// Appends so many of the first of these bytes, which are looked at when the text is asked for.
    /// All are moved, since a call to copy 20 bytes costs 30 instructions.
    #[inline(always)]
    pub fn push_first<const N: usize>(&mut self, bytes: &[u8; N], count: usize) {
        let end = self.bytes.len() + count.min(N);
        self.bytes.extend_from_slice(bytes);
        self.bytes.truncate(end);
    }

    /// Leaves nothing but the room.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ascii = 0;
    }

    /// The bytes as a chunk, which knows of them what is known here.
    pub fn into_chunk(self) -> Chunk {
        Chunk::with_ascii(self.bytes.into(), self.ascii)
    }

    /// All bytes as a text, where all of them are ASCII.
    #[inline]
    pub fn ascii(&self) -> Option<&str> {
        #[cfg(all(not(feature = "scalar"), target_arch = "x86_64"))]
        {
            ascii(self.bytes.get(self.ascii..)?)?;
            #[expect(unsafe_code, reason = "saves to look at each byte twice")]
            // SAFETY: those before were found to be ASCII, these were just now, and ASCII is UTF-8.
            Some(unsafe { std::str::from_utf8_unchecked(&self.bytes) })
        }
        #[cfg(not(all(not(feature = "scalar"), target_arch = "x86_64")))]
        ascii(&self.bytes)
    }
}
