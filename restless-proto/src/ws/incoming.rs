//! From a server's bytes to messages and control frames (RFC 6455 §5.4, §5.5, §6.2).

use std::ops::Range;

use bytes::Bytes;

use super::close::Close;
use super::deflate::{DeflateParameters, InflateError, Inflater};
use super::error::{Error, FRAGMENTS, MESSAGE};
use super::frame::FrameHeader;
use super::lookahead::Lookahead;
use super::message::{LARGEST_KEPT_BUFFER, Message, Payload, Text};
use super::opcode::Opcode;
use super::options::Options;
use super::sequence::Sequence;
use super::utf8::{self, NotUtf8, TextBuffer};
use super::walk::FrameWalk;
use crate::chunks::Chunks;
use crate::kinds::LimitError;

/// Puts a server's messages together from its bytes, cut as they may be.
///
/// ```text
///             head of a data frame                    its last byte, fin
///   (none) ────────────────────────▶ Data ─────────────────────────────▶ a message, (none)
///    │  ▲                              │      its last byte, not fin
///    │  └──────────────────────────────┴─────────────────────────────▶ (none), a message begun
///    │       head of a control frame              its last byte
///    └─────────────────────────────▶ Control ──────────────────────────▶ ping, pong, close; (none)
/// ```
///
/// Every byte is looked at once: a head that is cut waits in `walk`, a payload that is cut goes to
/// its message as it comes, and text is checked when it goes there, or when it is lent.
///
/// A message over a limit is told of as soon as that shows, and passed over: what came of it is
/// dropped, its frames are counted off, and the one behind it is read. With context takeover it is
/// decompressed all the same, since the next message refers to it, and of that the window is kept.
#[derive(Debug)]
pub(crate) struct Incoming {
    message_limit: usize,
    fragment_limit: usize,
    chunks: Chunks,
    lookahead: Lookahead,
    walk: FrameWalk,
    sequence: Sequence,
    inflater: Option<Inflater>,
    /// The frame whose head has been read and whose payload has not.
    frame: Option<Frame>,
    /// Where in the first chunk its payload goes on.
    at: usize,
    /// The message whose first frame has begun and whose last has not ended.
    begun: Option<Begun>,
    /// What text is put together in. Used again for the next message, and so is `bytes`.
    text: TextBuffer,
    /// What anything else is put together in, and what is decompressed goes to.
    bytes: Vec<u8>,
    control: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Frame {
    Data { last: bool, remaining: usize },
    Control { opcode: Opcode, remaining: usize },
}

#[derive(Clone, Copy, Debug)]
struct Begun {
    kind: Kind,
    /// A limit is passed: its frames are passed over.
    over_limit: bool,
    fragments: usize,
    /// Payload bytes as they came, before decompression.
    received: usize,
    /// How much of what is decompressed is known to be text.
    checked: usize,
}

/// What a message is put together as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
    CompressedText,
    CompressedBinary,
}

impl Kind {
    fn is_compressed(self) -> bool {
        matches!(self, Self::CompressedText | Self::CompressedBinary)
    }
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Read {
    /// A message, for [`Incoming::lend`].
    Message(Whole),
    Ping(Bytes),
    Pong(Bytes),
    Close(Close),
    /// A message is over this limit, and is passed over.
    TooLarge(LimitError),
    /// All input is read.
    Starved,
}

/// Where a message is that is whole: in the first chunk, or put together.
#[derive(Clone, Debug)]
pub(crate) enum Whole {
    TextInChunk(Range<usize>),
    BinaryInChunk(Range<usize>),
    Text,
    Binary,
    /// Not checked yet.
    InflatedText,
}

impl Incoming {
    pub(crate) fn new(options: &Options, deflate: Option<&DeflateParameters>) -> Self {
        Self {
            message_limit: options.message(),
            fragment_limit: options.max_fragments(),
            chunks: Chunks::default(),
            lookahead: Lookahead::new(deflate.is_some()),
            walk: FrameWalk::default(),
            sequence: Sequence::new(deflate.is_some()),
            inflater: deflate.map(Inflater::new),
            frame: None,
            at: 0,
            begun: None,
            text: TextBuffer::default(),
            bytes: Vec::new(),
            control: Vec::new(),
        }
    }

