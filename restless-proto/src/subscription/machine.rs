//! The state machine of a subscription, over server-sent events and over WebSocket.

use std::time::Duration;

use http::StatusCode;
use http::response::Parts;
use url::Url;

use super::continuity::{Continuity, GapReason, Tracker, Verdict};
use super::cursor::{self, Position};
use super::event::{Ended, Event, Item, LossReason, Lost, Opened, State, Status};
use super::feed::{Fed, Feed};
use super::loss::Loss;
use super::policy::{self, Disposition, Overrides};
use super::transport::Transport;
use crate::error::Error;
use crate::kinds::{TimeoutError, Timer};
use crate::machine::{End, Input, Machine, Output};
use crate::road::{Next, Road, Step};
use crate::secret::ApiKey;
use crate::semantics::redirect::Hop;
use crate::semantics::request_id;
use crate::signature::Signer;
use crate::timing::{Backoff, Instant};

/// A subscription, driven: see [`Machine`] and the guide [Writing a driver](crate::guide).
///
/// One machine is one subscription with all its connections, and never has more than one of them.
/// The machine is `Done` after [`Event::Ended`].
pub struct SubscriptionMachine {
    plan: Plan,
    transport: Transport,
    position: Position,
    backoff: Backoff,
    road: Road,
    state: Phase,
    /// What the user is to be told before the state is looked at again.
    news: Option<Box<Event>>,
    /// Connects in a row that brought no event.
    reconnects: u32,
    last_heard: Option<Instant>,
    /// Where continuity is asked for: most subscriptions have none.
    tracker: Option<Box<Tracker>>,
    /// Whether this connect is for a snapshot. Events of such a connect leave the back-off alone,
    /// or a document that no snapshot heals would ask for one snapshot after the other.
    for_snapshot: bool,
}

/// What a [`Subscription`](super::Subscription) comes down to, once every value in it is checked.
/// The plan stays as it is.
pub(super) struct Plan {
    pub(super) url: Url,
    pub(super) reconnect: bool,
    pub(super) max_reconnects: Option<u32>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) signer: Option<Box<Signer>>,
    pub(super) overrides: Overrides,
}

/// ```text
///        ┌────────────── the delay has passed ──────────────┐
///        ▼                                                  │
///   Travelling ── it stands ──► Streaming ── gone ──► Waiting
///        │                          │                    ▲
///        ├── no, but it may pass ───┼────────────────────┘
///        └── no, and it will not ───┴──► Over
/// ```
///
/// From any of them `close` leads to `Over`, from `Streaming` over WebSocket by way of `Closing`.
enum Phase {
    /// On the road to a response that is an event stream, or opens a WebSocket.
    Travelling,
    /// Events come, `since` then. `deadline` is `Timer::Idle`, armed by the head and by each piece
    /// of content; `ended` is how the exchange ended, with events still to be told.
    Streaming { feed: Feed, since: Instant, deadline: Option<Instant>, ended: Option<End> },
    /// The user has closed it, and the peer is told (RFC 6455 §7.1.2). The peer has the time of
    /// `Timer::Close`, which the feed keeps.
    Closing { feed: Feed },
    /// A connect is planned.
    Waiting(Lost),
    /// Nothing will happen any more.
    Over(Ended),
}

/// How long the user is given for credentials: as long as a server for the answer to a handshake.
pub(super) const CREDENTIALS_WAIT: Duration = Duration::from_secs(30);

/// The time after which the user, who was asked once after a 401, is asked again, even if every
/// answer in between was bad: the key may expire during an outage.
pub(super) const KEY_SPAN: Duration = Duration::from_secs(300);

impl SubscriptionMachine {
    pub(super) fn new(
        plan: Plan,
        transport: Transport,
        position: Position,
        backoff: Backoff,
        road: Road,
        tracker: Option<Tracker>,
    ) -> Self {
        let mut machine = Self {
            plan,
            transport,
            position,
            backoff,
            road,
            state: Phase::Travelling,
            news: None,
            reconnects: 0,
            last_heard: None,
            tracker: tracker.map(Box::new),
            for_snapshot: false,
        };
        machine.set_out();
        machine
    }

    /// Ends the subscription: only [`Event::Ended`] comes from here on, and events that have
    /// already arrived are dropped. An event stream's connection is dropped; over WebSocket the
    /// peer is told first, and has [`close_within`](crate::ws::Options::close_within) to answer.
    pub fn close(&mut self, now: Instant) {
        self.road.advance(now);
        let now = self.road.now();
        match std::mem::replace(&mut self.state, Phase::Travelling) {
            state @ (Phase::Over(_) | Phase::Closing { .. }) => self.state = state,
            Phase::Streaming { mut feed, ended: None, .. } => {
                if feed.close(now) {
                    self.news = None;
                    self.state = Phase::Closing { feed };
                } else {
                    self.end(Ended::Closed);
                }
            }
            Phase::Travelling | Phase::Streaming { .. } | Phase::Waiting(_) => {
                self.end(Ended::Closed);
            }
        }
    }

