//! Lines become fields, fields fill the buffers (WHATWG HTML §9.2.6).

use std::time::Duration;

use super::buffers::Buffers;
use super::field::{Field, LONGEST_OPEN_START};
use super::lines::Piece;
use crate::kinds::LimitError;
use crate::limits::Limits;

/// Reads the lines of one block after the other.
pub(super) struct Interpreter {
    limits: Limits,
    pub(super) buffers: Buffers,
    pub(super) reconnection_time: Option<Duration>,
    line: Line,
    /// The part of a line that goes on in the next chunk, where [`Line`] says that the part is
    /// held.
    held: Vec<u8>,
}

/// What is known of the line that goes on in the next chunk.
///
/// ```text
/// Start ──▶ Open ──▶ Data | Held | Ignored ──line end──▶ Start
/// ```
#[derive(Clone, Copy)]
enum Line {
    /// Nothing of the line has come.
    Start,
    /// Too little has come to tell which field the line is. Held.
    Open,
    /// A `data` line. The value of a `data` field goes straight to the data buffer.
    Data {
        /// How many bytes of the line stand before its value.
        before_value: usize,
        /// Where the line's value starts in the data buffer.
        start: usize,
    },
    /// Another field that counts. Held.
    Held,
    /// A comment, a field that means nothing, or a line over the limit. Not held.
    Ignored,
}

impl Interpreter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffers: Buffers::default(),
            reconnection_time: None,
            line: Line::Start,
            held: Vec::new(),
        }
    }

    /// Takes a piece of a line, and says whether it was a blank line.
    #[inline(always)]
    pub(super) fn take(&mut self, piece: Piece<'_>) -> Result<bool, LimitError> {
        match self.line {
            Line::Start if piece.ended => {}
            Line::Data { before_value, start } if !piece.ended => {
                // The piece is the middle of a long line, and takes the shortest way.
                self.buffers
                    .more_data(&self.limits, before_value, start, piece.bytes)
                    .inspect_err(|_| self.line = Line::Ignored)?;
                return Ok(false);
            }
            Line::Start | Line::Open | Line::Data { .. } | Line::Held | Line::Ignored => {
                self.take_part(piece)?;
                return Ok(false);
            }
        }
        if piece.bytes.is_empty() {
            return Ok(true);
        }
        match Field::of(piece.bytes) {
            Some((Field::Data, value_at)) => {
                let value = piece.start + value_at..piece.start + piece.bytes.len();
                self.buffers.data_line(&self.limits, piece.chunk, value, value_at)?;
            }
            Some((field, value_at)) => {
                if piece.bytes.len() > self.limits.line_bytes {
                    self.buffers.line_over_limit(&self.limits, piece.bytes.len())?;
                } else {
                    self.take_value(field, piece.bytes.get(value_at..).unwrap_or_default());
                }
            }
            None => {}
        }
        Ok(false)
    }

    /// Whether no line has begun.
    #[inline(always)]
    pub(super) fn is_at_line_start(&self) -> bool {
        matches!(self.line, Line::Start)
    }

    /// Whether neither a line has begun nor a block.
    #[inline(always)]
    pub(super) fn is_between_blocks(&self) -> bool {
        self.is_at_line_start() && !self.buffers.has_begun()
    }

    /// Whether the value of a `data` line goes on.
    #[inline(always)]
    pub(super) fn is_in_data_line(&self) -> bool {
        matches!(self.line, Line::Data { .. })
    }

    /// Appends a chunk to a `data` line that goes on, if that is all there is to do with the chunk.
    #[inline]
    pub(super) fn append(&mut self, chunk: &[u8]) -> bool {
        let Line::Data { before_value, start } = self.line else { return false };
        self.buffers.has_room(chunk.len())
            && self.buffers.more_data(&self.limits, before_value, start, chunk).is_ok()
    }

    /// Whether a line or a block that counts has begun and not ended.
    pub(super) fn is_mid_block(&self) -> bool {
        match self.line {
            Line::Start | Line::Ignored => self.buffers.has_begun(),
            Line::Open | Line::Data { .. } | Line::Held => true,
        }
    }

    /// Forgets the block. The reconnection time stays.
    pub(super) fn clear(&mut self) {
        self.buffers.clear();
        self.line = Line::Start;
        self.held.clear();
    }

    /// Takes a piece that is not a whole line.
    fn take_part(&mut self, piece: Piece<'_>) -> Result<(), LimitError> {
        let taken = self.take_part_of_line(piece);
        if taken.is_err() {
            self.line = Line::Ignored;
        }
        if piece.ended {
            if matches!(self.line, Line::Held) {
                self.take_held();
            }
            self.line = Line::Start;
        }
        if matches!(self.line, Line::Start | Line::Ignored) {
            self.let_go_of_held();
        }
        taken
    }

    fn take_part_of_line(&mut self, piece: Piece<'_>) -> Result<(), LimitError> {
        let mut bytes = piece.bytes;
        if matches!(self.line, Line::Start | Line::Open) {
            let missing = (LONGEST_OPEN_START + 1).saturating_sub(self.held.len());
            let (start, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, b""));
            self.held.extend_from_slice(start);
            bytes = rest;
            self.line = self.tell_line(piece)?;
        }
        match self.line {
            Line::Data { before_value, start } => {
                self.buffers.more_data(&self.limits, before_value, start, bytes)
            }
            Line::Held => {
                let seen = self.held.len() + bytes.len();
                if seen > self.limits.line_bytes {
                    self.line = Line::Ignored;
                    return self.buffers.line_over_limit(&self.limits, seen);
                }
                self.held.extend_from_slice(bytes);
                Ok(())
            }
            Line::Start | Line::Open | Line::Ignored => Ok(()),
        }
    }

    /// Tells from the held start what a line is.
    fn tell_line(&mut self, piece: Piece<'_>) -> Result<Line, LimitError> {
        if !piece.ended && Field::is_open(&self.held) {
            return Ok(Line::Open);
        }
        match Field::of(&self.held) {
            Some((Field::Data, before_value)) => {
                let started =
                    self.buffers.start_data_line(&self.limits, piece.chunk, before_value)?;
                let Some(start) = started else { return Ok(Line::Ignored) };
                let value = self.held.get(before_value..).unwrap_or_default();
                self.buffers.more_data(&self.limits, before_value, start, value)?;
                self.held.clear();
                Ok(Line::Data { before_value, start })
            }
            Some((Field::Event | Field::Id | Field::Retry, _)) => Ok(Line::Held),
            None => Ok(Line::Ignored),
        }
    }

    /// Takes a held line, which is whole now.
    fn take_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        if let Some((field, value_at)) = Field::of(&held) {
            self.take_value(field, held.get(value_at..).unwrap_or_default());
        }
        self.held = held;
    }

    /// Takes the value of any field but `data`.
    fn take_value(&mut self, field: Field, value: &[u8]) {
        match field {
            Field::Event => self.buffers.set_event_type(value),
            Field::Id => self.buffers.set_id(value),
            Field::Retry => {
                if let Some(time) = reconnection_time(value) {
                    self.reconnection_time = Some(time);
                }
            }
            Field::Data => {}
        }
    }

    /// Empties `held`, and gives its memory back where it is large.
    fn let_go_of_held(&mut self) {
        if self.held.capacity() > LARGEST_KEPT_LINE {
            self.held = Vec::new();
        } else {
            self.held.clear();
        }
    }
}

