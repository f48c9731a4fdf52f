//! Canonical JSON, written straight from the text.
//!
//! Most of the canonical text stands in the original word for word. A payload is therefore read
//! once, into a chain of pieces of itself, and the chain is written once: as a text, or into an
//! HMAC.

use std::borrow::Cow;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::pieces::Sink;
use super::reader::{Scratch, read};
use crate::json::error::JsonError;
use crate::json::span::Span;

/// Returns the canonical form of the text, lent where the text has it in one piece.
pub(super) fn text(text: &str) -> Result<Cow<'_, str>, JsonError> {
    let mut scratch = Scratch::default();
    if let Some(whole) = read(text, &mut scratch)? {
        return Ok(Cow::Borrowed(whole.of(text)));
    }
    let mut canonical = Vec::with_capacity(text.len());
    scratch.pieces.write(text, &mut canonical);
    // Pieces start and end between characters.
    Ok(Cow::Owned(String::from_utf8(canonical).unwrap_or_default()))
}

/// Feeds the canonical form of the text to an HMAC.
pub(super) fn mac(
    text: &str,
    scratch: &mut Scratch,
    mut mac: Hmac<Sha256>,
) -> Result<Hmac<Sha256>, JsonError> {
    if let Some(whole) = read(text, scratch)? {
        mac.update(whole.of(text).as_bytes());
        return Ok(mac);
    }
    let mut blocks = Blocks { mac, block: [0; BLOCK_BYTES], len: 0 };
    scratch.pieces.write(text, &mut blocks);
    blocks.flush();
    Ok(blocks.mac)
}

/// Gathers pieces into blocks: an update of the HMAC costs some fifty instructions, however few
/// bytes it takes, and most pieces are one member long.
struct Blocks {
    mac: Hmac<Sha256>,
    block: [u8; BLOCK_BYTES],
    len: usize,
}

/// A multiple of the 64 bytes that SHA-256 takes at a time.
const BLOCK_BYTES: usize = 1024;

/// The length up to which a piece is moved as if it were as long as this, in eight instructions
/// instead of fifty.
const SHORT: usize = 64;

impl Sink for Blocks {
    #[inline(always)]
    fn put(&mut self, source: &[u8], piece: Span) {
        let from = source.get(piece.start()..).unwrap_or_default();
        let len = piece.end() - piece.start();
        if len <= SHORT {
            let to = self.block.get_mut(self.len..).unwrap_or_default();
            if let (Some(from), Some(to)) = (from.first_chunk::<SHORT>(), to.first_chunk_mut()) {
                *to = *from;
                self.len += len;
                return;
            }
        }
        self.put_any(from.get(..len).unwrap_or_default());
    }

    #[inline(always)]
    fn put_comma(&mut self) {
        match self.block.get_mut(self.len) {
            Some(room) => {
                *room = b',';
                self.len += 1;
            }
            None => self.put_any(b","),
        }
    }
}

impl Blocks {
    #[inline(never)]
    fn put_any(&mut self, piece: &[u8]) {
        if piece.len() > BLOCK_BYTES - self.len {
            self.flush();
        }
        match self.block.get_mut(self.len..self.len + piece.len()) {
            Some(room) => {
                room.copy_from_slice(piece);
                self.len += piece.len();
            }
            None => self.mac.update(piece),
        }
    }

    fn flush(&mut self) {
        self.mac.update(self.block.get(..self.len).unwrap_or_default());
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::{PAYLOAD_LEVELS, canonicalize};
    use crate::json::error::JsonProblem;

    #[test]
    fn canonical_text_is_lent_back_in_one_piece() {
        for text in [
            "null",
            "[]",
            r#"{"":{},"a":[1,-2.5,1e+16,"é\u001f\n\"\\"],"b":{"c":[[],{}]}}"#,
            "[18446744073709551616,-0.0]",
        ] {
            assert!(
                matches!(canonicalize(text), Ok(Cow::Borrowed(same)) if same == text),
                "{text}"
            );
        }
    }

    #[test]
    fn white_space_around_canonical_text_costs_no_memory() {
        let lent = canonicalize(" \t{\"a\":1}\r\n").unwrap();
        assert!(matches!(lent, Cow::Borrowed(r#"{"a":1}"#)));
    }

    #[test]
    fn members_are_sorted_at_every_level_wherever_they_stand() {
        let text = r#"[{"b":[{"z":1,"y":{"d":0,"c":0}}],"a":2},{"k":1}, {"n":1,"m":2}]"#;
        let due = r#"[{"a":2,"b":[{"y":{"c":0,"d":0},"z":1}]},{"k":1},{"m":2,"n":1}]"#;
        assert_eq!(canonicalize(text).unwrap(), due);
    }

    #[test]
    fn of_equal_keys_the_last_one_counts_however_it_is_spelt() {
        let text = r#"{"a":{"z":1,"y":2},"b":2,"\u0061":{"x":1},"b":3}"#;
        assert_eq!(canonicalize(text).unwrap(), r#"{"a":{"x":1},"b":3}"#);
        assert_eq!(canonicalize(r#"{"a":1,"a":2}"#).unwrap(), r#"{"a":2}"#);
    }

    #[test]
    fn what_a_later_key_hides_must_be_json_all_the_same() {
        let problem = canonicalize(r#"{"a":1e400,"a":2}"#).unwrap_err().problem();
        assert_eq!(problem, JsonProblem::NumberRange);
    }

    #[test]
    fn strings_keep_only_the_escapes_that_are_due() {
        let text = r#""\/\u0041\u000A\n\u001F\u001f\u007f\u2028\ud83d\ude00\u0022\"x""#;
        let due = "\"/A\\n\\n\\u001f\\u001f\u{7f}\u{2028}😀\\\"\\\"x\"";
        assert_eq!(canonicalize(text).unwrap(), due);
    }

    #[test]
    fn a_payload_may_nest_as_deep_as_the_limit_and_no_deeper() {
        let nested = |levels: usize, open: &str, close: &str| {
            format!("{}1{}", open.repeat(levels - 1), close.repeat(levels - 1))
        };
        let most = PAYLOAD_LEVELS as usize;
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"{"b":1,"a":"#, "}")] {
            assert!(canonicalize(&nested(most, open, close)).is_ok(), "{open}");
            let error = canonicalize(&nested(most + 1, open, close)).unwrap_err();
            assert_eq!(error.problem(), JsonProblem::TooDeep, "{open}");
            assert!(canonicalize(&open.repeat(100_000)).is_err());
        }
    }

    #[test]
    fn the_text_is_one_value_and_nothing_else() {
        for (text, offset) in [("", 0), (" ", 1), ("1 2", 2), ("{} x", 3), ("\u{feff}1", 0)] {
            assert_eq!(canonicalize(text).unwrap_err().offset(), offset, "{text:?}");
        }
    }
}
