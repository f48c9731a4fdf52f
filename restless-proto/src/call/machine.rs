//! A call, driven: one event, the answer.

use std::time::Duration;

use http::StatusCode;
use http::response::Parts;

use super::content::Content;
use super::{Bears, Call, CallOptions};
use crate::entropy::Entropy;
use crate::error::Error;
use crate::kinds::{ConfigError, TimeoutError, Timer};
use crate::machine::{End, Input, Machine, Output};
use crate::road::{Answer, HeadTimer, Next, No, Renewal, Road, Rules, Step, Take, error_of};
use crate::secret::ApiKey;
use crate::semantics::absolute::http_url;
use crate::semantics::redirect::{Hop, RedirectError};
use crate::service::Service;
use crate::timing::{Backoff, Instant};

/// A [`Call`] on its way. The machine handles credentials, redirects and further tries, keeps one
/// timer over all of them, and limits the reply's content.
///
/// The machine has one event, the answer, and is `Done` after the event. Redirects are followed as
/// RFC 9110 §15.4 says, ten at the most; when the origin changes, the key stays behind.
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
/// Each further try comes after a delay with jitter, from half a second on ([`Backoff`]), and never
/// before `Retry-After`. A delay that would pass the deadline is not begun: the failure is told at
/// once. After further tries, the error is [`Error::GaveUp`], with their number and the last
/// failure.
pub struct CallMachine<T> {
    call: Call<T>,
    service: Service,
    options: CallOptions,
    deadline: Instant,
    backoff: Backoff,
    /// The number of tries after the first.
    retries: u32,
    /// The request that each try begins with, once its credentials are known.
    first: Option<Hop>,
    road: Road,
    state: State<T>,
}

/// ```text
///       ┌──────── the delay has passed ────────┐
///       ▼                                      │
///   Travelling ── no answer, may pass ──► Waiting
///       │  └───── no answer, will not ─────┐
///       └──► Content ──────────────────────┴──► Answer ──► Over
/// ```
enum State<T> {
    /// On the road to the response.
    Travelling,
    /// The answer is yes, and its content comes in.
    Content { head: Box<Parts>, content: Box<Content> },
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
    /// Starts the call. `entropy` gives the jitter of the call's delays.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request). With [credentials on
    /// demand](Service::with_credentials_on_demand), what depends on the credentials is told once
    /// they have come, as [`Error::Config`].
    pub fn start(
        self,
        service: &Service,
        options: CallOptions,
        entropy: Entropy,
        now: Instant,
    ) -> Result<CallMachine<T>, ConfigError> {
        let rules = Rules {
            credentials: service.credentials().clone(),
            // One timer is over all of the call.
            credentials_wait: None,
            renewal: Renewal::Once,
            reach: service.reach(),
            wants: Answer::Content,
            follows: true,
            head: HeadTimer::None,
            refusal: Take::Whole,
            limits: options.limits,
            idempotent: self.is_idempotent(),
        };
        let mut machine = CallMachine {
            call: self,
            service: service.clone(),
            options,
            deadline: now + options.timeout,
            backoff: Backoff::new(RETRY, MAX_RETRY, entropy),
            retries: 0,
            first: None,
            road: Road::new(rules, now),
            state: State::Travelling,
        };
        match machine.road.begin() {
            Some(Step::Keyed(key)) => machine.set_out(key.as_ref())?,
            // All that can be told without the key.
            _ => machine.call.check(service, Bears::Key)?,
        }
        Ok(machine)
    }
}

impl<T> CallMachine<T> {
    fn set_out(&mut self, key: Option<&ApiKey>) -> Result<(), ConfigError> {
        let request = self.call.request_as(&self.service, key)?;
        let uri = request.uri().to_string();
        let url = http_url("url", &uri)?;
        let hop = Hop::new(request, url);
        self.first = Some(hop.clone());
        self.road.go(hop, Duration::ZERO);
        // The key in the content may be another one than ours.
        if let Some(body) = &self.call.body {
            self.road.remember(&body.text("apiKey").unwrap_or_default());
            self.road.remember_fields(body.raw("headers").unwrap_or_default());
        }
        Ok(())
    }