    /// Takes the next piece of input.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.chunks.push(chunk);
    }

    /// Bytes of input that have not been read, and what it takes to keep many pieces of them.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.chunks.held_bytes()
    }

    /// Whether all input was searched for pings.
    #[inline]
    pub(crate) fn is_searched(&self) -> bool {
        self.lookahead.has_seen(&self.chunks)
    }

    /// The next ping in what has come, ahead of all that stands before it.
    pub(crate) fn next_ping(&mut self) -> Option<Bytes> {
        self.lookahead.next_ping(&self.chunks)
    }

    /// Searches for pings no more.
    pub(crate) fn stop_search(&mut self) {
        self.lookahead.stop();
    }

    /// Forgets input that has not been read, and takes no notice of what was begun.
    pub(crate) fn discard(&mut self) {
        self.stop_search();
        self.chunks.clear();
        self.text = TextBuffer::default();
        self.bytes = Vec::new();
    }

    /// Gives back what is kept for the next message.
    pub(crate) fn rest(&mut self) {
        if self.begun.is_none() {
            self.text = TextBuffer::default();
            self.bytes = Vec::new();
        }
    }

    /// What is held to put messages together in.
    pub(crate) fn kept_bytes(&mut self) -> usize {
        self.text.text().capacity() + self.bytes.capacity()
    }

    /// Whether the input so far ends within a frame or a message.
    pub(crate) fn is_within_message(&self) -> bool {
        self.sequence.is_within_message() || self.walk.is_within_head() || self.frame.is_some()
    }

    /// The next thing that is whole. To be called once [`next_ping`](Self::next_ping) finds none.
    ///
    /// # Errors
    ///
    /// Where the server breaks a rule, or passes a limit that can't be passed over.
    #[inline]
    pub(crate) fn read(&mut self) -> Result<Read, Error> {
        loop {
            if self.frame.is_none() {
                if let Some(whole) = self.read_whole_frames()? {
                    return Ok(Read::Message(whole));
                }
            }
            if let Some(read) = self.read_on()? {
                return Ok(read);
            }
        }
    }

    /// The message that was found whole.
    ///
    /// # Errors
    ///
    /// Where its text is none.
    #[inline]
    pub(crate) fn lend(&mut self, whole: Whole) -> Result<Message<'_>, NotUtf8> {
        let chunk = self.chunks.first();
        Ok(match whole {
            Whole::TextInChunk(payload) => {
                let text = utf8::check(chunk.get(payload).unwrap_or_default())?;
                Message::Text(Text::in_chunk(text, chunk))
            }
            Whole::BinaryInChunk(payload) => {
                let bytes = chunk.get(payload).unwrap_or_default();
                Message::Binary(Payload::in_chunk(bytes, chunk))
            }
            Whole::Text => Message::Text(Text::joined(self.text.text())),
            Whole::Binary => Message::Binary(Payload::joined(&mut self.bytes)),
            Whole::InflatedText => Message::Text(Text::inflated(utf8::check(&self.bytes)?)),
        })
    }

    /// Reads frames that lie whole in their chunk and are what most are: data, not compressed, and
    /// within the limits. What else there is, is for [`read_on`](Self::read_on).
    #[inline]
    fn read_whole_frames(&mut self) -> Result<Option<Whole>, Error> {
        loop {
            let chunk = self.chunks.first();
            let Some(frame) = self.walk.whole(chunk) else { return Ok(None) };
            let Some(data) = self.sequence.data(frame.first) else { return Ok(None) };
            let length = frame.payload.len();
            if data.is_first() {
                if data.is_compressed() || length > self.message_limit {
                    return Ok(None);
                }
                if data.is_last() {
                    self.walk.pass(&frame);
                    return Ok(Some(if data.is_text() {
                        Whole::TextInChunk(frame.payload)
                    } else {
                        Whole::BinaryInChunk(frame.payload)
                    }));
                }
                self.begin(if data.is_text() { Kind::Text } else { Kind::Binary });
            } else if !self.begun.as_mut().is_some_and(|begun| {
                let fits = !begun.kind.is_compressed()
                    && !begun.over_limit
                    && begun.fragments < self.fragment_limit
                    && length <= self.message_limit - begun.received;
                begun.fragments += usize::from(fits);
                fits
            }) {
                return Ok(None);
            }
            let piece = self.chunks.first().get(frame.payload.clone()).unwrap_or_default();
            let Some(begun) = &mut self.begun else { return Ok(None) };
            begun.received += length;
            let promise = Promise {
                frame_end: begun.received,
                last: data.is_last(),
                first: data.is_first(),
                limit: self.message_limit,
            };
            if begun.kind == Kind::Text {
                push_text(&mut self.text, piece, promise)?;
            } else {
                push_bytes(&mut self.bytes, piece, promise);
            }
            self.sequence.pass(data);
            self.walk.pass(&frame);
            if data.is_last() {
                return self.end_message().map(Some);
            }
        }
    }

    /// Reads on in the frame at hand, in the next one of any kind, or in the next chunk.
    #[inline(never)]
    fn read_on(&mut self) -> Result<Option<Read>, Error> {
        match self.frame {
            None => match self.walk.next(self.chunks.first())? {
                Some(header) => Ok(self.begin_frame(&header)?.map(Read::TooLarge)),
                None => Ok(self.next_chunk()),
            },
            Some(Frame::Data { last, remaining }) => self.read_data(last, remaining),
            Some(Frame::Control { opcode, remaining }) => self.read_control(opcode, remaining),
        }
    }

    fn next_chunk(&mut self) -> Option<Read> {
        self.walk.leave(self.chunks.first());
        self.at = 0;
        self.lookahead.first_left();
        if self.chunks.leave_first() {
            return None;
        }
        if self.kept_bytes() > LARGEST_KEPT_BUFFER {
            self.rest();
        }
        Some(Read::Starved)
    }

    /// Checks what a frame's head says against what was agreed and what came before. The error is
    /// that of a limit which the frame makes its message pass.
    fn begin_frame(&mut self, header: &FrameHeader) -> Result<Option<LimitError>, Error> {
        let data = self.sequence.take(header)?;
        // The head has ended in this chunk.
        self.at = usize::try_from(self.walk.end() - header.length).unwrap_or(usize::MAX);
        // What doesn't fit into memory is over any limit.
        let remaining = usize::try_from(header.length).unwrap_or(usize::MAX);
        let Some(data) = data else {
            self.control.clear();
            self.frame = Some(Frame::Control { opcode: header.opcode, remaining });
            return Ok(None);
        };
        self.frame = Some(Frame::Data { last: data.is_last(), remaining });
        if data.is_first() {
            self.begin(match (data.is_text(), data.is_compressed()) {
                (true, false) => Kind::Text,
                (true, true) => Kind::CompressedText,
                (false, false) => Kind::Binary,
                (false, true) => Kind::CompressedBinary,
            });
        } else if let Some(begun) = &mut self.begun {
            begun.fragments += 1;
        }
        let Some(begun) = self.begun.filter(|begun| !begun.over_limit) else { return Ok(None) };
        if begun.fragments > self.fragment_limit {
            let error = LimitError::new(FRAGMENTS, self.fragment_limit, begun.fragments);
            return Ok(Some(self.pass_over(error)));
        }
        // What is compressed is counted as it comes out.
        let seen = begun.received.saturating_add(remaining);
        if !begun.kind.is_compressed() && seen > self.message_limit {
            let error = LimitError::new(MESSAGE, self.message_limit, seen);
            return Ok(Some(self.pass_over(error)));
        }
        Ok(None)
    }

    fn begin(&mut self, kind: Kind) {
        self.text.clear();
        self.bytes.clear();
        self.begun = Some(Begun { kind, over_limit: false, fragments: 1, received: 0, checked: 0 });
    }

    /// The message that has begun is over this limit: nothing of it is kept.
    fn pass_over(&mut self, error: LimitError) -> LimitError {
        self.text = TextBuffer::default();
        match (&mut self.begun, &self.inflater) {
            (Some(begun), Some(inflater)) if begun.kind.is_compressed() => {
                inflater.keep_window(&mut self.bytes);
            }
            _ => self.bytes = Vec::new(),
        }
        if let Some(begun) = &mut self.begun {
            begun.over_limit = true;
        }
        error
    }

    fn read_data(&mut self, last: bool, remaining: usize) -> Result<Option<Read>, Error> {
        let Some(mut begun) = self.begun else { return Err(Error::UnexpectedContinuation) };
        let limit = self.message_limit;
        let inflater = self.inflater.as_mut().filter(|_| begun.kind.is_compressed());
        let stretch = match &inflater {
            Some(_) if !begun.over_limit => VAIN_BYTES - begun.received % VAIN_BYTES,
            _ => usize::MAX,
        };
        let rest = self.chunks.first().get(self.at..).unwrap_or_default();
        let mut piece = rest.get(..remaining.min(stretch)).unwrap_or(rest);
        let mut taken = piece.len();
        let ends = last && taken == remaining;
        let mut over = None;
        let mut finished = ends;
        match inflater {
            Some(inflater) if begun.over_limit => {
                inflater.pass(piece, &mut self.bytes)?;
                if ends {
                    inflater.finish_pass(&mut self.bytes)?;
                }
            }
            Some(inflater) => {
                let mut inflated = inflater.push(&mut piece, &mut self.bytes, limit);
                finished = ends && inflated.is_ok();
                if finished {
                    inflated = inflater.finish(&mut self.bytes, limit);
                }
                // The text first: of two errors, the one that comes first in the message counts, so
                // that the cut of the bytes makes no difference. What came at once is checked when
                // it is lent.
                let at_once = finished && inflated.is_ok() && begun.checked == 0;
                if begun.kind == Kind::CompressedText && !at_once {
                    let within = self.bytes.get(..=limit).unwrap_or(&self.bytes);
                    begun.checked = utf8::check_start(within, begun.checked)?;
                }
                match inflated {
                    Ok(()) => {}
                    Err(InflateError::TooLarge(error)) => over = Some(error),
                    Err(InflateError::Invalid) => return Err(Error::Deflate),
                }
                // What the decompressor has left stands there still.
                taken -= piece.len();
            }
            None if begun.over_limit => {}
            None => {
                let promise = Promise {
                    frame_end: begun.received.saturating_add(remaining),
                    last,
                    first: begun.fragments == 1,
                    limit,
                };
                if begun.kind == Kind::Text {
                    push_text(&mut self.text, piece, promise)?;
                } else {
                    push_bytes(&mut self.bytes, piece, promise);
                }
            }
        }
        begun.received = begun.received.saturating_add(taken);
        self.at += taken;
        let remaining = remaining - taken;
        self.begun = Some(begun);
        self.frame = Some(Frame::Data { last, remaining });
        let over = over.map(|error| self.pass_over(error));
        if begun.kind.is_compressed() && !begun.over_limit && over.is_none() && taken == stretch {
            let most = self.bytes.len().saturating_mul(VAIN_RATIO).saturating_add(VAIN_BYTES);
            if begun.received > most {
                return Err(Error::TooLarge(LimitError::new(VAIN, most, begun.received)));
            }
        }
        if remaining == 0 && (finished || !last) {
            self.frame = None;
            if last && over.is_none() && !begun.over_limit {
                return self.end_message().map(|whole| Some(Read::Message(whole)));
            }
            if last {
                self.begun = None;
                self.bytes.clear();
            }
        } else if over.is_none() && self.at >= self.chunks.first().len() {
            return Ok(self.next_chunk());
        }
        Ok(over.map(Read::TooLarge))
    }

    fn end_message(&mut self) -> Result<Whole, Error> {
        let Some(begun) = self.begun.take() else { return Err(Error::UnexpectedContinuation) };
        Ok(match begun.kind {
            Kind::Text => {
                self.text.finish()?;
                Whole::Text
            }
            Kind::CompressedText => Whole::InflatedText,
            Kind::Binary | Kind::CompressedBinary => Whole::Binary,
        })
    }

    fn read_control(&mut self, opcode: Opcode, remaining: usize) -> Result<Option<Read>, Error> {
        let rest = self.chunks.first().get(self.at..).unwrap_or_default();
        let piece = rest.get(..remaining).unwrap_or(rest);
        self.control.extend_from_slice(piece);
        let (taken, remaining) = (piece.len(), remaining - piece.len());
        self.at += taken;
        if remaining > 0 {
            self.frame = Some(Frame::Control { opcode, remaining });
            return Ok(self.next_chunk());
        }
        self.frame = None;
        // A slice would keep the memory of its whole chunk, for 125 bytes at the most.
        let payload = Bytes::copy_from_slice(&self.control);
        Ok(Some(match opcode {
            Opcode::Ping => Read::Ping(payload),
            Opcode::Pong => Read::Pong(payload),
            // The others are no control frames, and don't come here.
            Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                Read::Close(Close::parse(&payload)?)
            }
        }))
    }
}

