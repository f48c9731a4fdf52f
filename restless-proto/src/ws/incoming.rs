//! From a server's bytes to messages and control frames (RFC 6455 §5.4, §5.5, §6.2).

use std::ops::Range;
use std::str::Utf8Error;

use bytes::Bytes;

use super::close::Close;
use super::deflate::{DeflateParameters, InflateError, Inflater};
use super::error::{Error, FRAGMENTS, MESSAGE};
use super::frame::FrameHeader;
use super::lookahead::Lookahead;
use super::message::{Message, Payload, Text};
use super::opcode::Opcode;
use super::options::Options;
use super::promise::{Promise, append};
use super::sequence::{DataFrame, Sequence};
use super::utf8::{self, NotUtf8};
use super::walk::FrameWalk;
use crate::chunks::Chunks;
use crate::kinds::LimitError;
use crate::text::shared_text;

/// Puts a server's messages together from its bytes, wherever they are cut.
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
/// its message as it comes, and text is checked when its message is whole, or when no more of it
/// has come yet.
///
/// A message over a limit is told of as soon as its size shows, and is passed over: what came of
/// the message is dropped, its frames are counted off, and the message behind it is read. With
/// context takeover, such a message is decompressed all the same, since the next message refers to
/// it; only the window is kept.
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
    /// Where in the first chunk the payload of that frame goes on.
    at: usize,
    /// The message whose first frame has begun and whose last has not ended.
    begun: Option<Begun>,
    /// The buffer that messages are put together in, or decompressed to. The next message uses it
    /// again.
    joined: Vec<u8>,
    /// The last message that was put together, where the message was too large for the buffer to be
    /// kept.
    large: Bytes,
    control: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Frame {
    Data { last: bool, remaining: usize },
    Control { opcode: Opcode, remaining: usize },
}

#[derive(Clone, Copy, Debug)]
struct Begun {
    text: bool,
    compressed: bool,
    /// Whether the message is over a limit: its frames are passed over.
    over_limit: bool,
    fragments: usize,
    /// The number of payload bytes that came, before decompression.
    received: usize,
    /// How much of what was put together is known to be text.
    checked: usize,
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

/// A message that is whole, and where the message is.
#[derive(Clone, Debug)]
pub(crate) enum Whole {
    /// In the first chunk.
    InChunk { text: bool, payload: Range<usize> },
    /// In the buffer where it was put together.
    Joined { text: bool },
}

impl Incoming {
    pub(crate) fn new(options: &Options, deflate: Option<&DeflateParameters>) -> Self {
        Self {
            message_limit: options.message_bytes,
            fragment_limit: options.fragments,
            chunks: Chunks::default(),
            lookahead: Lookahead::new(deflate),
            walk: FrameWalk::default(),
            sequence: Sequence::new(deflate),
            inflater: deflate.map(Inflater::new),
            frame: None,
            at: 0,
            begun: None,
            joined: Vec::new(),
            large: Bytes::new(),
            control: Vec::new(),
        }
    }

    /// Takes the next piece of input.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.chunks.push(chunk);
    }

