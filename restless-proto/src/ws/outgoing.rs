//! What this side says: frames that wait to be sent, the keep-alive's pings, and the closing
//! handshake (RFC 6455 §5.5, §7).

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::close::{Close, Closed, MAX_REASON_BYTES, Side};
use super::close_code::CloseCode;
use super::deflate::{Deflate, Deflater};
use super::error::Error;
use super::frame::{FrameHeader, MAX_CONTROL_BYTES, RSV1};
use super::keepalive::{KeepAlive, Todo};
use super::mask;
use super::opcode::Opcode;
use super::options::Options;
use crate::entropy::Entropy;
use crate::kinds::{ConfigError, LimitError, Misuse};
use crate::timing::Instant;

/// All of a connection but what the peer sends: whether the connection stands, what is owed to the
/// peer, and what the time means.
#[derive(Debug)]
pub(crate) struct Outgoing {
    options: Options,
    entropy: Entropy,
    now: Instant,
    deflater: Option<Deflater>,
    state: State,
    transport_ended: bool,
    keep_alive: KeepAlive,
    /// The payload of the last ping of the keep-alive.
    our_ping: Option<Bytes>,
    /// Frames that wait to be sent, masked.
    unsent: BytesMut,
}

/// The diagram is at [`Connection`](super::Connection).
#[derive(Debug)]
enum State {
    Open,
    /// Our Close frame is out; messages that the peer sent before its own Close frame still come.
    CloseSent {
        by: Instant,
    },
    /// Both Close frames are through; the server is the first to close the transport (§7.1.1).
    CloseBoth {
        close: Close,
        first: Side,
        by: Instant,
    },
    /// The peer was told why; what the peer still sends is left unread (§7.1.7).
    Failed {
        error: Error,
        by: Instant,
    },
    Ended(Closed),
}

/// What there is to do when all input is read.
#[derive(Debug)]
pub(crate) enum Next {
    Wait(Option<Instant>),
    Closed(Closed),
}

impl Outgoing {
    pub(crate) fn new(
        deflate: Option<&Deflate>,
        options: Options,
        entropy: Entropy,
        now: Instant,
    ) -> Self {
        Self {
            options,
            entropy,
            now,
            deflater: deflate.map(Deflater::new),
            state: State::Open,
            transport_ended: false,
            keep_alive: KeepAlive::new(&options, now),
            our_ping: None,
            unsent: BytesMut::new(),
        }
    }

    /// Time never runs backwards here, whatever the driver's clock does.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// The peer was heard.
    pub(crate) fn heard(&mut self) {
        self.keep_alive.heard();
    }

    /// The transport has ended, in both directions.
    pub(crate) fn transport_ended(&mut self) {
        self.transport_ended = true;
    }

    /// Whether what the peer sends means anything (§5.5.1, §7.1.7).
    #[inline]
    pub(crate) fn listens(&self) -> bool {
        matches!(self.state, State::Open | State::CloseSent { .. })
    }

