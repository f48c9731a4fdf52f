//! Cuts chunks into lines (WHATWG HTML §9.2.5), without keeping a byte of them.

use bytes::Bytes;
use restless_scan::{Chunk, line_end};

use crate::chunks::Chunks;

/// The chunks that are not read yet, and how far the first of them is read.
///
/// Each byte is looked at once: a line that goes on in the next chunk is given out in pieces, as
/// the line lies, and whoever needs the line whole keeps the pieces.
#[derive(Default)]
pub(super) struct Lines {
    /// The chunk that is being read, empty where there is none.
    chunk: Chunk,
    /// How much of the chunk is read.
    read: usize,
    later: Chunks,
    edge: Edge,
}

/// A line, or as much of it as lies in one chunk.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    /// The piece, without the line's end.
    pub(super) bytes: &'a [u8],
    /// Where the piece starts in the chunk.
    pub(super) start: usize,
    /// Whether the line ends here.
    pub(super) ended: bool,
    /// The whole chunk that the piece lies in.
    pub(super) chunk: &'a [u8],
}

/// What the next byte may be part of, besides a line.
///
/// ```text
/// Bom(0) ──EF──▶ Bom(1) ──BB──▶ Bom(2) ──BF──▶ None ──CR, chunk ends──▶ AfterCr
///    └───────────── any other byte ──┴───────────▲ ◀────── any byte ───────┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// The byte order mark before the first line, of which so many bytes have come.
    Bom(usize),
    /// The end of a line, which the CR at the end of the last chunk has ended: the end may be CR
    /// LF.
    AfterCr,
    /// Nothing else.
    None,
}

impl Default for Edge {
    fn default() -> Self {
        Self::Bom(0)
    }
}

impl Lines {
    /// Adds a chunk behind those that are not read yet.
    #[inline]
    pub(super) fn feed(&mut self, chunk: Bytes) {
        if self.chunk.bytes().is_empty() {
            self.chunk.replace(chunk);
        } else {
            self.later.push(chunk);
        }
    }

    /// Steps over what means nothing between blocks, where the last piece has ended its line: blank
    /// lines, and comments that end in this chunk. A line that ends at the chunk's end with a CR is
    /// left.
    #[inline]
    pub(super) fn skip_between_blocks(&mut self) {
        self.read = behind_nothing(self.chunk.bytes(), self.read);
    }

    /// Returns the next piece, `None` at the chunk's end.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Piece<'_>> {
        if self.edge != Edge::None {
            if let Some(bytes) = self.cross_edge() {
                return Some(Piece { bytes, start: 0, ended: false, chunk: self.chunk.bytes() });
            }
        }
        let start = self.read;
        let is_blank = match self.chunk.bytes().get(start..)? {
            [] => return None,
            rest => rest.starts_with(b"\n"),
        };
        let length = if is_blank { Some(0) } else { self.chunk.line_end(start) };
        let chunk: &[u8] = self.chunk.bytes();
        let rest = chunk.get(start..)?;
        let Some(length) = length else {
            self.read += rest.len();
            return Some(Piece { bytes: rest, start, ended: false, chunk });
        };
        let (bytes, end) = rest.split_at_checked(length)?;
        self.read += length + 1;
        match end {
            [b'\r', b'\n', ..] => self.read += 1,
            [b'\r'] => self.edge = Edge::AfterCr,
            _ => {}
        }
        Some(Piece { bytes, start, ended: true, chunk })
    }

    /// Lets go of the chunk and turns to the next one, if there is one.
    #[inline]
    pub(super) fn next_chunk(&mut self) -> bool {
        self.read = 0;
        self.chunk.replace(Bytes::new());
        if self.later.count() > 0 {
            self.chunk.replace(self.later.pop());
        }
        !self.chunk.bytes().is_empty()
    }

    /// Returns the chunk being read, and where a line may start in the chunk; `None` where the next
    /// byte may be something else.
    #[inline(always)]
    pub(super) fn line_start(&mut self) -> Option<(&mut Chunk, &mut usize)> {
        match self.edge {
            Edge::None => Some((&mut self.chunk, &mut self.read)),
            Edge::AfterCr | Edge::Bom(_) => None,
        }
    }

    /// Returns all that is left of the chunk, in which no line ends.
    pub(super) fn rest(&mut self) -> Option<Piece<'_>> {
        let chunk: &[u8] = Some(self.chunk.bytes()).filter(|chunk| !chunk.is_empty())?;
        let start = std::mem::replace(&mut self.read, chunk.len());
        Some(Piece { bytes: chunk.get(start..)?, start, ended: false, chunk })
    }

    /// Whether all that was fed is read, and the next byte can only be of a line.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.chunk.bytes().is_empty() && self.edge == Edge::None
    }

    /// Returns the chunk being read, empty where there is none.
    #[inline(always)]
    pub(super) fn chunk(&self) -> &Chunk {
        &self.chunk
    }

    /// Steps over what is not part of a line. Bytes in chunks now gone may have looked like a byte
    /// order mark without being one: they are the start of the first line, and given out.
    #[cold]
    fn cross_edge(&mut self) -> Option<&'static [u8]> {
        let rest = self.chunk.bytes().get(self.read..).filter(|rest| !rest.is_empty())?;
        match self.edge {
            Edge::None => {}
            Edge::AfterCr => {
                self.read += usize::from(rest.starts_with(b"\n"));
                self.edge = Edge::None;
            }
            Edge::Bom(matched) => {
                let missing = BOM.get(matched..).unwrap_or_default();
                if rest.starts_with(missing) {
                    self.read += missing.len();
                    self.edge = Edge::None;
                } else if missing.starts_with(rest) {
                    self.read += rest.len();
                    self.edge = Edge::Bom(matched + rest.len());
                } else {
                    self.edge = Edge::None;
                    return BOM.get(..matched).filter(|bytes| !bytes.is_empty());
                }
            }
        }
        None
    }
}

