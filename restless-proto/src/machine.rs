//! The contract between the protocol and whoever moves its bytes.

use std::fmt;

use bytes::Bytes;

use crate::kinds::{CredentialsError, LimitError, TimeoutError, TransportError};
use crate::secret::ApiKey;
use crate::timing::Instant;
use crate::ws::CloseCode;

/// A protocol that is driven: inputs go in, outputs come out, and nothing happens in between.
///
/// A driver calls [`poll`](Self::poll) and does what the answer says, until the answer is
/// [`Output::Wait`] or [`Output::Done`]. At `Wait` the driver waits for the network or for the
/// deadline, whichever is first, tells the machine by [`handle`](Self::handle), and polls again.
/// The guide [Writing a driver](crate::guide) goes through the loop step by step.
///
/// The same inputs give the same outputs: time and randomness come from the driver.
pub trait Machine {
    /// What the user of this machine gets.
    type Event;

    /// Takes one input, and the time at which the input came.
    ///
    /// May be called any number of times, in any state, and always succeeds: an input that is late,
    /// repeated or of an older exchange is passed over. `now` must not go back; if `now` does, the
    /// latest time so far counts.
    fn handle(&mut self, input: Input, now: Instant);

    /// Returns the next thing to do or to know. A driver asks until the answer is `Wait` or `Done`.
    fn poll(&mut self) -> Output<Self::Event>;
}

/// A machine that is lent is a machine, too.
impl<M: Machine + ?Sized> Machine for &mut M {
    type Event = M::Event;

    fn handle(&mut self, input: Input, now: Instant) {
        (**self).handle(input, now);
    }

    fn poll(&mut self) -> Output<Self::Event> {
        (**self).poll()
    }
}

impl<M: Machine + ?Sized> Machine for Box<M> {
    type Event = M::Event;

    fn handle(&mut self, input: Input, now: Instant) {
        (**self).handle(input, now);
    }

    fn poll(&mut self) -> Output<Self::Event> {
        (**self).poll()
    }
}

/// Names one request and what follows from the request.
///
/// Ids rise with each [`Output::Open`]; an input for an older exchange changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(u64);

impl ExchangeId {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Returns the number in the id, for logs: 1 for a machine's first exchange.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What a driver tells a machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// A connection stands, proxy and TLS included, and the request has gone out on the connection,
    /// or is about to. A driver that can't tell leaves this input out; the machine then knows less
    /// about what is missing.
    Connected {
        /// The exchange that the connection is for.
        exchange: ExchangeId,
    },
    /// The head of the response has come. Interim responses (1xx save 101) stay with the driver.
    Response {
        /// The exchange that the response answers.
        exchange: ExchangeId,
        /// Status and fields. Where there is a `Retry-After` and no `Date`, a driver adds the time
        /// of receipt as `Date` (RFC 9110 §6.6.1), which a date is read against. For a request
        /// that was given whole to a proxy, the driver puts [`ForwardedBy`] among the extensions.
        head: Box<http::response::Parts>,
    },
    /// Some content of the response, with the transfer coding taken off, and the content coding
    /// that `Content-Encoding` names left on. Empty content is allowed, and says that the peer was
    /// heard: a driver that speaks WebSocket itself hands in empty content at a ping or a pong.
    Data {
        /// The exchange that the content belongs to.
        exchange: ExchangeId,
        /// The bytes. A machine keeps slices of the bytes, so a driver that reuses its buffer
        /// copies them.
        bytes: Bytes,
    },
    /// One whole WebSocket message has come, to a subscription whose driver speaks WebSocket
    /// ([`Subscription::whole_messages`](crate::Subscription::whole_messages)).
    Message {
        /// The exchange that the message belongs to.
        exchange: ExchangeId,
        /// The payload of a text or a binary message.
        message: Bytes,
    },
    /// The exchange is over, and its connection is no longer the machine's.
    Ended {
        /// The exchange that ended.
        exchange: ExchangeId,
        /// How the exchange ended.
        why: End,
    },
    /// The answer to [`Output::Authorize`]: a key, `None` to go without a key, or the reason why
    /// the function failed.
    Credentials(Result<Option<ApiKey>, CredentialsError>),
    /// The deadline of the last [`Output::Wait`] has passed. Too early or too often does no harm.
    Elapsed,
}

/// An extension of a response's head: the request was given whole to this proxy, which sends the
/// request on (RFC 9112 §3.2.2). A refusal may then be the proxy's own, and errors name the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedBy(String);

impl ForwardedBy {
    /// Names the proxy by its URL, without credentials.
    pub fn new(proxy: impl Into<String>) -> Self {
        Self(proxy.into())
    }

    /// Returns the proxy's URL.
    pub fn proxy(&self) -> &str {
        &self.0
    }
}

/// How an exchange ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum End {
    /// The response's content is complete, as its framing tells (RFC 9112 §6.3).
    Complete,
    /// The connection could not be made, or broke before the content was complete.
    Failed(TransportError),
    /// The peer closed a WebSocket connection that the driver speaks on. An end without a Close
    /// frame is one of the other variants.
    Closed {
        /// The code of the peer's Close frame, 1005 for a frame without a code.
        code: CloseCode,
        /// The reason in the Close frame.
        reason: String,
    },
    /// The peer sent more than the driver's WebSocket stack accepts in one message. The
    /// subscription ends: on another connection the same message would come again.
    TooLarge(LimitError),
    /// A timer of the driver's own ran out, such as [`Timer::Connect`](crate::Timer::Connect).
    TimedOut(TimeoutError),
}

/// What a machine wants to be done, or to be known.
///
/// Exhaustive on purpose: the compiler stops a driver that lacks a new duty.
#[must_use = "each output is a duty"]
#[expect(clippy::exhaustive_enums, reason = "a new duty must not be ignorable")]
pub enum Output<E> {
    /// Send this request. Any earlier exchange is over: drop what is left of that exchange.
    Open {
        /// The id to name in every input that follows from the request.
        exchange: ExchangeId,
        /// The request, with an absolute URI, all fields but `Host`, `Content-Length` and (save to
        /// upgrade) `Connection`, and the whole content.
        request: Box<http::Request<Bytes>>,
    },
    /// Write these bytes to the connection of the open exchange. The response's head (101) has
    /// turned that connection over to the machine.
    Send(Bytes),
    /// Drop the open exchange and its connection. The machine expects no further input for the
    /// exchange.
    Hangup,
    /// Ask the user for the credentials, and answer with [`Input::Credentials`]. Meanwhile no
    /// exchange is open. Any output before the answer takes the question back; only `Wait` leaves
    /// the question open.
    Authorize {
        /// Whether the credentials that were given last were refused, so that other ones are
        /// needed.
        rejected: bool,
    },
    /// Hand this event to the user.
    Event(E),
    /// Wait for the network; where a time is given, wait until then at the most, and hand in
    /// [`Input::Elapsed`] at that time. Bytes that have come by then are handed in first.
    Wait(Option<Instant>),
    /// The machine is over, and stays over.
    Done,
}

/// Prints only the method of a request: the URI and the content may hold keys.
impl<E: fmt::Debug> fmt::Debug for Output<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { exchange, request } => {
                write!(f, "Open({exchange:?}, {} …)", request.method())
            }
            Self::Send(bytes) => write!(f, "Send({} bytes)", bytes.len()),
            Self::Hangup => f.write_str("Hangup"),
            Self::Authorize { rejected } => write!(f, "Authorize(rejected: {rejected})"),
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
            Self::Wait(deadline) => f.debug_tuple("Wait").field(deadline).finish(),
            Self::Done => f.write_str("Done"),
        }
    }
}
