//! The state machine of a subscription, over server-sent events and over WebSocket.

use std::time::Duration;

use http::StatusCode;
use http::response::Parts;

use super::continuity::{Continuity, GapReason, Verdict};
use super::cursor;
use super::event::{Ended, Event, Item, LossReason, Lost, Opened, State, Status};
use super::feed::{Fed, Feed};
use super::loss::Loss;
use super::policy::Disposition;
use super::progress::Progress;
use super::reconnection::Reconnection;
use super::standing::{self, Standing};
use super::transport::Transport;
use crate::error::Error;
use crate::machine::{End, Input, Machine, Output};
use crate::road::{Next, Road, Step};
use crate::secret::ApiKey;
use crate::semantics::redirect::Hop;
use crate::semantics::request_id;
use crate::signature::Signer;
use crate::timing::Instant;

/// A subscription, driven: see [`Machine`] and the guide [Writing a driver](crate::guide).
///
/// One machine is one subscription with all its connections, one at a time. The machine is `Done`
/// after [`Event::Ended`].
pub struct SubscriptionMachine {
    transport: Transport,
    progress: Progress,
    reconnection: Reconnection,
    road: Road,
    signer: Option<Box<Signer>>,
    state: Phase,
    /// What the user is to be told before the state is looked at again.
    news: Option<Box<Event>>,
    last_heard: Option<Instant>,
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
/// `close` leads from any of them to `Over`, from `Streaming` over WebSocket by way of `Closing`.
enum Phase {
    /// On the road to a response that is an event stream, or opens a WebSocket.
    Travelling,
    /// Events come.
    Streaming(Standing),
    /// The user has closed the subscription, and the peer is being told (RFC 6455 §7.1.2). The peer
    /// has the time of `Timer::Close`, which the feed keeps.
    Closing { feed: Feed },
    /// A connect is planned.
    Waiting(Lost),
    /// Nothing will happen any more.
    Over(Ended),
}

impl SubscriptionMachine {
    pub(super) fn new(
        transport: Transport,
        progress: Progress,
        reconnection: Reconnection,
        road: Road,
        signer: Option<Box<Signer>>,
    ) -> Self {
        let (state, news, last_heard) = (Phase::Travelling, None, None);
        let mut machine =
            Self { transport, progress, reconnection, road, signer, state, news, last_heard };
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
            Phase::Streaming(standing) => match standing.close(now) {
                Some(feed) => {
                    self.news = None;
                    self.state = Phase::Closing { feed };
                }
                None => self.end(Ended::Closed),
            },
            Phase::Travelling | Phase::Waiting(_) => self.end(Ended::Closed),
        }
    }

    /// Asks for the present data instead of what follows. The machine gives up the position, drops
    /// the connection, and connects without a cursor and a `since`, which is the service's way to
    /// full data. The method is for a [`Document`](super::Document) that is stale.
    ///
    /// The drop is an [`Event::Lost`] for [`LossReason::Snapshot`], with the delay of a first loss;
    /// the delay grows where snapshots are asked for in a row. A snapshot is left out of
    /// [`max_reconnects`](super::Subscription::max_reconnects), and works where reconnecting is
    /// off, too. Items that have arrived and are not handed out yet are dropped.
    /// [`cursor`](Self::cursor) is none until an item has come. Where a snapshot is on its way
    /// already, or the subscription is over, the call changes nothing.
    pub fn ask_for_snapshot(&mut self, now: Instant) {
        self.road.advance(now);
        let stood = match &self.state {
            Phase::Closing { .. } | Phase::Over(_) => return,
            Phase::Travelling | Phase::Waiting(_) => None,
            Phase::Streaming(standing) => {
                self.reconnection.server_retry(standing.reconnection_time());
                Some(standing.since())
            }
        };
        if !self.progress.ask_for_snapshot(stood.is_some()) {
            return;
        }
        if !matches!(self.state, Phase::Waiting(_)) {
            self.wait_to_connect(LossReason::Snapshot, None, stood);
        }
    }