/// What the heads so far say about a message's size.
#[derive(Clone, Copy)]
struct Promise {
    /// The message's size at the end of the frame at hand.
    frame_end: usize,
    /// Whether that is its last frame, or its first.
    last: bool,
    first: bool,
    limit: usize,
}

impl Promise {
    /// How much room to ask for, for `more` bytes behind `length` of them: for what heads have
    /// promised; and for twice what there is, so that appending stays linear, but not for more than
    /// can come. What is promised beyond 64 KiB is only believed as it comes.
    #[cold]
    fn room(self, length: usize, capacity: usize, more: usize) -> usize {
        let most = if self.last { self.frame_end } else { self.limit };
        // A first fragment says that there are more: most likely of its size.
        let fragments = if self.first && !self.last { 4 } else { 1 };
        let promised = self.frame_end.saturating_mul(fragments).min(PROMISED_BYTES).min(most);
        let doubled = capacity.saturating_mul(2).min(most);
        promised.max(doubled).max(length + more) - length
    }
}

#[inline]
fn push_text(text: &mut TextBuffer, piece: &[u8], promise: Promise) -> Result<(), NotUtf8> {
    if text.room() < piece.len() {
        let text = text.text();
        text.reserve_exact(promise.room(text.len(), text.capacity(), piece.len()));
    }
    text.push(piece)
}

