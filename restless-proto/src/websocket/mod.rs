//! A WebSocket from its opening handshake to its end, as one machine for any driver.

use std::time::Duration;

use bytes::Bytes;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::fields;
use crate::kinds::{LimitError, Misuse, TimeoutError, Timer, TransportErrorKind};
use crate::limits::Limits;
use crate::machine::{End, ExchangeId, Input, Machine, Output};
use crate::redact::Keys;
use crate::road::Refusal;
use crate::timing::Instant;
use crate::ws::{
    Accepted, CloseCode, Closed, Connection, Handshake, Message, Options, Output as Own, SendError,
};

/// What happened on a WebSocket, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The connection stands. Comes first, if it comes.
    Open(Accepted),
    /// A message came.
    Message(Message<'static>),
    /// A message over a limit came, and is passed over, as [`ws::Output::TooLarge`](super::Output::TooLarge) says.
    TooLarge(LimitError),
    /// A ping came, with this payload. Its pong has gone out, unless the transport has ended.
    Ping(Bytes),
    /// A pong came that answers no ping of the keep-alive.
    Pong(Bytes),
    /// It is over. The last event, unless it failed.
    Closed(Closed),
    /// It never stood: no connection, a refusal, or no WebSocket there. The last event.
    Failed(Error),
}

/// A WebSocket connection, driven: see [`Machine`] and the guide [Writing a driver](crate::guide).
///
/// It connects once. A [`Subscription`](crate::Subscription) reconnects, and is made of the same
/// [`Handshake`] and [`Connection`].
///
/// ```
/// use restless_proto::machine::{Machine, Output};
/// use restless_proto::ws::{Handshake, Options, WebSocketMachine};
/// use restless_proto::{Entropy, Instant};
///
/// let mut entropy = Entropy::from_seed(7);
/// let handshake = Handshake::new(&"wss://example.com/chat".parse()?, &mut entropy)?;
/// let mut chat = WebSocketMachine::new(handshake, Options::default(), entropy, Instant::ORIGIN);
/// assert!(matches!(chat.poll(), Output::Open { .. }));
/// // The driver sends the request, tells of the response, and moves bytes from there on.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WebSocketMachine {
    handshake: Handshake,
    options: Options,
    entropy: Entropy,
    now: Instant,
    exchange: ExchangeId,
    state: State,
}

/// ```text
///   Connect ──► Head ── 101 ──► Accepted ──► Open ──┐
///                 └── other ──► Refusal ────────────┴──► Ending ──► Over
/// ```
enum State {
    Connect,
    /// A request is out; `deadline` is `Timer::ResponseHead`.
    Head {
        deadline: Instant,
    },
    /// It stands, and the user is to be told.
    Accepted(Accepted, Box<Connection>),
    Open(Box<Connection>),
    /// The answer is no; the first bytes of its content go into the error.
    Refusal(Refusal),
    /// The connection is dropped, and then the user is told.
    Ending {
        hung_up: bool,
        event: Box<Event>,
    },
    Over,
}

/// As for subscriptions.
const HEAD_WAIT: Duration = Duration::from_secs(30);

impl WebSocketMachine {
    /// For this handshake, with [`USER_AGENT`](crate::USER_AGENT) where it says nothing else. The head
    /// of the response is waited for 30 s.
    pub fn new(handshake: Handshake, options: Options, entropy: Entropy, now: Instant) -> Self {
        let exchange = ExchangeId::NONE;
        Self { handshake, options, entropy, now, exchange, state: State::Connect }
    }

    /// Queues a text message.
    ///
    /// # Errors
    ///
    /// As [`Connection::send_text`]; before [`Event::Open`] too.
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.connection("send_text")?.send_text(text)
    }

    /// Queues a binary message.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.connection("send_binary")?.send_binary(payload)
    }

    /// Queues a ping.
    ///
    /// # Errors
    ///
    /// As [`Connection::ping`]; before [`Event::Open`] too.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.connection("ping")?.ping(payload)
    }

    /// Begins the closing handshake; the end is [`Event::Closed`].
    ///
    /// # Errors
    ///
    /// As [`Connection::close`]; before [`Event::Open`] too.
    pub fn close(&mut self, code: CloseCode, reason: &str, now: Instant) -> Result<(), SendError> {
        self.now = self.now.max(now);
        let now = self.now;
        self.connection("close")?.close(code, reason, now)
    }

    /// Bytes of frames that wait to be sent. While there are any, the next output is
    /// [`Send`](Output::Send).
    pub fn unsent_bytes(&self) -> usize {
        match &self.state {
            State::Open(connection) => connection.unsent_bytes(),
            State::Connect
            | State::Head { .. }
            | State::Accepted(..)
            | State::Refusal(_)
            | State::Ending { .. }
            | State::Over => 0,
        }
    }

    fn connection(&mut self, call: &'static str) -> Result<&mut Connection, Misuse> {
        match &mut self.state {
            State::Open(connection) => Ok(connection),
            State::Connect | State::Head { .. } | State::Accepted(..) | State::Refusal(_) => {
                Err(Misuse::new(call, "the connection is not open yet"))
            }
            State::Ending { .. } | State::Over => Err(Misuse::new(call, "the connection is over")),
        }
    }

    fn fail(&mut self, error: impl Into<Error>) {
        let (mut error, mut keys) = (error.into(), Keys::default());
        keys.learn(&self.handshake.request());
        error.hide(&keys);
        self.end(Event::Failed(error));
    }

    fn end(&mut self, event: Event) {
        self.state = State::Ending { hung_up: false, event: Box::new(event) };
    }

    fn ended(&mut self, why: End, state: State) {
        match (state, why) {
            (State::Open(mut connection), _) => {
                connection.ended(self.now);
                self.state = State::Open(connection);
            }
            (State::Accepted(accepted, mut connection), _) => {
                connection.ended(self.now);
                self.state = State::Accepted(accepted, connection);
            }
            (State::Refusal(refusal), _) => self.fail(refusal.to_error()),
            (State::Head { .. }, End::Failed(error)) => self.fail(error),
            (State::Head { .. }, End::TooLarge(error)) => self.fail(error),
            (State::Head { .. }, End::TimedOut(error)) => self.fail(error),
            (State::Head { .. }, End::Complete | End::Closed { .. }) => {
                self.fail(TransportErrorKind::Broken);
            }
            (state @ (State::Connect | State::Ending { .. } | State::Over), _) => {
                self.state = state;
            }
        }
    }
}

