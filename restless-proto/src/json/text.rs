//! Strings (RFC 8259 §7): finding their end, comparing and decoding them.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::JsonProblem;

/// A string as it is spelt, known to be well-formed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawStr<'a> {
    /// Where its opening quote is.
    pub(crate) start: u32,
    /// What stands between the quotes.
    pub(crate) raw: &'a str,
    /// Whether there is a backslash in it. If not, the raw text is the string.
    pub(crate) escaped: bool,
}

impl<'a> RawStr<'a> {
    /// The string: the text itself unless it has escapes.
    pub(crate) fn decode(self) -> Cow<'a, str> {
        if self.escaped {
            Cow::Owned(Chars { rest: self.raw }.collect())
        } else {
            Cow::Borrowed(self.raw)
        }
    }

    /// Compares two strings by code point, however they are spelt, without decoding either.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        if self.escaped || other.escaped {
            Chars { rest: self.raw }.cmp(Chars { rest: other.raw })
        } else {
            // The order of UTF-8 is the order of code points.
            self.raw.cmp(other.raw)
        }
    }
}

/// Decodes what stands between the quotes of a well-formed string.
pub(crate) fn unescape(raw: &str) -> Cow<'_, str> {
    RawStr { start: 0, raw, escaped: memchr::memchr(b'\\', raw.as_bytes()).is_some() }.decode()
}

/// The characters of a well-formed string.
struct Chars<'a> {
    rest: &'a str,
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let plain = self.rest.chars().next()?;
        let (decoded, len) = match plain {
            '\\' => decode_escape(self.rest.as_bytes()).ok()?,
            plain => (plain, plain.len_utf8()),
        };
        self.rest = self.rest.get(len..)?;
        Some(decoded)
    }
}

/// Reads the escape, or the two that make a surrogate pair, at the start of the text: its
/// character and its length in bytes.
pub(crate) fn decode_escape(text: &[u8]) -> Result<(char, usize), JsonProblem> {
    let plain = match text.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return decode_unicode_escape(text),
        Some(_) => return Err(JsonProblem::Escape),
        None => return Err(JsonProblem::EndsEarly),
    };
    Ok((plain, 2))
}

fn decode_unicode_escape(text: &[u8]) -> Result<(char, usize), JsonProblem> {
    let first = code_unit(text.get(2..6).ok_or(JsonProblem::EndsEarly)?)?;
    if let Some(c) = char::from_u32(first) {
        return Ok((c, 6));
    }
    if first >= 0xdc00 || text.get(6..8) != Some(br"\u") {
        return Err(JsonProblem::LoneSurrogate);
    }
    let second = code_unit(text.get(8..12).ok_or(JsonProblem::EndsEarly)?)?;
    if !(0xdc00..0xe000).contains(&second) {
        return Err(JsonProblem::LoneSurrogate);
    }
    let joined = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    char::from_u32(joined).map(|c| (c, 12)).ok_or(JsonProblem::LoneSurrogate)
}

fn code_unit(digits: &[u8]) -> Result<u32, JsonProblem> {
    digits.iter().try_fold(0, |unit, &digit| {
        let digit = char::from(digit).to_digit(16).ok_or(JsonProblem::Escape)?;
        Ok(unit << 4 | digit)
    })
}

/// Where the first byte from `from` on is that a string does not simply go on with: a quote, a
/// backslash or a control character.
#[inline(always)]
pub(super) fn plain_end(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = word(text, at) {
        let stops = stops(word);
        if stops != 0 {
            return at + stops.trailing_zeros() as usize / 8;
        }
        at += 8;
        if at == from + LONG {
            let blocks = text.get(at..).unwrap_or_default().chunks_exact(BLOCK);
            at += BLOCK * blocks.take_while(|block| !has_stop(block)).count();
        }
    }
    let tail = text.get(at..).unwrap_or_default();
    at + tail.iter().position(|&byte| is_stop(byte)).unwrap_or(tail.len())
}