    /// Asks for the present data instead of what follows. The machine gives up the position, drops
    /// the connection, and connects without a cursor and a `since`, which is the service's way to
    /// full data. For a [`Document`](super::Document) that is stale.
    ///
    /// The drop is an [`Event::Lost`] for [`LossReason::Snapshot`], with the delay of a first loss;
    /// the delay grows where snapshots are asked for in a row. A snapshot is left out of
    /// [`max_reconnects`](super::Subscription::max_reconnects), and works where reconnecting is
    /// off, too. Nothing that has arrived and was not handed out comes any more.
    /// [`cursor`](Self::cursor) is none until an item has come. Where a snapshot is on its way
    /// already, or the subscription is over, this changes nothing.
    pub fn ask_for_snapshot(&mut self, now: Instant) {
        self.road.advance(now);
        let stood = match &self.state {
            Phase::Closing { .. } | Phase::Over(_) => return,
            Phase::Travelling | Phase::Waiting(_) if self.position.is_given_up() => return,
            Phase::Travelling | Phase::Waiting(_) => None,
            Phase::Streaming { since, .. } => Some(*since),
        };
        self.give_up_position(GapReason::Snapshot);
        self.for_snapshot = true;
        if !matches!(self.state, Phase::Waiting(_)) {
            self.wait_to_connect(LossReason::Snapshot, None, stood);
        }
    }

    /// How the last item that was handed out followed the one before it; `None` before the first,
    /// and where [`continuity`](crate::Subscription::continuity) was not asked for.
    pub fn continuity(&self) -> Option<&Continuity> {
        self.tracker.as_ref().and_then(|tracker| tracker.last())
    }

    /// The position to store, and to resume at: where the last item handed out has moved it, or
    /// the first cursor given.
    pub fn cursor(&self) -> Option<&str> {
        self.position.cursor()
    }

    /// Where this subscription stands.
    pub fn status(&self) -> Status {
        let state = match &self.state {
            Phase::Travelling if self.road.is_unanswered() => State::Unanswered,
            Phase::Travelling => State::Connecting,
            Phase::Streaming { .. } => State::Open,
            Phase::Closing { .. } => State::Closing,
            Phase::Waiting(lost) => State::Waiting(lost.clone()),
            Phase::Over(ended) => State::Ended(ended.clone()),
        };
        Status {
            state,
            reconnects: self.reconnects,
            cursor: self.cursor().map(str::to_owned),
            last_heard: self.last_heard,
            continuity: self.continuity().cloned(),
        }
    }

    fn set_out(&mut self) {
        self.state = Phase::Travelling;
        if let Some(step) = self.road.begin() {
            self.step(step);
        }
    }

    /// The first request of a connect, at the caller's URL, from where the subscription stands.
    fn connect(&mut self, key: Option<&ApiKey>) {
        match self.transport.open(self.position.place_in(&self.plan.url), key) {
            Ok(hop) => self.road.go(hop, Duration::ZERO),
            // All else was checked when the subscription started, but a key on demand was not.
            Err(error) => self.end(Ended::Failed(error.into())),
        }
    }

    fn step(&mut self, step: Step) {
        let now = self.road.now();
        match step {
            Step::Keyed(key) => self.connect(key.as_ref()),
            Step::Redirect { hop, wait, .. } => self.follow(*hop, wait),
            Step::Stands { head, .. } if head.status == StatusCode::NO_CONTENT => {
                self.end(Ended::NoContent);
            }
            Step::Stands { hop, head } => match self.transport.accept(&head, now) {
                Ok(Some(feed)) => self.stream(feed, &hop, &head),
                Ok(None) => self.road.refuse_type(head),
                Err(error) => self.lose(error, None),
            },
            Step::No(no) => self.lose(no, None),
            Step::Data(bytes) => self.heard(|feed| feed.data(bytes, now)),
            Step::Message(message) => self.heard(|feed| feed.message(message)),
            Step::Ended(why) => self.exchange_ended(why),
            Step::Elapsed => match &mut self.state {
                Phase::Streaming { feed, .. } | Phase::Closing { feed } => feed.elapsed(now),
                Phase::Travelling | Phase::Waiting(_) | Phase::Over(_) => {}
            },
        }
    }

    fn follow(&mut self, mut hop: Hop, wait: Duration) {
        match hop.place_at(self.position.place_in_redirect(hop.url())) {
            Ok(()) => {
                self.transport.redirect(&mut hop);
                // A new exchange takes the place of the old one: no back-off, and no loss to tell.
                self.road.go(hop, wait);
            }
            Err(error) => self.lose(Error::from(error), None),
        }
    }

