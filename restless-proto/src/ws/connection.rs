//! An open connection as a machine: bytes and time in, bytes and messages out.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::close::{Close, CloseCode, Closed, MAX_REASON_BYTES, Side};
use super::deflate::Deflater;
use super::error::UNREAD;
use super::frame::{FrameHeader, MAX_CONTROL_BYTES, Opcode, RSV1};
use super::handshake::Accepted;
use super::keepalive::{Due, KeepAlive};
use super::lookahead::Lookahead;
use super::message::{Assembler, Item, Message};
use super::{Error, Options, mask};
use crate::{ConfigError, Entropy, Instant, LimitError, Misuse};

/// What to do next. Exhaustive on purpose: a duty that is new must not be overlooked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "each output is a duty"]
#[expect(clippy::exhaustive_enums, reason = "a driver must know all its duties")]
pub enum Output {
    /// Send these bytes to the peer before polling again.
    Send(Bytes),
    /// A message came.
    Message(Message),
    /// A ping came, with this payload. Its pong is sent already, unless the transport has ended.
    Ping(Bytes),
    /// A pong came that answers no ping of the keep-alive: the answer to a
    /// [`ping`](Connection::ping) of the caller's, or one that nobody asked for.
    Pong(Bytes),
    /// Nothing to do until bytes come, the transport ends, or this time is reached.
    Wait(Option<Instant>),
    /// The connection is over: close the transport. Every poll from here on gives this again.
    Closed(Closed),
}

/// A client's side of an open WebSocket (RFC 6455), without I/O.
///
/// Input goes in with [`handle_data`](Self::handle_data), [`elapsed`](Self::elapsed) and
/// [`ended`](Self::ended), in any order and any number of times; what follows from it comes out of
/// [`poll`](Self::poll). A driver polls until [`Output::Wait`], and only then reads from its
/// transport again: so the bytes of one read are all that the machine holds besides the message
/// that is being put together, and a slow reader slows its peer down.
///
/// What the protocol owes the peer comes out first: the pong for a ping comes out before any message
/// of the same piece of input, those that stand before the ping too, so that a slow reader is no
/// silent one. Pongs come one at a time: there is never more than one unsent. A Close frame is
/// answered in its turn, since what stands before it may break a rule.
///
/// ```text
///            close()                      Close frame
///   Open ───────────────▶ CloseSent ─────────────────────▶ CloseBoth
///    │ │ Close frame (it is answered)                        ▲   │
///    │ └─────────────────────────────────────────────────────┘   │ the transport ends, or 1 s
///    │ the peer breaks a rule, or a limit                        ▼
///    └──────────────────────────▶ Failed ─────────────────────▶ Ended
///                                       the transport ends, or 1 s
/// ```
///
/// From `Open` and `CloseSent` the end of the transport and a deadline lead to `Ended` too; from
/// `CloseSent` so does a broken rule, by `Failed`.
///
/// Memory: a connection at rest is about 1 KiB, and what [`Deflate`](super::Deflate) says for
/// compression.
#[derive(Debug)]
pub struct Connection {
    options: Options,
    entropy: Entropy,
    now: Instant,
    lookahead: Lookahead,
    assembler: Assembler,
    deflater: Option<Deflater>,
    state: State,
    transport_ended: bool,
    keep_alive: KeepAlive,
    /// The payload of the last ping of the keep-alive.
    own_ping: Option<Bytes>,
    /// What comes out once everything owed to the peer has been sent.
    event: Option<Output>,
    /// Frames that wait to be sent, masked.
    unsent: BytesMut,
}

#[derive(Debug)]
enum State {
    Open,
    /// Our Close frame is out; messages that the peer sent before its own still come.
    CloseSent {
        by: Instant,
    },
    /// Both Close frames are through; the server closes the transport first (§7.1.1).
    CloseBoth {
        close: Close,
        first: Side,
        by: Instant,
    },
    /// The peer was told why; what it still sends is not read (§7.1.7).
    Failed {
        error: Error,
        by: Instant,
    },
    Ended(Closed),
}

