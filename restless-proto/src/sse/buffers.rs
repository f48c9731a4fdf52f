//! The buffers of WHATWG HTML §9.2.6: what the block being read has said so far.

use std::ops::Range;

use bytes::Bytes;
use memchr::memchr;
use restless_scan::{Chunk, Joined};

use super::last_event_id::LastEventId;
use crate::kinds::LimitError;
use crate::limits::Limits;

/// The data, event type and last event ID buffers, used again for each block.
#[derive(Default)]
pub(super) struct Buffers {
    data: Data,
    /// The data where it is [`Data::Joined`], else empty.
    joined: Joined,
    /// How many more bytes the `data` line that comes in pieces may have.
    room: usize,
    event_type: String,
    id: LastEventId,
    has_id: bool,
    over_limit: bool,
    /// Whether any of the above has been touched since the last blank line.
    begun: bool,
}

/// What a blank line ended.
#[derive(Clone, Copy)]
pub(super) enum BlockEnd {
    /// A block with data, which dispatches an event.
    Event {
        /// Whether the block had an `id`.
        has_id: bool,
    },
    /// A block that had an `id` and no data.
    Id,
}

/// Where the data of the block is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Data {
    /// No `data` field has come.
    #[default]
    Absent,
    /// One `data` field has come, and its value lies in the chunk being read.
    InChunk(Range<usize>),
    /// One `data` field has come, and its value lay in an earlier chunk, which is kept instead of a
    /// copy.
    InEarlierChunk(Bytes),
    /// The data lies in a buffer: several lines, or one line in pieces.
    Joined,
}

impl Buffers {
    /// Takes a block's first `data` line, if the line is one and within the limits, and says so.
    /// For most lines, does the same as [`data_line`](Self::data_line).
    #[inline(always)]
    pub(super) fn first_data_line(
        &mut self,
        limits: &Limits,
        value: Range<usize>,
        before_value: usize,
    ) -> bool {
        let is_first = self.data == Data::Absent && !self.over_limit;
        if !is_first
            || before_value + value.len() > limits.line_bytes
            || value.len() > limits.event_bytes
        {
            return false;
        }
        self.begun = true;
        self.data = Data::InChunk(value);
        true
    }

    /// Takes a whole `data` line of the chunk, with its value at `value` and `before_value` bytes
    /// before that.
    #[inline]
    pub(super) fn data_line(
        &mut self,
        limits: &Limits,
        chunk: &[u8],
        value: Range<usize>,
        before_value: usize,
    ) -> Result<(), LimitError> {
        if self.over_limit {
            return Ok(());
        }
        self.begun = true;
        if self.data == Data::Absent {
            if let Some(error) = over(limits, before_value, 0, value.len()) {
                return self.drop_data(error);
            }
            self.data = Data::InChunk(value);
            return Ok(());
        }
        self.copy_first_line(chunk);
        if let Some(error) = over(limits, before_value, self.joined.len() + 1, value.len()) {
            return self.drop_data(error);
        }
        self.make_room(1 + value.len());
        self.joined.push(b"\n");
        self.joined.push(chunk.get(value).unwrap_or_default());
        Ok(())
    }

    /// Takes one more `data` line of a block with several, if the line is one, short and within the
    /// limits, and says so. The same as [`data_line`](Self::data_line) for most.
    #[inline(always)]
    pub(super) fn short_data_line(
        &mut self,
        limits: &Limits,
        chunk: &[u8],
        value: Range<usize>,
        before_value: usize,
    ) -> bool {
        if self.data != Data::Joined {
            return false;
        }
        let (start, length) = (self.joined.len(), value.len());
        let end = start + 1 + length;
        let behind = chunk.get(value.start..).unwrap_or_default();
        let Some(value) = behind.first_chunk::<SHORT_LINE>() else { return false };
        if length > SHORT_LINE
            || before_value + length > limits.line_bytes
            || end > limits.event_bytes
            || self.joined.capacity() - start <= SHORT_LINE
        {
            return false;
        }
        let mut line = [b'\n'; SHORT_LINE + 1];
        if let Some(after_lf) = line.last_chunk_mut() {
            *after_lf = *value;
        }
        self.joined.push_first(&line, 1 + length);
        true
    }

