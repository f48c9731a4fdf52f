//! The decoder: its chunks, and what it lends of them.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use restless_scan::{Chunk, line_end};

use super::block::{Block, Event};
use super::buffers::{BlockEnd, Data, event_error};
use super::interpreter::Interpreter;
use super::last_event_id::LastEventId;
use super::lines::{Lines, behind_nothing};
use super::plain::{self, Plain};
use crate::kinds::LimitError;
use crate::limits::Limits;

/// Decodes an event stream (WHATWG HTML §9.2.5 and §9.2.6), and after a [`reset`](Self::reset) the
/// next one.
///
/// A caller [`feed`](Self::feed)s a chunk, then [`poll`](Self::poll)s until the chunk is used up. A
/// decoder holds that chunk, the data of one event, at most [`Limits::event`] bytes, and one line,
/// one event type and one ID, at most [`Limits::line`] bytes each. Buffers grow by doubling, so
/// that a buffer can take up to twice its content; data that came whole in an earlier chunk keeps
/// that chunk.
pub struct Decoder {
    limits: Limits,
    lines: Lines,
    interpreter: Interpreter,
    last_event_id: LastEventId,
    lent: Lent,
    /// The data of that block where it does not lie in the chunk being read.
    held: Chunk,
    /// The data of that block where bad UTF-8 was replaced.
    replaced: Bytes,
    /// Whether the ID of an event is still to be given out that turned out to be over its limit
    /// after its block had ended.
    id_waits: bool,
}

/// What an event is lent from. The next call lets go of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lent {
    /// No event is lent.
    Nothing,
    /// The chunk being read, and nothing else.
    Chunk,
    /// A buffer or an earlier chunk.
    Other,
}

