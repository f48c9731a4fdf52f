//! Searches through bytes for what `restless-proto` stops at: the end of a line (WHATWG HTML
//! §9.2.5), what is not ASCII in it, and whatever ends the plain part of a JSON string (RFC 8259
//! §7).
//!
//! A [`Chunk`] and a [`Joined`] text remember what a search has seen, so that no byte is looked at
//! twice before it is known to be part of a text.
//!
//! Functions over a [`Block`] are inlined, and answer with a mask: short pieces, keys most of all,
//! end within one block. Functions over a slice take what the processor offers at run time.
//!
//! | platform | a block | a slice |
//! | --- | --- | --- |
//! | x86-64 | SSE2, which each has | AVX2 where it is found at run time, else SSE2 |
//! | all others, and the feature `scalar` | eight bytes at a time | likewise |
//!
//! The crate is the only library of the workspace with `unsafe`; the feature `scalar` does without.
//! Each function has a plain twin in [`scalar`], against which tests and the fuzz target `scan`
//! check the function.

#![cfg_attr(any(feature = "scalar", not(target_arch = "x86_64")), forbid(unsafe_code))]

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

pub use chunk::Chunk;
pub use joined::Joined;

mod chunk;
mod joined;
pub mod scalar;
#[cfg(all(not(feature = "scalar"), target_arch = "x86_64", target_feature = "sse2"))]
mod x86;

#[cfg(not(all(not(feature = "scalar"), target_arch = "x86_64", target_feature = "sse2")))]
use scalar as chosen;
#[cfg(all(not(feature = "scalar"), target_arch = "x86_64", target_feature = "sse2"))]
use x86 as chosen;

/// The bytes that are looked at in one go.
pub type Block = [u8; 16];

/// What a block says about lines: bit *n* stands for byte *n*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLines {
    /// A CR or an LF.
    pub ends: u32,
    /// A NUL, or a byte from 0x80 on. A value without such a byte is ASCII, and a valid last event
    /// ID.
    pub not_plain: u32,
    /// A byte from 0x80 on.
    pub not_ascii: u32,
}

/// What a search for a line's end has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// How many bytes stand before the first CR or LF; all, where there is none.
    pub length: usize,
    /// Whether those bytes are ASCII.
    pub is_ascii: bool,
}

/// Marks each byte of the block that is a quote, a backslash or a control character (below 0x20):
/// bit *n* for byte *n*; the bits above bit 15 stay zero.
#[inline(always)]
pub fn string_stops(block: &Block) -> u32 {
    chosen::string_stops(block)
}

/// Finds the first quote, backslash or control character; the slice's length where there is none.
#[inline]
pub fn string_stop(bytes: &[u8]) -> usize {
    chosen::string_stop(bytes)
}

/// Marks the line ends of a block, and the bytes that are not plain.
#[inline(always)]
pub fn block_lines(block: &Block) -> BlockLines {
    chosen::block_lines(block)
}

/// Finds the first CR or LF; `None` where there is none.
#[inline(always)]
pub fn line_end(bytes: &[u8]) -> Option<usize> {
    match short_line(bytes) {
        Ok(length) => Some(length),
        Err(Start { rest, .. }) => {
            let length = line(rest).length;
            (length < rest.len()).then_some(bytes.len() - rest.len() + length)
        }
    }
}

/// The start of a line that goes on.
struct Start<'a> {
    is_ascii: bool,
    rest: &'a [u8],
}

/// Finds the first CR or LF in the first two blocks: a short line, a blank one most of all, is over
/// before a search for long ones has begun.
#[inline(always)]
fn short_line(bytes: &[u8]) -> Result<usize, Start<'_>> {
    let (mut rest, mut not_ascii) = (bytes, 0);
    for _ in 0..2 {
        let Some((block, after)) = rest.split_first_chunk() else { break };
        let lines = block_lines(block);
        if lines.ends != 0 {
            return Ok(bytes.len() - rest.len() + lines.ends.trailing_zeros() as usize);
        }
        not_ascii |= lines.not_ascii;
        rest = after;
    }
    Err(Start { is_ascii: not_ascii == 0, rest })
}

/// Finds the first CR or LF, and says whether all before it is ASCII.
#[inline]
pub fn line(bytes: &[u8]) -> Line {
    chosen::line(bytes)
}

/// Returns the bytes as a text, where all of them are ASCII. Most texts are, and to see that costs
/// half of a check of their UTF-8.
#[inline]
pub fn ascii(bytes: &[u8]) -> Option<&str> {
    chosen::ascii(bytes)
}

/// The same in shared memory.
///
/// # Errors
///
/// The bytes, where some of them are not ASCII.
#[inline]
pub fn ascii_shared(bytes: Bytes) -> Result<ByteString, Bytes> {
    chosen::ascii_shared(bytes)
}

/// Returns a text as a slice of the memory that the text lies in, without a copy and without a
/// second look at its UTF-8.
///
/// # Panics
///
/// Where the text lies elsewhere.
#[inline]
pub fn shared(text: &str, memory: &Bytes) -> ByteString {
    chosen::shared(text, memory)
}

/// Whether the inner range lies within the outer one.
#[inline(always)]
fn within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
