//! Vectors of x86-64: SSE2 in each block, AVX2 for what is longer where the processor has it.
#![expect(unsafe_code, reason = "vector instructions can't be used without")]
#![allow(unused_unsafe, reason = "from Rust 1.87 on, most of these instructions need none")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_loadu_si128, _mm_min_epu8,
    _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256,
    _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setr_epi8,
    _mm256_shuffle_epi8,
};

use crate::{Block, BlockLines, scalar};

#[inline(always)]
pub(crate) fn string_stops(block: &Block) -> u32 {
    let bytes = load16(block);
    // SAFETY: SSE2 is part of the target that this module is built for.
    unsafe {
        let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        // A byte is at most 0x1F where the lesser of the two is the byte.
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control)) as u32
    }
}

#[inline(always)]
pub(crate) fn block_lines(block: &Block) -> BlockLines {
    let bytes = load16(block);
    // SAFETY: SSE2 is part of the target that this module is built for.
    unsafe {
        let lf = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\n' as i8));
        let cr = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\r' as i8));
        // With a sign, what is not ASCII is below zero.
        let plain = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0));
        BlockLines {
            ends: _mm_movemask_epi8(_mm_or_si128(lf, cr)) as u32,
            not_plain: _mm_movemask_epi8(plain) as u32 ^ 0xFFFF,
        }
    }
}

#[inline(always)]
fn load16(block: &Block) -> __m128i {
    // SAFETY: SSE2 is part of the target. The reference says that 16 bytes are there to be read,
    // and they need not be aligned.
    unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
}

#[inline]
pub(crate) fn string_stop(bytes: &[u8]) -> usize {
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 has just been found.
        return unsafe { string_stop_avx2(bytes) };
    }
    string_stop_sse2(bytes)
}

#[inline]
pub(crate) fn line_end(bytes: &[u8]) -> usize {
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 has just been found.
        return unsafe { line_end_avx2(bytes) };
    }
    line_end_sse2(bytes)
}

#[inline]
pub(crate) fn ascii(bytes: &[u8]) -> Option<&str> {
    let is_ascii = if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 has just been found.
        unsafe { is_ascii_avx2(bytes) }
    } else {
        bytes.is_ascii()
    };
    // SAFETY: ASCII is UTF-8.
    is_ascii.then(|| unsafe { std::str::from_utf8_unchecked(bytes) })
}

fn string_stop_sse2(bytes: &[u8]) -> usize {
    first_sse2(bytes, string_stops, scalar::string_stop)
}

fn line_end_sse2(bytes: &[u8]) -> usize {
    first_sse2(bytes, |block| block_lines(block).ends, scalar::line_end)
}

#[inline(never)]
fn first_sse2(
    bytes: &[u8],
    marks: impl Fn(&Block) -> u32,
    in_tail: impl Fn(&[u8]) -> usize,
) -> usize {
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk() {
        let found = marks(block);
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize;
        }
        rest = after;
    }
    bytes.len() - rest.len() + in_tail(rest)
}

/// # Safety
///
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
unsafe fn string_stop_avx2(bytes: &[u8]) -> usize {
    // SAFETY: this function's own requirement is that of all functions called here.
    unsafe {
        let mut rest = bytes;
        while let Some((pair, after)) = rest.split_first_chunk::<64>() {
            let [first, second] = load(pair.as_ptr());
            let (first, second) = (string_stops32(first), string_stops32(second));
            if _mm256_movemask_epi8(_mm256_or_si256(first, second)) != 0 {
                return bytes.len() - rest.len() + first_of64(first, second);
            }
            rest = after;
        }
        bytes.len() - rest.len() + string_stop_sse2(rest)
    }
}

/// # Safety
///
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
unsafe fn line_end_avx2(bytes: &[u8]) -> usize {
    // SAFETY: this function's own requirement is that of all functions called here.
    unsafe {
        let mut rest = bytes;
        while let Some((pair, after)) = rest.split_first_chunk::<64>() {
            let [first, second] = load(pair.as_ptr());
            let (first, second) = (line_ends32(first), line_ends32(second));
            if _mm256_movemask_epi8(_mm256_or_si256(first, second)) != 0 {
                return bytes.len() - rest.len() + first_of64(first, second);
            }
            rest = after;
            // A long line: by 128 bytes, each costs 0.18 instructions, by 64 it is 0.25.
            while let Some((pair, after)) = rest.split_first_chunk::<128>() {
                let [a, b, c, d] = load(pair.as_ptr()).map(|bytes| line_ends32(bytes));
                let any = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
                if _mm256_movemask_epi8(any) != 0 {
                    break;
                }
                rest = after;
            }
        }
        bytes.len() - rest.len() + line_end_sse2(rest)
    }
}

/// # Safety
///
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
unsafe fn is_ascii_avx2(bytes: &[u8]) -> bool {
    // SAFETY: this function's own requirement is that of all functions called here.
    unsafe {
        let mut rest = bytes;
        let mut seen = _mm256_set1_epi8(0);
        while let Some((pair, after)) = rest.split_first_chunk::<128>() {
            let [a, b, c, d] = load(pair.as_ptr());
            let all = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
            seen = _mm256_or_si256(seen, all);
            rest = after;
        }
        while let Some((pair, after)) = rest.split_first_chunk::<64>() {
            let [first, second] = load(pair.as_ptr());
            seen = _mm256_or_si256(seen, _mm256_or_si256(first, second));
            rest = after;
        }
        _mm256_movemask_epi8(seen) == 0 && rest.is_ascii()
    }
}

/// # Safety
///
/// The processor has AVX2, and `N` times 32 bytes can be read from there on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load<const N: usize>(bytes: *const u8) -> [__m256i; N] {
    // SAFETY: this function's own requirement. None of the bytes need be aligned.
    unsafe { std::array::from_fn(|n| _mm256_loadu_si256(bytes.add(32 * n).cast())) }
}

/// The first byte of 64 that is marked.
///
/// # Safety
///
/// The processor has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn first_of64(first: __m256i, second: __m256i) -> usize {
    // SAFETY: this function's own requirement.
    let marks = unsafe { [_mm256_movemask_epi8(first), _mm256_movemask_epi8(second)] };
    let [first, second] = marks.map(|marks| u64::from(marks as u32));
    (second << 32 | first).trailing_zeros() as usize
}

/// # Safety
///
/// The processor has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn string_stops32(bytes: __m256i) -> __m256i {
    // SAFETY: this function's own requirement.
    unsafe {
        let quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"' as i8));
        let backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\' as i8));
        let control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1F)), bytes);
        _mm256_or_si256(_mm256_or_si256(quote, backslash), control)
    }
}

/// # Safety
///
/// The processor has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn line_ends32(bytes: __m256i) -> __m256i {
    // SAFETY: this function's own requirement.
    unsafe {
        // Looks up by a byte's lower half what it must be to end a line: 10 or 13. A zero, which
        // the higher half makes of what is not ASCII, is none of them.
        let ends = _mm256_setr_epi8(
            1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 13, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0,
            0, 13, 0, 0,
        );
        _mm256_cmpeq_epi8(_mm256_shuffle_epi8(ends, bytes), bytes)
    }
}
