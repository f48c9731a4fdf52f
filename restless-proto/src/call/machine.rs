//! A call, driven: one event, the answer.

use std::time::Duration;

use http::StatusCode;
use http::response::Parts;

use super::content::Content;
use super::{Call, CallOptions};
use crate::entropy::Entropy;
use crate::error::Error;
use crate::http::absolute::http_url;
use crate::http::redirect::RedirectError;
use crate::http::redirect::{self, Hop};
use crate::http::retry_after::retry_after;
use crate::kinds::{ConfigError, CredentialsError, TimeoutError, Timer, TransportErrorKind};
use crate::machine::{End, ExchangeId, Input, Machine, Output};
use crate::redact::Keys;
use crate::road::Refusal;
use crate::secret::ApiKey;
use crate::service::Service;
use crate::timing::Backoff;
use crate::timing::Instant;

/// A [`Call`] on its way: credentials, redirects, further tries, one timer over all of it, the limit
/// on the reply's content.
///
/// It has one event, the answer, and is `Done` after it. Redirects are followed as RFC 9110 §15.4
/// says, ten at the most; when the origin changes, the key stays behind.
///
/// # Further tries
///
/// | what happened | tried again? |
/// | --- | --- |
/// | no such name, refused, unreachable, or no connection in time | yes: nothing was sent |
/// | status 429, 502, 503, 504 | where the call is [idempotent](Call::is_idempotent) |
/// | status 401, with credentials on demand | once, with other ones; it is not counted |
/// | anything else | no |
///
/// Each comes after a delay with jitter, from half a second on ([`Backoff`]), and never before
/// `Retry-After`. A delay that would pass the deadline is not begun: the failure is told at once.
/// What is told after further tries is [`Error::GaveUp`], with their number and the last failure.
pub struct CallMachine<T> {
    call: Call<T>,
    service: Service,
    options: CallOptions,
    deadline: Instant,
    now: Instant,
    backoff: Backoff,
    /// Tries after the first.
    retries: u32,
    /// Whether the user was already asked for other credentials than those that were refused.
    reauthorized: bool,
    /// What each try begins with, once it is known whose it is.
    first: Option<Hop>,
    /// What no error says again.
    keys: Keys,
    exchange: ExchangeId,
    /// Whether the next `poll` drops the connection: it has an exchange that is not done with.
    hangup: bool,
    state: State<T>,
}

/// ```text
///                   ┌──────────── the delay has passed ────────────┐
///                   ▼                                              │
///   Authorize ──► Connect ──► Head ── 2xx ──► Content ──┐       Waiting
///       ▲           ▲          │└── other ──► Refusal ──┤          ▲
///       │           └── 3xx ───┤                 │      ▼          │
///       └────── 401, once ─────┤                 │   Answer ──► Over
///                              └── no answer ────┴── may pass ─────┘
/// ```
enum State<T> {
    /// The user is asked for credentials, or about to be.
    Authorize { asked: bool },
    /// An exchange is opened once this time has come: at once, or when a redirect asked for it.
    Connect { hop: Box<Hop>, at: Instant },
    /// A request is out.
    Head(Box<Hop>),
    /// The answer is yes, and its content comes in.
    Content { head: Box<Parts>, content: Content },
    /// The answer is no, and its content comes in.
    Refusal(Refusal),
    /// Another try is planned.
    Waiting { until: Instant },
    /// The next `poll` answers.
    Answer(Box<Result<T, Error>>),
    /// Nothing will happen any more.
    Over,
}

/// The delay before the first further try, and the bound to which delays grow.
const RETRY: Duration = Duration::from_millis(500);
const MAX_RETRY: Duration = Duration::from_secs(8);

impl<T> Call<T> {
    /// Starts the call. `entropy` gives the jitter of its delays.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request). With
    /// [credentials on demand](Service::with_credentials_on_demand), what depends on them is told
    /// once they have come, as [`Error::Config`].
    pub fn start(
        self,
        service: &Service,
        options: CallOptions,
        entropy: Entropy,
        now: Instant,
    ) -> Result<CallMachine<T>, ConfigError> {
        let mut machine = CallMachine {
            call: self,
            service: service.clone(),
            options,
            deadline: now + options.timeout,
            now,
            backoff: Backoff::new(RETRY, MAX_RETRY, entropy),
            retries: 0,
            reauthorized: false,
            first: None,
            keys: Keys::default(),
            exchange: ExchangeId::NONE,
            hangup: false,
            state: State::Authorize { asked: false },
        };
        if service.asks_for_credentials() {
            machine.call.check(service, true)?;
        } else {
            machine.begin(service.api_key())?;
        }
        Ok(machine)
    }
}

