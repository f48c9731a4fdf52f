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
/// [`Output::Wait`] or [`Output::Done`]. At `Wait` it waits for the network or for the deadline,
/// whichever is first, tells the machine by [`handle`](Self::handle), and polls again. The guide
/// [Writing a driver](crate::guide) walks through it.
///
/// The same inputs give the same outputs: time and randomness come from the driver.
pub trait Machine {
    /// What the user of this machine gets.
    type Event;

    /// Takes one input, and the time at which the input came.
    ///
    /// May be called any number of times, in any state, and never fails: input that is late,
    /// repeated or of an older exchange is passed over. `now` must not go back; if it does, the
    /// latest one counts.
    fn handle(&mut self, input: Input, now: Instant);

    /// The next thing to do or to know. To be asked until it is `Wait` or `Done`.
    fn poll(&mut self) -> Output<Self::Event>;
}

/// A machine that is lent is one, too.
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

/// One request and what follows from it.
///
/// Ids rise with each [`Output::Open`]; an input for an older one changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(u64);

impl ExchangeId {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The number in it, for logs: 1 for a machine's first exchange.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What a driver tells a machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// A connection stands, proxy and TLS included, and the request has gone out on it, or is about
    /// to. A driver that can't tell leaves it out: then a machine knows less of what it waits for.
    Connected {
        /// The exchange that it is for.
        exchange: ExchangeId,
    },
    /// The head of the response has come. Interim responses (1xx save 101) are not reported.
    Response {
        /// The exchange that it answers.
        exchange: ExchangeId,
        /// Status and fields. Where there is no `Date`, a driver adds the time of receipt
        /// (RFC 9110 §6.6.1): a date in `Retry-After` is read against it. Where the request was
        /// given whole to a proxy, [`ForwardedBy`] stands among the extensions.
        head: Box<http::response::Parts>,
    },
    /// Some content of the response, with the transfer coding taken off, and the content coding
    /// that its `Content-Encoding` names left on. May be empty, which says that the peer was heard:
    /// as a driver that speaks WebSocket itself does at a ping or a pong.
    Data {
        /// The exchange that it belongs to.
        exchange: ExchangeId,
        /// The bytes. A machine keeps slices of them, so a buffer that is reused must be copied.
        bytes: Bytes,
    },
    /// One whole WebSocket message has come, to a subscription whose driver speaks WebSocket
    /// ([`Subscription::whole_messages`](crate::Subscription::whole_messages)).
    Message {
        /// The exchange that it belongs to.
        exchange: ExchangeId,
        /// The payload of a text or a binary message.
        message: Bytes,
    },
    /// The exchange is over, and its connection no longer the machine's.
    Ended {
        /// The exchange that ended.
        exchange: ExchangeId,
        /// How the exchange ended.
        why: End,
    },
    /// The answer to [`Output::Authorize`]: a key, `None` to go without one, or the reason why the
    /// function failed.
    Credentials(Result<Option<ApiKey>, CredentialsError>),
    /// The deadline of the last [`Output::Wait`] has passed. Too early or too often does no harm.
    Elapsed,
}

/// An extension of a response's head: the request was given whole to this proxy, which sends it on
/// (RFC 9112 §3.2.2), so a refusal may be the proxy's own. Errors name the proxy then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedBy(String);

impl ForwardedBy {
    /// Names the proxy by its URL, without credentials.
    pub fn new(proxy: impl Into<String>) -> Self {
        Self(proxy.into())
    }

    /// The proxy's URL.
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
    /// No connection, or it broke before that.
    Failed(TransportError),
    /// The peer closed a WebSocket connection that the driver speaks on. An end without a Close
    /// frame is one of the other variants.
    Closed {
        /// The code of its Close frame, 1005 where that had none.
        code: CloseCode,
        /// The reason in it.
        reason: String,
    },
    /// The peer sent more than the driver's WebSocket stack accepts in one message. To connect
    /// again is no help: it would come again.
    TooLarge(LimitError),
    /// A timer of the driver's own ran out, such as [`Timer::Connect`](crate::Timer::Connect).
    TimedOut(TimeoutError),
}

/// What a machine wants done, or known.
///
/// Exhaustive on purpose: the compiler stops a driver that a new duty is missing in.
#[must_use = "each output is a duty"]
#[expect(clippy::exhaustive_enums, reason = "a new duty must not be ignorable")]
pub enum Output<E> {
    /// Send this request. Any earlier exchange is over: drop what is left of it.
    Open {
        /// The id to name in every input that follows from it.
        exchange: ExchangeId,
        /// An absolute URI, all fields but `Host`, `Content-Length` and (save to upgrade)
        /// `Connection`, and the whole content.
        request: Box<http::Request<Bytes>>,
    },
    /// Write these bytes to the connection of the open exchange, which its response's head (101)
    /// has turned over.
    Send(Bytes),
    /// Drop the open exchange and its connection. No input is due for it.
    Hangup,
    /// Ask the user for the credentials and answer with [`Input::Credentials`]. There is no open
    /// exchange meanwhile. Whatever comes out before the answer goes in, save `Wait`, takes the
    /// question back.
    Authorize {
        /// Whether the ones given last were refused, so that the same ones won't do.
        rejected: bool,
    },
    /// For the user.
    Event(E),
    /// Nothing to do until the network has something, or until this time where there is one: then
    /// [`Input::Elapsed`] is due. Bytes that are there by then go in before it.
    Wait(Option<Instant>),
    /// The machine is over, and stays so.
    Done,
}

/// Of a request the method only: its URI and its content may hold keys.
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
