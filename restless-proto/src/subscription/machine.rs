//! The state machine of a subscription, over server-sent events and over WebSocket.

use std::collections::VecDeque;
use std::time::Duration;

use http::header;
use http::response::Parts;

use super::cursor;
use super::event::{Ended, Event, Item, LossReason, Lost, Opened, State as Now, Status};
use super::feed::{EventStream, Fed, Feed, Messages};
use super::loss::Loss;
use super::plan::{Attempt, Plan, Transport};
use super::policy::{self, Disposition, Verdict};
use crate::error::Excerpt;
use crate::error::{ContentError, Error};
use crate::http::retry_after::retry_after;
use crate::http::{media_type, request_id};
use crate::kinds::{CredentialsError, TimeoutError, Timer, TransportErrorKind};
use crate::machine::{End, ExchangeId, Input, Machine, Output};
use crate::redact::{Keys, shown};
use crate::road::Refusal;
use crate::secret::ApiKey;
use crate::service::Credentials;
use crate::timing::Instant;
use crate::ws::{self, CloseCode};

/// A subscription, driven: see [`Machine`] and the guide [Writing a driver](crate::guide).
///
/// One machine is one subscription with all its connections, and never has more than one of them.
/// It is `Done` after [`Event::Ended`].
pub struct SubscriptionMachine {
    plan: Plan,
    exchange: ExchangeId,
    state: State,
    /// What is due before the state is looked at again: three outputs at the most.
    due: VecDeque<Output<Event>>,
    now: Instant,
    /// What no error says again.
    keys: Keys,
    /// Connects in a row that brought no event.
    reconnects: u32,
    /// How long the present request's URL is, where some take none of that length.
    long_url: Option<usize>,
    /// Connections in a row that broke without an answer under such a URL.
    broken_under_it: u32,
    /// Whether the key that was given last was refused, and no other was given since.
    rejected: bool,
    /// When that was last, if no connection has stood since.
    rejected_at: Option<Instant>,
    last_heard: Option<Instant>,
    /// Since when the present connection stands.
    opened: Option<Instant>,
    lost: Option<Lost>,
    ended: Option<Ended>,
}

/// ```text
///              ┌─────────────────────────── the delay has passed ──────────────────────────┐
///              ▼                                                                           │
///   Authorize ──► Connect ──► Head ── 200 ──► Streaming ── ended, cut or silent ──► Waiting
///       ▲            ▲         │  └─ 3xx ─┐                                            ▲
///       │            └─────────┼──────────┘                                            │
///       └── 401, once ─────────┼── other ──► Refusal ── may pass ──────────────────────┤
///                              │                └────── will not ──► Over              │
///                              └── no answer ──────────────────────────────────────────┘
/// ```
///
/// From any of them `close` leads to `Over`, from `Streaming` over WebSocket by way of `Closing`.
enum State {
    /// The user is asked for credentials, or about to be. `deadline` is `Timer::Credentials`, armed
    /// here, stopped by the answer.
    Authorize { asked: bool, deadline: Instant },
    /// An exchange is opened once this time has come: at once, or when a redirect asked for it.
    Connect { attempt: Box<Attempt>, at: Instant },
    /// A request is out. `deadline` is `Timer::ResponseHead`, armed here, stopped by the head; of an
    /// event stream, it is `Timer::Idle` from where the connection stands.
    Head { attempt: Box<Attempt>, wait: HeadWait },
    /// The answer is no; the first bytes of its content are waited for, not for long.
    Refusal(Refusal),
    /// Events come. `deadline` is `Timer::Idle`, armed by the head and by each piece of content.
    Streaming { feed: Feed, deadline: Option<Instant>, ended: Option<End> },
    /// The user has closed it, and the peer is told (RFC 6455 §7.1.2). It is given the time of
    /// `Timer::Close`, which the connection keeps.
    Closing { connection: Box<ws::Connection> },
    /// A connect is planned.
    Waiting { until: Instant },
    /// Nothing will happen any more.
    Over,
}

/// What a head is waited for.
#[derive(Clone, Copy)]
struct HeadWait {
    opened: Instant,
    /// Since when the connection stands, as far as the driver has told.
    stands: Option<Instant>,
    /// Whether the user knows that the connection stands and nothing comes.
    told: bool,
}

/// After this long on a connection that stands, the user is told that no head has come.
const UNANSWERED: Duration = Duration::from_secs(10);

