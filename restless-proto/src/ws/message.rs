//! Messages, put together from the frames of a server (RFC 6455 §5.4, §5.5, §6.2).

use std::collections::VecDeque;
use std::fmt;

use bytes::{Buf, Bytes};

use super::close::Close;
use super::deflate::{DeflateParameters, InflateError, Inflater};
use super::error::{FRAGMENTS, MESSAGE};
use super::frame::{FrameHeader, Opcode, Sequence};
use super::utf8::{self, NotUtf8, Utf8Check};
use super::{Error, Options};
use crate::LimitError;

/// A message, whole and decompressed (RFC 6455 §5.6).
///
/// One that lies in one piece of input is a slice of it, so it keeps the whole piece in memory: up to
/// 1 MiB, from a [`ReadBuffer`](crate::ReadBuffer). Copy what is to be kept for long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has these two kinds of data and no other")]
pub enum Message {
    /// Text, which is UTF-8.
    Text(Text),
    /// Anything else.
    Binary(Bytes),
}

impl Message {
    /// The payload.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The payload, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// The payload of a text message: UTF-8 in shared memory, as [`Message`] says.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Text(Bytes);

impl Text {
    /// The text. This checks the bytes anew, which takes about as long as copying them would: the
    /// crate has no unsafe code to skip it with. Take [`as_bytes`](Self::as_bytes) where bytes do.
    pub fn as_str(&self) -> &str {
        simdutf8::basic::from_utf8(&self.0).unwrap_or_default()
    }

    /// The bytes, which are UTF-8.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl TryFrom<Bytes> for Text {
    type Error = std::str::Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        std::str::from_utf8(&bytes)?;
        Ok(Self(bytes))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a server's frames add up to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    Close(Close),
}

/// Puts a server's messages together from its bytes, cut as they may be.
///
/// ```text
///            head of a data frame                    its last byte, fin
///   Head ──────────────────────────▶ Data ─────────────────────────────▶ a message, Head
///    │  ▲                              │      its last byte, not fin
///    │  └──────────────────────────────┴─────────────────────────────▶ Head, a message begun
///    │       head of a control frame              its last byte
///    └─────────────────────────────▶ Control ──────────────────────────▶ ping, pong, close; Head
/// ```
///
/// Every byte is looked at once: a head that is cut waits in `head`, a payload that is cut goes to
/// its message as it comes.
#[derive(Debug)]
pub(crate) struct Assembler {
    message_limit: usize,
    fragment_limit: usize,
    inflater: Option<Inflater>,
    sequence: Sequence,
    chunk: Bytes,
    /// Chunks that were given before the one before them was read.
    later: VecDeque<Bytes>,
    later_bytes: usize,
    head: [u8; FrameHeader::MAX_BYTES],
    head_bytes: usize,
    state: State,
    /// The message whose first frame has begun and whose last has not ended.
    begun: Option<Begun>,
    control: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Head,
    Data { fin: bool, remaining: usize },
    Control { opcode: Opcode, remaining: usize },
}

#[derive(Debug)]
struct Begun {
    text: Option<Utf8Check>,
    compressed: bool,
    fragments: usize,
    /// Payload bytes as they came, before decompression.
    received: usize,
    payload: Vec<u8>,
}

impl Assembler {
    pub(crate) fn new(options: &Options, deflate: Option<&DeflateParameters>) -> Self {
        Self {
            message_limit: options.message(),
            fragment_limit: options.max_fragments(),
            inflater: deflate.map(Inflater::new),
            sequence: Sequence::new(deflate.is_some()),
            chunk: Bytes::new(),
            later: VecDeque::new(),
            later_bytes: 0,
            head: [0; FrameHeader::MAX_BYTES],
            head_bytes: 0,
            state: State::Head,
            begun: None,
            control: Vec::new(),
        }
    }