    /// Whether messages can be sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open) && !self.transport_ended
    }

    /// Returns how the connection has ended, once the connection is over.
    fn closed(&self) -> Option<&Closed> {
        match &self.state {
            State::Ended(closed) => Some(closed),
            State::Open
            | State::CloseSent { .. }
            | State::CloseBoth { .. }
            | State::Failed { .. } => None,
        }
    }

    /// Returns why the connection will end, or has ended, where that is known already.
    pub(crate) fn closing(&self) -> Option<Closed> {
        match &self.state {
            State::Open | State::CloseSent { .. } => None,
            State::CloseBoth { close, first, .. } => {
                Some(Closed::Clean { close: close.clone(), first: *first })
            }
            State::Failed { error, .. } => Some(Closed::Failed(error.clone())),
            State::Ended(closed) => Some(closed.clone()),
        }
    }

    /// Returns the number of bytes of frames that wait to be sent.
    pub(crate) fn unsent_bytes(&self) -> usize {
        if self.can_send() { self.unsent.len() } else { 0 }
    }

    /// Whether nothing waits to be sent.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Whether anything can still be sent.
    pub(crate) fn can_send(&self) -> bool {
        !self.transport_ended && self.closed().is_none()
    }

    /// Returns what waits to be sent, with the pong for this ping before it.
    pub(crate) fn take_unsent(&mut self, ping: Option<&[u8]>) -> Option<Bytes> {
        // The buffer is taken whole: a buffer that is kept for the next frame would keep the memory
        // of the largest one.
        let waiting = std::mem::take(&mut self.unsent);
        if !self.can_send() {
            return None;
        }
        if let Some(payload) = ping {
            self.write(Opcode::Pong, Coded::Plain, payload);
            self.unsent.extend_from_slice(&waiting);
            return Some(std::mem::take(&mut self.unsent).freeze());
        }
        if waiting.is_empty() { None } else { Some(waiting.freeze()) }
    }

    /// Whether a pong with this payload answers the last ping of the keep-alive, which is then
    /// settled.
    pub(crate) fn settles_ping(&mut self, payload: &Bytes) -> bool {
        self.our_ping.take_if(|own| own == payload).is_some()
    }

    /// Takes the peer's Close frame, and answers it where it was the first.
    pub(crate) fn take_close(&mut self, close: Close) {
        let first = if matches!(self.state, State::Open) {
            // §5.5.1: the answer repeats the code; a reason would be the peer's own words.
            let answer = close.sent_code().map_or_else(Close::default, |code| Close::new(code, ""));
            self.write_close(&answer);
            Side::Peer
        } else {
            Side::Local
        };
        self.state = State::CloseBoth { close, first, by: self.now + LINGER };
    }

    /// Fails the connection (§7.1.7).
    pub(crate) fn fail(&mut self, error: Error) {
        if matches!(self.state, State::Open) {
            self.write_close(&Close::new(error.close_code(), ""));
        }
        self.state = State::Failed { error, by: self.now + LINGER };
    }

    /// Tells what the time and the end mean, once all input is read, which may end within a
    /// message. `None` where a ping of the keep-alive waits to be sent now.
    pub(crate) fn next(&mut self, within_message: bool) -> Option<Next> {
        if self.transport_ended {
            self.end(Over::Transport { within_message });
        }
        let deadline = match &self.state {
            State::Open => match self.keep_alive.check(self.now) {
                Todo::Nothing => self.keep_alive.deadline(),
                Todo::Ping => {
                    let payload = self.entropy.next_u64().to_be_bytes();
                    self.write(Opcode::Ping, Coded::Plain, &payload);
                    self.our_ping = Some(Bytes::copy_from_slice(&payload));
                    return None;
                }
                Todo::Loss(within) => {
                    self.state = State::Ended(Closed::Unresponsive { within });
                    None
                }
            },
            State::CloseSent { by } | State::CloseBoth { by, .. } | State::Failed { by, .. } => {
                let by = *by;
                if self.now >= by {
                    self.end(Over::Time);
                }
                Some(by)
            }
            State::Ended(_) => None,
        };
        Some(match self.closed() {
            Some(closed) => Next::Closed(closed.clone()),
            None => Next::Wait(deadline),
        })
    }

    pub(crate) fn send_message(
        &mut self,
        call: &'static str,
        opcode: Opcode,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.check_open(call)?;
        // The room is checked before compressing: a message that was compressed must be sent.
        self.check_room(payload.len())?;
        match self.deflater.as_mut().and_then(|deflater| deflater.compress(payload)) {
            Some(compressed) => self.write(opcode, Coded::Compressed, &compressed),
            None => self.write(opcode, Coded::Plain, payload),
        }
        Ok(())
    }

    pub(crate) fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check_open("ping")?;
        if payload.len() > MAX_CONTROL_BYTES {
            let seen = format!("{} bytes", payload.len());
            let accepted = "a control frame carries 125 bytes at most";
            return Err(ConfigError::new("payload", seen, accepted).into());
        }
        self.check_room(payload.len())?;
        self.write(Opcode::Ping, Coded::Plain, payload);
        Ok(())
    }

    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
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
        self.state = State::CloseSent { by: self.now + self.options.close_within };
        Ok(())
    }

    /// Ends with the transport, or with the time that the transport had to end.
    fn end(&mut self, over: Over) {
        let closed = match (std::mem::replace(&mut self.state, State::Open), over) {
            (State::Open | State::CloseSent { .. }, Over::Transport { within_message }) => {
                Closed::Cut { within_message }
            }
            (State::Open | State::CloseSent { .. }, Over::Time) => {
                Closed::CloseUnanswered { within: self.options.close_within }
            }
            (State::CloseBoth { close, first, .. }, _) => Closed::Clean { close, first },
            (State::Failed { error, .. }, _) => Closed::Failed(error),
            (State::Ended(closed), _) => closed,
        };
        self.state = State::Ended(closed);
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
        let maximum = self.options.unsent_bytes;
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
        self.write(Opcode::Close, Coded::Plain, &payload);
    }

    /// Appends a frame under a key of its own (§5.3).
    fn write(&mut self, opcode: Opcode, coded: Coded, payload: &[u8]) {
        let key = self.entropy.next_key();
        let header = FrameHeader {
            fin: true,
            reserved: match coded {
                Coded::Plain => 0,
                Coded::Compressed => RSV1,
            },
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
    /// A control frame can't carry this payload.
    #[error(transparent)]
    Payload(#[from] ConfigError),
}

/// How a frame's payload is written (RFC 7692 §6).
#[derive(Clone, Copy, Debug)]
enum Coded {
    Plain,
    Compressed,
}

#[derive(Clone, Copy, Debug)]
enum Over {
    Transport { within_message: bool },
    Time,
}

/// The time that the server has to close the transport once both Close frames are through (§7.1.1),
/// or once the server was told that the connection failed. To close at once could destroy our Close
/// frame on its way: unread bytes in the socket turn the close into a reset.
const LINGER: Duration = Duration::from_secs(1);
