//! Values, and the members of objects (RFC 8259 §3 to §5).
//!
//! A value's *level* is 1 plus the number of arrays and objects around the value. Callers count the
//! level on the way down; a value deeper than `deepest` is refused.

use super::error::{JsonError, JsonProblem, Stop};
use super::token::{Key, Next, key, literal, number, peek, skip, string};

/// The deepest that any reader goes.
pub(crate) const MOST_LEVELS: u32 = 512;

/// Returns what is left of a text before anything of it is read: all, unless the text is too long.
pub(crate) fn start(text: &str) -> Result<&[u8], JsonError> {
    // Offsets are 32 bits wide from here on.
    if u32::try_from(text.len()).is_err() {
        return Err(JsonError::too_long());
    }
    Ok(text.as_bytes())
}

/// Refuses anything but white space up to the end of the text.
pub(crate) fn end(rest: &[u8]) -> Result<(), Stop> {
    match peek(rest).rest {
        [] => Ok(()),
        rest => Err(Stop::unexpected(rest)),
    }
}

/// Steps over white space, for whoever wants to know where a value starts.
#[inline(always)]
pub(crate) fn blank(rest: &[u8]) -> &[u8] {
    peek(rest).rest
}

/// Reads one value of any kind, which begins with the first byte.
#[inline(always)]
pub(crate) fn value(rest: &[u8], level: u32, deepest: u32) -> Result<&[u8], Stop> {
    if level > deepest {
        return Err(Stop::new(rest, JsonProblem::TooDeep));
    }
    match rest {
        [b'"', rest @ ..] => string(rest).map(|(rest, _)| rest),
        [b'{' | b'[', ..] => container(rest, deepest - level),
        [first @ (b'-' | b'0'..=b'9'), ..] => number(*first, rest),
        [first @ (b'n' | b't' | b'f'), ..] => literal(*first, rest),
        _ => Err(Stop::unexpected(rest)),
    }
}

/// Reads an array or an object, and everything inside, down to `levels` below its own.
///
/// The reader is one flat loop with a stack of brackets: the thread's stack stays small whatever
/// the text, and the loop keeps only the rest of the text. White space is looked for only where the
/// expected byte is missing, since the service and its peers write JSON without white space. A
/// member takes some 55 instructions this way; token by token, each in its own function, it took
/// 170.
#[inline(never)]
fn container(mut rest: &[u8], levels: u32) -> Result<&[u8], Stop> {
    let mut around = Brackets::default();
    let mut closing = OUTERMOST;
    'items: loop {
        if closing == b'}' {
            rest = key(rest)?.rest;
        }
        rest = loop {
            break match rest {
                [b'"', rest @ ..] => string(rest)?.0,
                [bracket @ (b'{' | b'['), inside @ ..] => {
                    let inside = peek(inside);
                    if inside.first != closed_by(*bracket) {
                        if around.depth == levels {
                            return Err(Stop::new(inside.rest, JsonProblem::TooDeep));
                        }
                        around.push(closing);
                        closing = closed_by(*bracket);
                        rest = inside.rest;
                        continue 'items;
                    }
                    if around.depth == 0 {
                        return Ok(inside.after);
                    }
                    inside.after
                }
                [first @ (b'-' | b'0'..=b'9'), ..] => number(*first, rest)?,
                [first @ (b'n' | b't' | b'f'), ..] => literal(*first, rest)?,
                _ => {
                    rest = skip(rest)?;
                    continue;
                }
            };
        };
        // A value has ended, and maybe what is around the value.
        loop {
            match rest {
                [b',', after @ ..] => {
                    rest = after;
                    break;
                }
                [first, after @ ..] if *first == closing => {
                    rest = after;
                    closing = around.pop();
                    if around.depth == 0 {
                        return Ok(rest);
                    }
                }
                _ => rest = skip(rest)?,
            }
        }
    }
}

/// A member of an object, or the object's end.
pub(crate) enum Member<'a> {
    /// A key, behind which the caller reads the value.
    Key(Key<'a>),
    /// The end, with what is left behind it.
    End(&'a [u8]),
}

/// Reads the first key of an object whose bracket was stepped over.
#[inline(always)]
pub(crate) fn first_member(rest: &[u8]) -> Result<Member<'_>, Stop> {
    match peek(rest) {
        Next { first: b'}', after, .. } => Ok(Member::End(after)),
        Next { rest, .. } => key(rest).map(Member::Key),
    }
}

/// Reads the next key of an object, behind a value. A key that comes twice is read twice here, too.
#[inline(always)]
pub(crate) fn next_member(rest: &[u8]) -> Result<Member<'_>, Stop> {
    match peek(rest) {
        Next { first: b',', after, .. } => key(after).map(Member::Key),
        Next { first: b'}', after, .. } => Ok(Member::End(after)),
        Next { rest, .. } => Err(Stop::unexpected(rest)),
    }
}

/// Returns the byte that closes what this byte opens.
#[inline(always)]
pub(crate) fn closed_by(bracket: u8) -> u8 {
    // `[` and `]` are two apart, and so are `{` and `}`.
    bracket.wrapping_add(2)
}

/// Stands for the byte that closes the text around its one value. Nothing looks for it.
const OUTERMOST: u8 = b']';

