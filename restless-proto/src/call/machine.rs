//! A call, driven: one event, the answer.

use std::time::Duration;

use bytes::BytesMut;
use http::response::Parts;
use url::Url;

use super::Call;
use crate::http::auth::Reach;
use crate::http::redirect::{self, Hop};
use crate::machine::{End, ExchangeId, Input, Machine, Output};
use crate::{
    ConfigError, Error, Instant, LimitError, Limits, Service, TimeoutError, Timer,
    TransportErrorKind,
};

/// A [`Call`] on its way: redirects, the timer over all of it, the limit on the reply's content.
///
/// It has one event, the answer, and is `Done` after it. Redirects are followed as RFC 9110 §15.4
/// says, ten at the most; when the origin changes, the key stays behind.
pub struct CallMachine<T> {
    call: Call<T>,
    reach: Reach,
    limits: Limits,
    timeout: Duration,
    deadline: Instant,
    now: Instant,
    exchange: ExchangeId,
    state: State<T>,
}

/// ```text
///   Connect ──► Head ──► Content ──► Answer ──► Over
///      ▲         │          │           ▲
///      └── 3xx ──┴──────────┴── error ──┘
/// ```
enum State<T> {
    /// The next `poll` opens an exchange.
    Connect(Box<Hop>),
    /// A request is out.
    Head(Box<Hop>),
    /// The answer's content comes in.
    Content { head: Box<Parts>, content: BytesMut },
    /// The next `poll` drops the connection if it is not done with, the one after it answers.
    Answer { answer: Box<Result<T, Error>>, hangup: bool },
    /// Nothing will happen any more.
    Over,
}

impl<T> Call<T> {
    /// Starts the call: `timeout` is over all of it, redirects included
    /// ([`Timer::Total`], 30 s in the adapters).
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub fn start(
        self,
        service: &Service,
        limits: Limits,
        timeout: Duration,
        now: Instant,
    ) -> Result<CallMachine<T>, ConfigError> {
        let request = self.request(service)?;
        let url = Url::parse(&request.uri().to_string()).map_err(|_| {
            ConfigError::new("url", request.uri().to_string(), "an absolute http or https URL")
        })?;
        Ok(CallMachine {
            call: self,
            reach: service.reach(),
            limits,
            timeout,
            deadline: now + timeout,
            now,
            exchange: ExchangeId::NONE,
            state: State::Connect(Box::new(Hop::new(request, url))),
        })
    }
}

impl<T> CallMachine<T> {
    fn head(&mut self, hop: Hop, head: Box<Parts>) {
        if !redirect::is_redirect(head.status) {
            self.state = State::Content { head, content: BytesMut::new() };
            return;
        }
        match hop.follow(&head, self.reach) {
            Ok(next) => self.state = State::Connect(Box::new(next)),
            Err(error) => self.fail(error.into()),
        }
    }

    fn fail(&mut self, error: Error) {
        self.state = State::Answer { answer: Box::new(Err(error)), hangup: true };
    }
}

impl<T> Machine for CallMachine<T> {
    type Event = Result<T, Error>;

    fn handle(&mut self, input: Input, now: Instant) {
        self.now = self.now.max(now);
        let state = std::mem::replace(&mut self.state, State::Over);
        match (input, state) {
            (Input::Response { exchange, head }, State::Head(hop)) if exchange == self.exchange => {
                self.head(*hop, head);
            }
            (Input::Data { exchange, bytes }, State::Content { head, mut content })
                if exchange == self.exchange =>
            {
                let seen = content.len().saturating_add(bytes.len());
                let maximum = self.limits.content();
                if seen > maximum {
                    self.fail(LimitError::new("the reply's content", maximum, seen).into());
                } else {
                    content.extend_from_slice(&bytes);
                    self.state = State::Content { head, content };
                }
            }
            (Input::Ended { exchange, why }, State::Head(_) | State::Content { .. })
                if exchange == self.exchange && !matches!(why, End::Complete) =>
            {
                match why {
                    End::Failed(error) => self.fail(error.into()),
                    End::TimedOut(error) => self.fail(error.into()),
                    // No call is a WebSocket's; one that is closed like one was none.
                    End::Complete | End::Closed { .. } => {
                        self.fail(TransportErrorKind::Broken.into());
                    }
                }
            }
            (Input::Ended { exchange, .. }, State::Head(_)) if exchange == self.exchange => {
                // An exchange that is complete without a head is none.
                self.fail(TransportErrorKind::Broken.into());
            }
            (Input::Ended { exchange, .. }, State::Content { head, content })
                if exchange == self.exchange =>
            {
                let answer = self.call.response_within(&head, content.freeze(), &self.limits);
                self.state = State::Answer { answer: Box::new(answer), hangup: false };
            }
            // Time alone: `poll` looks at the deadline. Or late, repeated, of an older exchange.
            (
                Input::Elapsed
                | Input::Response { .. }
                | Input::Data { .. }
                | Input::Message { .. }
                | Input::Ended { .. }
                | Input::Credentials(_),
                state,
            ) => self.state = state,
        }
    }

    fn poll(&mut self) -> Output<Self::Event> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Connect(_) | State::Head(_) | State::Content { .. }
                if self.now >= self.deadline =>
            {
                self.fail(TimeoutError::new(Timer::Total, self.timeout).into());
                self.poll()
            }
            State::Connect(hop) => {
                self.exchange = self.exchange.next();
                let request = Box::new(hop.request().clone());
                self.state = State::Head(hop);
                Output::Open { exchange: self.exchange, request }
            }
            state @ (State::Head(_) | State::Content { .. }) => {
                self.state = state;
                Output::Wait(Some(self.deadline))
            }
            State::Answer { answer, hangup: true } => {
                self.state = State::Answer { answer, hangup: false };
                Output::Hangup
            }
            State::Answer { answer, hangup: false } => Output::Event(*answer),
            State::Over => Output::Done,
        }
    }
}
