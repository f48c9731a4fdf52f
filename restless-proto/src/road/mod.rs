//! One road to a response, for all machines: ask for a key, open, wait for the head, follow a
//! redirect, ask once more after 401, read a refusal, hang up, and hide the keys in what is told.
//!
//! Each machine decides for itself what to do with the response, and whether to go the road again.

mod look;
mod refusal;
mod rules;

use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{Request, StatusCode};

use crate::error::{Error, PeerClosed};
use crate::kinds::{CredentialsError, TimeoutError, Timer, TransportErrorKind};
use crate::machine::{End, ExchangeId, Input};
use crate::redact::Keys;
use crate::secret::ApiKey;
use crate::semantics::redirect::Hop;
use crate::semantics::retry_after::retry_after;
use crate::service::Credentials;
use crate::timing::Instant;
use look::Look;
use refusal::Refusal;
pub(crate) use rules::{Answer, HEAD_WAIT, HeadTimer, Renewal, Rules, Take};
use rules::{HeadWait, Verdict};

/// The road of one machine, with all the exchanges that it opens, one at a time.
///
/// ```text
///   Resting ──► Authorize ──► Connect ──► Head ── wanted ──► Standing
///                  ▲             ▲         │└── 3xx: the machine says where ──► Connect
///                  └─── 401 ─────┼─────────┤
///                                │         └── other ──► Refusal ──► Resting, with an error
///                                └── the machine goes it again
/// ```
pub(crate) struct Road {
    rules: Rules,
    /// The keys that must not be in an error.
    keys: Keys,
    exchange: ExchangeId,
    /// Whether the exchange is open, so that there is a connection to look at.
    open: bool,
    now: Instant,
    look: Look,
    /// Whether the connection is to be dropped before anything else, because its exchange is still
    /// open.
    hangup: bool,
    /// Whether the key that was given last was refused, and no other has come since.
    rejected: bool,
    /// The time of the last refusal, if no answer was good since.
    rejected_at: Option<Instant>,
    /// The number of connections in a row that broke without an answer, under a URL that is too
    /// long for some boxes.
    broken: u32,
    /// The longest such URL that the wanted answer came to: boxes let it pass.
    passed_bytes: usize,
    state: State,
}

enum State {
    /// Nothing is under way.
    Resting,
    /// The user is asked for credentials, or about to be. `deadline` is `Timer::Credentials`.
    Authorize { asked: bool, deadline: Option<Instant> },
    /// An exchange is opened once this time has come: at once, or when a redirect asked for it.
    Connect { hop: Box<Hop>, at: Instant },
    /// A request is out.
    Head { hop: Box<Hop>, wait: HeadWait },
    /// The answer is a refusal, and its content comes in, for a short while.
    Refusal { refusal: Box<Refusal>, long_url: Option<usize> },
    /// The answer is the wanted one, and the machine reads on.
    Standing,
}

/// What the road gives its machine.
pub(crate) enum Step {
    /// The key to go with: the machine makes a request, and [goes](Road::go).
    Keyed(Option<ApiKey>),
    /// The way leads on: the machine [goes](Road::go) there, after this wait.
    Redirect { hop: Box<Hop>, wait: Duration, status: StatusCode },
    /// The answer is the wanted one.
    Stands { hop: Box<Hop>, head: Box<Parts> },
    /// The answer is another one, or is missing.
    No(No),
    /// Content of the wanted answer.
    Data(Bytes),
    /// A whole message of the wanted answer.
    Message(Bytes),
    /// The wanted answer is over.
    Ended(End),
    /// Time has passed.
    Elapsed,
}

/// Why the wanted answer is missing.
pub(crate) struct No {
    pub(crate) error: Error,
    /// Whether the request has reached nobody who would act on it.
    pub(crate) unsent: bool,
    /// Whether to go the road again is no help, whatever the error.
    pub(crate) hopeless: bool,
    /// Since when a connection stood, where silence on it is all that happened.
    pub(crate) stood: Option<Instant>,
}

impl No {
    fn new(error: Error) -> Self {
        Self { error, unsent: false, hopeless: false, stood: None }
    }
}

/// What is to be done, or waited for, on the road.
pub(crate) enum Next {
    Step(Step),
    Authorize { rejected: bool },
    Open { exchange: ExchangeId, request: Box<Request<Bytes>> },
    Unanswered,
    Wait(Option<Instant>),
}

/// The number of connections in a row that break without an answer, from which a long URL is taken
/// for the reason: some boxes in between drop such requests silently. A URL that the wanted answer
/// came to once is no reason.
const MOST_BROKEN: u32 = 2;