/// Reads the time in a `retry` value: nothing but ASCII digits, an integer in base ten, as
/// milliseconds.
///
/// The standard sets no bound. A number over 64 bits becomes the longest time there is: some 585
/// million years, so the difference is never seen. [`Backoff`](crate::Backoff) says how much of the
/// time is waited for.
fn reconnection_time(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let milliseconds = value
        .iter()
        .fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(Duration::from_millis(milliseconds))
}

/// The longest buffer that is kept for the next line, in bytes.
const LARGEST_KEPT_LINE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_takes_ascii_digits_only() {
        let ms = |value: &str| reconnection_time(value.as_bytes()).map(|time| time.as_millis());
        assert_eq!(ms("0"), Some(0));
        assert_eq!(ms("03000"), Some(3000));
        assert_eq!(ms("4294967296"), Some(4_294_967_296));
        for bad in ["", "+1", "-1", "1.5", " 1", "1 ", "1e3", "٣", "3000x"] {
            assert_eq!(ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn retry_over_64_bits_is_the_longest_and_leading_zeros_count_for_nothing() {
        let ms = |value: &str| reconnection_time(value.as_bytes()).map(|time| time.as_millis());
        let longest = Some(u128::from(u64::MAX));
        assert_eq!(ms("18446744073709551614"), Some(u128::from(u64::MAX - 1)));
        for text in ["18446744073709551615", "18446744073709551616", &"9".repeat(1000)] {
            assert_eq!(ms(text), longest, "{text}");
        }
        assert_eq!(ms(&format!("{}7", "0".repeat(100))), Some(7));
    }

    #[test]
    fn a_line_in_pieces_is_joined_in_a_power_of_two() {
        let mut interpreter = Interpreter::new(Limits::default());
        let value = vec![b'x'; 64 << 10];
        for bytes in std::iter::once(&b"data: "[..]).chain(value.chunks(1000)) {
            let piece = Piece { bytes, start: 0, ended: false, chunk: bytes };
            interpreter.take(piece).expect("within the limits");
        }
        assert_eq!(interpreter.buffers.joined_capacity(), 64 << 10);
    }

    #[test]
    fn a_line_without_end_is_held_up_to_its_limit_and_a_comment_not_at_all() {
        for (start, most) in [("data: ", 1000), ("id: ", 1000), (": ", 0), ("unknown: ", 16)] {
            let mut interpreter = Interpreter::new(Limits::default().line_bytes(1000));
            let mut errors = 0;
            for text in std::iter::once(start).chain(std::iter::repeat_n("0123456789", 1000)) {
                let bytes = text.as_bytes();
                let piece = Piece { bytes, start: 0, ended: false, chunk: bytes };
                errors += usize::from(interpreter.take(piece).is_err());
                let held = interpreter.held.len() + interpreter.buffers.joined().len();
                assert!(held <= most, "{start}: {held}");
            }
            assert_eq!(errors, usize::from(most == 1000), "{start}");
        }
    }
}