/// How long the user is given for credentials: as long as a server for the head of its response.
const CREDENTIALS_WAIT: Duration = Duration::from_secs(30);

/// A connection that breaks without an answer may come from a box in between that stops at long URLs
/// and says nothing; after so many in a row there is no doubt.
const MOST_BROKEN: u32 = 2;

/// A key that was accepted by nobody for this long may have expired in an outage: another refusal is
/// no proof that no key will do.
const KEY_SPAN: Duration = Duration::from_secs(300);

impl SubscriptionMachine {
    pub(super) fn new(plan: Plan, now: Instant) -> Self {
        let mut machine = Self {
            plan,
            exchange: ExchangeId::NONE,
            state: State::Over,
            due: VecDeque::new(),
            now,
            keys: Keys::default(),
            reconnects: 0,
            long_url: None,
            broken_under_it: 0,
            rejected: false,
            rejected_at: None,
            last_heard: None,
            opened: None,
            lost: None,
            ended: None,
        };
        machine.connect();
        machine
    }

    /// Ends the subscription: nothing more comes of it but [`Event::Ended`], not even events that
    /// have already arrived. An event stream's connection is dropped; over WebSocket the peer is
    /// told first, and has [`close_within`](ws::Options::close_within) to answer.
    pub fn close(&mut self, now: Instant) {
        self.now = self.now.max(now);
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => {}
            State::Streaming { feed: Feed::Frames(mut connection), ended: None, .. } => {
                self.due.clear();
                // It can't be closing yet, and the code is one that may be sent.
                let closing = connection.close(CloseCode::NORMAL, "", self.now);
                match closing {
                    Ok(()) => self.state = State::Closing { connection },
                    Err(_) => self.end(Ended::Closed),
                }
            }
            State::Closing { connection } => self.state = State::Closing { connection },
            State::Authorize { .. }
            | State::Connect { .. }
            | State::Head { .. }
            | State::Refusal(_)
            | State::Streaming { .. }
            | State::Waiting { .. } => self.end(Ended::Closed),
        }
    }

    /// The position to store, and to resume at: where the last item handed out has moved it, or
    /// the first cursor given.
    pub fn cursor(&self) -> Option<&str> {
        self.plan.position.cursor()
    }

    /// Where this subscription stands.
    pub fn status(&self) -> Status {
        let state = match (&self.state, &self.ended, &self.lost) {
            (State::Over, Some(ended), _) => Now::Ended(ended.clone()),
            (State::Waiting { .. }, _, Some(lost)) => Now::Waiting(lost.clone()),
            (State::Streaming { .. }, _, _) => Now::Open,
            (State::Closing { .. }, _, _) => Now::Closing,
            (State::Head { wait: HeadWait { told: true, .. }, .. }, _, _) => Now::Unanswered,
            _ => Now::Connecting,
        };
        Status {
            state,
            reconnects: self.reconnects,
            cursor: self.cursor().map(str::to_owned),
            last_heard: self.last_heard,
        }
    }

    fn connect(&mut self) {
        match &self.plan.credentials {
            Credentials::None => self.connect_as(None),
            Credentials::Fixed(key) => {
                let key = key.clone();
                self.connect_as(Some(&key));
            }
            Credentials::OnDemand => self.authorize(),
        }
    }

    fn authorize(&mut self) {
        let deadline = self.now + CREDENTIALS_WAIT;
        self.state = State::Authorize { asked: false, deadline };
    }

    fn authorized(&mut self, credentials: Result<Option<ApiKey>, CredentialsError>) {
        match credentials {
            Ok(key) => {
                self.rejected = false;
                self.connect_as(key.filter(|key| !key.is_empty()).as_ref());
            }
            Err(error) => self.lose(Error::from(error)),
        }
    }

    fn connect_as(&mut self, key: Option<&ApiKey>) {
        match self.plan.attempt(key) {
            Ok(attempt) => {
                self.state = State::Connect { attempt: Box::new(attempt), at: self.now };
            }
            // All else was checked when the subscription started, but a key on demand was not.
            Err(error) => self.end(Ended::Failed(error.into())),
        }
    }

    fn open(&mut self, attempt: Box<Attempt>) -> Output<Event> {
        self.exchange = self.exchange.next();
        let mut request = Box::new(attempt.hop.request().clone());
        self.keys.learn(&request);
        self.long_url = attempt.hop.long_url();
        if matches!(self.plan.transport, Transport::Messages { .. }) {
            // Where redirects and credentials are judged, it is HTTP; to its stack, WebSocket.
            *request.uri_mut() = ws::websocket_uri(request.uri());
        }
        let wait = HeadWait { opened: self.now, stands: None, told: false };
        self.state = State::Head { attempt, wait };
        Output::Open { exchange: self.exchange, request }
    }

    fn head(&mut self, attempt: Box<Attempt>, head: Box<Parts>) {
        self.broken_under_it = 0;
        match policy::status(head.status, self.plan.is_websocket(), &self.plan.overrides) {
            Verdict::Accept => match self.accept(&attempt, &head) {
                Ok(Some(feed)) => self.stream(feed, &head, cursor::sent_to(attempt.hop.url())),
                Ok(None) => self.refusal(head),
                Err(error) => self.lose(error),
            },
            Verdict::Follow => self.follow(*attempt, &head),
            Verdict::Authorize
                if matches!(self.plan.credentials, Credentials::OnDemand)
                    && self.may_ask_again()
                    && !attempt.hop.has_left_origin() =>
            {
                self.due.push_back(Output::Hangup);
                self.rejected = true;
                self.rejected_at = Some(self.now);
                self.authorize();
            }
            Verdict::NoContent => self.end(Ended::NoContent),
            Verdict::Authorize | Verdict::Retry | Verdict::Stop => self.refusal(head),
        }
    }

    /// Whether the user may be asked for another key, now that one was refused: once until a
    /// connection stands, whatever else is answered meanwhile.
    fn may_ask_again(&self) -> bool {
        self.rejected_at.is_none_or(|at| self.now.saturating_duration_since(at) >= KEY_SPAN)
    }

    fn refusal(&mut self, head: Box<Parts>) {
        self.state = State::Refusal(Refusal::new(head, &self.plan.limits, self.now));
    }

    /// What reads this response's content; `None` where it is of the wrong type.
    fn accept(&mut self, attempt: &Attempt, head: &Parts) -> Result<Option<Feed>, Error> {
        Ok(match (&self.plan.transport, &attempt.handshake) {
            (Transport::EventStream { .. }, _) if !media_type::is_event_stream(&head.headers) => {
                None
            }
            (Transport::EventStream { .. }, _) => {
                let stream = EventStream::new(&head.headers, self.plan.limits);
                Some(Feed::EventStream(Box::new(
                    stream.map_err(ContentError::from).map_err(Box::new)?,
                )))
            }
            (Transport::WebSocket { options, .. }, Some(handshake)) => {
                let accepted = handshake.check(head.status, &head.headers).map_err(Box::new)?;
                let entropy = self.plan.entropy.fork();
                let connection = ws::Connection::new(&accepted, *options, entropy, self.now);
                Some(Feed::Frames(Box::new(connection)))
            }
            (Transport::Messages { options, .. } | Transport::WebSocket { options, .. }, _) => {
                Some(Feed::Messages(Messages::new(options)))
            }
        })
    }

    fn stream(&mut self, feed: Feed, head: &Parts, cursor: Option<String>) {
        self.last_heard = Some(self.now);
        self.opened = Some(self.now);
        self.rejected_at = None;
        self.plan.position.answered(&head.headers);
        self.state = State::Streaming { feed, deadline: self.idle_deadline(), ended: None };
        let subprotocol = head.headers.get(header::SEC_WEBSOCKET_PROTOCOL);
        let subprotocol = subprotocol.filter(|_| self.plan.is_websocket());
        self.due.push_back(Output::Event(Event::Opened(Opened {
            cursor,
            request_id: request_id(&head.headers).map(|id| self.keys.without(id)),
            subprotocol: subprotocol.and_then(|name| name.to_str().ok()).map(str::to_owned),
        })));
    }

    fn follow(&mut self, attempt: Attempt, head: &Parts) {
        let followed = attempt.hop.follow(head, self.plan.reach).and_then(|mut hop| {
            let url = self.plan.position.place_in_redirect(hop.url());
            hop.place_at(url).map(|()| hop)
        });
        match followed {
            Ok(mut hop) => {
                let mut handshake = attempt.handshake;
                if let Some(handshake) = &mut handshake {
                    handshake.redirect(&mut self.plan.entropy, hop.has_left_origin());
                    hop.renew(handshake.request().headers());
                }
                // A new exchange takes the place of the old one: no back-off, and no loss to tell. The
                // server may ask to wait before it (RFC 9110 §10.2.3).
                let wait = retry_after(&head.headers).unwrap_or_default();
                if !wait.is_zero() {
                    self.due.push_back(Output::Hangup);
                }
                let attempt = Box::new(Attempt { hop, handshake });
                self.state = State::Connect { attempt, at: self.now + wait };
            }
            Err(error) => self.lose(Error::from(error)),
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let head = refusal.head();
        if head.status == http::StatusCode::OK && !self.plan.is_websocket() {
            let error = Box::new(ContentError::NotAnEventStream {
                seen: media_type::content_type(&head.headers).map(|seen| shown(&seen)),
                excerpt: Excerpt::of(&refusal.content(), &self.plan.limits),
                forwarded_by: head.extensions.get().cloned(),
            });
            return self.lose(Error::from(error));
        }
        self.lose(Error::from(refusal.to_error()));
    }

    /// The connection is gone: plans the next one, or ends.
    fn lose(&mut self, loss: impl Into<Loss>) {
        let mut loss = loss.into();
        if let (LossReason::Error(error), Some(bytes)) = (&mut loss.reason, self.long_url) {
            // What breaks once it is open has nothing to do with the URL.
            if self.opened.is_none() {
                error.blame_long_url(bytes);
            }
        }
        let counts = policy::counts(&loss);
        let disposition = policy::after(&loss, self.plan.is_websocket(), &self.plan.overrides);
        let Loss { mut reason, retry_after, .. } = loss;
        if let LossReason::Error(error) = &mut reason {
            error.hide(&self.keys);
        }
        let floor = match disposition {
            Disposition::Retry => retry_after,
            Disposition::RetryAfter(least) => retry_after.max(Some(least)),
            Disposition::Stop => None,
        };
        let stop = disposition == Disposition::Stop || self.broken_under_it >= MOST_BROKEN;
        if stop || !self.plan.reconnect {
            return self.end(match reason {
                LossReason::Complete => Ended::Complete,
                LossReason::Error(error) => Ended::Failed(error),
            });
        }
        if counts {
            if self.plan.max_reconnects.is_some_and(|most| self.reconnects >= most) {
                return self.end(Ended::GaveUp { reconnects: self.reconnects, last: reason });
            }
            self.reconnects = self.reconnects.saturating_add(1);
        }
        let spell = self.opened.take().map(|at| self.now.saturating_duration_since(at));
        let delay = self.plan.backoff.next_delay(floor, spell.unwrap_or_default());
        let until = self.now + delay;
        let lost = Lost { reason, attempt: self.reconnects, retry_at: until };
        self.lost = Some(lost.clone());
        self.due.push_back(Output::Hangup);
        self.due.push_back(Output::Event(Event::Lost(lost)));
        self.state = State::Waiting { until };
    }

    fn end(&mut self, ended: Ended) {
        self.due.clear();
        if self.exchange != ExchangeId::NONE {
            self.due.push_back(Output::Hangup);
        }
        self.ended = Some(ended.clone());
        self.due.push_back(Output::Event(Event::Ended(ended)));
        self.state = State::Over;
    }

    fn idle_deadline(&self) -> Option<Instant> {
        self.plan.idle_timeout.map(|idle| self.now + idle)
    }

    /// When the user is to be told that no head comes, and when that is a loss.
    fn head_deadlines(&self, wait: HeadWait) -> [Option<Instant>; 2] {
        let told = wait.told || self.plan.is_websocket();
        let tell = wait.stands.filter(|_| !told).map(|stands| stands + UNANSWERED);
        let lost = self.plan.head_wait(wait.stands.is_some()).map(|(timer, span)| match timer {
            Timer::Idle => wait.stands.unwrap_or(wait.opened) + span,
            _ => wait.opened + span,
        });
        [tell, lost]
    }

    /// No head has come in its time.
    fn no_head(&mut self, wait: HeadWait) {
        let Some((timer, after)) = self.plan.head_wait(wait.stands.is_some()) else { return };
        let mut late = TimeoutError::new(timer, after);
        if let (Timer::Idle, Some(stands)) = (timer, wait.stands) {
            // It has not failed, as far as anybody knows.
            self.opened = Some(stands);
            late = late.before_head();
        }
        self.lose(Error::from(late));
    }

    fn time_out(&mut self, timer: Timer, after: Duration) {
        self.lose(Error::from(TimeoutError::new(timer, after)));
    }

    /// An item comes out: the cursor moves, and an accepted event proves that the stream lives.
    fn hand_out(&mut self, mut item: Item) -> Output<Event> {
        match &mut item {
            Item::Event(event) => self.plan.position.move_behind(event),
            Item::Rejected(rejected) => {
                rejected.reason.hide(&self.keys);
                self.plan.position.move_to(rejected.id.as_deref().unwrap_or_default());
            }
        }
        if matches!(item, Item::Event(_)) {
            self.reconnects = 0;
            self.plan.backoff.reset();
        }
        Output::Event(Event::Item(item))
    }

    /// Reads on, until there is something to say or to wait for.
    fn read(
        &mut self,
        mut feed: Feed,
        deadline: Option<Instant>,
        ended: Option<End>,
    ) -> Option<Output<Event>> {
        let own = loop {
            match feed.next(self.plan.signer.as_ref()) {
                Fed::Moved(cursor) => self.plan.position.move_to(&cursor),
                Fed::Item(item) => {
                    self.state = State::Streaming { feed, deadline, ended };
                    return Some(self.hand_out(item));
                }
                Fed::Send(bytes) => {
                    self.state = State::Streaming { feed, deadline, ended };
                    return Some(Output::Send(bytes));
                }
                Fed::Broken(error) => {
                    self.heed_retry(&feed);
                    self.lose(error);
                    return None;
                }
                Fed::Closed(closed) => {
                    self.lose(Loss::of_close(closed, ended));
                    return None;
                }
                Fed::Starved(own) => break own,
            }
        };
        self.heed_retry(&feed);
        match ended {
            // Frames tell of their end themselves.
            Some(why) if !matches!(feed, Feed::Frames(_)) => self.lose(Loss::of_end(why)),
            None if deadline.is_some_and(|deadline| self.now >= deadline) => {
                self.time_out(Timer::Idle, self.plan.idle_timeout.unwrap_or_default());
            }
            ended => {
                self.state = State::Streaming { feed, deadline, ended };
                let soonest = [deadline, own].into_iter().flatten().min();
                return Some(Output::Wait(soonest));
            }
        }
        None
    }

    fn heed_retry(&mut self, feed: &Feed) {
        if let Some(retry) = feed.reconnection_time() {
            self.plan.backoff.server_retry(retry);
        }
    }

    /// The closing handshake, with nobody left to give messages to.
    fn close_on(&mut self, mut connection: Box<ws::Connection>) -> Option<Output<Event>> {
        loop {
            let output = match connection.poll() {
                ws::Output::Message(_) | ws::Output::TooLarge(_) => continue,
                ws::Output::Ping(_) | ws::Output::Pong(_) => continue,
                ws::Output::Send(bytes) => Output::Send(bytes),
                ws::Output::Wait(deadline) => Output::Wait(deadline),
                ws::Output::Closed(_) => break,
            };
            // The peer has answered, and everything is sent: no need to wait for its end.
            if matches!(output, Output::Wait(_)) && connection.closing().is_some() {
                break;
            }
            self.state = State::Closing { connection };
            return Some(output);
        }
        self.end(Ended::Closed);
        None
    }
}