impl Machine for WebSocketMachine {
    type Event = Event;

    fn handle(&mut self, input: Input, now: Instant) {
        self.now = self.now.max(now);
        let state = std::mem::replace(&mut self.state, State::Over);
        match (input, state) {
            (Input::Response { exchange, head }, State::Head { .. })
                if exchange == self.exchange =>
            {
                if head.status != http::StatusCode::SWITCHING_PROTOCOLS {
                    self.state = State::Refusal(Refusal::new(head, &Limits::default(), self.now));
                    return;
                }
                match self.handshake.check(head.status, &head.headers) {
                    Ok(accepted) => {
                        let entropy = self.entropy.fork();
                        let connection =
                            Connection::new(&accepted, self.options, entropy, self.now);
                        self.state = State::Accepted(accepted, Box::new(connection));
                    }
                    Err(error) => self.fail(Box::new(error)),
                }
            }
            (Input::Data { exchange, bytes }, State::Accepted(accepted, mut connection))
                if exchange == self.exchange =>
            {
                connection.handle_data(bytes, self.now);
                self.state = State::Accepted(accepted, connection);
            }
            (Input::Data { exchange, bytes }, State::Open(mut connection))
                if exchange == self.exchange =>
            {
                connection.handle_data(bytes, self.now);
                self.state = State::Open(connection);
            }
            (Input::Data { exchange, bytes }, State::Refusal(mut refusal))
                if exchange == self.exchange =>
            {
                if refusal.take(&bytes) {
                    self.fail(refusal.to_error());
                } else {
                    self.state = State::Refusal(refusal);
                }
            }
            (Input::Ended { exchange, why }, state) if exchange == self.exchange => {
                self.ended(why, state);
            }
            (Input::Elapsed, State::Open(mut connection)) => {
                connection.elapsed(self.now);
                self.state = State::Open(connection);
            }
            // Time alone: `poll` looks at the deadlines. Or late, repeated, of no meaning here.
            (
                Input::Elapsed
                | Input::Connected { .. }
                | Input::Response { .. }
                | Input::Data { .. }
                | Input::Message { .. }
                | Input::Ended { .. }
                | Input::Credentials(_),
                state,
            ) => self.state = state,
        }
    }

    fn poll(&mut self) -> Output<Event> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Connect => {
                    self.exchange = self.exchange.next();
                    self.state = State::Head { deadline: self.now + HEAD_WAIT };
                    let mut request = Box::new(self.handshake.request().map(|()| Bytes::new()));
                    // The HTTP stack's to set.
                    request.headers_mut().remove(http::header::HOST);
                    fields::fill(request.headers_mut(), &fields::defaults());
                    return Output::Open { exchange: self.exchange, request };
                }
                State::Head { deadline } if self.now >= deadline => {
                    self.fail(TimeoutError::new(Timer::ResponseHead, HEAD_WAIT));
                }
                State::Head { deadline } => {
                    self.state = State::Head { deadline };
                    return Output::Wait(Some(deadline));
                }
                State::Accepted(accepted, connection) => {
                    self.state = State::Open(connection);
                    return Output::Event(Event::Open(accepted));
                }
                State::Open(mut connection) => {
                    let output = match connection.poll() {
                        Own::Send(bytes) => Output::Send(bytes),
                        Own::Message(message) => {
                            Output::Event(Event::Message(message.into_owned()))
                        }
                        Own::TooLarge(error) => Output::Event(Event::TooLarge(error)),
                        Own::Ping(payload) => Output::Event(Event::Ping(payload)),
                        Own::Pong(payload) => Output::Event(Event::Pong(payload)),
                        Own::Wait(deadline) => Output::Wait(deadline),
                        Own::Closed(closed) => {
                            self.end(Event::Closed(closed));
                            continue;
                        }
                    };
                    self.state = State::Open(connection);
                    return output;
                }
                State::Refusal(refusal) if self.now >= refusal.deadline() => {
                    self.fail(refusal.to_error());
                }
                State::Refusal(refusal) => {
                    let deadline = refusal.deadline();
                    self.state = State::Refusal(refusal);
                    return Output::Wait(Some(deadline));
                }
                State::Ending { hung_up: false, event } => {
                    self.state = State::Ending { hung_up: true, event };
                    return Output::Hangup;
                }
                State::Ending { hung_up: true, event } => return Output::Event(*event),
                State::Over => return Output::Done,
            }
        }
    }
}