    fn stream(&mut self, feed: Feed, hop: &Hop, head: &Parts) {
        let since = self.road.now();
        self.last_heard = Some(since);
        self.position.answered(&head.headers);
        if let Some(tracker) = &mut self.tracker {
            tracker.stands(&head.headers, cursor::is_in(hop.url()));
        }
        self.state = Phase::Streaming { feed, since, deadline: self.idle_deadline(), ended: None };
        self.news = Some(Box::new(Event::Opened(Opened {
            cursor: cursor::sent_to(hop.url()),
            request_id: request_id(&head.headers).map(|id| self.road.redact_exact(id)),
            subprotocol: self.transport.subprotocol(head),
        })));
    }

    /// The peer was heard.
    fn heard(&mut self, take: impl FnOnce(&mut Feed)) {
        let (now, idle) = (self.road.now(), self.idle_deadline());
        match &mut self.state {
            Phase::Streaming { feed, deadline, .. } => {
                self.last_heard = Some(now);
                *deadline = idle;
                take(feed);
            }
            Phase::Closing { feed } => take(feed),
            Phase::Travelling | Phase::Waiting(_) | Phase::Over(_) => {}
        }
    }

    fn exchange_ended(&mut self, why: End) {
        let now = self.road.now();
        match &mut self.state {
            // Events that have arrived come out before the loss.
            Phase::Streaming { feed, ended, .. } => {
                feed.ended(&why, now);
                ended.get_or_insert(why);
            }
            Phase::Closing { .. } => self.end(Ended::Closed),
            Phase::Travelling | Phase::Waiting(_) | Phase::Over(_) => {}
        }
    }

    /// The connection is gone, which stood `since` then: plans the next one, or ends.
    fn lose(&mut self, loss: impl Into<Loss>, since: Option<Instant>) {
        let mut loss = loss.into();
        let stood = since.or(loss.stood);
        let (mut again, counts) = policy::after(&loss, &self.plan.overrides);
        if again == Disposition::Stop && self.refuses_position(&loss) {
            self.give_up_position(GapReason::Refused);
            again = Disposition::Retry;
        }
        let floor = match again {
            Disposition::Retry => loss.retry_after(),
            Disposition::RetryAfter(least) => loss.retry_after().max(Some(least)),
            Disposition::Stop => None,
        };
        if let LossReason::Error(error) = &mut loss.reason {
            self.road.redact(error);
        }
        let reason = loss.reason;
        if again == Disposition::Stop || !self.plan.reconnect {
            return self.end(match reason {
                LossReason::Complete | LossReason::Snapshot => Ended::Complete,
                LossReason::Error(error) => Ended::Failed(error),
            });
        }
        if counts {
            if self.plan.max_reconnects.is_some_and(|most| self.reconnects >= most) {
                return self.end(Ended::GaveUp { reconnects: self.reconnects, last: reason });
            }
            self.reconnects = self.reconnects.saturating_add(1);
        }
        self.for_snapshot &= self.position.is_given_up();
        self.wait_to_connect(reason, floor, stood);
    }

    /// The connection is dropped, which stood since then, and another one is planned.
    fn wait_to_connect(
        &mut self,
        reason: LossReason,
        floor: Option<Duration>,
        stood: Option<Instant>,
    ) {
        let now = self.road.now();
        let spell = stood.map(|at| now.saturating_duration_since(at)).unwrap_or_default();
        let retry_at = now + self.backoff.next_delay(floor, spell);
        let lost = Lost { reason, attempt: self.reconnects, retry_at };
        self.road.hang_up();
        self.news = Some(Box::new(Event::Lost(lost.clone())));
        self.state = Phase::Waiting(lost);
    }

    /// Whether this refusal may be for the position alone, and whoever is told of gaps wants to go
    /// on without it.
    fn refuses_position(&self, loss: &Loss) -> bool {
        let brought = self.tracker.as_ref().is_none_or(|tracker| tracker.has_brought());
        let named = cursor::is_in(&self.position.place_in(&self.plan.url));
        !(brought && loss.close.is_some())
            && self.tracker.is_some()
            && named
            && policy::may_refuse_position(loss, &self.plan.overrides)
    }

    fn give_up_position(&mut self, why: GapReason) {
        let from = self.position.give_up();
        if let Some(tracker) = &mut self.tracker {
            tracker.gave_up(why, from);
        }
    }

    fn end(&mut self, ended: Ended) {
        self.road.end();
        if let Some(tracker) = &mut self.tracker {
            tracker.let_go();
        }
        self.news = Some(Box::new(Event::Ended(ended.clone())));
        self.state = Phase::Over(ended);
    }

    fn idle_deadline(&self) -> Option<Instant> {
        self.plan.idle_timeout.map(|idle| self.road.now() + idle)
    }

