//! Content in chunks (RFC 9112 §7.1): the lines between the chunks are taken off, and nothing is
//! kept.

use bytes::{Buf, Bytes};

use super::error::ResponseError;
use super::framing::grown;
use crate::kinds::LimitError;

/// Takes the content out of the chunks, as slices of what was read.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    /// How much of the line before a chunk has come, or of the trailer section.
    line: usize,
    trailer_limit: usize,
    /// The number of bytes that were announced so far, and the number that they have to come to.
    announced: u64,
    claimed: Option<u64>,
    /// Whether a line has ended with a lone LF, which a box on the way may read as no end.
    lenient: bool,
}

/// ```text
///     ┌──────────────────────────────────────────────────────────┐
///     ▼                                                          │
///   Size ──► Padding ──► Extension ──► SizeLf ──► Data ──► DataEnd ──► DataLf
///     └─────────┴───────────┴────────────▲ └─size 0─► Trailer ◄──► TrailerLf ──► Over
/// ```
///
/// `SizeLf`, `DataLf` and `TrailerLf` are behind a CR; a lone LF goes past them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size {
        size: u64,
        digits: bool,
    },
    /// White space behind the size, with which some servers fill the line up, or before an
    /// extension.
    Padding(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataEnd,
    DataLf,
    /// A line of the trailer section.
    Trailer {
        blank: bool,
    },
    TrailerLf {
        blank: bool,
    },
    Over,
}

/// The most bytes of the line before a chunk. No known server sends extensions; 4 KiB of them for
/// each byte of content are abuse.
const LINE_LIMIT: usize = 4 << 10;

/// The digits of a size of 4 GiB.
const USUAL_DIGITS: usize = 8;

const NO_SIZE: State = State::Size { size: 0, digits: false };

impl Chunked {
    pub(super) fn new(claimed: Option<u64>, trailer_limit: usize) -> Self {
        Self { state: NO_SIZE, line: 0, trailer_limit, announced: 0, claimed, lenient: false }
    }

    /// Returns the next content at the front of `bytes`, and takes it off; `None` once the bytes
    /// are used up, or the content is over.
    pub(super) fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Bytes>, ResponseError> {
        while !bytes.is_empty() && self.state != State::Over {
            if let State::Data(left) = self.state {
                if let Some(piece) = whole_chunk(bytes, left) {
                    self.state = NO_SIZE;
                    return Ok(Some(piece));
                }
                let piece = take(bytes, left);
                let left = left - piece.len() as u64;
                self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                return Ok(Some(piece));
            }
            let used = self.read_lines(bytes)?;
            if used == bytes.len() {
                // All of the bytes go, and not only the last: the memory is given back.
                *bytes = Bytes::new();
            } else {
                bytes.advance(used);
            }
        }
        Ok(None)
    }