    /// Returns how the last item that was handed out followed the item before it. `None` before the
    /// first item, and where [`continuity`](crate::Subscription::continuity) is off.
    pub fn continuity(&self) -> Option<&Continuity> {
        self.progress.continuity()
    }

    /// Returns the position to store, and to resume at: where the last item handed out has moved
    /// it, or the first cursor given.
    pub fn cursor(&self) -> Option<&str> {
        self.progress.cursor()
    }

    /// Returns where this subscription stands.
    pub fn status(&self) -> Status {
        let state = match &self.state {
            Phase::Travelling if self.road.is_unanswered() => State::Unanswered,
            Phase::Travelling => match self.road.waits_until() {
                Some(retry_at) => State::Redirected { retry_at },
                None => State::Connecting,
            },
            Phase::Streaming(_) => State::Open,
            Phase::Closing { .. } => State::Closing,
            Phase::Waiting(lost) => State::Waiting(lost.clone()),
            Phase::Over(ended) => State::Ended(ended.clone()),
        };
        Status {
            state,
            reconnects: self.reconnection.attempts(),
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

    /// Makes the first request of a connect, at the caller's URL, from where the subscription
    /// stands.
    fn connect(&mut self, key: Option<&ApiKey>) {
        match self.transport.open(self.progress.url(), key) {
            Ok(hop) => self.road.go(hop, Duration::ZERO),
            // All else was checked when the subscription started; a key on demand could not be.
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
                Ok(Some(standing)) => self.stream(standing, &hop, &head),
                Ok(None) => self.road.refuse_type(head),
                Err(error) => self.lose(error, None),
            },
            Step::No(no) => self.lose(no, None),
            Step::Data(bytes) => self.heard(|feed| feed.data(bytes, now)),
            Step::Message(message) => self.heard(|feed| feed.message(message)),
            Step::Ended(why) => self.exchange_ended(why),
            Step::Elapsed => match &mut self.state {
                Phase::Streaming(standing) => standing.elapsed(now),
                Phase::Closing { feed } => feed.elapsed(now),
                Phase::Travelling | Phase::Waiting(_) | Phase::Over(_) => {}
            },
        }
    }

    fn follow(&mut self, mut hop: Hop, wait: Duration) {
        match hop.place_at(self.progress.place_in_redirect(hop.url())) {
            Ok(()) => {
                self.transport.redirect(&mut hop);
                // A new exchange takes the place of the old one: no back-off, and no loss to tell.
                self.road.go(hop, wait);
            }
            Err(error) => self.lose(Error::from(error), None),
        }
    }

    fn stream(&mut self, standing: Standing, hop: &Hop, head: &Parts) {
        self.last_heard = Some(standing.since());
        self.progress.stands(&head.headers, hop.url());
        self.state = Phase::Streaming(standing);
        self.news = Some(Box::new(Event::Opened(Opened {
            cursor: cursor::sent_to(hop.url()),
            request_id: request_id(&head.headers).map(|id| self.road.redact_exact(id)),
            subprotocol: self.transport.subprotocol(head),
        })));
    }

    /// The peer was heard.
    fn heard(&mut self, take: impl FnOnce(&mut Feed)) {
        let now = self.road.now();
        match &mut self.state {
            Phase::Streaming(standing) => {
                self.last_heard = Some(now);
                take(standing.heard(now));
            }
            Phase::Closing { feed } => take(feed),
            Phase::Travelling | Phase::Waiting(_) | Phase::Over(_) => {}
        }
    }

    fn exchange_ended(&mut self, why: End) {
        let now = self.road.now();
        match &mut self.state {
            Phase::Streaming(standing) => standing.ended(why, now),
            Phase::Closing { .. } => self.end(Ended::Closed),
            Phase::Travelling | Phase::Waiting(_) | Phase::Over(_) => {}
        }
    }

    /// The connection that stood since `since` is gone: plans the next one, or ends.
    fn lose(&mut self, loss: impl Into<Loss>, since: Option<Instant>) {
        let mut loss = loss.into();
        if let LossReason::Error(error) = &mut loss.reason {
            self.road.redact(error);
        }
        loss.stood_before = self.last_heard.is_some();
        let stood = since.or(loss.stood);
        let row = self.reconnection.judge(&loss);
        let position_refused = row.0 == Disposition::Stop
            && self.progress.is_refused_by(&loss, self.reconnection.overrides());
        match self.reconnection.after(loss, row, position_refused) {
            Ok((reason, floor)) => {
                if position_refused {
                    self.progress.give_up(GapReason::Refused);
                }
                self.progress.connects_again();
                self.wait_to_connect(reason, floor, stood);
            }
            Err(ended) => self.end(ended),
        }
    }

    /// Drops the connection that stood since `stood`, and plans another one.
    fn wait_to_connect(
        &mut self,
        reason: LossReason,
        floor: Option<Duration>,
        stood: Option<Instant>,
    ) {
        let retry_at = self.reconnection.retry_at(floor, stood, self.road.now());
        let lost = Lost { reason, attempt: self.reconnection.attempts(), retry_at };
        self.road.hang_up();
        self.news = Some(Box::new(Event::Lost(lost.clone())));
        self.state = Phase::Waiting(lost);
    }

    fn end(&mut self, ended: Ended) {
        self.road.end();
        self.progress.end();
        self.news = Some(Box::new(Event::Ended(ended.clone())));
        self.state = Phase::Over(ended);
    }

    /// Reads on, until there is something to say or to wait for.
    fn read(&mut self) -> Option<Output<Event>> {
        let Phase::Streaming(standing) = &mut self.state else { return None };
        if let Some(item) = self.progress.take_judged() {
            return Some(self.hand_out(item));
        }
        match standing.next(self.signer.as_deref(), self.road.now()) {
            standing::Next::Item(item) => self.judge(item),
            standing::Next::Moved(id) => {
                self.progress.moved(&id);
                None
            }
            standing::Next::Send(bytes) => Some(Output::Send(bytes)),
            standing::Next::Wait(until) => {
                self.reconnection.server_retry(standing.reconnection_time());
                Some(Output::Wait(self.road.wait(until)))
            }
            standing::Next::WaitForTheEnd(until) => {
                Some(Output::Wait(self.road.wait_for_the_end(until)))
            }
            standing::Next::Gone(loss) => {
                self.reconnection.server_retry(standing.reconnection_time());
                let since = standing.since();
                self.lose(loss, Some(since));
                None
            }
        }
    }

    /// Judges the next item. The user is told first how the item follows, where that is asked for
    /// and is news. `None` for an item that is not handed out.
    fn judge(&mut self, item: Item) -> Option<Output<Event>> {
        match self.progress.judge(item) {
            Verdict::Same(item) => Some(self.hand_out(item)),
            Verdict::News(continuity) => Some(Output::Event(Event::Continuity(continuity))),
            Verdict::Drop => {
                if let Phase::Streaming(standing) = &mut self.state {
                    standing.was_repeated();
                }
                None
            }
        }
    }

    /// An item comes out: the cursor moves, and an accepted event proves that the stream lives.
    fn hand_out(&mut self, mut item: Item) -> Output<Event> {
        if let Phase::Streaming(standing) = &mut self.state {
            standing.was_of_use();
        }
        match &mut item {
            Item::Event(event) => {
                self.progress.move_behind(event);
                self.reconnection.event_came(self.progress.is_for_snapshot());
            }
            Item::Rejected(rejected) => {
                rejected.reason.redact(self.road.keys());
                self.progress.move_past(rejected.id.as_deref().unwrap_or_default());
            }
        }
        Output::Event(Event::Item(item))
    }

    /// Reads on in the closing, with nobody left to give events to.
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
                Phase::Streaming(_) => self.read(),
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
