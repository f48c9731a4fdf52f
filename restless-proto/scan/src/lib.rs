//! Searches through bytes for what `restless-proto` stops at: the end of a line (WHATWG HTML
//! §9.2.5), what is not ASCII in it, and whatever ends the plain part of a JSON string (RFC 8259
//! §7).
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

/// Finds the first CR or LF; the slice's length where there is none.
#[inline]
pub fn line_end(bytes: &[u8]) -> usize {
    chosen::line_end(bytes)
}

/// Returns the bytes as a text, where all of them are ASCII. Most texts are, and to see that costs
/// half of a check of their UTF-8.
#[inline]
pub fn ascii(bytes: &[u8]) -> Option<&str> {
    chosen::ascii(bytes)
}
