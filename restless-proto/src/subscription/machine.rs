//! The state machine of a subscription over server-sent events.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use url::Url;

use super::cursor::Position;
use super::event::{
    Ended, Event, Item, LossReason, Lost, Opened, RejectReason, Rejected, State as Now, Status,
};
use super::policy::{self, Verdict};
use crate::event::{Kind, SseId, StreamEvent};
use crate::http::{media_type, redirect, request_id};
use crate::machine::{End, ExchangeId, Input, Machine, Output};
use crate::signature::Signer;
use crate::sse::{self, Block};
use crate::timing::{Backoff, Instant};
use crate::{ApiKey, ContentError, Error, Limits, RedirectError, Refused, TimeoutError, Timer};

/// What a [`Subscription`](super::Subscription) comes down to, once every value in it is checked.
pub(super) struct Plan {
    pub(super) url: Url,
    pub(super) fields: HeaderMap,
    pub(super) credentials: Credentials,
    pub(super) position: Position,
    pub(super) reconnect: bool,
    pub(super) max_reconnects: Option<u32>,
    pub(super) head_timeout: Duration,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) limits: Limits,
    pub(super) signer: Option<Signer>,
    pub(super) backoff: Backoff,
}

/// Whose requests these are.
pub(super) enum Credentials {
    /// None are sent, or the URL holds them.
    None,
    /// The same ones with each connect.
    Fixed(ApiKey),
    /// The user is asked before each connect.
    OnDemand,
}

/// A subscription, driven: see [`Machine`] and the guide [Writing a driver](crate::guide).
///
/// One machine is one subscription with all its connections, and never has more than one of them.
/// It is `Done` after [`Event::Ended`].
pub struct SubscriptionMachine {
    plan: Plan,
    decoder: sse::Decoder,
    exchange: ExchangeId,
    state: State,
    /// What is due before the state is looked at again: three outputs at the most.
    due: VecDeque<Output<Event>>,
    now: Instant,
    /// Connects in a row that brought no event.
    reconnects: u32,
    last_heard: Option<Instant>,
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
enum State {
    /// The user is asked for credentials, or about to be.
    Authorize { rejected: bool, asked: bool },
    /// The next `poll` opens an exchange.
    Connect(Box<Hop>),
    /// A request is out. `deadline` is `Timer::ResponseHead`, armed here, stopped by the head.
    Head { hop: Box<Hop>, deadline: Instant },
    /// The answer is no; the first bytes of its content are waited for, not for long.
    Refusal { head: Box<Parts>, content: BytesMut, deadline: Instant },
    /// Events come. `deadline` is `Timer::Idle`, armed by the head and by each piece of content.
    Streaming { deadline: Option<Instant>, ended: Option<End> },
    /// A connect is planned.
    Waiting { until: Instant },
    /// Nothing will happen any more.
    Over,
}

/// One request of a chain of redirects.
struct Hop {
    request: Request<Bytes>,
    url: Url,
    redirects: u8,
    /// Whether the user was already asked for other credentials than those in it.
    reauthorized: bool,
}

/// How long the content of a refusal is waited for: it only goes into an error's text.
const REFUSAL_WAIT: Duration = Duration::from_secs(5);

impl SubscriptionMachine {
    pub(super) fn new(plan: Plan, now: Instant) -> Self {
        let mut machine = Self {
            decoder: sse::Decoder::new(plan.limits),
            plan,
            exchange: ExchangeId::NONE,
            state: State::Over,
            due: VecDeque::new(),
            now,
            reconnects: 0,
            last_heard: None,
            lost: None,
            ended: None,
        };
        machine.connect();
        machine
    }

