//! Vectors of x86-64: SSE2 in each block, AVX2 for what is longer where the processor has it.
#![expect(unsafe_code, reason = "vector instructions can't be used without")]
#![allow(unused_unsafe, reason = "from Rust 1.87 on, most of these instructions need none")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_loadu_si128, _mm_min_epu8,
    _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256,
    _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setr_epi8,
    _mm256_shuffle_epi8, _mm256_storeu_si256,
};
use std::mem::MaybeUninit;

use bytes::Bytes;
use bytestring::ByteString;

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
        // With a sign, what is not ASCII is below zero.
        let plain = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0));
        BlockLines {
            ends: _mm_movemask_epi8(_mm_or_si128(lf, cr)) as u32,
            not_plain: _mm_movemask_epi8(plain) as u32 ^ 0xFFFF,
            not_ascii: _mm_movemask_epi8(bytes) as u32,
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
pub(crate) fn line(bytes: &[u8]) -> Line {
    if bytes.len() >= 64 && std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 has just been found.
        return unsafe { line_avx2(bytes) };
    }
    line_sse2(bytes)
}

#[inline]
pub(crate) fn ascii(bytes: &[u8]) -> Option<&str> {
    // SAFETY: ASCII is UTF-8.
    is_ascii(bytes).then(|| unsafe { std::str::from_utf8_unchecked(bytes) })
}

#[inline]
pub(crate) fn ascii_shared(bytes: Bytes) -> Result<ByteString, Bytes> {
    if !is_ascii(&bytes) {
        return Err(bytes);
    }
    // SAFETY: ASCII is UTF-8.
    Ok(unsafe { ByteString::from_bytes_unchecked(bytes) })
}

#[inline]
pub(crate) fn shared(text: &str, memory: &Bytes) -> ByteString {
    let bytes = memory.slice_ref(text.as_bytes());
    // SAFETY: these are the bytes of a text.
    unsafe { ByteString::from_bytes_unchecked(bytes) }
}

/// Appends a piece, and says whether it is ASCII: bytes that are copied are looked at on the way,
/// for 0.03 instructions a byte instead of 0.09 afterwards.
#[inline]
pub(crate) fn append(to: &mut Vec<u8>, piece: &[u8]) -> bool {
    if piece.len() < 128 || !std::arch::is_x86_feature_detected!("avx2") {
        return scalar::append(to, piece);
    }
    to.reserve(piece.len());
    let (length, room) = (to.len(), to.spare_capacity_mut());
    // SAFETY: AVX2 has just been found, and room was reserved for the piece.
    unsafe {
        let is_ascii = copy_avx2(piece, room);
        to.set_len(length + piece.len());
        is_ascii
    }
}

#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 has just been found.
        return unsafe { is_ascii_avx2(bytes) };
    }
    bytes.is_ascii()
}

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