impl<T> CallMachine<T> {
    fn begin(&mut self, key: Option<&ApiKey>) -> Result<(), ConfigError> {
        let request = self.call.request_as(&self.service, key)?;
        let uri = request.uri().to_string();
        let url = http_url("url", &uri)?;
        self.keys.learn(&request);
        // It may be another one than ours.
        let in_content = self.call.body.as_ref().and_then(|body| body.text("apiKey"));
        self.keys.add(&in_content.unwrap_or_default());
        let hop = Hop::new(request, url);
        self.state = State::Connect { hop: Box::new(hop.clone()), at: self.now };
        self.first = Some(hop);
        Ok(())
    }

    fn authorized(&mut self, credentials: Result<Option<ApiKey>, CredentialsError>) {
        let key = match credentials {
            Ok(key) => key.filter(|key| !key.is_empty()),
            Err(error) => return self.answer(Err(error.into())),
        };
        if let Err(error) = self.begin(key.as_ref()) {
            self.answer(Err(error.into()));
        }
    }

    fn head(&mut self, hop: Hop, head: Box<Parts>) {
        if redirect::is_redirect(head.status) {
            match hop.follow(&head, self.service.reach()) {
                Ok(next) => self.follow(next, &head),
                Err(error) => self.fail(error.into()),
            }
        } else if head.status.is_success() {
            let content = Content::new(&head, self.options.limits.content());
            self.state = State::Content { head, content };
        } else if head.status == StatusCode::UNAUTHORIZED
            && self.service.asks_for_credentials()
            && !self.reauthorized
            && !hop.has_left_origin()
            // The result that a 303 led to is refused, and not the call, which was acted on.
            && (self.call.is_idempotent() || hop.request().method() == self.call.method())
        {
            self.reauthorized = true;
            self.hangup = true;
            self.state = State::Authorize { asked: false };
        } else {
            let limits = &self.options.limits;
            self.state = State::Refusal(Refusal::whole(head, limits, self.now));
        }
    }

    /// Goes where a redirect leads, once the time has come that it may ask for (RFC 9110 §10.2.3).
    fn follow(&mut self, next: Hop, head: &Parts) {
        let wait = retry_after(&head.headers).unwrap_or_default();
        let at = self.now + wait;
        if at >= self.deadline {
            return self.fail(RedirectError::Later { status: head.status, wait }.into());
        }
        self.hangup = !wait.is_zero();
        self.state = State::Connect { hop: Box::new(next), at };
    }

    /// `unsent`: nothing of the call has reached anybody who would act on it.
    fn exchange_ended(&mut self, why: End, unsent: bool) {
        let error = match why {
            End::Failed(error) => Error::from(error),
            End::TooLarge(error) => error.into(),
            End::TimedOut(error) => error.into(),
            // No call is a WebSocket's; one that is closed like one was none. And an exchange
            // that is complete without a head is none.
            End::Closed { .. } | End::Complete => TransportErrorKind::Broken.into(),
        };
        if unsent && is_no_connection(&error) {
            let retry_after = match &error {
                Error::Transport(failure) => failure.retry_after(),
                _ => None,
            };
            self.fail_or_retry(error, retry_after);
        } else {
            self.fail(error);
        }
    }

    fn refused(&mut self, refusal: &Refusal) {
        let refused = refusal.to_error();
        let retry_after = refused.retry_after();
        if self.call.is_idempotent() && may_pass(refused.status()) {
            self.fail_or_retry(refused.into(), retry_after);
        } else {
            self.answer(Err(refused.into()));
        }
    }

    /// A failure that may pass: plans another try, if there is one left, and time for it.
    fn fail_or_retry(&mut self, error: Error, retry_after: Option<Duration>) {
        if self.retries >= self.options.max_retries {
            return self.give_up(error);
        }
        let delay = self.backoff.next_delay(retry_after, Duration::ZERO);
        let until = self.now + delay.max(retry_after.unwrap_or_default());
        if until >= self.deadline {
            return self.give_up(error);
        }
        self.retries += 1;
        self.state = State::Waiting { until };
    }

    fn give_up(&mut self, last: Error) {
        let error = if self.retries == 0 { last } else { Error::no_answer(self.retries, last) };
        self.answer(Err(error));
    }

    /// Ends the call with an exchange that is not done with.
    fn fail(&mut self, error: Error) {
        self.hangup = true;
        self.answer(Err(error));
    }

    fn answer(&mut self, mut answer: Result<T, Error>) {
        if let Err(error) = &mut answer {
            error.hide(&self.keys);
        }
        self.state = State::Answer(Box::new(answer));
    }
}