    /// Ends the subscription: the connection is dropped, and nothing more comes of it but
    /// [`Event::Ended`], not even events that have already arrived.
    pub fn close(&mut self) {
        if !matches!(self.state, State::Over) {
            self.end(Ended::Closed);
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
        self.state = match &self.plan.credentials {
            Credentials::None => State::Connect(Box::new(self.first_hop(None, false))),
            Credentials::Fixed(key) => State::Connect(Box::new(self.first_hop(Some(key), false))),
            Credentials::OnDemand => State::Authorize { rejected: false, asked: false },
        };
    }

    fn first_hop(&self, key: Option<&ApiKey>, reauthorized: bool) -> Hop {
        let url = self.plan.position.place_in(&self.plan.url);
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = uri(&url);
        let fields = request.headers_mut();
        fields.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // A key on demand that no field can hold goes out as none; the service then says 401.
        if let Some(value) = key.and_then(crate::http::bearer) {
            fields.insert(header::AUTHORIZATION, value);
        }
        for (name, value) in &self.plan.fields {
            fields.insert(name.clone(), value.clone());
        }
        Hop { request, url, redirects: 0, reauthorized }
    }

    fn open(&mut self, hop: Box<Hop>) -> Output<Event> {
        self.exchange = self.exchange.next();
        let request = Box::new(hop.request.clone());
        self.state = State::Head { hop, deadline: self.now + self.plan.head_timeout };
        Output::Open { exchange: self.exchange, request }
    }

    fn head(&mut self, hop: Box<Hop>, head: Box<Parts>) {
        match policy::status(head.status) {
            Verdict::Accept if media_type::is_event_stream(&head.headers) => self.accept(&head),
            Verdict::Follow => self.follow(*hop, &head),
            Verdict::Authorize
                if matches!(self.plan.credentials, Credentials::OnDemand) && !hop.reauthorized =>
            {
                self.due.push_back(Output::Hangup);
                self.state = State::Authorize { rejected: true, asked: false };
            }
            Verdict::NoContent => self.end(Ended::NoContent),
            Verdict::Accept | Verdict::Authorize | Verdict::Retry | Verdict::Stop => {
                let deadline = self.now + REFUSAL_WAIT;
                self.state = State::Refusal { head, content: BytesMut::new(), deadline };
            }
        }
    }

    fn accept(&mut self, head: &Parts) {
        self.decoder = sse::Decoder::new(self.plan.limits);
        self.last_heard = Some(self.now);
        self.state = State::Streaming { deadline: self.idle_deadline(), ended: None };
        self.due.push_back(Output::Event(Event::Opened(Opened {
            cursor: self.cursor().map(str::to_owned),
            request_id: request_id(&head.headers),
        })));
    }

    fn follow(&mut self, hop: Hop, head: &Parts) {
        if hop.redirects == redirect::MOST_REDIRECTS {
            let limit = redirect::MOST_REDIRECTS;
            return self.lose(LossReason::Error(RedirectError::TooMany { limit }.into()), None);
        }
        match redirect::follow(&hop.request, &hop.url, head.status, &head.headers) {
            Ok((mut request, url)) => {
                let url = self.plan.position.place_in_redirect(&url);
                *request.uri_mut() = uri(&url);
                // A new exchange takes the place of the old one: no back-off, and no loss to tell.
                self.state = State::Connect(Box::new(Hop {
                    request,
                    url,
                    redirects: hop.redirects + 1,
                    reauthorized: hop.reauthorized,
                }));
            }
            Err(error) => self.lose(LossReason::Error(error.into()), None),
        }
    }

    fn refuse(&mut self, head: &Parts, content: Bytes) {
        let error = if policy::status(head.status) == Verdict::Accept {
            let seen = head.headers.get(header::CONTENT_TYPE);
            Box::new(ContentError::NotAnEventStream {
                seen: seen.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
                excerpt: content,
            })
            .into()
        } else {
            Error::from(Box::new(Refused::from_response(head, &content, &self.plan.limits)))
        };
        let retry_after = match &error {
            Error::Refused(refused) => refused.retry_after(),
            _ => None,
        };
        self.lose(LossReason::Error(error), retry_after);
    }

    /// The connection is gone: plans the next one, or ends.
    fn lose(&mut self, reason: LossReason, retry_after: Option<Duration>) {
        match &reason {
            LossReason::Error(error) if !self.plan.reconnect || !policy::may_pass(error) => {
                return self.end(Ended::Failed(error.clone()));
            }
            LossReason::Complete if !self.plan.reconnect => return self.end(Ended::Complete),
            LossReason::Complete | LossReason::Error(_) => {}
        }
        if self.plan.max_reconnects.is_some_and(|most| self.reconnects >= most) {
            return self.end(Ended::GaveUp { reconnects: self.reconnects, last: reason });
        }
        self.reconnects = self.reconnects.saturating_add(1);
        let until = self.now + self.plan.backoff.next_delay(retry_after);
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

    fn time_out(&mut self, timer: Timer, after: Duration) {
        self.lose(LossReason::Error(TimeoutError::new(timer, after).into()), None);
    }

    /// The next item among the bytes that are here, the cursor moved by all that stands before it.
    fn next_item(&mut self) -> Option<Item> {
        loop {
            let item = match self.decoder.poll() {
                Ok(None) => break None,
                Ok(Some(Block::Id(id))) => {
                    self.plan.position.move_to(id);
                    continue;
                }
                Ok(Some(Block::Event(event))) => {
                    let Some(item) = receive(&event, self.plan.signer.as_ref()) else {
                        self.plan.position.move_to(event.id().unwrap_or_default());
                        continue;
                    };
                    let cursor = match &item {
                        Item::Event(event) => event.cursor(),
                        Item::Rejected(rejected) => rejected.id.as_deref().map(Cow::Borrowed),
                    };
                    self.plan.position.move_to(&cursor.unwrap_or_default());
                    item
                }
                Err(error) => Item::Rejected(Rejected {
                    data: Bytes::new(),
                    id: None,
                    reason: RejectReason::TooLarge(error),
                }),
            };
            if matches!(item, Item::Event(_)) {
                self.reconnects = 0;
                self.plan.backoff.reset();
            }
            break Some(item);
        }
    }
}

/// Makes an item of an SSE event; `None` for one that is not the service's.
///
/// The service names its events `update`, `error` or not at all, and their data is never empty.
/// What bears another name is still taken if it reads as an event, and else is not ours to judge:
/// proxies send `event: ping`.
fn receive(sse: &sse::Event<'_>, signer: Option<&Signer>) -> Option<Item> {
    if sse.data().is_empty() {
        return None;
    }
    let data = sse.data_bytes();
    let leftover = || SseId::Leftover(sse.last_event_id());
    let sse_id = sse.id().map_or_else(leftover, SseId::Own);
    let event = match StreamEvent::parse(data.clone(), sse_id) {
        Ok(event) => event,
        Err(_) if !matches!(sse.event_type(), "message" | "update" | "error") => return None,
        Err(error) => {
            let id = sse.id().map(str::to_owned);
            return Some(Item::Rejected(Rejected { data, id, reason: error.into() }));
        }
    };
    let signed = match (signer, event.kind()) {
        (Some(signer), Kind::Update) => signer.verify_event(&event),
        (Some(_), Kind::Error) | (None, _) => Ok(()),
    };
    Some(match signed {
        Ok(()) => Item::Event(event),
        Err(error) => {
            let id = event.cursor().map(Cow::into_owned);
            Item::Rejected(Rejected { data, id, reason: error.into() })
        }
    })
}

fn uri(url: &Url) -> http::Uri {
    // Whatever `Url` writes for http and https is a URI; a bare default would only fail to connect.
    url.as_str().parse().unwrap_or_default()
}

impl Machine for SubscriptionMachine {
    type Event = Event;

    fn handle(&mut self, input: Input, now: Instant) {
        self.now = self.now.max(now);
        let state = std::mem::replace(&mut self.state, State::Over);
        match (input, state) {
            (Input::Response { exchange, head }, State::Head { hop, .. })
                if exchange == self.exchange =>
            {
                self.head(hop, head);
            }
            (Input::Data { exchange, bytes }, State::Streaming { ended, .. })
                if exchange == self.exchange =>
            {
                self.last_heard = Some(self.now);
                self.decoder.feed(bytes);
                self.state = State::Streaming { deadline: self.idle_deadline(), ended };
            }
            (Input::Data { exchange, bytes }, State::Refusal { head, mut content, deadline })
                if exchange == self.exchange =>
            {
                let room = self.plan.limits.excerpt().saturating_sub(content.len());
                content.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
                if bytes.len() < room {
                    self.state = State::Refusal { head, content, deadline };
                } else {
                    self.refuse(&head, content.freeze());
                }
            }
            (Input::Ended { exchange, why }, state) if exchange == self.exchange => {
                self.exchange_ended(why, state);
            }
            (Input::Credentials(key), State::Authorize { rejected, asked: true }) => {
                self.state = State::Connect(Box::new(self.first_hop(key.as_ref(), rejected)));
            }
            // Time alone: `poll` looks at the deadlines. Or late, repeated, of an older exchange.
            (
                Input::Elapsed
                | Input::Response { .. }
                | Input::Data { .. }
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
                State::Authorize { rejected, asked } => {
                    self.state = State::Authorize { rejected, asked: true };
                    return if asked { Output::Wait(None) } else { Output::Authorize { rejected } };
                }
                State::Connect(hop) => return self.open(hop),
                State::Head { deadline, .. } if self.now >= deadline => {
                    self.time_out(Timer::ResponseHead, self.plan.head_timeout);
                }
                State::Head { hop, deadline } => {
                    self.state = State::Head { hop, deadline };
                    return Output::Wait(Some(deadline));
                }
                State::Refusal { head, content, deadline } if self.now >= deadline => {
                    self.refuse(&head, content.freeze());
                }
                State::Refusal { head, content, deadline } => {
                    self.state = State::Refusal { head, content, deadline };
                    return Output::Wait(Some(deadline));
                }
                State::Streaming { deadline, ended } => {
                    if let Some(item) = self.next_item() {
                        self.state = State::Streaming { deadline, ended };
                        return Output::Event(Event::Item(item));
                    }
                    if let Some(retry) = self.decoder.reconnection_time() {
                        self.plan.backoff.server_retry(retry);
                    }
                    match ended {
                        Some(why) => self.lose(loss(why), None),
                        None if deadline.is_some_and(|deadline| self.now >= deadline) => {
                            self.time_out(Timer::Idle, self.plan.idle_timeout.unwrap_or_default());
                        }
                        None => {
                            self.state = State::Streaming { deadline, ended: None };
                            return Output::Wait(deadline);
                        }
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
                let reason = match loss(why) {
                    LossReason::Complete => LossReason::Error(Error::Transport(
                        crate::TransportErrorKind::Broken.into(),
                    )),
                    reason @ LossReason::Error(_) => reason,
                };
                self.lose(reason, None);
            }
            State::Refusal { head, content, .. } => self.refuse(&head, content.freeze()),
            // Events that have arrived come out before the loss.
            State::Streaming { deadline, ended } => {
                let ended = ended.or(Some(why));
                self.state = State::Streaming { deadline, ended };
            }
            State::Authorize { .. } | State::Connect(_) | State::Waiting { .. } | State::Over => {
                self.state = state
            }
        }
    }
}

fn loss(why: End) -> LossReason {
    match why {
        End::Complete => LossReason::Complete,
        End::Failed(error) => LossReason::Error(error.into()),
        End::TimedOut(error) => LossReason::Error(error.into()),
    }
}
