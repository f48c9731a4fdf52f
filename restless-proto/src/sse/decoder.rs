//! From chunks of bytes to blocks.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::field::{self, Field};
use crate::{LimitError, Limits};

/// Decodes one event stream. See the [module](super).
///
/// A new response takes a new decoder: what is left of a stream that was cut is dropped with it
/// (WHATWG HTML §9.2.6, "once the end of the file is reached, any pending data must be discarded").
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    /// The chunk being read, and how far.
    chunk: Bytes,
    at: usize,
    /// Chunks fed before the last one was used up.
    queue: VecDeque<Bytes>,
    /// How many bytes of a byte order mark have been seen; `None` once the start is behind us.
    bom: Option<usize>,
    /// A line ended with CR: a LF right behind it belongs to the same end.
    skip_line_feed: bool,
    /// The start of a line whose end is not here yet.
    partial: BytesMut,
    /// The rest of the line is of no use.
    skip_line: bool,

    data: Data,
    event_type: String,
    id_buffer: String,
    id_in_block: bool,
    /// The block is over a limit: its data is lost, its id is not.
    oversize: bool,
    /// What the fields above say has been handed out; the next block starts with a clean table.
    dispatched: bool,

    last_event_id: String,
    reconnection_time: Option<Duration>,
}

/// The data of a block so far. Every line but the first has a line feed in front of it.
#[derive(Debug)]
enum Data {
    None,
    /// One line, in the chunk being read.
    InChunk(Range<usize>),
    /// One line, or several that were joined and handed out.
    Held(Bytes),
    /// Several lines.
    Joined(BytesMut),
}

/// What a blank line ends.
#[derive(Debug)]
#[non_exhaustive]
pub enum Block<'a> {
    /// An event.
    Event(Event<'a>),
    /// No data, but an `id` field: the last event ID is this now, perhaps empty. Nothing is
    /// dispatched for it, but a reconnect resumes behind it.
    Id(&'a str),
}

/// An event, lent out of its decoder.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    event_type: &'a str,
    data: &'a str,
    source: Source<'a>,
    id: Option<&'a str>,
    last_event_id: &'a str,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Chunk(&'a Bytes, usize),
    Held(&'a Bytes),
}

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

