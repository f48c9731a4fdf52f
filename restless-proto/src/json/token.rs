//! Tokens (RFC 8259 §2 to §7): each function is given the rest of the text, and returns what is
//! left behind the token.
//!
//! A slice that grows shorter is the cheapest place in a text: one comparison says that sixteen
//! bytes are there, and all of them can then be read without another check. All that is short, as
//! nearly all keys and most values are, is read inline; the rest of the work is in functions of its
//! own.

use super::error::{JsonProblem, Stop};
use super::string::decode_escape;

/// The next token's first byte, and the rest of the text from that byte on.
#[derive(Clone, Copy)]
pub(crate) struct Next<'a> {
    /// The byte; at the end 0, with which no token starts.
    pub(crate) first: u8,
    /// The rest of the text, the first byte included.
    pub(crate) rest: &'a [u8],
    /// The rest of the text behind that byte.
    pub(crate) after: &'a [u8],
}

/// Looks at the first byte that is no white space.
#[inline(always)]
pub(crate) fn peek(rest: &[u8]) -> Next<'_> {
    match rest {
        [first, after @ ..] if *first > b' ' => Next { first: *first, rest, after },
        _ => {
            let rest = rest.get(blanks(rest)..).unwrap_or_default();
            match rest {
                // A NUL is as wrong as the end, and `rest` tells the two apart.
                [first, after @ ..] => Next { first: *first, rest, after },
                [] => Next { first: 0, rest, after: rest },
            }
        }
    }
}

/// Counts the blanks.
#[inline(never)]
fn blanks(rest: &[u8]) -> usize {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    rest.iter().position(|byte| !is_blank(byte)).unwrap_or(rest.len())
}

/// Steps over white space where the expected byte is missing.
#[inline(never)]
pub(super) fn skip(rest: &[u8]) -> Result<&[u8], Stop> {
    match blanks(rest) {
        0 => Err(Stop::unexpected(rest)),
        count => Ok(rest.get(count..).unwrap_or_default()),
    }
}

/// A key as it is spelt, with what is left behind its colon.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    /// What stands between the quotes.
    pub(crate) raw: &'a [u8],
    /// Whether the key has a backslash. Without a backslash, the raw text is the key.
    pub(crate) escaped: bool,
    /// Whether the colon stands right behind the key, and there is no backslash.
    pub(crate) is_plain: bool,
    /// What is left behind the colon.
    pub(crate) rest: &'a [u8],
}

/// Reads a key and its colon.
#[inline(always)]
pub(crate) fn key(rest: &[u8]) -> Result<Key<'_>, Stop> {
    match short_key(rest) {
        Some(key) => Ok(key),
        None => key_far(rest),
    }
}

/// Reads a key of up to 15 bytes without escapes, its colon right behind it, in 23 instructions. To
/// read quote, string, blanks and colon one by one takes twice as many.
#[inline(always)]
fn short_key(rest: &[u8]) -> Option<Key<'_>> {
    let window: &[u8; 18] = rest.first_chunk()?;
    let [b'"', text @ ..] = window else { return None };
    let len = first_stop(text.first_chunk()?);
    let ends = text.get(len..len + 2)?;
    (ends == b"\":").then(|| Key {
        raw: text.get(..len).unwrap_or_default(),
        escaped: false,
        is_plain: true,
        rest: rest.get(len + 3..).unwrap_or_default(),
    })
}

#[inline(never)]
fn key_far(mut rest: &[u8]) -> Result<Key<'_>, Stop> {
    if !rest.starts_with(b"\"") {
        rest = skip(rest)?;
        if let Some(key) = short_key(rest) {
            return Ok(key);
        }
    }
    let [b'"', text @ ..] = rest else { return Err(Stop::unexpected(rest)) };
    let (after, escaped) = string(text)?;
    let raw = text.get(..text.len() - after.len() - 1).unwrap_or_default();
    let colon = peek(after);
    if colon.first != b':' {
        return Err(Stop::unexpected(colon.rest));
    }
    let is_plain = !escaped && colon.rest.len() == after.len();
    Ok(Key { raw, escaped, is_plain, rest: colon.after })
}

/// Reads a string whose opening quote was stepped over, and says whether it has escapes.
#[inline(always)]
pub(crate) fn string(text: &[u8]) -> Result<(&[u8], bool), Stop> {
    let rest = match text.first_chunk() {
        Some(block) => {
            let len = first_stop(block);
            if block.get(len) == Some(&b'"') {
                return Ok((text.get(len + 1..).unwrap_or_default(), false));
            }
            text.get(len..).unwrap_or_default()
        }
        None => text,
    };
    string_far(rest)
}

/// Returns where the first byte is that may end the plain part of a string; 0 for a block without
/// such a byte, and for a block that starts with one. A caller that finds no quote there goes on
/// with [`string_far`].
#[inline(always)]
fn first_stop(block: &restless_scan::Block) -> usize {
    // The seventeenth bit saves a branch: it counts as 0, and at most 15 comes out.
    ((restless_scan::string_stops(block) | 1 << 16).trailing_zeros() & 15) as usize
}

/// Reads on in a string from `rest`, and says whether it has escapes.
#[inline(never)]
fn string_far(mut rest: &[u8]) -> Result<(&[u8], bool), Stop> {
    // To look at so many blocks here is faster than to begin the search for long strings.
    for _ in 0..4 {
        let Some(block) = rest.first_chunk() else { break };
        let stops = restless_scan::string_stops(block);
        if stops == 0 {
            rest = rest.get(block.len()..).unwrap_or_default();
            continue;
        }
        let at = stops.trailing_zeros() as usize;
        rest = rest.get(at..).unwrap_or_default();
        if let [b'"', rest @ ..] = rest {
            return Ok((rest, false));
        }
        break;
    }
    string_with_escapes(rest)
}

