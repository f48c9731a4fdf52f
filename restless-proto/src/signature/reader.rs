//! Reads a payload once, and finds the pieces of its canonical form.
//!
//! The reader is one flat loop, as in `json::value`. The reader grows a *run*, the piece of the
//! text that comes next as it is, and cuts the run where the canonical text goes on elsewhere: at
//! white space, at other spellings, and around each member, because the object may turn out to be
//! unsorted. An object that turns out canonical gives its cuts back: canonical text ends up as one
//! run.

use super::PAYLOAD_LEVELS;
use super::members::{Mark, Members};
use super::pieces::{Before, Pieces};
use crate::json::error::{JsonError, JsonProblem, Stop};
use crate::json::number::{Number, StackText};
use crate::json::span::Span;
use crate::json::string::decode_escape;
use crate::json::token::{Next, key, literal, number_far, peek, short_integer, string};
use crate::json::value::{closed_by, end, start};

/// The memory that reading takes. Where it is kept, the next payload takes none.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) pieces: Pieces,
    members: Members,
    /// The containers around the innermost one.
    around: Vec<Open>,
}

impl Scratch {
    fn clear(&mut self) {
        self.pieces.clear();
        self.members.clear();
        self.around.clear();
    }

    /// Returns how much memory is kept.
    pub(super) fn kept_bytes(&self) -> usize {
        let around = self.around.capacity() * size_of::<Open>();
        self.pieces.kept_bytes() + self.members.kept_bytes() + around
    }
}

/// Stands for the byte that closes the text around its one value. Nothing looks for it.
const OUTERMOST: u8 = b']';

/// A container that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// The byte that closes the container.
    closing: u8,
    /// Whether each key so far came after the key before it.
    is_sorted: bool,
    /// How the run was before the container began: what the run goes back to if the container is
    /// canonical.
    run: u32,
    before: Before,
    pieces: u32,
    members: Mark,
    amiss: u32,
}

/// Reads the text. The canonical form is one span of the text, or the chain of the scratch's
/// pieces.
pub(super) fn read(text: &str, scratch: &mut Scratch) -> Result<Option<Span>, JsonError> {
    scratch.clear();
    let rest = start(text)?;
    Reader { text, scratch, run: 0, before: Before::Nothing, amiss: 0 }
        .read(rest)
        .map_err(|stop| stop.in_text(text))
}

struct Reader<'a, 's> {
    text: &'a str,
    scratch: &'s mut Scratch,
    /// Where the run starts.
    run: u32,
    /// What is written before the run.
    before: Before,
    /// How often the text was not in its canonical form.
    amiss: u32,
}

