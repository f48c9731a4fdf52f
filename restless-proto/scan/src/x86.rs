//! Vectors of x86-64: SSE2 in each block, AVX2 for what is longer where the processor has it.
#![expect(unsafe_code, reason = "vector instructions can't be used without")]
#![allow(unused_unsafe, reason = "from Rust 1.87 on, most of these instructions need none")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8,
    _mm_or_si128, _mm_set1_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256,
};

use crate::{Block, BlockLines, Line, scalar};

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
        let ends = _mm_movemask_epi8(_mm_or_si128(lf, cr)) as u32;
        BlockLines { ends, not_ascii: _mm_movemask_epi8(bytes) as u32 }
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
pub(crate) fn line(bytes: &[u8]) -> Line {
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 has just been found.
        return unsafe { line_avx2(bytes) };
    }
    line_sse2(bytes)
}

#[inline(never)]
fn string_stop_sse2(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk() {
        let found = string_stops(block);
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize;
        }
        rest = after;
    }
    bytes.len() - rest.len() + scalar::string_stop(rest)
}

#[inline(never)]
fn line_sse2(bytes: &[u8]) -> Line {
    let mut rest = bytes;
    let mut not_ascii = 0;
    while let Some((block, after)) = rest.split_first_chunk() {
        let found = block_lines(block);
        if found.ends != 0 {
            let len = bytes.len() - rest.len() + found.ends.trailing_zeros() as usize;
            let before = found.ends ^ (found.ends - 1);
            return Line { len, is_ascii: (not_ascii | found.not_ascii & before) == 0 };
        }
        not_ascii |= found.not_ascii;
        rest = after;
    }
    let tail = scalar::line(rest);
    Line { len: bytes.len() - rest.len() + tail.len, is_ascii: not_ascii == 0 && tail.is_ascii }
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
            let [first, second] = load64(pair);
            let (first, second) = (string_stops32(first), string_stops32(second));
            if _mm256_movemask_epi8(_mm256_or_si256(first, second)) != 0 {
                let first = _mm256_movemask_epi8(first) as u32;
                let second = _mm256_movemask_epi8(second) as u32;
                let found = u64::from(second) << 32 | u64::from(first);
                return bytes.len() - rest.len() + found.trailing_zeros() as usize;
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
unsafe fn line_avx2(bytes: &[u8]) -> Line {
    // SAFETY: this function's own requirement is that of all functions called here.
    unsafe {
        let mut rest = bytes;
        let mut seen = _mm256_setzero_si256();
        while let Some((pair, after)) = rest.split_first_chunk::<64>() {
            let [first, second] = load64(pair);
            let ends = _mm256_or_si256(line_ends32(first), line_ends32(second));
            if _mm256_movemask_epi8(ends) != 0 {
                break;
            }
            seen = _mm256_or_si256(seen, _mm256_or_si256(first, second));
            rest = after;
        }
        while let Some((block, after)) = rest.split_first_chunk::<32>() {
            let block = load32(block);
            let ends = _mm256_movemask_epi8(line_ends32(block)) as u32;
            if ends != 0 {
                let before = ends ^ (ends - 1);
                let not_ascii =
                    _mm256_movemask_epi8(seen) as u32 | _mm256_movemask_epi8(block) as u32 & before;
                let len = bytes.len() - rest.len() + ends.trailing_zeros() as usize;
                return Line { len, is_ascii: not_ascii == 0 };
            }
            seen = _mm256_or_si256(seen, block);
            rest = after;
        }
        let is_ascii = _mm256_movemask_epi8(seen) == 0;
        let tail = line_sse2(rest);
        Line { len: bytes.len() - rest.len() + tail.len, is_ascii: is_ascii && tail.is_ascii }
    }
}

/// # Safety
///
/// The processor has AVX2, as for the three below.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load32(block: &[u8; 32]) -> __m256i {
    // SAFETY: the reference says that 32 bytes are there to be read, and they need not be aligned.
    unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
}

/// # Safety
///
/// As for [`load32`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load64(pair: &[u8; 64]) -> [__m256i; 2] {
    let first = pair.as_ptr();
    // SAFETY: likewise for 64 bytes, of which the second half starts 32 bytes on.
    unsafe { [_mm256_loadu_si256(first.cast()), _mm256_loadu_si256(first.add(32).cast())] }
}

/// # Safety
///
/// As for [`load32`].
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
/// As for [`load32`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn line_ends32(bytes: __m256i) -> __m256i {
    // SAFETY: this function's own requirement.
    unsafe {
        let lf = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\n' as i8));
        let cr = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\r' as i8));
        _mm256_or_si256(lf, cr)
    }
}