impl Decoder {
    /// For a response's content from its first byte, with an empty last event ID.
    ///
    /// Of the limits, it keeps to those on lines and events.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            chunk: Bytes::new(),
            at: 0,
            queue: VecDeque::new(),
            bom: Some(0),
            skip_line_feed: false,
            partial: BytesMut::new(),
            skip_line: false,
            data: Data::None,
            event_type: String::new(),
            id_buffer: String::new(),
            id_in_block: false,
            oversize: false,
            dispatched: false,
            last_event_id: String::new(),
            reconnection_time: None,
        }
    }

    /// Starts with the last event ID of an earlier response, as browsers do.
    #[must_use]
    pub fn with_last_event_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id_buffer);
        id.clone_into(&mut self.last_event_id);
        self
    }

    /// Takes the next bytes of the content, of any length.
    ///
    /// Poll until `None` before feeding again: whatever is not used up by then is kept until it is,
    /// without a limit.
    pub fn feed(&mut self, chunk: Bytes) {
        if self.at == self.chunk.len() && self.queue.is_empty() {
            self.next_chunk(chunk);
        } else {
            self.queue.push_back(chunk);
        }
    }

    /// The next block, or `None` when the next one's end is not here yet.
    ///
    /// No byte is waited for that is not needed: a CR ends its line at once.
    ///
    /// # Errors
    ///
    /// When a line or the data of an event is over its limit; once for a block. The rest of that
    /// block's data is dropped without being kept. Its id still counts, and comes as a
    /// [`Block::Id`] where it is within the limits; the blocks behind it come as ever. Lines of
    /// comments and unknown fields may have any length: they are not kept.
    pub fn poll(&mut self) -> Result<Option<Block<'_>>, LimitError> {
        if self.dispatched {
            self.start_block();
        }
        Ok(match self.advance()? {
            Step::NeedMore => None,
            Step::Id => Some(Block::Id(&self.last_event_id)),
            Step::Event => Some(Block::Event(self.event())),
        })
    }

    /// The last event ID as of the last block: what a reconnect would send. Empty if there is none.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The reconnection time that the stream has set, by the last valid `retry` field read; more
    /// milliseconds than 64 bits hold count as that many.
    pub fn reconnection_time(&self) -> Option<Duration> {
        self.reconnection_time
    }

    fn start_block(&mut self) {
        self.data = Data::None;
        self.event_type.clear();
        self.id_in_block = false;
        self.oversize = false;
        self.dispatched = false;
    }

    fn next_chunk(&mut self, chunk: Bytes) {
        // What stays in use of the old chunk is a slice of it: no copy, but it keeps it alive.
        if let Data::InChunk(range) = &self.data {
            self.data = Data::Held(self.chunk.slice(range.clone()));
        }
        self.chunk = chunk;
        self.at = 0;
    }

    /// Reads lines until one ends a block that is worth telling of.
    fn advance(&mut self) -> Result<Step, LimitError> {
        loop {
            self.skip_byte_order_mark();
            if self.skip_line_feed && self.at < self.chunk.len() {
                self.skip_line_feed = false;
                if self.chunk.get(self.at) == Some(&b'\n') {
                    self.at += 1;
                }
            }
            let rest = self.chunk.get(self.at..).unwrap_or_default();
            let Some(length) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.keep_partial_line()?;
                match self.queue.pop_front() {
                    Some(chunk) => self.next_chunk(chunk),
                    None => return Ok(Step::NeedMore),
                }
                continue;
            };
            let line = self.at..self.at + length;
            self.skip_line_feed = rest.get(length) == Some(&b'\r');
            self.at = line.end + 1;
            if self.skip_line {
                self.skip_line = false;
                continue;
            }
            let step = if self.partial.is_empty() {
                self.line_in_chunk(line)?
            } else {
                self.line_in_parts(line)?
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    /// One byte order mark at the very start, whole or in parts, is not part of the first line.
    fn skip_byte_order_mark(&mut self) {
        while let Some(seen) = self.bom {
            let (Some(due), Some(byte)) = (BYTE_ORDER_MARK.get(seen), self.chunk.get(self.at))
            else {
                if seen == BYTE_ORDER_MARK.len() {
                    self.bom = None;
                }
                return;
            };
            if byte == due {
                self.at += 1;
                self.bom = Some(seen + 1);
            } else {
                // It was none: what was taken for its start is the start of a line.
                self.partial.extend_from_slice(BYTE_ORDER_MARK.get(..seen).unwrap_or_default());
                self.bom = None;
            }
        }
    }

    /// The chunk is used up in the middle of a line.
    fn keep_partial_line(&mut self) -> Result<(), LimitError> {
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        self.at = self.chunk.len();
        if self.skip_line {
            return Ok(());
        }
        // Enough to know the field by; the copy is made once, wherever the line is cut.
        let start = if self.partial.len() < 8 { rest } else { &[] };
        let matters = if self.partial.is_empty() {
            field::may_matter(start)
        } else if start.is_empty() {
            true
        } else {
            let mut known = self.partial.to_vec();
            known.extend(start.iter().take(8));
            field::may_matter(&known)
        };
        let length = self.partial.len().saturating_add(rest.len());
        if !matters {
            self.skip_line = true;
            self.partial.clear();
        } else if length > self.limits.line() {
            self.skip_line = true;
            self.partial = BytesMut::new();
            return self.over_limit(LINE, self.limits.line(), length);
        } else {
            self.partial.extend_from_slice(rest);
        }
        Ok(())
    }

    fn over_limit<T: Default>(
        &mut self,
        limit: &'static str,
        maximum: usize,
        seen: usize,
    ) -> Result<T, LimitError> {
        self.data = Data::None;
        if std::mem::replace(&mut self.oversize, true) {
            return Ok(T::default());
        }
        Err(LimitError::new(limit, maximum, seen))
    }

    fn line_in_chunk(&mut self, line: Range<usize>) -> Result<Option<Step>, LimitError> {
        let text = self.chunk.get(line.clone()).unwrap_or_default();
        if text.is_empty() {
            return Ok(self.blank_line());
        }
        let Some((field, value)) = field::parse(text) else { return Ok(None) };
        if text.len() > self.limits.line() {
            return self.over_limit(LINE, self.limits.line(), text.len());
        }
        if field == Field::Data {
            let value = line.start + value..line.end;
            match self.data {
                Data::None if self.oversize => {}
                Data::None if value.len() <= self.limits.event() => {
                    self.data = Data::InChunk(value);
                }
                _ => {
                    // A reference, not a copy; it lets go of the chunk before the borrow ends.
                    let value = self.chunk.slice(value);
                    return self.add_data(&value).map(|()| None);
                }
            }
        } else {
            let value = self.chunk.slice(line.start + value..line.end);
            self.set(field, &value);
        }
        Ok(None)
    }

    fn line_in_parts(&mut self, rest: Range<usize>) -> Result<Option<Step>, LimitError> {
        let rest = self.chunk.get(rest).unwrap_or_default();
        self.partial.extend_from_slice(rest);
        let mut line = self.partial.split().freeze();
        let Some((field, value)) = field::parse(&line) else { return Ok(None) };
        if line.len() > self.limits.line() {
            return self.over_limit(LINE, self.limits.line(), line.len());
        }
        let value = line.split_off(value);
        if field != Field::Data {
            self.set(field, &value);
        } else if matches!(self.data, Data::None)
            && !self.oversize
            && value.len() <= self.limits.event()
        {
            self.data = Data::Held(value);
        } else {
            self.add_data(&value)?;
        }
        Ok(None)
    }

    /// One more line of data, behind others or over the limit by itself.
    fn add_data(&mut self, line: &[u8]) -> Result<(), LimitError> {
        if self.oversize {
            return Ok(());
        }
        let so_far = self.data_bytes();
        let first = matches!(self.data, Data::None);
        let length = so_far.len().saturating_add(line.len()).saturating_add(usize::from(!first));
        if length > self.limits.event() {
            return self.over_limit(EVENT, self.limits.event(), length);
        }
        let mut joined = match std::mem::replace(&mut self.data, Data::None) {
            Data::Joined(joined) => joined,
            Data::None => BytesMut::new(),
            Data::InChunk(range) => start_join(&self.chunk.slice(range), length),
            Data::Held(bytes) => start_join(&bytes, length),
        };
        if !first {
            joined.extend_from_slice(b"\n");
        }
        joined.extend_from_slice(line);
        self.data = Data::Joined(joined);
        Ok(())
    }

    fn set(&mut self, field: Field, value: &[u8]) {
        match field {
            Field::Data => {}
            Field::Event => set_text(&mut self.event_type, value),
            Field::Id if value.contains(&0) => {}
            Field::Id => {
                set_text(&mut self.id_buffer, value);
                self.id_in_block = true;
            }
            Field::Retry => {
                if !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
                    let milliseconds = value.iter().fold(0_u64, |number, digit| {
                        number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
                    });
                    self.reconnection_time = Some(Duration::from_millis(milliseconds));
                }
            }
        }
    }

    /// The end of a block: dispatch (WHATWG HTML §9.2.6).
    fn blank_line(&mut self) -> Option<Step> {
        if self.id_in_block {
            self.last_event_id.clone_from(&self.id_buffer);
        }
        let step = match &mut self.data {
            Data::None if self.id_in_block => Step::Id,
            Data::None => {
                self.start_block();
                return None;
            }
            Data::InChunk(_) | Data::Held(_) => Step::Event,
            Data::Joined(joined) => {
                self.data = Data::Held(joined.split().freeze());
                Step::Event
            }
        };
        self.replace_bad_characters();
        self.dispatched = true;
        Some(step)
    }

    /// The standard's UTF-8 decode: what is no UTF-8 becomes U+FFFD, in a copy. No sequence of
    /// bytes reaches over a line end, so it does not matter that the lines are already joined.
    fn replace_bad_characters(&mut self) {
        let bytes = self.data_bytes();
        if simdutf8::basic::from_utf8(bytes).is_err() {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.data = Data::Held(text.into());
        }
    }

    fn data_bytes(&self) -> &[u8] {
        match &self.data {
            Data::None => &[],
            Data::InChunk(range) => self.chunk.get(range.clone()).unwrap_or_default(),
            Data::Held(bytes) => bytes,
            Data::Joined(bytes) => bytes,
        }
    }

    fn event(&self) -> Event<'_> {
        let source = match &self.data {
            Data::InChunk(range) => Source::Chunk(&self.chunk, range.start),
            Data::Held(bytes) => Source::Held(bytes),
            Data::None | Data::Joined(_) => Source::Chunk(&self.chunk, 0),
        };
        Event {
            event_type: if self.event_type.is_empty() { "message" } else { &self.event_type },
            data: simdutf8::basic::from_utf8(self.data_bytes()).unwrap_or_default(),
            source,
            id: self.id_in_block.then_some(&*self.id_buffer),
            last_event_id: &self.last_event_id,
        }
    }
}