impl Machine for SubscriptionMachine {
    type Event = Event;

    fn handle(&mut self, input: Input, now: Instant) {
        self.now = self.now.max(now);
        let state = std::mem::replace(&mut self.state, State::Over);
        match (input, state) {
            (Input::Connected { exchange }, State::Head { attempt, wait })
                if exchange == self.exchange =>
            {
                let wait = HeadWait { stands: wait.stands.or(Some(self.now)), ..wait };
                self.state = State::Head { attempt, wait };
            }
            (Input::Response { exchange, head }, State::Head { attempt, .. })
                if exchange == self.exchange =>
            {
                self.head(attempt, head);
            }
            (Input::Data { exchange, bytes }, State::Streaming { mut feed, ended, .. })
                if exchange == self.exchange =>
            {
                self.last_heard = Some(self.now);
                feed.data(bytes, self.now);
                self.state = State::Streaming { feed, deadline: self.idle_deadline(), ended };
            }
            (Input::Message { exchange, message }, State::Streaming { mut feed, ended, .. })
                if exchange == self.exchange =>
            {
                self.last_heard = Some(self.now);
                feed.message(message);
                self.state = State::Streaming { feed, deadline: self.idle_deadline(), ended };
            }
            (Input::Data { exchange, bytes }, State::Closing { mut connection })
                if exchange == self.exchange =>
            {
                connection.handle_data(bytes, self.now);
                self.state = State::Closing { connection };
            }
            (Input::Elapsed, State::Closing { mut connection }) => {
                connection.elapsed(self.now);
                self.state = State::Closing { connection };
            }
            (Input::Elapsed, State::Streaming { mut feed, deadline, ended }) => {
                feed.elapsed(self.now);
                self.state = State::Streaming { feed, deadline, ended };
            }
            (Input::Data { exchange, bytes }, State::Refusal(mut refusal))
                if exchange == self.exchange =>
            {
                if refusal.take(&bytes) {
                    self.refuse(&refusal);
                } else {
                    self.state = State::Refusal(refusal);
                }
            }
            (Input::Ended { exchange, why }, state) if exchange == self.exchange => {
                self.exchange_ended(why, state);
            }
            (Input::Credentials(credentials), State::Authorize { asked: true, .. }) => {
                self.authorized(credentials);
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

    fn poll(&mut self) -> Output<Event> {
        loop {
            if let Some(output) = self.due.pop_front() {
                return output;
            }
            match std::mem::replace(&mut self.state, State::Over) {
                State::Authorize { deadline, .. } if self.now >= deadline => {
                    self.time_out(Timer::Credentials, CREDENTIALS_WAIT);
                }
                State::Authorize { asked, deadline } => {
                    self.state = State::Authorize { asked: true, deadline };
                    if asked {
                        return Output::Wait(Some(deadline));
                    }
                    return Output::Authorize { rejected: self.rejected };
                }
                State::Connect { attempt, at } if self.now >= at => return self.open(attempt),
                State::Connect { attempt, at } => {
                    self.state = State::Connect { attempt, at };
                    return Output::Wait(Some(at));
                }
                State::Head { attempt, wait } => {
                    let is_due = |at: &Instant| self.now >= *at;
                    match self.head_deadlines(wait) {
                        [_, Some(lost)] if is_due(&lost) => self.no_head(wait),
                        [Some(tell), _] if is_due(&tell) => {
                            let wait = HeadWait { told: true, ..wait };
                            self.state = State::Head { attempt, wait };
                            return Output::Event(Event::Unanswered);
                        }
                        deadlines => {
                            self.state = State::Head { attempt, wait };
                            return Output::Wait(deadlines.into_iter().flatten().min());
                        }
                    }
                }
                State::Refusal(refusal) if self.now >= refusal.deadline() => {
                    self.refuse(&refusal);
                }
                State::Refusal(refusal) => {
                    let deadline = refusal.deadline();
                    self.state = State::Refusal(refusal);
                    return Output::Wait(Some(deadline));
                }
                State::Streaming { feed, deadline, ended } => {
                    if let Some(output) = self.read(feed, deadline, ended) {
                        return output;
                    }
                }
                State::Closing { connection } => {
                    if let Some(output) = self.close_on(connection) {
                        return output;
                    }
                }
                State::Waiting { until } if self.now >= until => self.connect(),
                State::Waiting { until } => {
                    self.state = State::Waiting { until };
                    return Output::Wait(Some(until));
                }
                State::Over => return Output::Done,
            }
        }
    }
}

impl SubscriptionMachine {
    fn exchange_ended(&mut self, why: End, state: State) {
        match state {
            State::Head { .. } => {
                // A complete response without a head is no response.
                let loss = Loss::of_end(why);
                let loss = match loss.reason {
                    LossReason::Complete => Error::from(TransportErrorKind::Broken).into(),
                    LossReason::Error(_) => loss,
                };
                if self.long_url.is_some() && loss.is_broken() {
                    self.broken_under_it = self.broken_under_it.saturating_add(1);
                }
                self.lose(loss);
            }
            State::Refusal(refusal) => self.refuse(&refusal),
            // Events that have arrived come out before the loss.
            State::Streaming { mut feed, deadline, ended } => {
                feed.ended(&why, self.now);
                let ended = ended.or(Some(why));
                self.state = State::Streaming { feed, deadline, ended };
            }
            State::Closing { .. } => self.end(Ended::Closed),
            State::Authorize { .. }
            | State::Connect { .. }
            | State::Waiting { .. }
            | State::Over => self.state = state,
        }
    }
}
