//! An open connection as a machine: bytes and time in, bytes and messages out.

use bytes::Bytes;

use super::close::Closed;
use super::close_code::CloseCode;
use super::error::{Error, UNREAD};
use super::handshake::Accepted;
use super::incoming::{Incoming, Read, Whole};
use super::message::Message;
use super::opcode::Opcode;
use super::options::Options;
use super::outgoing::{Next, Outgoing, SendError};
use crate::entropy::Entropy;
use crate::kinds::LimitError;
use crate::timing::Instant;

/// What to do next. Exhaustive on purpose: the compiler stops a caller that lacks a new duty.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "each output is a duty"]
#[expect(clippy::exhaustive_enums, reason = "a driver must know all its duties")]
pub enum Output<'a> {
    /// Send these bytes to the peer before polling again.
    Send(Bytes),
    /// A message came. The message is lent until the next poll.
    Message(Message<'a>),
    /// A message over a limit came ([`message_bytes`](Options::message_bytes) or
    /// [`fragments`](Options::fragments)). The connection passes over the message, and reads the
    /// next one. The output comes once for such a message, as soon as the limit is passed. The
    /// payload is dropped unread, even where a text breaks UTF-8. A caller who refuses such
    /// messages closes with [`CloseCode::TOO_BIG`].
    TooLarge(LimitError),
    /// A ping came, with this payload. The pong is sent already, unless the transport has ended.
    Ping(Bytes),
    /// A pong came that answers another ping than the keep-alive's: a [`ping`](Connection::ping) of
    /// the caller's, or a ping that was never sent.
    Pong(Bytes),
    /// Wait until bytes come, the transport ends, or this time is reached.
    Wait(Option<Instant>),
    /// The connection is over: close the transport. Every poll from here on gives the same output.
    Closed(Closed),
}

/// A client's side of an open WebSocket (RFC 6455), without I/O.
///
/// Input goes in with [`handle_data`](Self::handle_data), [`elapsed`](Self::elapsed) and
/// [`ended`](Self::ended), in any order and any number of times; what follows from the input comes
/// out of [`poll`](Self::poll). A driver polls until [`Output::Wait`], and only then reads from its
/// transport again. The machine then holds the bytes of one read at most, besides the message that
/// is being put together, and a slow reader slows its peer down.
///
/// What the protocol owes the peer comes out first. The pong for a ping comes out before any
/// message of the same piece of input, even before messages that stand in front of the ping: a slow
/// reader still answers in time. Pongs come one at a time, so that at most one waits to be sent. A
/// Close frame is answered in its turn, since what stands before the Close frame may break a rule.
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
/// A message over a limit does not end the connection: [`Output::TooLarge`] tells of the message.
///
/// Memory: a connection at rest takes about 1 KiB, and what [`Deflate`](super::Deflate) says for
/// compression. The buffer in which messages are put together, up to 128 KiB, is kept for the next
/// message, until the keep-alive has had to ping.
#[derive(Debug)]
pub struct Connection {
    incoming: Incoming,
    outgoing: Outgoing,
    most_unread: usize,
    /// Whether everything owed to the peer is sent, all input was searched for pings, and the last
    /// message lay whole in its piece of input. A message that does so too can then be lent at
    /// once.
    flowing: bool,
}

impl Connection {
    /// Starts where the opening handshake ended. Bytes that came behind the response's head are
    /// the first input.
    pub fn new(accepted: &Accepted, options: Options, entropy: Entropy, now: Instant) -> Self {
        Self {
            incoming: Incoming::new(&options, accepted.deflate()),
            outgoing: Outgoing::new(accepted.compression(), options, entropy, now),
            most_unread: options.unread_bytes,
            flowing: false,
        }
    }

    /// Takes bytes from the peer.
    pub fn handle_data(&mut self, bytes: Bytes, now: Instant) {
        self.flowing = false;
        self.outgoing.advance(now);
        if bytes.is_empty() {
            return;
        }
        self.outgoing.heard();
        if !self.outgoing.listens() {
            return;
        }
        let unread = self.incoming.unread_bytes();
        if unread > self.most_unread {
            return self.fail(Error::TooLarge(LimitError::new(UNREAD, self.most_unread, unread)));
        }
        self.incoming.push(bytes);
    }

    /// Takes note of the time. A driver calls this when the deadline of [`Output::Wait`] is
    /// reached.
    pub fn elapsed(&mut self, now: Instant) {
        self.outgoing.advance(now);
    }

    /// Takes note that the transport has ended, in both directions.
    pub fn ended(&mut self, now: Instant) {
        self.flowing = false;
        self.outgoing.advance(now);
        self.outgoing.transport_ended();
    }

