//! Searches through bytes for what `restless-proto` stops at: the end of a line (WHATWG HTML
//! §9.2.5), what is not ASCII in it, and whatever ends the plain part of a JSON string (RFC 8259
//! §7).
//!
//! Functions over a [`Block`] are inlined, and answer with a mask: short pieces, keys most of all,
//! are done within one. Functions over a slice take what the processor offers at run time.
//!
//! | platform | a block | a slice |
//! | --- | --- | --- |
//! | x86-64 | SSE2, which each has | AVX2 where it is found at run time, else SSE2 |
//! | all others, and the feature `scalar` | eight bytes at a time | likewise |
//!
//! No other library of the workspace has `unsafe`, and this has none with the feature `scalar`.
//! Each function has a plain twin in [`scalar`], which tests and the fuzz target `scan` hold it
//! against.

#![cfg_attr(any(feature = "scalar", not(target_arch = "x86_64")), forbid(unsafe_code))]

pub mod scalar;
#[cfg(all(not(feature = "scalar"), target_arch = "x86_64", target_feature = "sse2"))]
mod x86;

#[cfg(not(all(not(feature = "scalar"), target_arch = "x86_64", target_feature = "sse2")))]
use scalar as chosen;
#[cfg(all(not(feature = "scalar"), target_arch = "x86_64", target_feature = "sse2"))]
use x86 as chosen;

/// What is looked at in one go.
pub type Block = [u8; 16];

/// What a block says about lines: bit *n* stands for byte *n*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLines {
    /// A CR or an LF.
    pub ends: u32,
    /// A NUL, or a byte from 0x80 on. What has none is ASCII, and a valid last event ID.
    pub not_plain: u32,
}

/// Marks each byte of the block that is a quote, a backslash or a control character (below 0x20):
/// bit *n* for byte *n*, and none above bit 15.
#[inline(always)]
pub fn string_stops(block: &Block) -> u32 {
    chosen::string_stops(block)
}

/// Finds the first quote, backslash or control character; the slice's length where it has none.
#[inline]
pub fn string_stop(bytes: &[u8]) -> usize {
    chosen::string_stop(bytes)
}

/// Marks the line ends of a block, and what is not plain in it.
#[inline(always)]
pub fn block_lines(block: &Block) -> BlockLines {
    chosen::block_lines(block)
}

/// Finds the first CR or LF; the slice's length where it has none.
#[inline]
pub fn line_end(bytes: &[u8]) -> usize {
    chosen::line_end(bytes)
}

/// The bytes as a text, where all of them are ASCII: most are, and that costs half of what a check
/// of their UTF-8 does.
#[inline]
pub fn ascii(bytes: &[u8]) -> Option<&str> {
    chosen::ascii(bytes)
}
