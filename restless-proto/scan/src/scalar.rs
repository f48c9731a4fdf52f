//! The plain twins: eight bytes at a time, in a register.

use crate::{Block, BlockLines, Line};

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);

/// The twin of [`string_stops`](crate::string_stops).
#[inline]
pub fn string_stops(block: &Block) -> u32 {
    mask(block, stops)
}

/// The twin of [`string_stop`](crate::string_stop).
#[inline]
pub fn string_stop(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks_of_8();
    for (n, word) in words.enumerate() {
        let found = stops(u64::from_le_bytes(word));
        if found != 0 {
            return n * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_stop = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    bytes.len() - tail.len() + tail.iter().position(is_stop).unwrap_or(tail.len())
}

/// The twin of [`block_lines`](crate::block_lines).
#[inline]
pub fn block_lines(block: &Block) -> BlockLines {
    BlockLines { ends: mask(block, line_ends), not_ascii: mask(block, |word| word & HIGHEST) }
}

/// The twin of [`line`](crate::line).
#[inline]
pub fn line(bytes: &[u8]) -> Line {
    let (words, tail) = bytes.as_chunks_of_8();
    let mut seen = 0;
    for (n, word) in words.enumerate() {
        let word = u64::from_le_bytes(word);
        let found = line_ends(word);
        if found != 0 {
            let before = (found & found.wrapping_neg()) - 1;
            let len = n * 8 + found.trailing_zeros() as usize / 8;
            return Line { len, is_ascii: (seen | word & before) & HIGHEST == 0 };
        }
        seen |= word;
    }
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let line = &tail[..tail.iter().position(is_end).unwrap_or(tail.len())];
    let len = bytes.len() - tail.len() + line.len();
    Line { len, is_ascii: seen & HIGHEST == 0 && line.is_ascii() }
}

/// A bit for each byte of the block whose highest bit the function sets.
#[inline]
fn mask(block: &Block, marks: impl Fn(u64) -> u64) -> u32 {
    // Moves the highest bits of the eight bytes together, the first byte's to the lowest place.
    let gather = |word: u64| (word >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    let (words, _) = block.as_chunks_of_8();
    words.enumerate().fold(0, |found, (n, word)| {
        found | (gather(marks(u64::from_le_bytes(word))) as u32) << (8 * n)
    })
}

/// Marks the bytes that a JSON string stops at by their highest bit.
#[inline]
fn stops(word: u64) -> u64 {
    // A byte is below 0x20 when its three highest bits are none.
    let control = zeros(word & (ONES * 0xE0));
    control | equal(word, b'"') | equal(word, b'\\')
}

/// Marks the CR and LF likewise.
#[inline]
fn line_ends(word: u64) -> u64 {
    equal(word, b'\n') | equal(word, b'\r')
}

#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    zeros(word ^ (ONES * u64::from(byte)))
}

/// Marks each byte that is zero, and no other: nothing is carried from byte to byte.
#[inline]
fn zeros(word: u64) -> u64 {
    !(((word & !HIGHEST) + !HIGHEST) | word) & HIGHEST
}

/// `as_chunks` of the standard library, which is younger than this crate's oldest compiler.
trait Chunks {
    fn as_chunks_of_8(&self) -> (impl Iterator<Item = [u8; 8]>, &[u8]);
}

impl Chunks for [u8] {
    #[inline]
    fn as_chunks_of_8(&self) -> (impl Iterator<Item = [u8; 8]>, &[u8]) {
        let chunks = self.chunks_exact(8);
        let tail = chunks.remainder();
        (chunks.filter_map(|chunk| chunk.first_chunk().copied()), tail)
    }
}