    /// Starts a `data` line that comes in pieces, and says where its value starts in the joined
    /// data; `None` where the block is over a limit already.
    pub(super) fn start_data_line(
        &mut self,
        limits: &Limits,
        chunk: &[u8],
        before_value: usize,
    ) -> Result<Option<usize>, LimitError> {
        if self.over_limit {
            return Ok(None);
        }
        self.begun = true;
        self.copy_first_line(chunk);
        if self.data == Data::Joined {
            self.joined.push(b"\n");
        }
        self.data = Data::Joined;
        let start = self.joined.len();
        // What stands before the value, an LF of the data as well, may be too much by itself.
        if let Some(error) = over(limits, before_value, start, 0) {
            return self.drop_data(error).map(|()| None);
        }
        self.room = (limits.line_bytes - before_value).min(limits.event_bytes - start);
        Ok(Some(start))
    }

    /// Appends a piece of a `data` line whose value starts at `start` of the joined data.
    #[inline]
    pub(super) fn more_data(
        &mut self,
        limits: &Limits,
        before_value: usize,
        start: usize,
        bytes: &[u8],
    ) -> Result<(), LimitError> {
        let Some(room) = self.room.checked_sub(bytes.len()) else {
            let in_line = (self.joined.len() - start) + bytes.len();
            return self.drop_data(first_passed(limits, before_value, start, in_line));
        };
        self.room = room;
        self.make_room(bytes.len());
        self.joined.push(bytes);
        Ok(())
    }

    /// Keeps data of a chunk that is about to go.
    #[inline]
    pub(super) fn leave_chunk(&mut self, chunk: &Bytes) {
        if let Data::InChunk(value) = &self.data {
            self.data = Data::InEarlierChunk(chunk.slice(value.clone()));
        }
        self.id.leave_chunk(chunk);
    }

    /// Returns the joined data.
    pub(super) fn joined(&self) -> &Joined {
        &self.joined
    }

    #[cfg(test)]
    pub(super) fn joined_capacity(&self) -> usize {
        self.joined.capacity()
    }

    /// Takes the value of an `event` line.
    pub(super) fn set_event_type(&mut self, value: &[u8]) {
        self.begun = true;
        replace(&mut self.event_type, value);
    }

    /// Takes the value of an `id` line, which is ignored where it has a NUL in it.
    pub(super) fn set_id(&mut self, value: &[u8]) {
        if memchr(0, value).is_none() {
            self.id.set(value);
            self.begun = true;
            self.has_id = true;
        }
    }

    /// Takes the value of an `id` line that lies in the chunk, and is ASCII without NUL.
    #[inline(always)]
    pub(super) fn set_plain_id(&mut self, value: Range<usize>) {
        self.id.set_in_chunk(value);
        self.begun = true;
        self.has_id = true;
    }

    /// Notes that the line, `seen` bytes long, is over the limit: the block can't be dispatched as
    /// an event.
    pub(super) fn line_over_limit(
        &mut self,
        limits: &Limits,
        seen: usize,
    ) -> Result<(), LimitError> {
        self.drop_data(line_error(limits, seen))
    }

    /// Whether a field of a block has come that no blank line has ended yet.
    #[inline]
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the block can't become an event any more.
    pub(super) fn is_over_limit(&self) -> bool {
        self.over_limit
    }

    /// Ends the block, if one has begun: sets the last event ID where the block had one, and tells
    /// whether it has something to say. The event type stays until
    /// [`clear_event_type`](Self::clear_event_type), the data until it is taken.
    #[inline(always)]
    pub(super) fn end_block(&mut self, last_event_id: &mut LastEventId) -> Option<BlockEnd> {
        if !std::mem::take(&mut self.begun) {
            return None;
        }
        let has_id = std::mem::take(&mut self.has_id);
        if has_id {
            last_event_id.take(&mut self.id);
        }
        self.over_limit = false;
        if self.data != Data::Absent {
            return Some(BlockEnd::Event { has_id });
        }
        self.clear_event_type();
        has_id.then_some(BlockEnd::Id)
    }

    /// Takes the data of a block that has ended, if it lies in the chunk being read.
    #[inline(always)]
    pub(super) fn take_in_chunk(&mut self) -> Option<Range<usize>> {
        let Data::InChunk(value) = &self.data else { return None };
        let value = value.clone();
        self.data = Data::Absent;
        Some(value)
    }

    /// Takes any data of a block that has ended.
    pub(super) fn take_data(&mut self) -> Data {
        std::mem::take(&mut self.data)
    }