    /// Queues a text message, in one frame.
    ///
    /// # Errors
    ///
    /// When the connection is closing or closed, and when the queue is full. The message is then
    /// left out whole.
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.flowing = false;
        self.outgoing.send_message("send_text", Opcode::Text, text.as_bytes())
    }

    /// Queues a binary message, in one frame.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.flowing = false;
        self.outgoing.send_message("send_binary", Opcode::Binary, payload)
    }

    /// Queues a ping (RFC 6455 §5.5.2); its answer is an [`Output::Pong`].
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text), and for more than 125 bytes of payload.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.flowing = false;
        self.outgoing.ping(payload)
    }

    /// Begins the closing handshake (RFC 6455 §7.1.2): what is queued is sent, then a Close frame.
    /// Messages that the peer sent before the Close frame reached it still come. The end is an
    /// [`Output::Closed`], at the latest after [`close_within`](Options::close_within).
    ///
    /// # Errors
    ///
    /// When the connection is closing or closed already, for a code that
    /// [may not be sent](CloseCode::may_be_sent), and for a reason of more than 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str, now: Instant) -> Result<(), SendError> {
        self.flowing = false;
        self.outgoing.advance(now);
        self.outgoing.close(code, reason)
    }

    /// Returns what to do next. A driver calls this again until the answer is [`Output::Wait`] or
    /// [`Output::Closed`].
    ///
    /// Of many messages in one piece of input, all but the first come from the few lines that are
    /// inlined here, which saves about a third of the instructions that a message of 64 bytes
    /// takes.
    #[inline]
    pub fn poll(&mut self) -> Output<'_> {
        if self.flowing {
            if let Some(whole) = self.incoming.next_in_chunk() {
                return self.lend(whole);
            }
        }
        self.poll_any()
    }

    /// Does the same, with messages in memory of their own: a text is checked for UTF-8 once, as
    /// the text becomes a string that is kept.
    pub(crate) fn poll_shared(&mut self) -> Output<'static> {
        let in_chunk = if self.flowing { self.incoming.next_in_chunk() } else { None };
        match in_chunk.map_or_else(|| self.next(), Ok) {
            Ok(whole) => match self.incoming.share(whole) {
                Ok(message) => Output::Message(message),
                Err(error) => {
                    self.flowing = false;
                    self.outgoing.fail(error.into());
                    Self::rest(&mut self.outgoing)
                }
            },
            Err(output) => output,
        }
    }

    /// Returns the bytes of frames that wait to be sent. While there are any, the next output is
    /// [`Output::Send`].
    pub fn unsent_bytes(&self) -> usize {
        self.outgoing.unsent_bytes()
    }

    /// Whether messages can be sent: the connection is open in both directions, before any Close
    /// frame, failure or end.
    pub fn is_open(&self) -> bool {
        self.outgoing.is_open()
    }

    /// Returns why the connection will end, or has ended, where that is known already: the peer has
    /// sent its Close frame, or the connection failed. [`Output::Closed`] follows when the
    /// transport ends, one second later at most. A caller in a hurry may close the transport once
    /// everything is sent.
    pub fn closing(&self) -> Option<Closed> {
        self.outgoing.closing()
    }

    /// Does the same where anything may be next.
    #[inline(never)]
    fn poll_any(&mut self) -> Output<'_> {
        match self.next() {
            Ok(whole) => self.lend(whole),
            Err(output) => output,
        }
    }

    /// Returns what is next: a message, or something else.
    #[inline(always)]
    fn next(&mut self) -> Result<Whole, Output<'static>> {
        self.flowing = false;
        loop {
            // What is owed to the peer goes before all that was read.
            if !(self.outgoing.is_quiet() && self.incoming.is_searched()) {
                if let Some(bytes) = self.take_unsent() {
                    return Err(Output::Send(bytes));
                }
            }
            if !self.outgoing.listens() {
                self.incoming.discard();
                return Err(Self::rest(&mut self.outgoing));
            }
            match self.incoming.read() {
                Ok(Read::Message(whole)) => {
                    self.flowing = matches!(whole, Whole::InChunk { .. });
                    return Ok(whole);
                }
                Ok(Read::Ping(payload)) => return Err(Output::Ping(payload)),
                Ok(Read::Pong(payload)) if self.outgoing.settles_ping(&payload) => {}
                Ok(Read::Pong(payload)) => return Err(Output::Pong(payload)),
                Ok(Read::TooLarge(error)) => return Err(Output::TooLarge(error)),
                Ok(Read::Close(close)) => {
                    self.outgoing.take_close(close);
                    self.incoming.discard();
                }
                // The time and the end can be judged only now, when all input is read.
                Ok(Read::Starved) => match self.outgoing.next(self.incoming.is_within_message()) {
                    Some(Next::Wait(deadline)) => return Err(Output::Wait(deadline)),
                    Some(Next::Closed(closed)) => return Err(Output::Closed(closed)),
                    // The keep-alive has to ping, so nothing has come for a while.
                    None => self.incoming.rest(),
                },
                Err(error) => self.fail(error),
            }
        }
    }

    /// Lends the message that was found, or fails where it is not what it should be.
    #[inline(always)]
    fn lend(&mut self, whole: Whole) -> Output<'_> {
        let Self { incoming, outgoing, flowing, .. } = self;
        match incoming.lend(whole) {
            Ok(message) => Output::Message(message),
            Err(error) => {
                *flowing = false;
                outgoing.fail(error.into());
                Self::rest(outgoing)
            }
        }
    }

    /// Returns what is held for messages.
    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> usize {
        self.incoming.kept_bytes()
    }

    fn fail(&mut self, error: Error) {
        self.incoming.discard();
        self.outgoing.fail(error);
    }

    fn take_unsent(&mut self) -> Option<Bytes> {
        if !self.outgoing.can_send() {
            self.incoming.stop_search();
        }
        let ping = self.incoming.next_ping();
        self.outgoing.take_unsent(ping.as_deref())
    }

    /// Returns what is left to send or to wait for, once messages are no longer taken.
    #[cold]
    fn rest(outgoing: &mut Outgoing) -> Output<'static> {
        if let Some(bytes) = outgoing.take_unsent(None) {
            return Output::Send(bytes);
        }
        match outgoing.next(false) {
            Some(Next::Closed(closed)) => Output::Closed(closed),
            Some(Next::Wait(deadline)) => Output::Wait(deadline),
            None => Output::Wait(None),
        }
    }
}
