//! Strings (RFC 8259 §7): what their escapes stand for.

use std::borrow::Cow;

use memchr::memchr;

use super::error::JsonProblem;

/// Returns the string of what stands between the quotes of a well-formed one: the text itself
/// unless it has escapes.
pub(crate) fn unescape(raw: &str) -> Cow<'_, str> {
    match memchr(b'\\', raw.as_bytes()) {
        Some(_) => Cow::Owned(decode(raw.as_bytes())),
        None => Cow::Borrowed(raw),
    }
}

/// Does the same for a string that has escapes.
pub(crate) fn decode(raw: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(raw.len());
    decode_to(&mut decoded, raw);
    // The text was UTF-8, and still is.
    String::from_utf8(decoded).unwrap_or_default()
}

/// Appends what the escapes and the rest of a well-formed string stand for.
pub(crate) fn decode_to(decoded: &mut Vec<u8>, raw: &[u8]) {
    let mut rest = raw;
    while let Some((plain, escape)) = memchr(b'\\', rest).and_then(|at| rest.split_at_checked(at)) {
        decoded.extend_from_slice(plain);
        // The text was read before, so that every escape here is a good one.
        let Ok((c, len)) = decode_escape(escape) else { return };
        decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        rest = escape.get(len..).unwrap_or_default();
    }
    decoded.extend_from_slice(rest);
}

/// Reads the escape, or the two that make a surrogate pair, at the start of the text. Returns the
/// character and the length in bytes.
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
    let mut unit = 0;
    let mut all = 0;
    for digit in digits {
        let value = HEX.get(usize::from(*digit)).copied().unwrap_or(NO_DIGIT);
        unit = unit << 4 | u32::from(value);
        all |= value;
    }
    // Whether one of the four was no digit is asked once: an escape takes half the instructions.
    if all <= 0xF { Ok(unit) } else { Err(JsonProblem::Escape) }
}

/// What each byte is worth as a hexadecimal digit.
#[expect(clippy::indexing_slicing, reason = "runs while compiling, where it can't be wrong later")]
const HEX: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        values[digit as usize] = value;
        values[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    values
};
const NO_DIGIT: u8 = 0xFF;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_decode() {
        assert_eq!(unescape(r#"\"\\\/\b\f\n\r\t"#), "\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(unescape(r"\u00e9\u00E9\u0000"), "éé\0");
        assert_eq!(unescape(r"a\ud83d\ude00b"), "a😀b");
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
}
