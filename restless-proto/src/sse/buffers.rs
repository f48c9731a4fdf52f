//! The buffers of WHATWG HTML §9.2.6: what the block being read has said so far.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use crate::{LimitError, Limits};

/// The data, event type and last event ID buffers, used again for each block.
#[derive(Default)]
pub(super) struct Buffers {
    data: Data,
    /// The data where it is [`Data::Joined`], else empty.
    joined: BytesMut,
    event_type: String,
    id: String,
    has_id: bool,
    over_limit: bool,
    /// Any of the above has been touched since the last blank line.
    begun: bool,
}

/// Where the data of the block is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Data {
    /// No `data` field has come.
    #[default]
    Absent,
    /// One has, and its value lies in the chunk being read.
    InChunk(Range<usize>),
    /// One has, and its value lay in a chunk before that. Not copied: it keeps that chunk.
    InEarlierChunk(Bytes),
    /// In a buffer: several lines of it, or one in pieces.
    Joined,
}

impl Buffers {
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
        self.joined.reserve(1 + value.len());
        self.joined.extend_from_slice(b"\n");
        self.joined.extend_from_slice(chunk.get(value).unwrap_or_default());
        Ok(())
    }

    /// Makes room for a further `data` line that comes in pieces.
    pub(super) fn start_data_line(
        &mut self,
        limits: &Limits,
        chunk: &[u8],
        before_value: usize,
    ) -> Result<(), LimitError> {
        if self.over_limit {
            return Ok(());
        }
        self.begun = true;
        self.copy_first_line(chunk);
        if self.data == Data::Joined {
            self.joined.extend_from_slice(b"\n");
        }
        self.data = Data::Joined;
        // The LF alone may be too much.
        self.more_data(limits, before_value, self.joined.len(), b"")
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
        if self.over_limit {
            return Ok(());
        }
        let in_line = (self.joined.len() - start) + bytes.len();
        if let Some(error) = over(limits, before_value, start, in_line) {
            return self.drop_data(error);
        }
        self.joined.extend_from_slice(bytes);
        Ok(())
    }

    /// Keeps data of a chunk that is about to go.
    #[inline]
    pub(super) fn leave_chunk(&mut self, chunk: &Bytes) {
        if let Data::InChunk(value) = &self.data {
            self.data = Data::InEarlierChunk(chunk.slice(value.clone()));
        }
    }

    /// How much data has been joined.
    pub(super) fn joined_bytes(&self) -> usize {
        self.joined.len()
    }

    /// Takes the value of an `event` line.
    pub(super) fn set_event_type(&mut self, value: &[u8]) {
        self.begun = true;
        replace(&mut self.event_type, value);
    }

    /// Takes the value of an `id` line, which is ignored where it has a NUL in it.
    pub(super) fn set_id(&mut self, value: &[u8]) {
        if memchr(0, value).is_none() {
            replace(&mut self.id, value);
            self.begun = true;
            self.has_id = true;
        }
    }

    /// The line `seen` bytes long is over the limit: the block can't be dispatched as an event.
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

    /// Ends the block: sets the last event ID where the block had one, says whether it did, and
    /// gives its data out. The event type stays until [`clear_event_type`](Self::clear_event_type).
    #[inline]
    pub(super) fn end_block(&mut self, last_event_id: &mut String) -> (Data, bool) {
        if self.has_id {
            // `id` means nothing until an `id` field overwrites it.
            std::mem::swap(last_event_id, &mut self.id);
        }
        self.over_limit = false;
        self.begun = false;
        (std::mem::take(&mut self.data), std::mem::take(&mut self.has_id))
    }

    /// The joined data, given out. Its memory comes back once all who keep it have dropped it,
    /// unless it is large: an event kept for long must not keep a large buffer that others share.
    pub(super) fn take_joined(&mut self) -> Bytes {
        if self.joined.len() > LARGEST_SHARED_BUFFER {
            std::mem::take(&mut self.joined).freeze()
        } else {
            self.joined.split().freeze()
        }
    }

    pub(super) fn event_type(&self) -> &str {
        &self.event_type
    }

    #[inline]
    pub(super) fn clear_event_type(&mut self) {
        self.event_type.clear();
    }

    /// Forgets the block.
    pub(super) fn clear(&mut self) {
        self.data = Data::Absent;
        self.joined.clear();
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
        self.joined.extend_from_slice(first);
        self.data = Data::Joined;
    }

    /// Drops what can't become an event any more. Of each block, the first error is told.
    fn drop_data(&mut self, error: LimitError) -> Result<(), LimitError> {
        self.begun = true;
        self.data = Data::Absent;
        self.joined = BytesMut::new();
        self.event_type.clear();
        if std::mem::replace(&mut self.over_limit, true) { Ok(()) } else { Err(error) }
    }
}

/// Whether a line, or the event that it belongs to, is too long with a value of `in_line` bytes
/// after `before_value` bytes of its line and `before_line` bytes of the event's data.
#[inline]
fn over(
    limits: &Limits,
    before_value: usize,
    before_line: usize,
    in_line: usize,
) -> Option<LimitError> {
    let fits = before_value + in_line <= limits.line() && before_line + in_line <= limits.event();
    if fits { None } else { Some(first_passed(limits, before_value, before_line, in_line)) }
}

/// The error of the limit that is passed first when the bytes come one by one, since the error
/// must not depend on how they come.
#[cold]
fn first_passed(
    limits: &Limits,
    before_value: usize,
    before_line: usize,
    in_line: usize,
) -> LimitError {
    let line_room = limits.line().checked_sub(before_value);
    let event_room = limits.event().checked_sub(before_line);
    if line_room <= event_room {
        line_error(limits, before_value + in_line)
    } else {
        event_error(limits, before_line + in_line)
    }
}

/// A line of the stream is too long.
fn line_error(limits: &Limits, seen: usize) -> LimitError {
    LimitError::new("a line of the event stream", limits.line(), seen)
}

/// The data of an event is too long.
pub(super) fn event_error(limits: &Limits, seen: usize) -> LimitError {
    LimitError::new("the data of an event", limits.event(), seen)
}

/// Sets a buffer to a line's value, decoded as UTF-8.
fn replace(buffer: &mut String, value: &[u8]) {
    buffer.clear();
    match simdutf8::basic::from_utf8(value) {
        Ok(text) => buffer.push_str(text),
        Err(_) => buffer.push_str(&String::from_utf8_lossy(value)),
    }
}

/// Larger data is given out with its buffer, in bytes; smaller pieces share one.
const LARGEST_SHARED_BUFFER: usize = 64 << 10;
