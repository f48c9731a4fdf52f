//! A WebSocket from its opening handshake to its end, as one machine for any driver.

use std::time::Duration;

use bytes::Bytes;
use http::header;
use url::Url;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::fields;
use crate::kinds::{ConfigError, LimitError, Misuse};
use crate::limits::Limits;
use crate::machine::{Input, Machine, Output};
use crate::road::{Answer, HEAD_WAIT, HeadTimer, Next, Renewal, Road, Rules, Step, Take};
use crate::semantics::auth::Reach;
use crate::semantics::redirect::Hop;
use crate::service::Credentials;
use crate::timing::Instant;
use crate::ws::{
    self, Accepted, CloseCode, Closed, Connection, Handshake, Message, Options, SendError,
};

/// What happened on a WebSocket, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The connection stands. If this event comes, it is the first.
    Open(Accepted),
    /// A message came.
    Message(Message<'static>),
    /// A message over a limit came and was passed over, as [`ws::Output::TooLarge`] says.
    TooLarge(LimitError),
    /// A ping came, with this payload. The pong has gone out, unless the transport has ended.
    Ping(Bytes),
    /// A pong came that answers none of the keep-alive's pings.
    Pong(Bytes),
    /// The connection, which stood, is over. The last event.
    Closed(Closed),
    /// The connection never stood: connecting failed, the server refused, or the answer was another
    /// than a WebSocket's. The last event.
    Failed(Error),
}

/// A WebSocket connection, driven: see [`Machine`] and the guide [Writing a driver](crate::guide).
///
/// The machine connects once. A [`Subscription`](crate::Subscription) reconnects, and is made of
/// the same [`Handshake`] and [`Connection`].
///
/// ```
/// use restless_proto::machine::{Machine, Output};
/// use restless_proto::websocket::WebSocketMachine;
/// use restless_proto::ws::{Handshake, Options};
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
    road: Road,
    handshake: Handshake,
    options: Options,
    entropy: Entropy,
    state: State,
}

/// ```text
///   Travelling ──► Accepted ──► Open ──┐
///       └──────────────────────────────┴──► Ending ──► Over
/// ```
enum State {
    /// On the road to the response.
    Travelling,
    /// The connection stands, and the user is to be told.
    Accepted(Accepted, Box<Connection>),
    Open(Box<Connection>),
    /// The user is to be told how the connection ended.
    Ending(Box<Event>),
    Over,
}

impl WebSocketMachine {
    /// Makes the machine for this handshake. [`USER_AGENT`](crate::USER_AGENT) goes out where the
    /// handshake lacks a `User-Agent`. The machine waits 30 s for the head of the response.
    pub fn new(handshake: Handshake, options: Options, entropy: Entropy, now: Instant) -> Self {
        let rules = Rules {
            // The handshake has what it needs, and goes only where its caller sends it.
            credentials: Credentials::None,
            credentials_wait: None,
            renewal: Renewal::Never,
            reach: Reach::Anywhere,
            wants: Answer::WebSocket,
            follows: false,
            head: HeadTimer::Within(HEAD_WAIT),
            refusal: Take::Excerpt,
            limits: Limits::default(),
            idempotent: true,
        };
        let mut road = Road::new(rules, now);
        let mut request = handshake.request().map(|()| Bytes::new());
        // The HTTP stack sets this field.
        request.headers_mut().remove(header::HOST);
        fields::fill(request.headers_mut(), &fields::defaults());
        let uri = request.uri().to_string();
        let state = match Url::parse(&uri) {
            Ok(url) => {
                road.go(Hop::new(request, url), Duration::ZERO);
                State::Travelling
            }
            // A handshake is made of a URL.
            Err(_) => {
                let error = ConfigError::new("url", "(hidden)", "an absolute URL");
                State::Ending(Box::new(Event::Failed(error.into())))
            }
        };
        Self { road, handshake, options, entropy, state }
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
        self.road.advance(now);
        let now = self.road.now();
        self.connection("close")?.close(code, reason, now)
    }