    fn step(&mut self, step: Step) {
        match (step, std::mem::replace(&mut self.state, State::Travelling)) {
            (Step::Keyed(key), _) => {
                if let Err(error) = self.set_out(key.as_ref()) {
                    self.answer(Err(error.into()));
                }
            }
            (Step::Redirect { hop, wait, status }, _) => {
                if self.road.now() + wait >= self.deadline {
                    return self.fail(RedirectError::Later { status, wait }.into());
                }
                self.road.go(*hop, wait);
            }
            (Step::Stands { head, .. }, _) => {
                let content = Box::new(Content::new(&head, self.options.limits.content_bytes));
                self.state = State::Content { head, content };
            }
            (Step::No(no), _) => self.no(no),
            (Step::Data(bytes), State::Content { head, mut content }) => {
                match content.take(bytes) {
                    Ok(()) => self.state = State::Content { head, content },
                    Err(error) => self.fail(error),
                }
            }
            (Step::Ended(End::Complete), State::Content { head, content }) => {
                let limits = &self.options.limits;
                let content = content.finish();
                self.answer(content.and_then(|content| self.call.reply(&head, &content, limits)));
            }
            (Step::Ended(why), State::Content { .. }) => self.fail(error_of(why)),
            // Time alone is for `poll`, which looks at the deadlines. An input that is late has no
            // meaning here.
            (Step::Data(_) | Step::Message(_) | Step::Ended(_) | Step::Elapsed, state) => {
                self.state = state;
            }
        }
    }

    fn no(&mut self, no: No) {
        let passes = match &no.error {
            Error::Refused(refused) => self.call.is_idempotent() && may_pass(refused.status()),
            _ => no.unsent,
        };
        if passes { self.fail_or_retry(no.error) } else { self.answer(Err(no.error)) }
    }

    /// Plans another try after a failure that may pass, if a try is left, and time for it.
    fn fail_or_retry(&mut self, error: Error) {
        if self.retries >= self.options.max_retries {
            return self.give_up(error);
        }
        let retry_after = error.retry_after();
        let delay = self.backoff.next_delay(retry_after, Duration::ZERO);
        let until = self.road.now() + delay.max(retry_after.unwrap_or_default());
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

    /// Ends the call, whose exchange is still open.
    fn fail(&mut self, error: Error) {
        self.road.hang_up();
        self.answer(Err(error));
    }

    fn answer(&mut self, mut answer: Result<T, Error>) {
        if let Err(error) = &mut answer {
            self.road.redact(error);
        }
        self.state = State::Answer(Box::new(answer));
    }

    fn is_late(&self) -> bool {
        self.road.now() >= self.deadline
    }
}

/// Whether a failure with this status may pass: the service is busy, or a box before it can't reach
/// it. A 500 would most likely come back.
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
        if let Some(step) = self.road.handle(input, now) {
            self.step(step);
        }
    }

    fn poll(&mut self) -> Output<Self::Event> {
        loop {
            if self.road.hangs_up() {
                return Output::Hangup;
            }
            match std::mem::replace(&mut self.state, State::Over) {
                State::Travelling | State::Content { .. } | State::Waiting { .. }
                    if self.is_late() =>
                {
                    self.road.hang_up();
                    self.give_up(TimeoutError::new(Timer::Total, self.options.timeout).into());
                }
                State::Travelling => {
                    self.state = State::Travelling;
                    match self.road.next() {
                        Next::Step(step) => self.step(step),
                        Next::Authorize { rejected } => return Output::Authorize { rejected },
                        Next::Open { exchange, request } => {
                            return Output::Open { exchange, request };
                        }
                        Next::Wait(soonest) => {
                            let soonest = soonest.map_or(self.deadline, |at| at.min(self.deadline));
                            return Output::Wait(self.road.wait(Some(soonest)));
                        }
                        // Event streams alone have this.
                        Next::Unanswered => {}
                    }
                }
                state @ State::Content { .. } => {
                    self.state = state;
                    return Output::Wait(self.road.wait(Some(self.deadline)));
                }
                State::Waiting { until } if self.road.now() >= until => {
                    self.state = State::Travelling;
                    match self.first.clone() {
                        Some(hop) => self.road.go(hop, Duration::ZERO),
                        // Without a first request, the try begins at the credentials.
                        None => drop(self.road.begin()),
                    }
                }
                State::Waiting { until } => {
                    self.state = State::Waiting { until };
                    return Output::Wait(self.road.wait(Some(until)));
                }
                State::Answer(answer) => return Output::Event(*answer),
                State::Over => return Output::Done,
            }
        }
    }
}