/// Which of the brackets that are open are those of objects, a bit for each, the innermost lowest.
#[derive(Default)]
struct Brackets {
    depth: u32,
    innermost: u64,
    /// The brackets around the innermost ones, 64 by 64.
    outer: [u64; MOST_LEVELS as usize / 64],
}

impl Brackets {
    #[inline(always)]
    fn push(&mut self, closing: u8) {
        if self.depth % 64 == 0 {
            if let Some(full) = self.outer.get_mut(self.depth as usize / 64) {
                *full = self.innermost;
            }
        }
        self.innermost = self.innermost << 1 | u64::from(closing == b'}');
        self.depth += 1;
    }

    /// Takes the innermost bracket off, and says what closes it.
    #[inline(always)]
    fn pop(&mut self) -> u8 {
        let is_object = self.innermost & 1;
        self.depth = self.depth.saturating_sub(1);
        self.innermost >>= 1;
        if self.depth % 64 == 0 {
            self.innermost = self.outer.get(self.depth as usize / 64).copied().unwrap_or_default();
        }
        b']' | (is_object as u8) << 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, deepest: u32) -> Result<(), JsonError> {
        value(blank(start(text)?), 1, deepest).and_then(end).map_err(|stop| stop.in_text(text))
    }

    #[test]
    fn json_is_read() {
        for text in [
            "0",
            "-0",
            "-1.5e+7",
            "1E4",
            "true",
            "false",
            "null",
            "\"\"",
            "[]",
            "{}",
            " [ ] ",
            r#"{"a":1}"#,
            r#" { "a" : [ 1 , { } , [ ] ] , "a" : "\ud83d\ude00" } "#,
            "[[],[[]],{},{\"\":[]}]",
            "\"\u{7f}\u{2028}\"",
            "\r\n\t 1",
        ] {
            assert_eq!(read(text, 9), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_goes_wrong() {
        use JsonProblem::*;
        for (text, offset, problem) in [
            ("", 0, EndsEarly),
            (" [", 2, EndsEarly),
            ("[1", 2, EndsEarly),
            ("[1,", 3, EndsEarly),
            ("[1,]", 3, Unexpected),
            ("[,1]", 1, Unexpected),
            ("[1 2]", 3, Unexpected),
            ("[1}", 2, Unexpected),
            ("{", 1, EndsEarly),
            ("{1:2}", 1, Unexpected),
            (r#"{"a"}"#, 4, Unexpected),
            (r#"{"a":}"#, 5, Unexpected),
            (r#"{"a":1,}"#, 7, Unexpected),
            (r#"{"a":1]"#, 6, Unexpected),
            (r#"{,"a":1}"#, 1, Unexpected),
            (r#"{"a":1 "b":2}"#, 7, Unexpected),
            ("]", 0, Unexpected),
            ("'a'", 0, Unexpected),
            ("nul", 0, Unexpected),
            ("nulL", 0, Unexpected),
            ("NaN", 0, Unexpected),
            ("-Infinity", 1, Number),
            ("01", 0, Number),
            ("+1", 0, Unexpected),
            (".5", 0, Unexpected),
            ("\"a", 2, EndsEarly),
            ("\"a\nb\"", 2, ControlCharacter),
            ("\"long enough for a block or two, and only then a tab:\t\"", 53, ControlCharacter),
            (r#""ab\q""#, 3, Escape),
            (r#""\ud800""#, 1, LoneSurrogate),
            ("// c\n1", 0, Unexpected),
            ("\u{feff}1", 0, Unexpected),
            ("\u{a0}1", 0, Unexpected),
            ("1 x", 2, Unexpected),
        ] {
            let error = read(text, 9).unwrap_err();
            assert_eq!((error.offset(), error.problem()), (offset, problem), "{text:?}");
        }
    }

    #[test]
    fn a_value_deeper_than_asked_for_is_refused() {
        for text in ["[[[]]]", "[[1]]", r#"{"a":{"a":1}}"#, r#"[{"a":[]}]"#] {
            assert_eq!(read(text, 3), Ok(()), "{text}");
        }
        for text in ["[[[1]]]", "[[[[]]]]", r#"{"a":{"a":{"a":1}}}"#, r#"[{"a":[{}]}]"#] {
            assert_eq!(read(text, 3).unwrap_err().problem(), JsonProblem::TooDeep, "{text}");
        }
    }

    #[test]
    fn brackets_match_at_every_depth_there_is() {
        let most = MOST_LEVELS as usize - 1;
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]")] {
            let count = most / close.len();
            let text = format!("{}1{}", open.repeat(count), close.repeat(count));
            assert_eq!(read(&text, MOST_LEVELS), Ok(()));
            let wrong = if close.ends_with(']') { "}" } else { "]" };
            let text = format!("{}1{}{wrong}", open.repeat(count), &close.repeat(count)[1..]);
            assert_eq!(read(&text, MOST_LEVELS).unwrap_err().problem(), JsonProblem::Unexpected);
        }
    }

    #[test]
    fn a_text_that_never_stops_opening_takes_no_stack() {
        for open in ["[", r#"{"a":"#] {
            let error = read(&open.repeat(100_000), 9).unwrap_err();
            assert_eq!(error.problem(), JsonProblem::TooDeep);
        }
    }
}