impl Road {
    pub(crate) fn new(rules: Rules, now: Instant) -> Self {
        Self {
            rules,
            keys: Keys::default(),
            exchange: ExchangeId::NONE,
            open: false,
            now,
            look: Look::default(),
            hangup: false,
            rejected: false,
            rejected_at: None,
            broken: 0,
            passed_bytes: 0,
            state: State::Resting,
        }
    }

    /// Sets out: with a key at once where nobody has to be asked for a key.
    pub(crate) fn begin(&mut self) -> Option<Step> {
        match &self.rules.credentials {
            Credentials::None => Some(Step::Keyed(None)),
            Credentials::Fixed(key) => Some(Step::Keyed(Some(ApiKey::clone(key)))),
            Credentials::OnDemand => {
                self.authorize();
                None
            }
        }
    }

    /// Goes this way, once the wait is over.
    pub(crate) fn go(&mut self, hop: Hop, wait: Duration) {
        self.keys.learn(hop.request());
        self.hangup |= !wait.is_zero();
        self.state = State::Connect { hop: Box::new(hop), at: self.now + wait };
    }

    /// Drops the connection, and whatever is under way.
    pub(crate) fn hang_up(&mut self) {
        self.hangup = true;
        self.state = State::Resting;
    }

    /// Does the same, if anything was ever under way.
    pub(crate) fn end(&mut self) {
        self.hangup = self.exchange != ExchangeId::NONE;
        self.state = State::Resting;
    }

    /// Takes the good answer for a refusal, since its content is of the wrong type, and reads the
    /// content for the error.
    pub(crate) fn refuse_type(&mut self, head: Box<Parts>) {
        let refusal = Refusal::of_wrong_type(head, &self.rules.limits, self.now);
        self.state = State::Refusal { refusal: Box::new(refusal), long_url: None };
    }

    /// Takes an input in, and returns what comes of it for the machine. An input that is late,
    /// repeated or of an older exchange ends here.
    pub(crate) fn handle(&mut self, input: Input, now: Instant) -> Option<Step> {
        if matches!(input, Input::Elapsed) && self.open && self.look.is_again(now) {
            return None;
        }
        self.advance(now);
        let of_ours = match &input {
            Input::Connected { exchange }
            | Input::Response { exchange, .. }
            | Input::Data { exchange, .. }
            | Input::Message { exchange, .. }
            // What comes behind the exchange's end was never part of it.
            | Input::Ended { exchange, .. } => self.open && *exchange == self.exchange,
            Input::Credentials(_) | Input::Elapsed => true,
        };
        if !of_ours {
            return None;
        }
        match (input, std::mem::replace(&mut self.state, State::Resting)) {
            (Input::Credentials(answer), State::Authorize { asked: true, .. }) => {
                Some(self.keyed(answer))
            }
            (Input::Connected { .. }, State::Head { hop, wait }) => {
                let wait = HeadWait { stands: wait.stands.or(Some(self.now)), ..wait };
                self.state = State::Head { hop, wait };
                None
            }
            (Input::Response { head, .. }, State::Head { hop, .. }) => self.head(hop, head),
            (Input::Ended { why, .. }, State::Head { hop, .. }) => {
                self.open = false;
                Some(Step::No(self.no_answer(&hop, why)))
            }
            (Input::Data { bytes, .. }, State::Refusal { mut refusal, long_url }) => {
                if refusal.take(&bytes) {
                    self.hangup = true;
                    return Some(self.refused(&refusal, long_url));
                }
                self.state = State::Refusal { refusal, long_url };
                None
            }
            // What has come of the content has to do.
            (Input::Ended { .. }, State::Refusal { refusal, long_url }) => {
                self.open = false;
                Some(self.refused(&refusal, long_url))
            }
            (input, State::Standing) => {
                self.state = State::Standing;
                match input {
                    Input::Data { bytes, .. } => Some(Step::Data(bytes)),
                    Input::Message { message, .. } => Some(Step::Message(message)),
                    Input::Ended { why, .. } => {
                        self.open = false;
                        Some(Step::Ended(why))
                    }
                    Input::Elapsed => Some(Step::Elapsed),
                    Input::Connected { .. } | Input::Response { .. } | Input::Credentials(_) => {
                        None
                    }
                }
            }
            // Time alone is for `next`, which looks at the deadlines. Other inputs have no meaning
            // here.
            (_, state) => {
                self.state = state;
                None
            }
        }
    }

