//! The plain twins: eight bytes at a time, in a register.

use bytes::Bytes;
use bytestring::ByteString;

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
    first(bytes, stops, |byte| byte < 0x20 || matches!(byte, b'"' | b'\\'))
}

/// The twin of [`block_lines`](crate::block_lines).
#[inline]
pub fn block_lines(block: &Block) -> BlockLines {
    BlockLines {
        ends: mask(block, line_ends),
        not_plain: mask(block, not_plain),
        not_ascii: mask(block, |word| word & HIGHEST),
    }
}

/// The twin of [`line`](crate::line).
#[inline]
pub fn line(bytes: &[u8]) -> Line {
    let length = first(bytes, line_ends, |byte| matches!(byte, b'\n' | b'\r'));
    let is_ascii = bytes.get(..length).is_some_and(<[u8]>::is_ascii);
    Line { length, is_ascii }
}

/// The twin of [`ascii`](crate::ascii).
#[inline]
pub fn ascii(bytes: &[u8]) -> Option<&str> {
    if bytes.is_ascii() { std::str::from_utf8(bytes).ok() } else { None }
}

/// The twin of [`ascii_shared`](crate::ascii_shared).
///
/// # Errors
///
/// As that.
#[inline]
pub fn ascii_shared(bytes: Bytes) -> Result<ByteString, Bytes> {
    if bytes.is_ascii() {
        ByteString::try_from(bytes.clone()).map_err(|_| bytes)
    } else {
        Err(bytes)
    }
}

/// The twin of [`shared`](crate::shared).
///
/// # Panics
///
/// As that.
#[inline]
pub fn shared(text: &str, memory: &Bytes) -> ByteString {
    let bytes = memory.slice_ref(text.as_bytes());
    ByteString::try_from(bytes).unwrap_or_else(|_| text.into())
}

/// Appends a piece, and says whether it is ASCII.
#[inline]
pub(crate) fn append(to: &mut Vec<u8>, piece: &[u8]) -> bool {
    to.extend_from_slice(piece);
    piece.is_ascii()
}

/// Returns where the first marked byte is; the length where there is none.
#[inline]
fn first(bytes: &[u8], marks: impl Fn(u64) -> u64, is_marked: impl Fn(u8) -> bool) -> usize {
    let (words, tail) = words(bytes);
    for (n, word) in words.enumerate() {
        let found = marks(word);
        if found != 0 {
            return n * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let in_tail = tail.iter().position(|byte| is_marked(*byte)).unwrap_or(tail.len());
    bytes.len() - tail.len() + in_tail
}

/// Returns a bit for each byte of the block whose highest bit the function sets.
#[inline]
fn mask(block: &Block, marks: impl Fn(u64) -> u64) -> u32 {
    // Moves the highest bits of the eight bytes together, the first byte's to the lowest place.
    let gather = |word: u64| (word >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    let (words, _) = words(block);
    words.enumerate().fold(0, |found, (n, word)| found | (gather(marks(word)) as u32) << (8 * n))
}

/// Marks the bytes that a JSON string stops at by their highest bit.
#[inline]
fn stops(word: u64) -> u64 {
    // A byte is below 0x20 when its three highest bits are zero.
    let control = zeros(word & (ONES * 0xE0));
    control | equal(word, b'"') | equal(word, b'\\')
}

/// Marks the CR and LF likewise.
#[inline]
fn line_ends(word: u64) -> u64 {
    equal(word, b'\n') | equal(word, b'\r')
}

/// Marks NUL and what is not ASCII likewise.
#[inline]
fn not_plain(word: u64) -> u64 {
    zeros(word) | word & HIGHEST
}

#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    zeros(word ^ (ONES * u64::from(byte)))
}

/// Marks exactly the bytes that are zero: nothing is carried from byte to byte.
#[inline]
fn zeros(word: u64) -> u64 {
    !(((word & !HIGHEST) + !HIGHEST) | word) & HIGHEST
}

/// Returns the bytes eight by eight, the first in the lowest place, and those that are left over.
#[inline]
fn words(bytes: &[u8]) -> (impl Iterator<Item = u64>, &[u8]) {
    let chunks = bytes.chunks_exact(8);
    let tail = chunks.remainder();
    (chunks.filter_map(|chunk| chunk.first_chunk().map(|word| u64::from_le_bytes(*word))), tail)
}