#[inline(never)]
fn string_with_escapes(mut rest: &[u8]) -> Result<(&[u8], bool), Stop> {
    let mut escaped = false;
    loop {
        let plain = match rest.first_chunk() {
            Some(block) if restless_scan::string_stops(block) != 0 => first_stop(block),
            _ => restless_scan::string_stop(rest),
        };
        rest = rest.get(plain..).unwrap_or_default();
        match rest {
            [b'"', rest @ ..] => return Ok((rest, escaped)),
            [b'\\', ..] => {
                rest = escape(rest)?;
                escaped = true;
            }
            [_, ..] => return Err(Stop::new(rest, JsonProblem::ControlCharacter)),
            [] => return Err(Stop::new(rest, JsonProblem::EndsEarly)),
        }
    }
}

#[inline(always)]
fn escape(rest: &[u8]) -> Result<&[u8], Stop> {
    match decode_escape(rest) {
        Ok((_, len)) => Ok(rest.get(len..).unwrap_or_default()),
        Err(problem) => Err(Stop::new(rest, problem)),
    }
}

/// Reads the number that starts with this byte, if it is a short integer without a sign.
#[inline(always)]
pub(crate) fn short_integer(first: u8, rest: &[u8]) -> Option<&[u8]> {
    // Most numbers are short integers, and have up to seven digits: 16 instructions, whatever the
    // count.
    let word = rest.first_chunk()?;
    let digits = leading_digits(u64::from_le_bytes(*word));
    let after = word.get(digits)?;
    let goes_on = matches!(after, b'.' | b'e' | b'E');
    let begins_well = digits == 1 || first != b'0';
    (digits > 0 && begins_well && !goes_on).then(|| rest.get(digits..).unwrap_or_default())
}

/// Reads the number that starts with this byte.
#[inline(always)]
pub(super) fn number(first: u8, rest: &[u8]) -> Result<&[u8], Stop> {
    match short_integer(first, rest) {
        Some(rest) => Ok(rest),
        None => number_far(rest).map(|(rest, _)| rest),
    }
}

/// Counts the digits among the eight bytes, from the lowest on, up to the first that is no digit.
#[inline(always)]
fn leading_digits(word: u64) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    // A digit less the bits of `0` is 0 to 9, and stays below the highest bit when 0x76 is added.
    // Any other byte sets the highest bit, or carries into the next byte, which no longer matters.
    let value = word ^ (ONES * u64::from(b'0'));
    let others = ((value.wrapping_add(ONES * 0x76)) | value) & (ONES * 0x80);
    others.trailing_zeros() as usize / 8
}

/// Reads any number, and says whether it is a float: it has a fraction or an exponent.
#[inline(never)]
pub(crate) fn number_far(start: &[u8]) -> Result<(&[u8], bool), Stop> {
    let one_or_more = |rest| match (digits(rest), rest) {
        (after, rest) if after.len() < rest.len() => Ok(after),
        (_, []) => Err(Stop::new(rest, JsonProblem::EndsEarly)),
        (_, [_, ..]) => Err(Stop::new(rest, JsonProblem::Number)),
    };

    let first = start.strip_prefix(b"-").unwrap_or(start);
    let mut rest = one_or_more(first)?;
    let whole = first.len() - rest.len();
    if whole > 1 && first.starts_with(b"0") {
        return Err(Stop::new(start, JsonProblem::Number));
    }
    let mut float = false;
    let mut exponent = 0;
    if let [b'.', after @ ..] = rest {
        float = true;
        rest = one_or_more(after)?;
    }
    if let [b'e' | b'E', after @ ..] = rest {
        float = true;
        let unsigned = match after {
            [b'+' | b'-', after @ ..] => after,
            _ => after,
        };
        rest = one_or_more(unsigned)?;
        exponent = unsigned.len() - rest.len();
    }
    // With at most 200 digits and an exponent below 100, a float is below 1e300.
    if float && (whole > 200 || exponent > 2) {
        let number = start.get(..start.len() - rest.len());
        if is_beyond_double(number) {
            return Err(Stop::new(start, JsonProblem::NumberRange));
        }
    }
    Ok((rest, float))
}

#[inline(always)]
fn digits(mut rest: &[u8]) -> &[u8] {
    while let [b'0'..=b'9', after @ ..] = rest {
        rest = after;
    }
    rest
}

fn is_beyond_double(number: Option<&[u8]>) -> bool {
    let number = number.and_then(|number| std::str::from_utf8(number).ok());
    number.and_then(|number| number.parse().ok()).is_none_or(f64::is_infinite)
}

/// Reads the `true`, `false` or `null` that starts with this byte.
#[inline(always)]
pub(crate) fn literal(first: u8, rest: &[u8]) -> Result<&[u8], Stop> {
    let (is_right, len) = match first {
        b'n' => (rest.starts_with(b"null"), 4),
        b't' => (rest.starts_with(b"true"), 4),
        b'f' => (rest.starts_with(b"false"), 5),
        _ => return Err(Stop::unexpected(rest)),
    };
    if is_right {
        Ok(rest.get(len..).unwrap_or_default())
    } else {
        Err(Stop::new(rest, JsonProblem::Unexpected))
    }
}