fn line_sse2(bytes: &[u8]) -> Line {
    let mut rest = bytes;
    let mut not_ascii = 0;
    while let Some((block, after)) = rest.split_first_chunk() {
        let lines = block_lines(block);
        if lines.ends != 0 {
            not_ascii |= lines.not_ascii & (lines.ends ^ lines.ends.wrapping_sub(1));
            let length = bytes.len() - rest.len() + lines.ends.trailing_zeros() as usize;
            return Line { length, is_ascii: not_ascii == 0 };
        }
        not_ascii |= lines.not_ascii;
        rest = after;
    }
    let Line { length, is_ascii } = scalar::line(rest);
    Line { length: bytes.len() - rest.len() + length, is_ascii: is_ascii && not_ascii == 0 }
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
                let stop = mask64(first, second).trailing_zeros() as usize;
                return bytes.len() - rest.len() + stop;
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
        let mut seen = _mm256_set1_epi8(0);
        let mut is_second_half_due = false;
        loop {
            // What is left at the end is looked at with some of what is before it once more.
            let Some(pair) = rest.first_chunk::<64>().or_else(|| bytes.last_chunk()) else {
                return line_sse2(bytes);
            };
            let at = if rest.len() < 64 { bytes.len() - 64 } else { bytes.len() - rest.len() };
            let [first, second] = load(pair.as_ptr());
            let ends = mask64(line_ends32(first), line_ends32(second));
            if ends != 0 {
                let up_to_end = ends ^ ends.wrapping_sub(1);
                let not_ascii = mask64(first, second) & up_to_end;
                return Line {
                    length: at + ends.trailing_zeros() as usize,
                    is_ascii: not_ascii == 0 && _mm256_movemask_epi8(seen) == 0,
                };
            }
            seen = _mm256_or_si256(seen, _mm256_or_si256(first, second));
            rest = rest.get(64..).unwrap_or_default();
            if std::mem::take(&mut is_second_half_due) && !rest.is_empty() {
                continue;
            }
            // A long line: by 128 bytes, and by what is below 14, each costs 0.15 instructions. A
            // tab, say, is found as well, and the loop around this one steps over it.
            while let Some((pair, after)) = rest.split_first_chunk::<128>() {
                let [a, b, c, d] = load(pair.as_ptr());
                let least = _mm256_min_epu8(_mm256_min_epu8(a, b), _mm256_min_epu8(c, d));
                let is_low = _mm256_cmpeq_epi8(_mm256_min_epu8(least, _mm256_set1_epi8(13)), least);
                if _mm256_movemask_epi8(is_low) != 0 {
                    is_second_half_due = true;
                    break;
                }
                seen = _mm256_or_si256(seen, any([a, b, c, d]));
                rest = after;
            }
            if rest.is_empty() {
                let is_ascii = _mm256_movemask_epi8(seen) == 0;
                return Line { length: bytes.len(), is_ascii };
            }
        }
    }
}

/// Copies a piece of 128 bytes or more, and says whether it is ASCII.
///
/// # Safety
///
/// The processor has AVX2, the piece is that long, and the room as long as the piece at least.
#[target_feature(enable = "avx2")]
unsafe fn copy_avx2(piece: &[u8], room: &mut [MaybeUninit<u8>]) -> bool {
    debug_assert!(piece.len() >= 128 && room.len() >= piece.len());
    let (from, to) = (piece.as_ptr(), room.as_mut_ptr().cast::<u8>());
    let last = piece.len() - 128;
    let mut at = 0;
    // SAFETY: this function's own requirement: 128 bytes from `at` on are within both.
    unsafe {
        let mut seen = _mm256_set1_epi8(0);
        loop {
            let [a, b, c, d] = load(from.add(at));
            let to = to.add(at).cast::<__m256i>();
            _mm256_storeu_si256(to, a);
            _mm256_storeu_si256(to.add(1), b);
            _mm256_storeu_si256(to.add(2), c);
            _mm256_storeu_si256(to.add(3), d);
            seen = _mm256_or_si256(seen, any([a, b, c, d]));
            if at == last {
                return _mm256_movemask_epi8(seen) == 0;
            }
            // What is left at the end is copied with some of what is before it once more.
            at = last.min(at + 128);
        }
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
            seen = _mm256_or_si256(seen, any(load(pair.as_ptr())));
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

/// The highest bits of 64 bytes, the first byte's in the lowest place.
///
/// # Safety
///
/// The processor has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn mask64(first: __m256i, second: __m256i) -> u64 {
    // SAFETY: this function's own requirement.
    let marks = unsafe { [_mm256_movemask_epi8(first), _mm256_movemask_epi8(second)] };
    let [first, second] = marks.map(|marks| u64::from(marks as u32));
    second << 32 | first
}

/// The bits that are set in any of the four.
///
/// # Safety
///
/// The processor has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn any([a, b, c, d]: [__m256i; 4]) -> __m256i {
    // SAFETY: this function's own requirement.
    unsafe { _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d)) }
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