    /// Returns the bytes of input that have not been read, and what it takes to keep many pieces of
    /// them.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.chunks.held_bytes()
    }

    /// Whether all input was searched for pings.
    #[inline]
    pub(crate) fn is_searched(&self) -> bool {
        self.lookahead.has_seen(&self.chunks)
    }

    /// Returns the next ping in what has come, ahead of all that stands before the ping.
    pub(crate) fn next_ping(&mut self) -> Option<Bytes> {
        self.lookahead.next_ping(&self.chunks)
    }

    /// Ends the search for pings.
    pub(crate) fn stop_search(&mut self) {
        self.lookahead.stop();
    }

    /// Drops unread input, and the message that has begun.
    pub(crate) fn discard(&mut self) {
        self.stop_search();
        self.chunks.clear();
        self.joined = Vec::new();
        self.large = Bytes::new();
    }

    /// Gives back what is kept for the next message.
    pub(crate) fn rest(&mut self) {
        if self.begun.is_none() {
            self.joined = Vec::new();
        }
    }

    /// Returns what is held for messages beside the input.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.joined.capacity() + self.large.len()
    }

    /// Whether the input so far ends within a frame or a message.
    pub(crate) fn is_within_message(&self) -> bool {
        self.sequence.is_within_message() || self.walk.is_within_head() || self.frame.is_some()
    }

    /// Returns the next thing that is whole. The caller asks once [`next_ping`](Self::next_ping)
    /// finds none.
    ///
    /// # Errors
    ///
    /// Where the server breaks a rule, or passes a limit that can't be passed over.
    pub(crate) fn read(&mut self) -> Result<Read, Error> {
        loop {
            if self.frame.is_none() {
                if let Some(whole) = self.read_whole_frames() {
                    return Ok(Read::Message(whole));
                }
            }
            match self.read_on() {
                Ok(None) => {}
                Ok(Some(Read::Message(whole))) => return Ok(Read::Message(whole)),
                other => {
                    // Of two errors, the one that comes first counts. Text that can't be right is
                    // therefore told before what stands behind it, and before more of it has come.
                    self.check_so_far()?;
                    return other.map(|read| read.unwrap_or(Read::Starved));
                }
            }
        }
    }

    /// Returns the next message, where the message is one frame, not compressed, that lies whole in
    /// its chunk, as most are. The caller asks between two frames.
    #[inline]
    pub(crate) fn next_in_chunk(&mut self) -> Option<Whole> {
        let frame = self.walk.whole(self.chunks.first())?;
        let data = self.sequence.data(frame.first)?;
        let plain = data.is_first() && data.is_last() && !data.is_compressed();
        if !plain || frame.payload.len() > self.message_limit {
            return None;
        }
        self.walk.pass(&frame);
        Some(Whole::InChunk { text: data.is_text(), payload: frame.payload })
    }

    /// Lends the message that was found whole.
    ///
    /// # Errors
    ///
    /// Where a text breaks UTF-8.
    #[inline]
    pub(crate) fn lend(&mut self, whole: Whole) -> Result<Message<'_>, NotUtf8> {
        match whole {
            Whole::InChunk { text, payload } => {
                let chunk = self.chunks.first();
                let bytes = chunk.get(payload).unwrap_or_default();
                Ok(if text {
                    Message::Text(Text::within(utf8::check(bytes)?, chunk))
                } else {
                    Message::Binary(Payload::within(bytes, chunk))
                })
            }
            Whole::Joined { text } => self.lend_joined(text),
        }
    }

    /// Returns the message that was found whole, in memory of its own: the text is checked as that
    /// memory is made, and not before.
    ///
    /// # Errors
    ///
    /// Where a text breaks UTF-8.
    pub(crate) fn share(&mut self, whole: Whole) -> Result<Message<'static>, NotUtf8> {
        let (text, bytes) = match whole {
            Whole::InChunk { text, payload } => {
                let chunk = self.chunks.first();
                (text, chunk.get(payload).map(|bytes| chunk.slice_ref(bytes)).unwrap_or_default())
            }
            Whole::Joined { text } if self.joined.len() > LARGEST_KEPT_BUFFER => {
                (text, trimmed(std::mem::take(&mut self.joined)))
            }
            Whole::Joined { text } => (text, Bytes::copy_from_slice(&self.joined)),
        };
        Ok(if text {
            let not_utf8 = |error: Utf8Error| NotUtf8 { at: error.valid_up_to() };
            Message::Text(shared_text(bytes).map_err(not_utf8)?.into())
        } else {
            Message::Binary(bytes.into())
        })
    }

    #[inline(never)]
    fn lend_joined(&mut self, text: bool) -> Result<Message<'_>, NotUtf8> {
        if self.joined.len() > LARGEST_KEPT_BUFFER {
            self.large = trimmed(std::mem::take(&mut self.joined));
            let (bytes, memory) = (&self.large[..], &self.large);
            return Ok(if text {
                Message::Text(Text::within(utf8::check(bytes)?, memory))
            } else {
                Message::Binary(Payload::within(bytes, memory))
            });
        }
        Ok(if text {
            Message::Text(Text::joined(utf8::check(&self.joined)?))
        } else {
            Message::Binary(Payload::joined(&self.joined))
        })
    }

    /// Does the same, and reads fragments that lie whole in their chunk and are what most are: not
    /// compressed, and within the limits, up to the end of a message.
    fn read_whole_frames(&mut self) -> Option<Whole> {
        let Self { chunks, walk, sequence, begun, joined, large, .. } = self;
        let (limit, fragment_limit) = (self.message_limit, self.fragment_limit);
        // The chunk is looked up once, and not for each fragment.
        let chunk: &[u8] = chunks.first();
        loop {
            let frame = walk.whole(chunk)?;
            let data = sequence.data(frame.first)?;
            let length = frame.payload.len();
            if data.is_first() {
                if data.is_compressed() || length > limit {
                    return None;
                }
                if data.is_last() {
                    walk.pass(&frame);
                    return Some(Whole::InChunk { text: data.is_text(), payload: frame.payload });
                }
                begin(data, begun, joined, large);
            } else {
                let begun = begun.as_mut()?;
                if begun.compressed
                    || begun.over_limit
                    || begun.fragments >= fragment_limit
                    || length > limit - begun.received
                {
                    return None;
                }
                begun.fragments += 1;
            }
            let begun_now = begun.as_mut()?;
            begun_now.received += length;
            let piece = chunk.get(frame.payload.clone()).unwrap_or_default();
            let promise = Promise {
                frame_end: begun_now.received,
                last: data.is_last(),
                first: data.is_first(),
                limit,
            };
            append(joined, piece, promise);
            let text = begun_now.text;
            sequence.pass(data);
            walk.pass(&frame);
            if data.is_last() {
                *begun = None;
                return Some(Whole::Joined { text });
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
        self.large = Bytes::new();
        if self.joined.capacity() > LARGEST_KEPT_BUFFER {
            self.rest();
        }
        Some(Read::Starved)
    }

    /// Checks what a frame's head says against what was agreed and what came before. Returns the
    /// error of a limit which the frame makes its message pass.
    fn begin_frame(&mut self, header: &FrameHeader) -> Result<Option<LimitError>, Error> {
        let data = self.sequence.take(header)?;
        // The head has ended in this chunk.
        self.at = usize::try_from(self.walk.end() - header.length).unwrap_or(usize::MAX);
        // A frame that doesn't fit into memory is over any limit.
        let remaining = usize::try_from(header.length).unwrap_or(usize::MAX);
        let Some(data) = data else {
            self.control.clear();
            self.frame = Some(Frame::Control { opcode: header.opcode, remaining });
            return Ok(None);
        };
        self.frame = Some(Frame::Data { last: data.is_last(), remaining });
        if data.is_first() {
            begin(data, &mut self.begun, &mut self.joined, &mut self.large);
        } else if let Some(begun) = &mut self.begun {
            begun.fragments += 1;
        }
        let Some(begun) = self.begun.filter(|begun| !begun.over_limit) else { return Ok(None) };
        if begun.fragments > self.fragment_limit {
            let error = LimitError::new(FRAGMENTS, self.fragment_limit, begun.fragments)
                .counted_in("fragments");
            return Ok(Some(self.pass_over(error)?));
        }
        // A compressed message is counted as it comes out.
        let seen = begun.received.saturating_add(remaining);
        if !begun.compressed && seen > self.message_limit {
            let error = LimitError::new(MESSAGE, self.message_limit, seen);
            return Ok(Some(self.pass_over(error)?));
        }
        Ok(None)
    }

    /// Passes over the message that has begun, which is over this limit, and keeps nothing of the
    /// message.
    fn pass_over(&mut self, error: LimitError) -> Result<LimitError, NotUtf8> {
        self.check_so_far()?;
        if let Some(begun) = &mut self.begun {
            begun.over_limit = true;
            match &self.inflater {
                Some(inflater) if begun.compressed => inflater.keep_window(&mut self.joined),
                _ => self.joined = Vec::new(),
            }
        }
        Ok(error)
    }

    /// Checks that what was put together so far can be the start of a text, where the message is
    /// one.
    fn check_so_far(&mut self) -> Result<(), NotUtf8> {
        if let Some(begun) = self.begun.as_mut().filter(|begun| begun.text && !begun.over_limit) {
            // The decompressor may have gone further beyond the limit than it was told to.
            let within = self.joined.get(..=self.message_limit).unwrap_or(&self.joined);
            begun.checked = utf8::check_start(within, begun.checked)?;
        }
        Ok(())
    }

    fn read_data(&mut self, last: bool, remaining: usize) -> Result<Option<Read>, Error> {
        let Some(mut begun) = self.begun else { return Err(Error::UnexpectedContinuation) };
        let limit = self.message_limit;
        let inflater = self.inflater.as_mut().filter(|_| begun.compressed);
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
                inflater.pass(piece, &mut self.joined, limit)?;
                if ends {
                    inflater.finish_pass(&mut self.joined, limit)?;
                }
            }
            Some(inflater) => {
                let mut inflated = inflater.push(&mut piece, &mut self.joined, limit);
                finished = ends && inflated.is_ok();
                if finished {
                    inflated = inflater.finish(&mut self.joined, limit);
                }
                match inflated {
                    Ok(()) => {}
                    Err(InflateError::TooLarge(error)) => over = Some(error),
                    Err(error @ (InflateError::Invalid | InflateError::InVain(_))) => {
                        return Err(error.into());
                    }
                }
                // What the decompressor has left still stands there.
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
                append(&mut self.joined, piece, promise);
            }
        }
        begun.received = begun.received.saturating_add(taken);
        self.at += taken;
        let remaining = remaining - taken;
        self.begun = Some(begun);
        self.frame = Some(Frame::Data { last, remaining });
        if let Some(error) = over {
            let error = self.pass_over(error)?;
            if finished {
                self.end_message();
            }
            return Ok(Some(Read::TooLarge(error)));
        }
        if begun.compressed && !begun.over_limit && taken == stretch {
            let most = self.joined.len().saturating_mul(VAIN_RATIO).saturating_add(VAIN_BYTES);
            if begun.received > most {
                return Err(Error::TooLarge(LimitError::new(VAIN, most, begun.received)));
            }
        }
        if finished {
            self.end_message();
            let whole = Whole::Joined { text: begun.text };
            return Ok((!begun.over_limit).then_some(Read::Message(whole)));
        }
        if remaining == 0 && !last {
            self.frame = None;
        } else if self.at >= self.chunks.first().len() {
            return Ok(self.next_chunk());
        }
        Ok(None)
    }

    fn end_message(&mut self) {
        self.frame = None;
        self.begun = None;
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
            // The others are data frames, and don't come here.
            Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                Read::Close(Close::parse(&payload)?)
            }
        }))
    }
}