    /// Whether the last chunk has come, and the content is therefore whole (RFC 9112 §8), whatever
    /// becomes of the trailer section.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.state, State::Trailer { .. } | State::TrailerLf { .. } | State::Over)
    }

    /// Whether the trailer section has ended too.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Whether all that has come was as the grammar says.
    pub(super) fn was_strict(&self) -> bool {
        !self.lenient
    }

    /// Reads what is no content, and returns how many bytes that is.
    #[inline]
    fn read_lines(&mut self, bytes: &[u8]) -> Result<usize, ResponseError> {
        if let Some((size, length)) = self.usual_lines(bytes) {
            self.open_chunk(size)?;
            return Ok(length);
        }
        for (at, byte) in bytes.iter().enumerate() {
            self.step(*byte)?;
            if matches!(self.state, State::Data(_) | State::Over) {
                return Ok(at + 1);
            }
        }
        Ok(bytes.len())
    }

    /// Returns the size of the next chunk, and the length of what stands before the chunk, where
    /// that is a line end and digits alone. Nearly always it is so.
    #[inline]
    fn usual_lines(&self, bytes: &[u8]) -> Option<(u64, usize)> {
        let line = match self.state {
            State::DataEnd => bytes.strip_prefix(b"\r\n")?,
            NO_SIZE => bytes,
            _ => return None,
        };
        let (mut size, mut rest) = (0, line);
        while let [digit, behind @ ..] = rest {
            let Some(digit) = hexadecimal(*digit) else { break };
            (size, rest) = (grown(size, 16, digit)?, behind);
        }
        let behind = rest.strip_prefix(b"\r\n")?;
        let digits = line.len() - rest.len();
        // The last chunk, and a line that counts, are read by the usual way.
        (size > 0 && digits <= USUAL_DIGITS).then_some((size, bytes.len() - behind.len()))
    }

    /// The line before a chunk has ended.
    fn open_chunk(&mut self, size: u64) -> Result<(), ResponseError> {
        self.line = 0;
        self.announced = self.announced.saturating_add(size);
        let differ = match self.claimed {
            Some(claimed) if size == 0 => claimed != self.announced,
            Some(claimed) => claimed < self.announced,
            None => false,
        };
        if differ {
            return Err(ResponseError::DifferentEnds);
        }
        self.state = if size == 0 { State::Trailer { blank: true } } else { State::Data(size) };
        Ok(())
    }

    #[inline]
    fn step(&mut self, byte: u8) -> Result<(), ResponseError> {
        if byte == b'\n' {
            return self.end_line();
        }
        self.state = match (self.state, byte) {
            (State::Size { size, digits: true }, b'\r') => State::SizeLf(size),
            (State::Size { size, digits: true }, b' ' | b'\t') => State::Padding(size),
            (State::Size { size, digits: true }, b';') => State::Extension(size),
            (State::Size { size, .. }, _) => {
                let digit = hexadecimal(byte);
                let digit = digit.ok_or(ResponseError::Chunk("a size is no hexadecimal number"))?;
                let size = grown(size, 16, digit);
                let size = size.ok_or(ResponseError::Chunk("a size has more than 63 bits"))?;
                State::Size { size, digits: true }
            }
            (State::Padding(size) | State::Extension(size), b'\r') => State::SizeLf(size),
            (State::Padding(size), b' ' | b'\t') => State::Padding(size),
            (State::Padding(size), b';') => State::Extension(size),
            (State::Padding(_), _) => {
                return Err(ResponseError::Chunk("a size has something behind it"));
            }
            (State::Extension(_) | State::Trailer { .. }, 0) => {
                return Err(ResponseError::Chunk("a line has a NUL in it"));
            }
            (State::Extension(size), _) => State::Extension(size),
            (State::DataEnd, b'\r') => State::DataLf,
            (State::DataEnd, _) => {
                return Err(ResponseError::Chunk("a chunk is longer than its size"));
            }
            (State::Trailer { blank }, b'\r') => State::TrailerLf { blank },
            (State::Trailer { .. }, _) => State::Trailer { blank: false },
            (State::SizeLf(_) | State::DataLf | State::TrailerLf { .. }, _) => {
                return Err(ResponseError::Chunk("a CR stands alone"));
            }
            (state @ (State::Data(_) | State::Over), _) => state,
        };
        self.count()
    }

    fn end_line(&mut self) -> Result<(), ResponseError> {
        self.lenient |=
            !matches!(self.state, State::SizeLf(_) | State::DataLf | State::TrailerLf { .. });
        match self.state {
            State::Size { digits: false, .. } => {
                return Err(ResponseError::Chunk("a size is no hexadecimal number"));
            }
            State::Size { size, digits: true }
            | State::Padding(size)
            | State::Extension(size)
            | State::SizeLf(size) => {
                return self.open_chunk(size);
            }
            State::DataEnd | State::DataLf => self.state = NO_SIZE,
            State::Trailer { blank: true } | State::TrailerLf { blank: true } => {
                self.state = State::Over;
            }
            State::Trailer { blank: false } | State::TrailerLf { blank: false } => {
                self.state = State::Trailer { blank: true };
                return self.count();
            }
            State::Data(_) | State::Over => {}
        }
        Ok(())
    }

    /// Counts one more byte of a line.
    #[inline]
    fn count(&mut self) -> Result<(), ResponseError> {
        let (what, limit) = match self.state {
            State::DataEnd | State::DataLf | State::Data(_) | State::Over => return Ok(()),
            State::Trailer { .. } | State::TrailerLf { .. } => {
                ("the trailer section of a response", self.trailer_limit)
            }
            State::Size { .. } | State::Padding(_) | State::Extension(_) | State::SizeLf(_) => {
                ("the line before a chunk", LINE_LIMIT)
            }
        };
        self.line += 1;
        if self.line > limit {
            return Err(LimitError::new(what, limit, self.line).into());
        }
        Ok(())
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The content of a chunk that is all that is left, with the line end behind it: one handle of the
/// memory less, and 150 instructions, for each event that comes alone.
#[inline]
fn whole_chunk(bytes: &mut Bytes, size: u64) -> Option<Bytes> {
    let length = usize::try_from(size).ok()?;
    if bytes.get(length..) != Some(b"\r\n") {
        return None;
    }
    let mut chunk = std::mem::take(bytes);
    chunk.truncate(length);
    Some(chunk)
}

/// Takes at most so many bytes off the front; all of the bytes go without a copy of their handle.
pub(super) fn take(bytes: &mut Bytes, most: u64) -> Bytes {
    match usize::try_from(most) {
        Ok(most) if most < bytes.len() => bytes.split_to(most),
        _ => std::mem::take(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the content, and whether it is over, complete, or refused; the same in one piece and
    /// in many.
    fn read(text: &str) -> Result<(String, bool), ResponseError> {
        let whole = read_in(text, text.len().max(1));
        for length in 1..text.len().min(8) {
            assert_eq!(read_in(text, length), whole, "{text:?} in pieces of {length}");
        }
        whole
    }

    fn read_in(text: &str, length: usize) -> Result<(String, bool), ResponseError> {
        let mut chunked = Chunked::new(None, 64);
        let mut content = Vec::new();
        for piece in text.as_bytes().chunks(length) {
            let mut bytes = Bytes::copy_from_slice(piece);
            while let Some(piece) = chunked.next(&mut bytes)? {
                assert!(!piece.is_empty());
                content.extend_from_slice(&piece);
            }
        }
        Ok((String::from_utf8(content).unwrap(), chunked.is_over()))
    }

    fn over(content: &str) -> Result<(String, bool), ResponseError> {
        Ok((content.to_owned(), true))
    }

    fn refusal(text: &str) -> &'static str {
        match read(text) {
            Err(ResponseError::Chunk(why)) => why,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn the_content_is_what_the_chunks_hold() {
        assert_eq!(read("3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"), over("abcd"));
        assert_eq!(read("0A\r\n0123456789\r\n00\r\n\r\n"), over("0123456789"));
        assert_eq!(read("3\r\nabc\r\n"), Ok(("abc".to_owned(), false)));
    }

    #[test]
    fn extensions_padding_and_trailers_are_dropped() {
        assert_eq!(read("1;a=b;c=\"d\"\r\nx\r\n0 ; e\r\n\r\n"), over("x"));
        assert_eq!(read("1  \r\nx\r\n0\t\r\na: b\r\nc: d\r\n\r\n"), over("x"));
    }

    #[test]
    fn a_lone_lf_ends_a_line_and_is_remembered() {
        assert_eq!(read("1\nx\n0\na: b\n\n"), over("x"));
        for (text, strict) in [
            ("1\r\nx\r\n0\r\n\r\n", true),
            ("1\nx\r\n0\r\n\r\n", false),
            ("1\r\nx\n0\r\n\r\n", false),
            ("1\r\nx\r\n0\r\n\n", false),
        ] {
            let mut chunked = Chunked::new(None, 64);
            let mut bytes = Bytes::from_static(text.as_bytes());
            while chunked.next(&mut bytes).unwrap().is_some() {}
            assert!(chunked.is_over());
            assert_eq!(chunked.was_strict(), strict, "{text:?}");
        }
    }

    #[test]
    fn a_size_is_hexadecimal_digits_of_at_most_63_bits() {
        for text in ["\r\n", "+1\r\n", "-1\r\n", " 1\r\n", "0x1\r\n", "g\r\n", ";a\r\n", "\n"] {
            assert_eq!(refusal(text), "a size is no hexadecimal number", "{text:?}");
        }
        for text in ["1 1\r\n", "1 x\r\n"] {
            assert_eq!(refusal(text), "a size has something behind it", "{text:?}");
        }
        for text in ["8000000000000000\r\n", "10000000000000001\r\n"] {
            assert_eq!(refusal(text), "a size has more than 63 bits");
        }
        assert_eq!(read("7fffffffffffffff\r\nx"), Ok(("x".to_owned(), false)));
        assert_eq!(read("0000000000000000000001\r\nx\r\n0\r\n\r\n"), over("x"));
    }

    #[test]
    fn what_two_would_read_differently_is_refused() {
        assert_eq!(refusal("1\rx"), "a CR stands alone");
        assert_eq!(refusal("1;a\rb\r\n"), "a CR stands alone");
        assert_eq!(refusal("1\r\nx\rx"), "a CR stands alone");
        assert_eq!(refusal("0\r\na: b\rc\r\n\r\n"), "a CR stands alone");
        assert_eq!(refusal("1\r\nxy"), "a chunk is longer than its size");
        assert_eq!(refusal("1;\0\r\n"), "a line has a NUL in it");
        assert_eq!(refusal("0\r\na: \0\r\n\r\n"), "a line has a NUL in it");
    }

    #[test]
    fn extensions_have_a_limit_for_each_chunk_and_trailers_one_for_all() {
        let chunk = format!("1;{}\r\nx\r\n", "e".repeat(LINE_LIMIT - 3));
        let content = "x".repeat(20);
        assert_eq!(read_in(&format!("{}0\r\n\r\n", chunk.repeat(20)), 1000), over(&content));
        let chunk = format!("1;{}\r\nx\r\n", "e".repeat(LINE_LIMIT - 2));
        let limit = LimitError::new("the line before a chunk", LINE_LIMIT, LINE_LIMIT + 1);
        assert_eq!(read_in(&chunk, 1000), Err(limit.into()));
        let limit = LimitError::new("the trailer section of a response", 64, 65);
        assert_eq!(read(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(10))), over(""));
        assert_eq!(read(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(11))), Err(limit.into()));
    }

    #[test]
    fn a_length_beside_the_chunks_has_to_agree() {
        for (claimed, text, agrees) in [
            (3, "1\r\nx\r\n2\r\nxx\r\n0\r\n\r\n", true),
            (3, "4\r\n", false),
            (3, "1\r\nx\r\n0\r\n", false),
            (0, "0\r\n\r\n", true),
        ] {
            let mut chunked = Chunked::new(Some(claimed), 64);
            let mut bytes = Bytes::from_static(text.as_bytes());
            let refused = loop {
                match chunked.next(&mut bytes) {
                    Ok(Some(_)) => {}
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            let expected = (!agrees).then_some(ResponseError::DifferentEnds);
            assert_eq!(refused, expected, "{text:?}");
        }
    }

    #[test]
    fn content_is_sliced_and_not_copied() {
        let mut bytes = Bytes::from_static(b"3\r\nabc\r\n0\r\n\r\n");
        let address = bytes.as_ptr() as usize;
        let piece = Chunked::new(None, 64).next(&mut bytes).unwrap().unwrap();
        assert_eq!(piece.as_ptr() as usize, address + 3);
    }
}