impl<'a> Reader<'a, '_> {
    fn read(mut self, mut rest: &'a [u8]) -> Result<Option<Span>, Stop> {
        rest = peek(rest).rest;
        self.run = self.at(rest);
        let mut inner = self.open(OUTERMOST);
        loop {
            if inner.closing == b'}' {
                rest = self.member(rest, &mut inner)?;
            }
            let Next { first, rest: value, after } = peek(rest);
            self.skip(rest, value);
            rest = match first {
                b'"' => {
                    let (rest, escaped) = string(after)?;
                    if escaped {
                        self.respell(value, rest);
                    }
                    rest
                }
                b'{' | b'[' => {
                    let inside = peek(after);
                    if inside.first != closed_by(first) {
                        if self.scratch.around.len() + 1 == PAYLOAD_LEVELS as usize {
                            return Err(Stop::new(inside.rest, JsonProblem::TooDeep));
                        }
                        self.scratch.around.push(inner);
                        inner = self.open(closed_by(first));
                        if first == b'{' {
                            self.cut(after);
                        }
                        rest = after;
                        continue;
                    }
                    self.skip(after, inside.rest);
                    inside.after
                }
                b'-' | b'0'..=b'9' => match short_integer(first, value) {
                    Some(rest) => rest,
                    None => self.number(value)?,
                },
                _ => literal(first, value)?,
            };
            // A value has ended, and maybe what is around the value.
            loop {
                if self.scratch.around.is_empty() {
                    end(rest)?;
                    return Ok(self.finish(rest));
                }
                let next = peek(rest);
                self.skip(rest, next.rest);
                rest = next.after;
                if next.first == b',' {
                    if inner.closing == b'}' {
                        self.end_member(next.rest);
                    }
                    break;
                }
                if next.first != inner.closing {
                    return Err(Stop::unexpected(next.rest));
                }
                if inner.closing == b'}' {
                    self.end_member(next.rest);
                    self.close(next.rest, &inner);
                }
                if let Some(outer) = self.scratch.around.pop() {
                    inner = outer;
                }
            }
        }
    }

    /// Returns what was read so far, in bytes.
    #[inline(always)]
    fn at(&self, rest: &[u8]) -> u32 {
        (self.text.len() - rest.len()) as u32
    }

    #[inline(always)]
    fn open(&self, closing: u8) -> Open {
        Open {
            closing,
            is_sorted: true,
            run: self.run,
            before: self.before,
            pieces: self.scratch.pieces.len(),
            members: self.scratch.members.mark(),
            amiss: self.amiss,
        }
    }

    /// Reads a key and its colon, where the run before has been cut.
    #[inline(always)]
    fn member(&mut self, rest: &'a [u8], object: &mut Open) -> Result<&'a [u8], Stop> {
        let Next { rest: quote, after, .. } = peek(rest);
        self.amiss += u32::from(quote.len() != rest.len());
        let key = key(quote)?;
        self.run = self.at(quote);
        let is_first = !self.scratch.members.has_any(object.members);
        self.before = if is_first { Before::Nothing } else { Before::Comma };
        let rises = self.scratch.members.push(
            self.text,
            object.members,
            key.raw,
            key.escaped,
            after,
            self.scratch.pieces.len(),
        );
        object.is_sorted &= rises;
        if !key.is_plain {
            self.key_amiss(quote, key.raw, key.rest);
        }
        Ok(key.rest)
    }

    /// Reads a key with escapes, or with white space before its colon.
    #[cold]
    fn key_amiss(&mut self, quote: &'a [u8], raw: &[u8], rest: &'a [u8]) {
        let after_key = quote.get(raw.len() + 2..).unwrap_or_default();
        self.respell(quote, after_key);
        let colon = peek(after_key);
        self.skip(after_key, colon.rest);
        debug_assert_eq!(colon.after, rest);
    }

    /// Ends the innermost object's last member at the mark behind it.
    #[inline(always)]
    fn end_member(&mut self, mark: &[u8]) {
        self.cut(mark);
        self.scratch.members.end(self.scratch.pieces.len() - 1);
    }

    /// Ends an object.
    #[inline(always)]
    fn close(&mut self, bracket: &[u8], object: &Open) {
        if object.is_sorted && self.amiss == object.amiss {
            // No cut in the object is needed.
            self.scratch.pieces.truncate(object.pieces);
            self.run = object.run;
            self.before = object.before;
        } else {
            if !object.is_sorted {
                let Scratch { pieces, members, .. } = &mut *self.scratch;
                members.sort(self.text, object.members, object.pieces, pieces);
                self.amiss += 1;
            }
            self.run = self.at(bracket);
            self.before = Before::Nothing;
        }
        self.scratch.members.truncate(object.members);
    }

    /// Ends the run here, if there is one.
    #[inline(always)]
    fn cut(&mut self, rest: &[u8]) {
        let at = self.at(rest);
        if self.run != at {
            self.scratch.pieces.push(self.run, at, self.before);
            self.before = Before::Nothing;
        }
        self.run = at;
    }

    /// Leaves out what stands between two places, if there is anything.
    #[inline(always)]
    fn skip(&mut self, from: &[u8], to: &[u8]) {
        if from.len() != to.len() {
            self.leave_out(from, to);
        }
    }

    #[cold]
    fn leave_out(&mut self, from: &[u8], to: &[u8]) {
        self.cut(from);
        self.run = self.at(to);
        self.amiss += 1;
    }

    /// Writes another text in the place of the one between the two places.
    fn replace(&mut self, from: &[u8], to: &[u8], due: &str) {
        self.cut(from);
        self.scratch.pieces.push_spelt(due, self.before);
        self.before = Before::Nothing;
        self.run = self.at(to);
        self.amiss += 1;
    }

    /// Spells a string's escapes as the canonical form does.
    fn respell(&mut self, quote: &'a [u8], after: &[u8]) {
        let mut rest = quote.get(..quote.len() - after.len()).unwrap_or_default();
        while let Some(plain) = memchr::memchr(b'\\', rest) {
            let escape = rest.get(plain..).unwrap_or_default();
            // The escape was read before.
            let Ok((decoded, len)) = decode_escape(escape) else { break };
            let (spelt, behind) = escape.split_at_checked(len).unwrap_or_default();
            let due = &mut [0; 6];
            let due = escape_canonically(decoded, due);
            if due.as_bytes() != spelt {
                let from = quote.get(quote.len() - after.len() - escape.len()..);
                let to = quote.get(quote.len() - after.len() - behind.len()..);
                self.replace(from.unwrap_or_default(), to.unwrap_or_default(), due);
            }
            rest = behind;
        }
    }

    /// Reads a number that may be spelt in another way than the canonical one.
    #[inline(never)]
    fn number(&mut self, number: &'a [u8]) -> Result<&'a [u8], Stop> {
        let (rest, float) = number_far(number)?;
        let text = Span::between(self.text, number, rest).of(self.text);
        let mut buffer = StackText::default();
        let due = Number { text, float }.canonical(&mut buffer);
        if due != text {
            self.replace(number, rest, due);
        }
        Ok(rest)
    }

    fn finish(mut self, rest: &[u8]) -> Option<Span> {
        if self.scratch.pieces.len() == 0 {
            return Some(Span::new(self.run as usize, self.at(rest) as usize));
        }
        self.cut(rest);
        None
    }
}

/// Returns the one spelling of a character that the original escapes. A character without an escape
/// in the original stays as it is.
fn escape_canonically(c: char, buffer: &mut [u8; 6]) -> &str {
    match c {
        '"' => r#"\""#,
        '\\' => r"\\",
        '\u{8}' => r"\b",
        '\u{c}' => r"\f",
        '\n' => r"\n",
        '\r' => r"\r",
        '\t' => r"\t",
        '\0'..'\u{20}' => {
            let digit = |value: u32| char::from_digit(value, 16).map_or(b'0', |digit| digit as u8);
            let unit = u32::from(c);
            *buffer = [b'\\', b'u', b'0', b'0', digit(unit >> 4), digit(unit & 15)];
            std::str::from_utf8(buffer).unwrap_or_default()
        }
        plain => plain.encode_utf8(buffer),
    }
}