impl Connection {
    /// Starts where the opening handshake ended. Bytes that came behind the response's head are
    /// the first input.
    pub fn new(accepted: &Accepted, options: Options, entropy: Entropy, now: Instant) -> Self {
        Self {
            options,
            entropy,
            now,
            lookahead: Lookahead::new(accepted.deflate().is_some()),
            assembler: Assembler::new(&options, accepted.deflate()),
            deflater: accepted.compression().map(Deflater::new),
            state: State::Open,
            transport_ended: false,
            keep_alive: KeepAlive::new(options.pings(), now),
            own_ping: None,
            event: None,
            unsent: BytesMut::new(),
        }
    }

    /// Takes bytes from the peer.
    pub fn handle_data(&mut self, bytes: Bytes, now: Instant) {
        self.advance(now);
        if bytes.is_empty() {
            return;
        }
        self.keep_alive.heard();
        match self.state {
            State::Open | State::CloseSent { .. } => {
                let (unread, most) =
                    (self.assembler.unread_bytes(), self.options.most_unread_bytes());
                if unread > most {
                    return self.fail(Error::TooLarge(LimitError::new(UNREAD, most, unread)));
                }
                self.lookahead.push(bytes.clone());
                self.assembler.push(bytes);
            }
            // §5.5.1, §7.1.7: nothing that comes after the end means anything.
            State::CloseBoth { .. } | State::Failed { .. } | State::Ended(_) => {}
        }
    }

    /// Takes note of the time; call it when the deadline of [`Output::Wait`] is reached.
    pub fn elapsed(&mut self, now: Instant) {
        self.advance(now);
    }

    /// Takes note that the transport has ended: no more bytes will come, and none can be sent.
    pub fn ended(&mut self, now: Instant) {
        self.advance(now);
        self.transport_ended = true;
    }

