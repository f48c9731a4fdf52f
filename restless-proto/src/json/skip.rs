//! Where tokens and values end: the part that reads every byte, as functions from one place in the
//! text to the next.

use super::text::{decode_escape, plain_end, stops, word};
use super::{JsonError, JsonProblem, MOST_LEVELS};

/// The first byte from `at` on that is no white space, and where it is.
#[inline(always)]
pub(super) fn blank_end(text: &[u8], mut at: usize) -> (usize, Option<u8>) {
    loop {
        match text.get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => at += 1,
            other => return (at, other.copied()),
        }
    }
}

/// The end of the value from `at` on, which is at the given level. Nothing in it may be deeper than
/// `deepest`.
///
/// A loop with its own stack of brackets: no text can exhaust the thread's.
pub(super) fn value_end(
    text: &[u8],
    mut at: usize,
    level: u32,
    deepest: u32,
) -> Result<usize, JsonError> {
    let mut open = Brackets::default();
    let mut first;
    loop {
        // A value is due.
        (at, first) = blank_end(text, at);
        match first {
            Some(b'"') => (at, _) = string_end(text, at + 1)?,
            Some(bracket @ (b'{' | b'[')) => {
                (at, first) = blank_end(text, at + 1);
                let is_object = bracket == b'{';
                if first == Some(closing(is_object)) {
                    at += 1;
                } else {
                    open.push(is_object);
                    if level + open.depth > deepest {
                        return Err(stop(at, JsonProblem::TooDeep));
                    }
                    if is_object {
                        at = key_end(text, at)?;
                    }
                    continue;
                }
            }
            Some(b'-' | b'0'..=b'9') => (at, _) = number_end(text, at)?,
            _ => at = literal_end(text, at)?,
        }
        // A value has ended, and maybe what is around it.
        loop {
            let Some(is_object) = open.innermost() else { return Ok(at) };
            (at, first) = blank_end(text, at);
            match first {
                Some(b',') => {
                    at += 1;
                    if is_object {
                        at = key_end(text, at)?;
                    }
                    break;
                }
                Some(byte) if byte == closing(is_object) => {
                    at += 1;
                    open.pop();
                }
                _ => return Err(unexpected(text, at)),
            }
        }
    }
}

/// The end of the key from `at` on and of its colon.
#[inline(always)]
fn key_end(text: &[u8], at: usize) -> Result<usize, JsonError> {
    let (at, first) = blank_end(text, at);
    if first != Some(b'"') {
        return Err(unexpected(text, at));
    }
    let (at, _) = string_end(text, at + 1)?;
    colon_end(text, at)
}

/// The end of the colon from `at` on.
#[inline(always)]
pub(super) fn colon_end(text: &[u8], at: usize) -> Result<usize, JsonError> {
    match blank_end(text, at) {
        (at, Some(b':')) => Ok(at + 1),
        (at, _) => Err(unexpected(text, at)),
    }
}

/// The end of the string whose opening quote is before `at`, and whether it has escapes.
#[inline(always)]
pub(super) fn string_end(text: &[u8], mut at: usize) -> Result<(usize, bool), JsonError> {
    // Most strings, and nearly all keys, end within two words.
    for _ in 0..2 {
        let Some(stops) = word(text, at).map(stops) else { break };
        if stops != 0 {
            let end = at + stops.trailing_zeros() as usize / 8;
            match text.get(end) {
                Some(b'"') => return Ok((end + 1, false)),
                _ => break,
            }
        }
        at += 8;
    }
    string_end_far(text, at)
}

#[inline(never)]
fn string_end_far(text: &[u8], mut at: usize) -> Result<(usize, bool), JsonError> {
    let mut escaped = false;
    loop {
        at = plain_end(text, at);
        match text.get(at) {
            Some(b'"') => return Ok((at + 1, escaped)),
            Some(b'\\') => {
                let escape = text.get(at..).unwrap_or_default();
                at += match decode_escape(escape) {
                    Ok((_, len)) => len,
                    Err(problem) => return Err(stop(at, problem)),
                };
                escaped = true;
            }
            Some(_) => return Err(stop(at, JsonProblem::ControlCharacter)),
            None => return Err(stop(at, JsonProblem::EndsEarly)),
        }
    }
}