    /// Returns what is to be done now. The machine asks after [`hangs_up`](Self::hangs_up).
    pub(crate) fn next(&mut self) -> Next {
        match std::mem::replace(&mut self.state, State::Resting) {
            State::Authorize { deadline: Some(deadline), .. } if self.now >= deadline => {
                let wait = self.rules.credentials_wait.unwrap_or_default();
                let late = TimeoutError::new(Timer::Credentials, wait);
                Next::Step(Step::No(No::new(late.into())))
            }
            State::Authorize { asked, deadline } => {
                self.state = State::Authorize { asked: true, deadline };
                if asked {
                    return Next::Wait(deadline);
                }
                Next::Authorize { rejected: self.rejected }
            }
            State::Connect { hop, at } if self.now >= at => {
                self.exchange = self.exchange.next();
                self.open = true;
                let request = Box::new(hop.request().clone());
                let wait = HeadWait { opened: self.now, stands: None, told: false };
                self.state = State::Head { hop, wait };
                Next::Open { exchange: self.exchange, request }
            }
            State::Connect { hop, at } => {
                self.state = State::Connect { hop, at };
                Next::Wait(Some(at))
            }
            State::Head { hop, wait } => self.await_head(hop, wait),
            State::Refusal { refusal, long_url } if self.now >= refusal.deadline() => {
                self.hangup = true;
                Next::Step(self.refused(&refusal, long_url))
            }
            State::Refusal { refusal, long_url } => {
                let deadline = refusal.deadline();
                self.state = State::Refusal { refusal, long_url };
                Next::Wait(Some(deadline))
            }
            state @ (State::Standing | State::Resting) => {
                self.state = state;
                Next::Wait(None)
            }
        }
    }

    /// Whether the connection is to be dropped now, before anything else is done or told.
    pub(crate) fn hangs_up(&mut self) -> bool {
        let hangs_up = std::mem::take(&mut self.hangup);
        self.open &= !hangs_up;
        hangs_up
    }