    /// Returns the joined data with its buffer, where the buffer is too large to be used again. The
    /// buffer may be up to twice as large as the data: to move the data would cost as much again as
    /// to read it.
    pub(super) fn take_large(&mut self) -> Option<Chunk> {
        (self.joined.len() > LARGEST_KEPT_BUFFER)
            .then(|| std::mem::take(&mut self.joined).into_chunk())
    }

    /// Empties the buffer of joined data.
    #[inline]
    pub(super) fn clear_joined(&mut self) {
        self.joined.clear();
    }

    pub(super) fn event_type(&self) -> &str {
        &self.event_type
    }

    #[inline]
    pub(super) fn clear_event_type(&mut self) {
        self.event_type.clear();
    }

    /// Whether so many bytes more fit into the `data` line that comes in pieces.
    #[inline]
    pub(super) fn has_room(&self, more: usize) -> bool {
        more <= self.room
    }

    /// Forgets the block.
    pub(super) fn clear(&mut self) {
        self.data = Data::Absent;
        self.joined = Joined::default();
        self.event_type.clear();
        self.has_id = false;
        self.over_limit = false;
        self.begun = false;
    }

    /// Starts to join: from here on, there is more than one line, or a line in pieces.
    fn copy_first_line(&mut self, chunk: &[u8]) {
        let first = match &self.data {
            Data::InChunk(value) => chunk.get(value.clone()).unwrap_or_default(),
            Data::InEarlierChunk(value) => value,
            Data::Absent | Data::Joined => return,
        };
        self.joined.push(first);
        self.data = Data::Joined;
    }

    /// Makes room in the joined data, in powers of two: a vector that doubles what the first piece
    /// took lands anywhere.
    #[inline]
    fn make_room(&mut self, more: usize) {
        let length = self.joined.len();
        if self.joined.capacity() - length < more {
            // The size stays within the limits, which a power of two is always close to.
            let size = (length + more).checked_next_power_of_two().unwrap_or(length + more);
            self.joined.reserve_exact(size - length);
        }
    }

    /// Drops what can't become an event any more. Only the first error of a block is told.
    fn drop_data(&mut self, error: LimitError) -> Result<(), LimitError> {
        self.begun = true;
        self.data = Data::Absent;
        self.joined = Joined::default();
        self.event_type.clear();
        if std::mem::replace(&mut self.over_limit, true) { Ok(()) } else { Err(error) }
    }
}

/// Whether a line, or the event that the line belongs to, is too long with a value of `in_line`
/// bytes after `before_value` bytes of the line and `before_line` bytes of the event's data.
#[inline]
fn over(
    limits: &Limits,
    before_value: usize,
    before_line: usize,
    in_line: usize,
) -> Option<LimitError> {
    let fits =
        before_value + in_line <= limits.line_bytes && before_line + in_line <= limits.event_bytes;
    if fits { None } else { Some(first_passed(limits, before_value, before_line, in_line)) }
}

/// Returns the error of the limit that would be passed first if the bytes came one by one, since
/// the error must not depend on how they come.
#[cold]
fn first_passed(
    limits: &Limits,
    before_value: usize,
    before_line: usize,
    in_line: usize,
) -> LimitError {
    let line_room = limits.line_bytes.checked_sub(before_value);
    let event_room = limits.event_bytes.checked_sub(before_line);
    if line_room <= event_room {
        line_error(limits, before_value + in_line)
    } else {
        event_error(limits, before_line + in_line)
    }
}

/// Makes the error for a line of the stream that is too long.
fn line_error(limits: &Limits, seen: usize) -> LimitError {
    LimitError::new("a line of the event stream", limits.line_bytes, seen)
}

/// Makes the error for data of an event that is too long.
pub(super) fn event_error(limits: &Limits, seen: usize) -> LimitError {
    LimitError::new("the data of an event", limits.event_bytes, seen)
}

/// Sets a buffer to a line's value, decoded as UTF-8.
fn replace(buffer: &mut String, value: &[u8]) {
    buffer.clear();
    match simdutf8::basic::from_utf8(value) {
        Ok(text) => buffer.push_str(text),
        Err(_) => buffer.push_str(&String::from_utf8_lossy(value)),
    }
}

/// A line of up to so many bytes is joined as if it had so many.
const SHORT_LINE: usize = 64;

/// The size in bytes up to which the buffer is used again; a larger buffer is given out with its
/// data.
const LARGEST_KEPT_BUFFER: usize = 64 << 10;