/// Nothing was sent: the name, the socket, or the time for them or for TLS failed.
fn is_no_connection(error: &Error) -> bool {
    match error {
        Error::Transport(error) => {
            matches!(error.kind(), TransportErrorKind::Resolve | TransportErrorKind::Connect)
        }
        Error::Timeout(error) => matches!(error.timer(), Timer::Connect | Timer::TlsHandshake),
        _ => false,
    }
}

/// The service is busy, or what stands before it can't reach it. A 500 would most likely come
/// back.
fn may_pass(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

impl<T> Machine for CallMachine<T> {
    type Event = Result<T, Error>;

    fn handle(&mut self, input: Input, now: Instant) {
        self.now = self.now.max(now);
        let state = std::mem::replace(&mut self.state, State::Over);
        match (input, state) {
            (Input::Credentials(credentials), State::Authorize { asked: true }) => {
                self.authorized(credentials);
            }
            (Input::Response { exchange, head }, State::Head(hop)) if exchange == self.exchange => {
                self.head(*hop, head);
            }
            (Input::Data { exchange, bytes }, State::Content { head, mut content })
                if exchange == self.exchange =>
            {
                match content.take(bytes) {
                    Ok(()) => self.state = State::Content { head, content },
                    Err(error) => self.fail(error),
                }
            }
            (Input::Data { exchange, bytes }, State::Refusal(mut refusal))
                if exchange == self.exchange =>
            {
                if refusal.take(&bytes) {
                    self.hangup = true;
                    self.refused(&refusal);
                } else {
                    self.state = State::Refusal(refusal);
                }
            }
            (Input::Ended { exchange, why }, State::Head(hop)) if exchange == self.exchange => {
                // What has led here may have been acted on, unless acting twice does no harm.
                let unsent = hop.redirects() == 0 || self.call.is_idempotent();
                self.exchange_ended(why, unsent);
            }
            (Input::Ended { exchange, why: End::Complete }, State::Content { head, content })
                if exchange == self.exchange =>
            {
                let limits = &self.options.limits;
                let content = content.finish();
                self.answer(content.and_then(|content| self.call.reply(&head, &content, limits)));
            }
            (Input::Ended { exchange, why }, State::Content { .. })
                if exchange == self.exchange =>
            {
                self.exchange_ended(why, false);
            }
            // What has come of it has to do.
            (Input::Ended { exchange, .. }, State::Refusal(refusal))
                if exchange == self.exchange =>
            {
                self.refused(&refusal);
            }
            // Time alone: `poll` looks at the deadlines. Or late, repeated, of an older exchange.
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

    fn poll(&mut self) -> Output<Self::Event> {
        loop {
            if std::mem::take(&mut self.hangup) {
                return Output::Hangup;
            }
            match std::mem::replace(&mut self.state, State::Over) {
                State::Authorize { .. }
                | State::Connect { .. }
                | State::Head(_)
                | State::Content { .. }
                | State::Refusal(_)
                | State::Waiting { .. }
                    if self.now >= self.deadline =>
                {
                    self.hangup = true;
                    self.give_up(TimeoutError::new(Timer::Total, self.options.timeout).into());
                }
                State::Authorize { asked: false } => {
                    self.state = State::Authorize { asked: true };
                    return Output::Authorize { rejected: self.reauthorized };
                }
                State::Connect { hop, at } if self.now < at => {
                    self.state = State::Connect { hop, at };
                    return Output::Wait(Some(at));
                }
                State::Connect { hop, .. } => {
                    self.exchange = self.exchange.next();
                    let request = Box::new(hop.request().clone());
                    self.state = State::Head(hop);
                    return Output::Open { exchange: self.exchange, request };
                }
                state @ (State::Authorize { asked: true }
                | State::Head(_)
                | State::Content { .. }) => {
                    self.state = state;
                    return Output::Wait(Some(self.deadline));
                }
                State::Refusal(refusal) if self.now >= refusal.deadline() => {
                    self.hangup = true;
                    self.refused(&refusal);
                }
                State::Refusal(refusal) => {
                    let deadline = refusal.deadline().min(self.deadline);
                    self.state = State::Refusal(refusal);
                    return Output::Wait(Some(deadline));
                }
                State::Waiting { until } if self.now >= until => {
                    self.state = match self.first.clone() {
                        Some(hop) => State::Connect { hop: Box::new(hop), at: self.now },
                        None => State::Authorize { asked: false },
                    };
                }
                State::Waiting { until } => {
                    self.state = State::Waiting { until };
                    return Output::Wait(Some(until));
                }
                State::Answer(answer) => return Output::Event(*answer),
                State::Over => return Output::Done,
            }
        }
    }
}