/// Returns where in a chunk something follows that may mean something between two blocks, from
/// `at` on, where a line starts: behind blank lines, and comments that end in this chunk. A line
/// that ends at the chunk's end with a CR may mean something.
#[inline]
pub(super) fn behind_nothing(chunk: &[u8], mut at: usize) -> usize {
    while let Some(rest) = chunk.get(at..) {
        let length = match rest {
            [b'\n', ..] => {
                at += 1;
                continue;
            }
            [b':', ..] => line_end(rest),
            [b'\r', ..] => Some(0),
            _ => None,
        };
        let Some(length) = length else { break };
        at += match rest.get(length..) {
            Some([b'\n', ..]) => length + 1,
            Some([b'\r', b'\n', ..]) => length + 2,
            _ => break,
        };
    }
    at
}

/// U+FEFF in UTF-8.
const BOM: &[u8] = b"\xEF\xBB\xBF";

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines as text, a piece that does not end its line with `…` behind it.
    fn pieces(chunks: &[&'static [u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for chunk in chunks {
            lines.feed(Bytes::from_static(chunk));
            while let Some(piece) = lines.next() {
                let more = if piece.ended { "" } else { "…" };
                found.push(format!("{}{more}", String::from_utf8_lossy(piece.bytes)));
            }
            assert!(!lines.next_chunk());
        }
        found
    }

    #[test]
    fn each_of_cr_lf_and_crlf_ends_a_line() {
        assert_eq!(pieces(&[b"a\rb\nc\r\nd\n\re\r\r\n"]), ["a", "b", "c", "d", "", "e", ""]);
    }

    #[test]
    fn cr_at_the_end_of_a_chunk_ends_its_line_at_once() {
        assert_eq!(pieces(&[b"a\r"]), ["a"]);
    }

    #[test]
    fn lf_after_a_cr_in_the_chunk_before_is_no_line_end() {
        assert_eq!(pieces(&[b"a\r", b"\nb\r", b"", b"\n\n"]), ["a", "b", ""]);
        assert_eq!(pieces(&[b"a\r", b"b\n"]), ["a", "b"]);
        assert_eq!(pieces(&[b"a\r", b"\r", b"\n"]), ["a", ""]);
    }

    #[test]
    fn a_line_end_is_found_wherever_it_is() {
        for length in 0..40 {
            for end in [b'\n', b'\r'] {
                // The bytes that differ from an end by one bit, and what follows one.
                for filler in [b'a', end ^ 1, 0x8A, 0x8D, 0x0B, 0x0C, 0xFF, 0] {
                    let mut text = vec![filler; 40];
                    assert_eq!(line_end(&text), None);
                    text[length] = end;
                    assert_eq!(line_end(&text), Some(length));
                    text[39] = end;
                    assert_eq!(line_end(&text), Some(length));
                    text.truncate(length);
                    assert_eq!(line_end(&text), None);
                }
            }
        }
    }

    #[test]
    fn other_separators_of_lines_are_text() {
        let chunk = "a\u{b}\u{c}\u{85}\u{2028}\u{2029}b\n";
        assert_eq!(pieces(&[chunk.as_bytes()]), [chunk.trim_end_matches('\n')]);
    }

    #[test]
    fn a_line_over_several_chunks_comes_in_pieces() {
        assert_eq!(pieces(&[b"a", b"b", b"\n", b"c"]), ["a…", "b…", "", "c…"]);
    }

    #[test]
    fn one_byte_order_mark_is_dropped_however_it_is_cut() {
        for chunks in [
            &[&b"\xEF\xBB\xBFa\n"[..]][..],
            &[b"\xEF", b"\xBB\xBFa\n"],
            &[b"\xEF\xBB", b"", b"\xBFa\n"],
            &[b"\xEF", b"\xBB", b"\xBF", b"a\n"],
        ] {
            assert_eq!(pieces(chunks), ["a"], "{chunks:?}");
        }
        assert_eq!(pieces(&[b"\xEF\xBB\xBF\xEF\xBB\xBFa\n"]), ["\u{feff}a"]);
        assert_eq!(pieces(&[b"a\n\xEF\xBB\xBFb\n"]), ["a", "\u{feff}b"]);
    }

    #[test]
    fn a_byte_order_mark_that_breaks_off_is_part_of_the_first_line() {
        assert_eq!(pieces(&[b"\xEF\xBBa\n"]), ["\u{fffd}a"]);
        assert_eq!(pieces(&[b"\xEF", b"\xBBa\n"]), ["\u{fffd}…", "\u{fffd}a"]);
        assert_eq!(pieces(&[b"\xEF\xBB", b"\nb\n"]), ["\u{fffd}…", "", "b"]);
    }

    #[test]
    fn chunks_fed_ahead_are_read_in_order() {
        let mut lines = Lines::default();
        for chunk in [&b"a\n"[..], b"b", b"c\n"] {
            lines.feed(Bytes::from_static(chunk));
        }
        let mut found = Vec::new();
        loop {
            while let Some(piece) = lines.next() {
                found.extend_from_slice(piece.bytes);
            }
            if !lines.next_chunk() {
                break;
            }
        }
        assert_eq!(found, b"abc");
    }
}