#[derive(Debug)]
enum Step {
    NeedMore,
    Id,
    Event,
}

const LINE: &str = "a line of the event stream";
const EVENT: &str = "the data of an event";

fn start_join(first_line: &[u8], length: usize) -> BytesMut {
    let mut joined = BytesMut::with_capacity(length.max(256));
    joined.extend_from_slice(first_line);
    joined
}

fn set_text(text: &mut String, bytes: &[u8]) {
    text.clear();
    match simdutf8::basic::from_utf8(bytes) {
        Ok(valid) => text.push_str(valid),
        Err(_) => text.push_str(&String::from_utf8_lossy(bytes)),
    }
}

impl<'a> Event<'a> {
    /// The event's type: `message` unless the stream says another.
    pub fn event_type(&self) -> &'a str {
        self.event_type
    }

    /// Its data; several lines are joined by line feeds.
    pub fn data(&self) -> &'a str {
        self.data
    }

    /// Its data to keep: a slice of the chunk where it lies in one, and no copy in any case. It
    /// keeps that chunk alive.
    pub fn data_bytes(&self) -> Bytes {
        match self.source {
            Source::Chunk(chunk, start) => chunk.slice(start..start + self.data.len()),
            Source::Held(bytes) => bytes.clone(),
        }
    }

    /// The id that the event's own block gave, perhaps empty; `None` if it gave none.
    pub fn id(&self) -> Option<&'a str> {
        self.id
    }

    /// The last event ID as of this event: its own, or that of an earlier block.
    pub fn last_event_id(&self) -> &'a str {
        self.last_event_id
    }
}

#[cfg(test)]
mod tests;