    /// Queues a text message, in one frame.
    ///
    /// # Errors
    ///
    /// When the connection is closing or closed, and when the queue is full. Nothing of the
    /// message is sent then.
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.send_message("send_text", Opcode::Text, text.as_bytes())
    }

    /// Queues a binary message, in one frame.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_message("send_binary", Opcode::Binary, payload)
    }

    /// Queues a ping (RFC 6455 §5.5.2); its answer is an [`Output::Pong`].
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text), and for more than 125 bytes of payload.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check_open("ping")?;
        if payload.len() > MAX_CONTROL_BYTES {
            let seen = format!("{} bytes", payload.len());
            let accepted = "a control frame carries 125 bytes at most";
            return Err(ConfigError::new("payload", seen, accepted).into());
        }
        self.check_room(payload.len())?;
        self.write(Opcode::Ping, false, payload);
        Ok(())
    }

    /// Begins the closing handshake (RFC 6455 §7.1.2): what is queued is sent, then a Close frame.
    /// Messages that the peer sent before it saw that still come. The end is an
    /// [`Output::Closed`], at the latest after [`close_within`](Options::close_within).
    ///
    /// # Errors
    ///
    /// When the connection is closing or closed already, for a code that
    /// [may not be sent](CloseCode::may_be_sent), and for a reason of more than 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str, now: Instant) -> Result<(), SendError> {
        self.advance(now);
        self.check_open("close")?;
        if !code.may_be_sent() {
            let accepted = "codes are 1000 to 1003, 1007 to 1014 and 3000 to 4999";
            return Err(ConfigError::new("code", code.get().to_string(), accepted).into());
        }
        if reason.len() > MAX_REASON_BYTES {
            let accepted = "a reason has 123 bytes at most";
            return Err(ConfigError::new("reason", reason, accepted).into());
        }
        self.write_close(&Close::new(code, reason));
        self.state = State::CloseSent { by: self.now + self.options.close_span() };
        Ok(())
    }

    /// What to do next. Call it again until it says [`Output::Wait`] or [`Output::Closed`].
    pub fn poll(&mut self) -> Output {
        loop {
            if let State::Ended(closed) = &self.state {
                return Output::Closed(closed.clone());
            }
            if let Some(bytes) = self.take_unsent() {
                return Output::Send(bytes);
            }
            if let Some(event) = self.event.take() {
                return event;
            }
            match self.state {
                State::Open | State::CloseSent { .. } => match self.assembler.next() {
                    Ok(Some(item)) => {
                        self.take(item);
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        self.fail(error);
                        continue;
                    }
                },
                State::CloseBoth { .. } | State::Failed { .. } | State::Ended(_) => {}
            }
            // Only now that all input is read can it be told what the time and the end mean.
            if self.transport_ended {
                self.end(Over::Transport);
                continue;
            }
            let deadline = match &self.state {
                State::Open => match self.keep_alive.check(self.now) {
                    Due::Nothing => self.keep_alive.deadline(),
                    Due::Ping => {
                        let payload = self.entropy.next_u64().to_be_bytes();
                        self.write(Opcode::Ping, false, &payload);
                        self.own_ping = Some(Bytes::copy_from_slice(&payload));
                        continue;
                    }
                    Due::Loss(within) => {
                        self.state = State::Ended(Closed::Unresponsive { within });
                        continue;
                    }
                },
                State::CloseSent { by }
                | State::CloseBoth { by, .. }
                | State::Failed { by, .. } => {
                    if self.now >= *by {
                        self.end(Over::Time);
                        continue;
                    }
                    Some(*by)
                }
                State::Ended(_) => None,
            };
            return Output::Wait(deadline);
        }
    }

    /// Bytes of frames that wait to be sent. While there are any, the next output is
    /// [`Output::Send`].
    pub fn unsent_bytes(&self) -> usize {
        match self.state {
            State::Ended(_) => 0,
            _ if self.transport_ended => 0,
            State::Open
            | State::CloseSent { .. }
            | State::CloseBoth { .. }
            | State::Failed { .. } => self.unsent.len(),
        }
    }

    /// Whether messages can be sent: no Close frame went either way, and nothing failed or ended.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open) && !self.transport_ended
    }

    /// Why the connection will end, or has ended, where that is known already: the peer has sent
    /// its Close frame, or the connection failed. [`Output::Closed`] follows when the transport
    /// ends, one second later at most; whoever can't wait may close the transport once everything
    /// is sent.
    pub fn closing(&self) -> Option<Closed> {
        match &self.state {
            State::Open | State::CloseSent { .. } => None,
            State::CloseBoth { close, first, .. } => {
                Some(Closed::Clean { close: close.clone(), first: *first })
            }
            State::Failed { error, .. } => Some(Closed::Failed(error.clone())),
            State::Ended(closed) => Some(closed.clone()),
        }
    }

    /// Time never runs backwards, whatever the driver's clock does.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Message(message) => self.event = Some(Output::Message(message)),
            Item::Ping(payload) => self.event = Some(Output::Ping(payload)),
            Item::Pong(payload) => {
                if self.own_ping.as_ref() == Some(&payload) {
                    self.own_ping = None;
                } else {
                    self.event = Some(Output::Pong(payload));
                }
            }
            Item::Close(close) => self.take_close(close),
        }
    }

    fn take_close(&mut self, close: Close) {
        let first = if matches!(self.state, State::Open) {
            // §5.5.1: the answer repeats the code; a reason would be the peer's own words.
            let answer = close.sent_code().map_or_else(Close::default, |code| Close::new(code, ""));
            self.write_close(&answer);
            Side::Peer
        } else {
            Side::Local
        };
        self.lookahead.stop();
        self.assembler.discard();
        self.state = State::CloseBoth { close, first, by: self.now + LINGER };
    }

    fn fail(&mut self, error: Error) {
        self.lookahead.stop();
        if matches!(self.state, State::Open) {
            self.write_close(&Close::new(error.close_code(), ""));
        }
        self.assembler.discard();
        self.state = State::Failed { error, by: self.now + LINGER };
    }

    /// The end of the transport, or of the time there was for it.
    fn end(&mut self, over: Over) {
        let within_message = self.assembler.is_within_message();
        let closed = match (std::mem::replace(&mut self.state, State::Open), over) {
            (State::Open | State::CloseSent { .. }, Over::Transport) => {
                Closed::Cut { within_message }
            }
            (State::Open | State::CloseSent { .. }, Over::Time) => {
                Closed::CloseUnanswered { within: self.options.close_span() }
            }
            (State::CloseBoth { close, first, .. }, _) => Closed::Clean { close, first },
            (State::Failed { error, .. }, _) => Closed::Failed(error),
            (State::Ended(closed), _) => closed,
        };
        self.assembler.discard();
        self.state = State::Ended(closed);
    }

    fn take_unsent(&mut self) -> Option<Bytes> {
        if self.transport_ended {
            self.lookahead.stop();
            self.unsent.clear();
            return None;
        }
        // Taken whole: a buffer that is kept for the next frame would keep the memory of the
        // largest one.
        let waiting = std::mem::take(&mut self.unsent);
        if let Some(payload) = self.lookahead.next_ping() {
            self.write(Opcode::Pong, false, &payload);
            self.unsent.extend_from_slice(&waiting);
            return Some(std::mem::take(&mut self.unsent).freeze());
        }
        if waiting.is_empty() { None } else { Some(waiting.freeze()) }
    }

    fn send_message(
        &mut self,
        call: &'static str,
        opcode: Opcode,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.check_open(call)?;
        // Before it is compressed: a message that was compressed must be sent.
        self.check_room(payload.len())?;
        match self.deflater.as_mut().and_then(|deflater| deflater.compress(payload)) {
            Some(compressed) => self.write(opcode, true, &compressed),
            None => self.write(opcode, false, payload),
        }
        Ok(())
    }

    fn check_open(&self, call: &'static str) -> Result<(), SendError> {
        let state = match self.state {
            State::Open if self.transport_ended => "the connection has ended",
            State::Open => return Ok(()),
            State::CloseSent { .. } | State::CloseBoth { .. } => "the connection is closing",
            State::Failed { .. } => "the connection has failed",
            State::Ended(_) => "the connection is closed",
        };
        Err(Misuse::new(call, state).into())
    }

    fn check_room(&self, payload: usize) -> Result<(), SendError> {
        let maximum = self.options.most_unsent_bytes();
        let needed =
            self.unsent.len().saturating_add(payload).saturating_add(FrameHeader::MAX_BYTES);
        if needed > maximum {
            return Err(LimitError::new("the queue of unsent frames", maximum, needed).into());
        }
        Ok(())
    }

    fn write_close(&mut self, close: &Close) {
        let mut payload = Vec::new();
        if let Some(code) = close.sent_code() {
            payload.extend_from_slice(&code.get().to_be_bytes());
            payload.extend_from_slice(close.reason().as_bytes());
        }
        self.write(Opcode::Close, false, &payload);
    }

    /// Appends a frame under a key of its own (§5.3).
    fn write(&mut self, opcode: Opcode, compressed: bool, payload: &[u8]) {
        let key = self.entropy.next_key();
        let header = FrameHeader {
            fin: true,
            reserved: if compressed { RSV1 } else { 0 },
            opcode,
            key: Some(key),
            length: payload.len() as u64,
        };
        self.unsent.reserve(FrameHeader::MAX_BYTES + payload.len());
        header.encode(&mut self.unsent);
        let start = self.unsent.len();
        self.unsent.extend_from_slice(payload);
        mask::apply(key, self.unsent.get_mut(start..).unwrap_or_default());
    }
}

/// Why a message or a control frame was not queued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing or closed (RFC 6455 §5.5.1).
    #[error(transparent)]
    Closed(#[from] Misuse),
    /// The queue of unsent frames is full: poll, and send what comes out.
    #[error(transparent)]
    Full(#[from] LimitError),
    /// A control frame can't carry this.
    #[error(transparent)]
    Payload(#[from] ConfigError),
}

#[derive(Clone, Copy, Debug)]
enum Over {
    Transport,
    Time,
}

/// How long the server has to close the transport once both Close frames are through (§7.1.1), or
/// once it was told that the connection failed. Closing at once could destroy our Close frame on
/// its way: unread bytes in the socket turn the close into a reset.
const LINGER: Duration = Duration::from_secs(1);