    /// Returns the bytes of frames that wait to be sent. While there are any, the next output is
    /// [`Send`](Output::Send).
    pub fn unsent_bytes(&self) -> usize {
        match &self.state {
            State::Open(connection) => connection.unsent_bytes(),
            State::Travelling | State::Accepted(..) | State::Ending(_) | State::Over => 0,
        }
    }

    fn connection(&mut self, call: &'static str) -> Result<&mut Connection, Misuse> {
        match &mut self.state {
            State::Open(connection) => Ok(connection),
            State::Travelling | State::Accepted(..) => {
                Err(Misuse::new(call, "the connection is not open yet"))
            }
            State::Ending(_) | State::Over => Err(Misuse::new(call, "the connection is over")),
        }
    }

    fn step(&mut self, step: Step) {
        let now = self.road.now();
        match step {
            Step::Stands { head, .. } => match self.handshake.check(head.status, &head.headers) {
                Ok(accepted) => {
                    let entropy = self.entropy.fork();
                    let connection = Connection::new(&accepted, self.options, entropy, now);
                    self.state = State::Accepted(accepted, Box::new(connection));
                }
                Err(error) => self.fail(Box::new(error).into()),
            },
            Step::No(no) => self.fail(no.error),
            Step::Data(bytes) => self.with_connection(|it| it.handle_data(bytes, now)),
            Step::Ended(_) => self.with_connection(|it| it.ended(now)),
            Step::Elapsed => self.with_connection(|it| it.elapsed(now)),
            // The rules leave keys and redirects out; whole messages are another driver's.
            Step::Keyed(_) | Step::Redirect { .. } | Step::Message(_) => {}
        }
    }

    fn with_connection(&mut self, tell: impl FnOnce(&mut Connection)) {
        match &mut self.state {
            State::Accepted(_, connection) | State::Open(connection) => tell(connection),
            State::Travelling | State::Ending(_) | State::Over => {}
        }
    }

    fn fail(&mut self, mut error: Error) {
        self.road.redact(&mut error);
        self.end(Event::Failed(error));
    }

    /// Drops the connection, and then tells the user.
    fn end(&mut self, event: Event) {
        self.road.hang_up();
        self.state = State::Ending(Box::new(event));
    }
}

impl Machine for WebSocketMachine {
    type Event = Event;

    fn handle(&mut self, input: Input, now: Instant) {
        if let Some(step) = self.road.handle(input, now) {
            self.step(step);
        }
    }

    fn poll(&mut self) -> Output<Event> {
        loop {
            if self.road.hangs_up() {
                return Output::Hangup;
            }
            match std::mem::replace(&mut self.state, State::Over) {
                State::Travelling => {
                    self.state = State::Travelling;
                    match self.road.next() {
                        Next::Step(step) => self.step(step),
                        Next::Open { exchange, request } => {
                            return Output::Open { exchange, request };
                        }
                        Next::Wait(deadline) => return Output::Wait(self.road.wait(deadline)),
                        // The handshake has its key, and an event stream's head is none of its
                        // business.
                        Next::Authorize { .. } | Next::Unanswered => {}
                    }
                }
                State::Accepted(accepted, connection) => {
                    self.state = State::Open(connection);
                    return Output::Event(Event::Open(accepted));
                }
                State::Open(mut connection) => {
                    let output = match connection.poll() {
                        ws::Output::Send(bytes) => Output::Send(bytes),
                        ws::Output::Message(message) => {
                            Output::Event(Event::Message(message.into_owned()))
                        }
                        ws::Output::TooLarge(error) => Output::Event(Event::TooLarge(error)),
                        ws::Output::Ping(payload) => Output::Event(Event::Ping(payload)),
                        ws::Output::Pong(payload) => Output::Event(Event::Pong(payload)),
                        ws::Output::Wait(deadline) => {
                            let is_last = connection.closing().is_some();
                            Output::Wait(if is_last {
                                self.road.wait_for_the_end(deadline)
                            } else {
                                self.road.wait(deadline)
                            })
                        }
                        ws::Output::Closed(closed) => {
                            self.end(Event::Closed(closed));
                            continue;
                        }
                    };
                    self.state = State::Open(connection);
                    return output;
                }
                State::Ending(event) => return Output::Event(*event),
                State::Over => return Output::Done,
            }
        }
    }
}