    /// An item is next: how it follows is told first, where that is asked for and is news. `None`
    /// where it is not handed out.
    fn judge(&mut self, item: Item) -> Option<Output<Event>> {
        let Some(tracker) = &mut self.tracker else { return Some(self.hand_out(item)) };
        match tracker.judge(item, self.position.cursor()) {
            Verdict::Same(item) => Some(self.hand_out(item)),
            Verdict::News(continuity) => Some(Output::Event(Event::Continuity(continuity))),
            Verdict::Drop => None,
        }
    }

    /// An item comes out: the cursor moves, and an accepted event proves that the stream lives.
    fn hand_out(&mut self, mut item: Item) -> Output<Event> {
        match &mut item {
            Item::Event(event) => {
                self.position.move_behind(event);
                self.reconnects = 0;
                if !self.for_snapshot {
                    self.backoff.reset();
                }
            }
            Item::Rejected(rejected) => {
                rejected.reason.redact(self.road.keys());
                self.position.move_to(rejected.id.as_deref().unwrap_or_default());
            }
        }
        Output::Event(Event::Item(item))
    }

    /// Reads on, until there is something to say or to wait for.
    fn read(&mut self) -> Option<Output<Event>> {
        let Phase::Streaming { feed, since, deadline, ended } = &mut self.state else {
            return None;
        };
        let (since, deadline) = (*since, *deadline);
        if let Some(item) = self.tracker.as_mut().and_then(|tracker| tracker.take()) {
            return Some(self.hand_out(item));
        }
        let fed = loop {
            match feed.next(self.plan.signer.as_deref()) {
                Fed::Moved(cursor) => {
                    self.position.move_to(&cursor);
                    if let Some(tracker) = &mut self.tracker {
                        tracker.moved(&cursor);
                    }
                }
                fed => break fed,
            }
        };
        if let (Fed::Starved(_) | Fed::Broken(_), Some(retry)) = (&fed, feed.reconnection_time()) {
            self.backoff.server_retry(retry);
        }
        let loss: Loss = match fed {
            Fed::Item(item) => return self.judge(item),
            Fed::Send(bytes) => return Some(Output::Send(bytes)),
            Fed::Broken(error) => error.into(),
            Fed::Closed(closed) => Loss::of_close(closed, ended.take()),
            // The peer's last word stands: the closing has a deadline of its own, and no silence
            // takes the place of the code.
            Fed::Starved(until) if feed.is_closing() => {
                return Some(Output::Wait(self.road.wait_for_the_end(until)));
            }
            Fed::Starved(until) => match ended.take() {
                Some(why) if !feed.tells_its_end() => Loss::of_end(why),
                None if deadline.is_some_and(|deadline| self.road.now() >= deadline) => {
                    let idle = self.plan.idle_timeout.unwrap_or_default();
                    Error::from(TimeoutError::new(Timer::Idle, idle)).into()
                }
                why => {
                    *ended = why;
                    let soonest = [deadline, until].into_iter().flatten().min();
                    return Some(Output::Wait(self.road.wait(soonest)));
                }
            },
            Fed::Moved(_) => return None,
        };
        self.lose(loss, Some(since));
        None
    }

    /// The closing, with nobody left to give events to.
    fn read_the_close(&mut self) -> Option<Output<Event>> {
        let Phase::Closing { feed } = &mut self.state else { return None };
        match feed.next_of_close() {
            Some(Fed::Send(bytes)) => Some(Output::Send(bytes)),
            Some(Fed::Starved(deadline)) => Some(Output::Wait(self.road.wait(deadline))),
            _ => {
                self.end(Ended::Closed);
                None
            }
        }
    }
}

impl Machine for SubscriptionMachine {
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
            if let Some(news) = self.news.take() {
                return Output::Event(*news);
            }
            let output = match &self.state {
                Phase::Travelling => match self.road.next() {
                    Next::Step(step) => {
                        self.step(step);
                        None
                    }
                    Next::Authorize { rejected } => Some(Output::Authorize { rejected }),
                    Next::Open { exchange, mut request } => {
                        self.transport.hand_over(&mut request);
                        Some(Output::Open { exchange, request })
                    }
                    Next::Unanswered => Some(Output::Event(Event::Unanswered)),
                    Next::Wait(deadline) => Some(Output::Wait(self.road.wait(deadline))),
                },
                Phase::Streaming { .. } => self.read(),
                Phase::Closing { .. } => self.read_the_close(),
                Phase::Waiting(lost) if self.road.now() >= lost.retry_at => {
                    self.set_out();
                    None
                }
                Phase::Waiting(lost) => Some(Output::Wait(self.road.wait(Some(lost.retry_at)))),
                Phase::Over(_) => Some(Output::Done),
            };
            if let Some(output) = output {
                return output;
            }
        }
    }
}