/// The end of the number at `at`, and whether it is a float: it has a fraction or an exponent.
#[inline(always)]
pub(super) fn number_end(text: &[u8], at: usize) -> Result<(usize, bool), JsonError> {
    // Most numbers are integers without a sign.
    let end = digits_end(text, at);
    match (text.get(at), text.get(end)) {
        (Some(b'1'..=b'9'), after) if !matches!(after, Some(b'.' | b'e' | b'E')) => {
            Ok((end, false))
        }
        _ => number_end_far(text, at),
    }
}

#[inline(never)]
fn number_end_far(text: &[u8], start: usize) -> Result<(usize, bool), JsonError> {
    let one_or_more = |at: usize| match (digits_end(text, at), text.get(at)) {
        (end, _) if end > at => Ok(end),
        (_, None) => Err(stop(at, JsonProblem::EndsEarly)),
        (_, Some(_)) => Err(stop(at, JsonProblem::Number)),
    };

    let first = start + usize::from(text.get(start) == Some(&b'-'));
    let mut at = one_or_more(first)?;
    let whole = at - first;
    if whole > 1 && text.get(first) == Some(&b'0') {
        return Err(stop(start, JsonProblem::Number));
    }
    let mut float = false;
    let mut exponent = 0;
    if text.get(at) == Some(&b'.') {
        float = true;
        at = one_or_more(at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        float = true;
        at += 1;
        at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
        let end = one_or_more(at)?;
        exponent = end - at;
        at = end;
    }
    // With at most 200 digits and an exponent below 100, a float is below 1e300.
    if float && (whole > 200 || exponent > 2) && is_beyond_double(text.get(start..at)) {
        return Err(stop(start, JsonProblem::NumberRange));
    }
    Ok((at, float))
}

#[inline(always)]
fn digits_end(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

fn is_beyond_double(number: Option<&[u8]>) -> bool {
    let number = number.and_then(|number| std::str::from_utf8(number).ok());
    number.and_then(|number| number.parse().ok()).is_none_or(f64::is_infinite)
}

/// The end of the `true`, `false` or `null` at `at`.
#[inline(always)]
pub(super) fn literal_end(text: &[u8], at: usize) -> Result<usize, JsonError> {
    let literal: &[u8] = match text.get(at) {
        Some(b'n') => b"null",
        Some(b't') => b"true",
        Some(b'f') => b"false",
        _ => return Err(unexpected(text, at)),
    };
    match text.get(at..at + literal.len()) {
        Some(found) if found == literal => Ok(at + literal.len()),
        _ => Err(stop(at, JsonProblem::Unexpected)),
    }
}

#[cold]
pub(super) fn unexpected(text: &[u8], at: usize) -> JsonError {
    stop(at, if at < text.len() { JsonProblem::Unexpected } else { JsonProblem::EndsEarly })
}

#[cold]
pub(super) fn stop(at: usize, problem: JsonProblem) -> JsonError {
    // The scanner takes no text whose offsets don't fit.
    JsonError { offset: at as u32, problem }
}

fn closing(is_object: bool) -> u8 {
    if is_object { b'}' } else { b']' }
}

/// Which of the open brackets are those of objects, a bit for each.
#[derive(Default)]
struct Brackets {
    depth: u32,
    objects: [u64; MOST_LEVELS as usize / 64],
}

impl Brackets {
    fn push(&mut self, is_object: bool) {
        let (word, bit) = (self.depth as usize / 64, self.depth % 64);
        if let Some(word) = self.objects.get_mut(word) {
            *word = *word & !(1 << bit) | u64::from(is_object) << bit;
        }
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn innermost(&self) -> Option<bool> {
        let innermost = self.depth.checked_sub(1)?;
        let word = self.objects.get(innermost as usize / 64)?;
        Some(word >> (innermost % 64) & 1 == 1)
    }
}