    /// Returns what the driver is to wait for, where the machine waits for `deadline`.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>) -> Option<Instant> {
        self.look.wait(deadline)
    }

    /// Does the same after the peer's last word: there is nothing to look for.
    pub(crate) fn wait_for_the_end(&mut self, deadline: Option<Instant>) -> Option<Instant> {
        self.look.wait(None);
        deadline
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Whether the user was told that the connection stands and the head is missing.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(&self.state, State::Head { wait: HeadWait { told: true, .. }, .. })
    }

    /// When a redirect that asked to wait is followed.
    pub(crate) fn waits_until(&self) -> Option<Instant> {
        match &self.state {
            State::Connect { at, .. } if *at > self.now => Some(*at),
            _ => None,
        }
    }

    /// Remembers what was sent in another place than a field or the URL, so that errors leave it
    /// out.
    pub(crate) fn remember(&mut self, key: &str) {
        self.keys.add(key);
    }

    /// Does the same for the fields that the API behind the service is sent.
    pub(crate) fn remember_fields(&mut self, object: &str) {
        self.keys.learn_fields(object);
    }

    /// Takes what was sent out of all that is printed of an error.
    pub(crate) fn redact(&self, error: &mut Error) {
        error.redact(&self.keys);
    }

    /// Returns what was sent, and must not be printed again.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Returns a text of the peer's without what was sent.
    pub(crate) fn redact_exact(&self, text: String) -> String {
        self.keys.redact_exact(text)
    }

    fn authorize(&mut self) {
        let deadline = self.rules.credentials_wait.map(|wait| self.now + wait);
        self.state = State::Authorize { asked: false, deadline };
    }

    fn keyed(&mut self, answer: Result<Option<ApiKey>, CredentialsError>) -> Step {
        match answer {
            Ok(key) => {
                self.rejected = false;
                Step::Keyed(key.filter(|key| !key.is_empty()))
            }
            Err(error) => Step::No(No::new(error.into())),
        }
    }

    fn head(&mut self, hop: Box<Hop>, head: Box<Parts>) -> Option<Step> {
        self.broken = 0;
        let status = head.status;
        let verdict = self.rules.verdict(status);
        if verdict == Verdict::Accepted {
            self.rejected_at = None;
            self.passed_bytes = self.passed_bytes.max(hop.long_url().unwrap_or_default());
            self.state = State::Standing;
            return Some(Step::Stands { hop, head });
        }
        if verdict == Verdict::Followed {
            // The server may ask to wait before the redirect is followed (RFC 9110 §10.2.3).
            let wait = retry_after(&head.headers).unwrap_or_default();
            return Some(match hop.follow(&head, self.rules.reach) {
                Ok(hop) => Step::Redirect { hop: Box::new(hop), wait, status },
                Err(error) => {
                    self.hangup = true;
                    Step::No(No::new(error.into()))
                }
            });
        }
        if status == StatusCode::UNAUTHORIZED && self.may_ask_again(&hop) {
            self.hangup = true;
            self.rejected = true;
            self.rejected_at = Some(self.now);
            self.authorize();
            return None;
        }
        let refusal = Refusal::new(head, &self.rules.limits, self.rules.refusal, self.now);
        let refusal = Box::new(refusal);
        self.state = State::Refusal { refusal, long_url: hop.long_url() };
        None
    }

    /// Whether the user may be asked for another key, now that one was refused.
    fn may_ask_again(&self, hop: &Hop) -> bool {
        let again = match (self.rules.renewal, self.rejected_at) {
            (Renewal::Never, _) => false,
            (Renewal::Once | Renewal::After(_), None) => true,
            (Renewal::Once, Some(_)) => false,
            (Renewal::After(span), Some(at)) => self.now.saturating_duration_since(at) >= span,
        };
        again
            && matches!(self.rules.credentials, Credentials::OnDemand)
            && !hop.has_left_origin()
            // After a 303, the refusal is of the result, and the request was acted on.
            && (self.rules.idempotent || !hop.has_become_get())
    }

    fn await_head(&mut self, hop: Box<Hop>, wait: HeadWait) -> Next {
        let lost = self.rules.head.lost(wait);
        if let Some((timer, span, _)) = lost.filter(|(_, _, at)| self.now >= *at) {
            self.hangup = true;
            let mut no = No::new(TimeoutError::new(timer, span).into());
            if let (Timer::Idle, Some(stands)) = (timer, wait.stands) {
                no.error = TimeoutError::new(timer, span).before_head().into();
                // The connection has not failed, as far as anybody knows.
                no.stood = Some(stands);
            }
            return Next::Step(Step::No(no));
        }
        let tells = self.rules.head.tells(wait);
        if tells.is_some_and(|at| self.now >= at) {
            self.state = State::Head { hop, wait: HeadWait { told: true, ..wait } };
            return Next::Unanswered;
        }
        self.state = State::Head { hop, wait };
        Next::Wait(lost.map(|(_, _, at)| at).into_iter().chain(tells).min())
    }

    /// Tells what the end of an exchange without a head means.
    fn no_answer(&mut self, hop: &Hop, why: End) -> No {
        let mut no = No::new(error_of(why));
        // A request that was redirected may have been acted on; only an idempotent one may be
        // made again.
        no.unsent = (hop.redirects() == 0 || self.rules.idempotent) && is_unsent(&no.error);
        self.hangup = !no.unsent;
        if let Some(bytes) = hop.long_url() {
            no.error.blame_long_url(bytes);
            let broken = matches!(&no.error, Error::Transport(error)
                if error.kind() == TransportErrorKind::Broken);
            self.broken = if broken { self.broken.saturating_add(1) } else { 0 };
            no.hopeless = self.broken >= MOST_BROKEN && bytes > self.passed_bytes;
        }
        no
    }

    fn refused(&self, refusal: &Refusal, long_url: Option<usize>) -> Step {
        let mut error = refusal.to_error();
        if let Some(bytes) = long_url {
            error.blame_long_url(bytes);
        }
        Step::No(No::new(error))
    }
}

/// Tells what the end of an exchange means where more was to come: content, or a head at all.
pub(crate) fn error_of(why: End) -> Error {
    match why {
        End::Failed(error) => error.into(),
        End::TooLarge(error) => error.into(),
        End::TimedOut(error) => error.into(),
        End::Closed { code, reason } if !code.is_good_order() => {
            PeerClosed::new(code, reason).into()
        }
        End::Complete | End::Closed { .. } => TransportErrorKind::Broken.into(),
    }
}

/// Whether nothing was sent: the name, the socket, or the time for them or for TLS failed.
fn is_unsent(error: &Error) -> bool {
    match error {
        Error::Transport(error) => {
            matches!(error.kind(), TransportErrorKind::Resolve | TransportErrorKind::Connect)
        }
        Error::Timeout(error) => matches!(error.timer(), Timer::Connect | Timer::TlsHandshake),
        _ => false,
    }
}