/// The eight bytes from `at` on.
#[inline(always)]
pub(super) fn word(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

/// A string longer than this is read in blocks.
const LONG: usize = 32;
/// Wide enough for the compiler to make vectors of it.
const BLOCK: usize = 64;

fn is_stop(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn has_stop(block: &[u8]) -> bool {
    block.iter().fold(false, |found, &byte| found | is_stop(byte))
}

/// Marks the first byte of the word that a string stops at by its highest bit. Bits above that one
/// mean nothing: a borrow may have set them.
#[inline(always)]
pub(super) fn stops(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    // Subtracting n from a byte below n, and from no other below 0x80, borrows its highest bit.
    let below = |word: u64, n: u64| word.wrapping_sub(ONES * n) & !word;
    let control = below(word, 0x20);
    let quote = below(word ^ (ONES * u64::from(b'"')), 1);
    let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
    (control | quote | backslash) & HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(raw: &str) -> RawStr<'_> {
        RawStr { start: 0, raw, escaped: raw.contains('\\') }
    }

    #[test]
    fn plain_end_finds_the_first_stop_at_every_place_of_every_length() {
        for len in [0, 1, 7, 8, 9, 31, 32, 40, 63, 95, 96, 97, 160, 300] {
            let plain: Vec<u8> = (0..len).map(|i| 0x23 + (i % 0x30) as u8).collect();
            assert_eq!(plain_end(&plain, 0), len);
            for at in 0..len {
                for stop in [0, 0x1f, b'"', b'\\'] {
                    let mut text = plain.clone();
                    text[at] = stop;
                    assert_eq!(plain_end(&text, 0), at, "{stop:#x} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn only_quote_backslash_and_control_characters_stop_a_string() {
        for byte in 0..=u8::MAX {
            // In a word with neighbours on both sides, and in the tail.
            for text in [vec![b'a', byte, b'a', b'a', b'a', b'a', b'a', b'a'], vec![b'a', byte]] {
                let due = if is_stop(byte) { 1 } else { text.len() };
                assert_eq!(plain_end(&text, 0), due, "{byte:#x}");
            }
        }
    }

    #[test]
    fn escapes_decode() {
        assert_eq!(string(r#"\"\\\/\b\f\n\r\t"#).decode(), "\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(string(r"\u00e9\u00E9\u0000").decode(), "éé\0");
        assert_eq!(string(r"a\ud83d\ude00b").decode(), "a😀b");
    }

    #[test]
    fn half_a_surrogate_pair_is_refused() {
        for half in
            [r"\ud800", r"\ud800x", r"\ud800\n", r"\ud800\u0041", r"\ud800\ud800", r"\udc00"]
        {
            assert_eq!(decode_escape(half.as_bytes()), Err(JsonProblem::LoneSurrogate), "{half}");
        }
    }

    #[test]
    fn other_escapes_are_refused() {
        for (text, problem) in [
            (r"\x", JsonProblem::Escape),
            (r"\U0041", JsonProblem::Escape),
            (r"\u004g", JsonProblem::Escape),
            (r"\u+041", JsonProblem::Escape),
            (r"\u004", JsonProblem::EndsEarly),
            (r"\", JsonProblem::EndsEarly),
        ] {
            assert_eq!(decode_escape(text.as_bytes()), Err(problem), "{text}");
        }
    }

    #[test]
    fn strings_compare_by_code_point_however_they_are_spelt() {
        assert_eq!(string("a").compare(string(r"\u0061")), Ordering::Equal);
        assert_eq!(string(r"\ud83d\ude00").compare(string("\u{ffff}")), Ordering::Greater);
        assert_eq!(string("😀").compare(string("\u{ffff}")), Ordering::Greater);
        assert_eq!(string("a").compare(string(r"a\u0000")), Ordering::Less);
    }
}