impl Decoder {
    /// Makes a decoder at the start of a stream. [`line`](Limits::line) and
    /// [`event`](Limits::event) are the `limits` that count here.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            lines: Lines::default(),
            interpreter: Interpreter::new(limits),
            last_event_id: LastEventId::default(),
            lent: Lent::Nothing,
            held: Chunk::default(),
            replaced: Bytes::new(),
            id_waits: false,
        }
    }

    /// Starts from a last event ID that is known already. Events carry the ID until the stream sets
    /// another one. Default: none, which is the same as an empty ID.
    #[must_use]
    pub fn with_last_event_id(mut self, id: &str) -> Self {
        self.last_event_id.set(id.as_bytes());
        self
    }

    /// Takes the next chunk of the stream, of any size, without copying it.
    ///
    /// Feed again when [`poll`](Self::poll) has answered `None`. A chunk that is fed earlier waits
    /// behind those before it, and its memory comes on top of the limits.
    #[inline]
    pub fn feed(&mut self, chunk: Bytes) {
        // The chunk is the middle of a line that comes in many small chunks: to keep each and read
        // it later takes three times as long.
        if self.interpreter.is_in_data_line()
            && chunk.len() <= SHORT_CHUNK
            && self.lines.is_empty()
            && line_end(&chunk).is_none()
            && self.interpreter.append(&chunk)
        {
            return;
        }
        // The chunk is a heartbeat alone, as most are, or several: nothing is kept of them.
        if chunk.first() == Some(&b':') && self.are_heartbeats(&chunk) {
            return;
        }
        self.lines.feed(chunk);
    }

    /// Whether the chunk would mean nothing. Out of line: events have no need of it.
    #[inline(never)]
    fn are_heartbeats(&self, chunk: &[u8]) -> bool {
        self.lines.is_empty()
            && self.interpreter.is_between_blocks()
            && behind_nothing(chunk, 0) == chunk.len()
    }

    /// Returns the next block that dispatches an event or sets the last event ID; `None` when what
    /// was fed is used up.
    ///
    /// # Errors
    ///
    /// A [`LimitError`] as soon as a line turns out longer than [`Limits::line`], or an event's
    /// data longer than [`Limits::event`]. The error comes once for each such block, and the stream
    /// goes on with the next `poll`. Of that block only further `id` and `retry` fields count. A
    /// block over a limit that has an `id` comes out at its end as [`Block::Id`], never as an
    /// event, so that a client that resumes at the last event ID gets past the block.
    ///
    /// Comments and unknown fields may be of any length, because the decoder drops their bytes.
    #[inline]
    pub fn poll(&mut self) -> Result<Option<Block<'_>>, LimitError> {
        // The decoder is between two chunks: as often as not where an event comes in each chunk.
        if self.lent == Lent::Nothing && self.lines.chunk().bytes().is_empty() {
            return Ok(None);
        }
        self.poll_chunk()
    }

    fn poll_chunk(&mut self) -> Result<Option<Block<'_>>, LimitError> {
        match self.lent {
            Lent::Nothing => {}
            Lent::Chunk => {
                self.lent = Lent::Nothing;
                self.interpreter.buffers.clear_event_type();
            }
            Lent::Other => {
                self.take_back();
                if std::mem::take(&mut self.id_waits) {
                    return Ok(Some(Block::Id(self.last_event_id())));
                }
            }
        }
        match self.read()? {
            None => Ok(None),
            Some(BlockEnd::Id) => Ok(Some(Block::Id(self.last_event_id()))),
            Some(BlockEnd::Event { has_id }) => {
                self.lend(has_id).map(|event| Some(Block::Event(event)))
            }
        }
    }

    /// Starts anew with the content of the next response. The last event ID and the reconnection
    /// time stay; all else is dropped, chunks that are not read yet included.
    ///
    /// Read literally, the standard gives the new stream's events no ID until the stream sets one.
    /// Browsers and the web-platform-tests (`eventsource/format-field-id`) let the events carry the
    /// old ID, and so does this decoder.
    pub fn reset(&mut self) {
        self.take_back();
        self.last_event_id.leave_chunk(self.lines.chunk().bytes());
        self.lines = Lines::default();
        self.interpreter.clear();
        self.id_waits = false;
    }

    /// Returns the last event ID as of the last blank line: what a next request sends as
    /// `Last-Event-ID` where the ID is not empty. The ID can hold any character but NUL, LF and CR.
    pub fn last_event_id(&self) -> &str {
        self.last_event_id.text(self.lines.chunk().bytes())
    }

    /// Returns what the last valid `retry` field asked for, as soon as its line has ended; `None`
    /// without such a field. Only ASCII digits are valid, read as milliseconds; a number of more
    /// than 64 bits is the longest time that 64 bits hold.
    pub fn reconnection_time(&self) -> Option<Duration> {
        self.interpreter.reconnection_time
    }

    /// Whether a block has begun and not ended. A stream that ends here loses that block. A comment
    /// or an unknown field leaves the decoder between two blocks.
    pub fn is_mid_block(&self) -> bool {
        self.interpreter.is_mid_block()
    }

    /// Whether the block that is being read was told of as over a limit: the rest of the block says
    /// nothing more.
    pub(crate) fn is_over_limit(&self) -> bool {
        self.interpreter.buffers.is_over_limit()
    }

    /// Reads to the end of the next block that has something to say; `None` at the end of what was
    /// fed.
    #[inline(always)]
    fn read(&mut self) -> Result<Option<BlockEnd>, LimitError> {
        loop {
            if let Some(end) = self.read_plain_lines()? {
                return Ok(Some(end));
            }
            match self.read_piece()? {
                Read::On => {}
                Read::Block(end) => return Ok(Some(end)),
                Read::All => return Ok(None),
            }
        }
    }

    /// Reads lines that need few rules.
    #[inline(always)]
    fn read_plain_lines(&mut self) -> Result<Option<BlockEnd>, LimitError> {
        let Self { lines, interpreter, last_event_id, limits, .. } = self;
        if !interpreter.is_at_line_start() {
            return Ok(None);
        }
        let Some((chunk, at)) = lines.line_start() else { return Ok(None) };
        match plain::read(chunk, at, &mut interpreter.buffers, last_event_id, limits)? {
            Plain::Block(end) => Ok(Some(end)),
            Plain::GoesOn => {
                // The line's end has been looked for already.
                if let Some(piece) = lines.rest() {
                    interpreter.take(piece)?;
                }
                Ok(None)
            }
            Plain::Other => Ok(None),
        }
    }

    /// Reads one line of any kind, or as much of it as lies in the chunk.
    #[inline(never)]
    fn read_piece(&mut self) -> Result<Read, LimitError> {
        let Some(piece) = self.lines.next() else {
            let chunk = self.lines.chunk().bytes();
            if !chunk.is_empty() {
                self.interpreter.buffers.leave_chunk(chunk);
                self.last_event_id.leave_chunk(chunk);
            }
            return Ok(if self.lines.next_chunk() { Read::On } else { Read::All });
        };
        let is_line_end = piece.ended;
        let is_blank = self.interpreter.take(piece)?;
        if !self.interpreter.buffers.has_begun() {
            if is_line_end {
                self.lines.skip_between_blocks();
            }
            return Ok(Read::On);
        }
        if !is_blank {
            return Ok(Read::On);
        }
        let end = self.interpreter.buffers.end_block(&mut self.last_event_id);
        Ok(end.map_or(Read::On, Read::Block))
    }

    /// Lends an event whose block has just ended.
    #[inline(always)]
    fn lend(&mut self, has_id: bool) -> Result<Event<'_>, LimitError> {
        let chunk = self.lines.chunk();
        let (holder, bytes, text) = match self.interpreter.buffers.take_in_chunk() {
            Some(range) => {
                self.lent = Lent::Chunk;
                let bytes = chunk.bytes().get(range.clone()).unwrap_or_default();
                (Some(chunk.bytes()), bytes, chunk.ascii(range))
            }
            None => {
                self.lent = Lent::Other;
                let buffers = &mut self.interpreter.buffers;
                match buffers.take_data() {
                    Data::InEarlierChunk(bytes) => self.held = Chunk::new(bytes),
                    Data::InChunk(_) | Data::Joined | Data::Absent => {
                        self.held = buffers.take_large().unwrap_or_default();
                    }
                }
                let held = self.held.bytes();
                if held.is_empty() {
                    let joined = self.interpreter.buffers.joined();
                    (None, joined.bytes(), joined.ascii())
                } else {
                    (Some(held), held.as_ref(), self.held.ascii(0..held.len()))
                }
            }
        };
        let text = text.or_else(|| simdutf8::basic::from_utf8(bytes).ok());
        let (holder, data) = match text {
            Some(text) => (holder, text),
            None => {
                self.lent = Lent::Other;
                if let Some(error) = over_limit_when_replaced(bytes, &self.limits) {
                    self.id_waits = has_id;
                    return Err(error);
                }
                let text = String::from_utf8_lossy(bytes).into_owned();
                self.replaced = Bytes::from(text);
                (Some(&self.replaced), std::str::from_utf8(&self.replaced).unwrap_or_default())
            }
        };
        Ok(Event {
            event_type: self.interpreter.buffers.event_type(),
            data,
            holder,
            last_event_id: &self.last_event_id,
            chunk: self.lines.chunk().bytes(),
            has_id,
        })
    }

    /// Lets go of what the last block was lent from.
    fn take_back(&mut self) {
        self.lent = Lent::Nothing;
        self.interpreter.buffers.clear_event_type();
        self.interpreter.buffers.clear_joined();
        self.held = Chunk::default();
        self.replaced = Bytes::new();
    }
}

/// What has been read.
enum Read {
    /// Lines that have nothing to say yet.
    On,
    /// A block that has something to say.
    Block(BlockEnd),
    /// All that was fed is read.
    All,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("last_event_id", &self.last_event_id())
            .field("reconnection_time", &self.reconnection_time())
            .field("is_mid_block", &self.is_mid_block())
            .finish_non_exhaustive()
    }
}

/// The size up to which a chunk may be taken at once. In a longer chunk, a line may well end, so
/// that to look for the end twice would not pay.
const SHORT_CHUNK: usize = 4 << 10;

/// U+FFFD takes three bytes and can stand for one, so the text can be longer than what came.
fn over_limit_when_replaced(bytes: &[u8], limits: &Limits) -> Option<LimitError> {
    let length = bytes
        .utf8_chunks()
        .map(|chunk| {
            let replaced =
                if chunk.invalid().is_empty() { 0 } else { char::REPLACEMENT_CHARACTER.len_utf8() };
            chunk.valid().len() + replaced
        })
        .sum();
    (length > limits.event_bytes).then(|| event_error(limits, length))
}

#[cfg(test)]
mod tests;