    /// Takes the next piece of input.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            self.later_bytes += chunk.len();
            self.later.push_back(chunk);
        }
    }

    /// Bytes of input that have not been read, and what it takes to keep many pieces of them.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.later_bytes + self.chunk.len() + self.later.len() * 2 * size_of::<Bytes>()
    }

    /// Forgets input that has not been read, and takes no notice of what was begun.
    pub(crate) fn discard(&mut self) {
        self.chunk = Bytes::new();
        self.later.clear();
        self.later_bytes = 0;
    }

    /// Whether the input so far ends within a frame or a message.
    pub(crate) fn is_within_message(&self) -> bool {
        self.sequence.is_within_message()
            || self.head_bytes > 0
            || !matches!(self.state, State::Head)
    }

    /// The next thing that is whole, or `None` when the input is used up.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            let step = match self.state {
                State::Head => match self.read_head()? {
                    Some(header) => self.begin(header)?,
                    None => Step::Starved,
                },
                State::Data { fin, remaining } => self.read_data(fin, remaining)?,
                State::Control { opcode, remaining } => self.read_control(opcode, remaining)?,
            };
            match step {
                Step::Item(item) => return Ok(Some(item)),
                Step::Next => {}
                Step::Starved => match self.later.pop_front() {
                    Some(chunk) => {
                        self.later_bytes -= chunk.len();
                        self.chunk = chunk;
                    }
                    None => {
                        // An empty rest would keep the memory of its whole chunk.
                        self.chunk = Bytes::new();
                        return Ok(None);
                    }
                },
            }
        }
    }

    fn read_head(&mut self) -> Result<Option<FrameHeader>, Error> {
        if self.head_bytes == 0 {
            if let Some((header, used)) = FrameHeader::decode(&self.chunk)? {
                self.chunk.advance(used);
                return Ok(Some(header));
            }
        }
        let before = self.head_bytes;
        let free = self.head.get_mut(before..).unwrap_or_default();
        let taken = free.len().min(self.chunk.len());
        for (to, from) in free.iter_mut().zip(&self.chunk) {
            *to = *from;
        }
        let head = self.head.get(..before + taken).unwrap_or_default();
        match FrameHeader::decode(head)? {
            Some((header, used)) => {
                self.chunk.advance(used.saturating_sub(before).min(self.chunk.len()));
                self.head_bytes = 0;
                Ok(Some(header))
            }
            None => {
                self.chunk.advance(taken);
                self.head_bytes = before + taken;
                Ok(None)
            }
        }
    }

    /// Checks what a frame's head says against what was agreed and what came before.
    fn begin(&mut self, header: FrameHeader) -> Result<Step, Error> {
        let compressed = self.sequence.take(&header)?;
        let FrameHeader { fin, opcode, length, .. } = header;
        // What doesn't fit into memory is over any limit.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                if let Some(payload) = self.chunk.get(..length) {
                    // A slice would keep the memory of its whole chunk, for 125 bytes at the most.
                    let payload = Bytes::copy_from_slice(payload);
                    self.chunk.advance(length);
                    return Self::control(opcode, payload).map(Step::Item);
                }
                self.state = State::Control { opcode, remaining: length };
                return Ok(Step::Next);
            }
            Opcode::Continuation => {
                if let Some(begun) = &mut self.begun {
                    begun.fragments += 1;
                }
            }
            Opcode::Text | Opcode::Binary => {
                if fin && !compressed && length <= self.chunk.len() {
                    self.check_size(length)?;
                    let payload = self.chunk.split_to(length);
                    return whole(opcode, payload)
                        .map(|message| Step::Item(Item::Message(message)));
                }
                self.begun = Some(Begun {
                    text: (opcode == Opcode::Text).then(Utf8Check::default),
                    compressed,
                    fragments: 1,
                    received: 0,
                    payload: Vec::new(),
                });
            }
        }
        if let Some(begun) = &self.begun {
            if begun.fragments > self.fragment_limit {
                let error = LimitError::new(FRAGMENTS, self.fragment_limit, begun.fragments);
                return Err(Error::TooManyFragments(error));
            }
            // What is compressed is counted as it comes out.
            if !begun.compressed {
                self.check_size(begun.received.saturating_add(length))?;
            }
        }
        self.state = State::Data { fin, remaining: length };
        Ok(Step::Next)
    }

    fn check_size(&self, seen: usize) -> Result<(), Error> {
        if seen > self.message_limit {
            return Err(Error::TooLarge(LimitError::new(MESSAGE, self.message_limit, seen)));
        }
        Ok(())
    }

    fn read_data(&mut self, fin: bool, remaining: usize) -> Result<Step, Error> {
        let Some(begun) = &mut self.begun else { return Err(Error::UnexpectedContinuation) };
        let stretch =
            if begun.compressed { VAIN_BYTES - begun.received % VAIN_BYTES } else { usize::MAX };
        let taken = remaining.min(stretch).min(self.chunk.len());
        let piece = self.chunk.split_to(taken);
        let remaining = remaining - taken;
        begun.received = begun.received.saturating_add(taken);
        let known = begun.payload.len();
        let inflated = match &mut self.inflater {
            Some(inflater) if begun.compressed => {
                let limit = self.message_limit;
                let pushed = inflater.push(&piece, &mut begun.payload, limit);
                if fin && remaining == 0 {
                    pushed.and_then(|()| inflater.finish(&mut begun.payload, limit))
                } else {
                    pushed
                }
            }
            _ => {
                let frame_end = (known + taken).saturating_add(remaining);
                let most = if fin { frame_end } else { self.message_limit };
                // A first fragment says that there are more: most likely of its size.
                let fragments = if fin || known > 0 { 1 } else { 4 };
                let promised = frame_end.saturating_mul(fragments).min(PROMISED_BYTES).min(most);
                reserve(&mut begun.payload, taken, promised, most);
                begun.payload.extend_from_slice(&piece);
                Ok(())
            }
        };
        // The text first: of two errors, the one that comes first in the message counts, so that
        // the cut of the bytes makes no difference.
        if let Some(check) = &mut begun.text {
            check.feed(begun.payload.get(known..).unwrap_or_default())?;
        }
        inflated?;
        if begun.compressed && taken == stretch {
            let most = begun.payload.len().saturating_mul(VAIN_RATIO).saturating_add(VAIN_BYTES);
            if begun.received > most {
                let error = LimitError::new(VAIN, most, begun.received);
                return Err(Error::TooLarge(error));
            }
        }
        if remaining > 0 {
            self.state = State::Data { fin, remaining };
            return Ok(if self.chunk.is_empty() { Step::Starved } else { Step::Next });
        }
        self.state = State::Head;
        if !fin {
            return Ok(Step::Next);
        }
        let Some(Begun { text, mut payload, .. }) = self.begun.take() else {
            return Ok(Step::Next);
        };
        // What was reserved for bytes that did not come is not worth keeping.
        if payload.len() < payload.capacity() / 2 {
            payload.shrink_to_fit();
        }
        let payload = Bytes::from(payload);
        Ok(Step::Item(Item::Message(match text {
            Some(check) => {
                check.finish()?;
                Message::Text(Text(payload))
            }
            None => Message::Binary(payload),
        })))
    }

    fn read_control(&mut self, opcode: Opcode, remaining: usize) -> Result<Step, Error> {
        let piece = self.chunk.split_to(remaining.min(self.chunk.len()));
        let remaining = remaining - piece.len();
        self.control.extend_from_slice(&piece);
        if remaining > 0 {
            self.state = State::Control { opcode, remaining };
            return Ok(Step::Starved);
        }
        self.state = State::Head;
        let payload = Bytes::copy_from_slice(&self.control);
        self.control.clear();
        Self::control(opcode, payload).map(Step::Item)
    }

    fn control(opcode: Opcode, payload: Bytes) -> Result<Item, Error> {
        Ok(match opcode {
            Opcode::Ping => Item::Ping(payload),
            Opcode::Pong => Item::Pong(payload),
            // The others are no control frames, and don't come here.
            Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                Item::Close(Close::parse(&payload)?)
            }
        })
    }
}

enum Step {
    Item(Item),
    /// There is more to do with the input at hand.
    Next,
    /// The chunk is used up.
    Starved,
}

/// A message that is one frame in one chunk.
fn whole(opcode: Opcode, payload: Bytes) -> Result<Message, Error> {
    if opcode != Opcode::Text {
        return Ok(Message::Binary(payload));
    }
    utf8::check(&payload)?;
    Ok(Message::Text(Text(payload)))
}

/// Makes room for `more` bytes: for what heads have `promised`; and for twice what there is, so that
/// appending stays linear, but not for more than `most`. What is promised beyond that is only
/// believed as it comes.
fn reserve(payload: &mut Vec<u8>, more: usize, promised: usize, most: usize) {
    let needed = payload.len() + more;
    if payload.capacity() < needed {
        let doubled = payload.capacity().saturating_mul(2).min(most);
        payload.reserve_exact(promised.max(doubled).max(needed) - payload.len());
    }
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
            let mut assembler = Assembler::new(&Options::default(), None);
            assembler.push(fragment.freeze());
            assert_eq!(assembler.next(), Ok(None));
            assert_eq!(assembler.begun.expect("it goes on").payload.capacity(), room);
        }
    }
}