/// Begins a message, in the buffer of the message before it.
#[inline]
fn begin(data: DataFrame, begun: &mut Option<Begun>, joined: &mut Vec<u8>, large: &mut Bytes) {
    joined.clear();
    if !large.is_empty() {
        *large = Bytes::new();
    }
    *begun = Some(Begun {
        text: data.is_text(),
        compressed: data.is_compressed(),
        over_limit: false,
        fragments: 1,
        received: 0,
        checked: 0,
    });
}

/// Gives back room that was taken for a message on a promise, and was not used.
fn trimmed(mut bytes: Vec<u8>) -> Bytes {
    if bytes.len() < bytes.capacity() / 2 {
        bytes.shrink_to_fit();
    }
    bytes.into()
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
            InflateError::TooLarge(error) | InflateError::InVain(error) => Self::TooLarge(error),
        }
    }
}

/// The number of compressed bytes for which a message has to bring at least one byte, beside the
/// first 64 KiB; else blocks that hold nothing could come for ever. A message that is flushed after
/// each byte takes seven bytes for one. The ratio is looked at after each 64 KiB, so that the cut
/// of the bytes makes no difference.
const VAIN_RATIO: usize = 16;
const VAIN_BYTES: usize = 64 << 10;
const VAIN: &str = "compressed bytes that bring nothing";

/// The largest buffer that is used again for the next message. A larger one is given out with its
/// message, or given back.
const LARGEST_KEPT_BUFFER: usize = 128 << 10;

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
            assert_eq!(incoming.joined.capacity(), room);
        }
    }
}