#[inline]
fn push_bytes(bytes: &mut Vec<u8>, piece: &[u8], promise: Promise) {
    if bytes.capacity() - bytes.len() < piece.len() {
        bytes.reserve_exact(promise.room(bytes.len(), bytes.capacity(), piece.len()));
    }
    bytes.extend_from_slice(piece);
}

impl From<NotUtf8> for Error {
    fn from(NotUtf8 { at }: NotUtf8) -> Self {
        Self::NotUtf8 { at }
    }
}

impl From<InflateError> for Error {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::Invalid => Self::Deflate,
            InflateError::TooLarge(error) => Self::TooLarge(error),
        }
    }
}

/// A compressed message brings at least one byte for this many that it takes, beside the first
/// 64 KiB; else blocks that hold nothing could come for ever. One that is flushed after each byte
/// takes seven. Looked at after each 64 KiB, so that the cut of the bytes makes no difference.
const VAIN_RATIO: usize = 16;
const VAIN_BYTES: usize = 64 << 10;
const VAIN: &str = "compressed bytes that bring nothing";

/// How much memory a head may ask for before its payload has come.
const PROMISED_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn a_first_fragment_makes_room_for_four_of_its_size_and_for_64_kib_at_the_most() {
        for (length, room) in [(1000, 4000), (20_000, 64 << 10), (100_000, 100_000)] {
            let mut fragment = BytesMut::new();
            let mut header = FrameHeader::new(Opcode::Binary, length as u64);
            header.fin = false;
            header.encode(&mut fragment);
            fragment.resize(fragment.len() + length, 0);
            let mut incoming = Incoming::new(&Options::default(), None);
            incoming.push(fragment.freeze());
            assert!(matches!(incoming.read(), Ok(Read::Starved)));
            assert_eq!(incoming.bytes.capacity(), room);
        }
    }
}
