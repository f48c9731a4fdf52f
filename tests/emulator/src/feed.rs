//! A feed: the ring of a stream's events, and the positions in it that subscribers read from.
//!
//! A subscriber holds a position instead of a queue, and reads the event there under the same lock
//! under which events are added. What was replayed and what is live is one sequence, without a seam
//! where an event could be lost or doubled. A slow reader costs only its place.

mod event;
mod subscription;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use restless_proto::signature::Signer;
use tokio::sync::watch;

use crate::json::{self, JsonError};
use crate::log::LoggedEvent;
use crate::signal::Signal;
use crate::source::PayloadMode;
use crate::{sse, time};
use event::{Content, Dating, Event};

pub(crate) use subscription::{Lapse, Place, Subscription};

/// How the data of an update goes out: the stream's setting at the time.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) mode: PayloadMode,
    /// What to sign with, where the stream is signed.
    pub(crate) signer: Option<Arc<Signer>>,
}

/// What an attempt to get data came to, as the event's `meta` tells it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attempt {
    pub(crate) status: Option<u16>,
    pub(crate) latency_ms: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Feed {
    id: String,
    /// Most events kept.
    ring: usize,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    signal: Arc<Signal>,
}

#[derive(Debug)]
struct State {
    form: Form,
    events: VecDeque<Event>,
    /// The position of the next event to be added.
    end: u64,
    last_id: i64,
    /// The data as the last update left it, for comparing and as the base of the next patch.
    document: Option<Arc<str>>,
    /// The failure that the last poll ended with.
    failure: Option<(String, String)>,
    subscribers: usize,
    /// When the last subscriber left, or the feed began.
    idle_since: Instant,
    closed: bool,
    /// Events by day.
    emitted: BTreeMap<String, u64>,
}

/// Where a subscriber wants to start.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    /// With the latest update and the errors after it, so that a late subscriber has something to
    /// show; with the next event to come where there is no update yet.
    Latest,
    /// After every event whose id is at most this, which the subscriber has seen.
    Cursor(i64),
    /// After this time, in Unix milliseconds.
    Since(i64),
}

/// Where a subscriber is in a feed.
#[derive(Debug, Clone, Copy)]
struct Position {
    next: u64,
    /// Whether the subscriber has the document that the next patch applies to.
    has_base: bool,
}

/// What carries events to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Sse,
    WebSocket,
}

/// What is at a position.
#[derive(Debug)]
pub(crate) enum Read {
    /// An event, as its transport carries it; the position is now behind it.
    Event(Bytes),
    /// Nothing has come yet.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

impl Feed {
    pub(crate) fn new(id: String, ring: usize, form: Form, signal: Arc<Signal>) -> Arc<Self> {
        Arc::new(Self {
            id,
            ring: ring.max(1),
            state: Mutex::new(State {
                form,
                events: VecDeque::new(),
                end: 0,
                last_id: 0,
                document: None,
                failure: None,
                subscribers: 0,
                idle_since: Instant::now(),
                closed: false,
                emitted: BTreeMap::new(),
            }),
            changed: watch::Sender::new(()),
            signal,
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Lets data go out in this form from the next update on.
    pub(crate) fn set_form(&self, form: Form) {
        self.lock().form = form;
    }

    /// Adds an update and returns its id. With `only_changes`, data that says the same as the last
    /// is no event, and gives `None`. After an error, such data is an event, or a subscriber would
    /// never learn that the error has passed.
    pub(crate) fn update(
        &self,
        data: &str,
        attempt: Attempt,
        only_changes: bool,
    ) -> Result<Option<i64>, JsonError> {
        let document: Arc<str> = json::normalise_line_ends(data).into();
        let new = json::parse(&document)?;
        let mut state = self.lock();
        let recovers = state.failure.take().is_some();
        let old = state.document.clone();
        let old = old.as_deref().map(json::parse).transpose()?;
        if only_changes && !recovers && old.as_ref() == Some(&new) {
            return Ok(None);
        }
        let wants_patch = state.form.mode == PayloadMode::JsonPatch;
        let patch = old.filter(|_| wants_patch).map(|old| json::diff(&old, &new));
        let content = Content::Update {
            document: Arc::clone(&document),
            patch,
            wants_patch,
            signer: state.form.signer.clone(),
        };
        state.document = Some(document);
        Ok(Some(self.add(state, attempt, content)))
    }

    /// Adds an error and returns its id; an error that lasts is one event, and then `None`.
    pub(crate) fn error(
        &self,
        code: &str,
        message: &str,
        attempt: Attempt,
        only_changes: bool,
    ) -> Option<i64> {
        let failure = Some((code.to_owned(), message.to_owned()));
        let mut state = self.lock();
        if only_changes && state.failure == failure {
            return None;
        }
        state.failure = failure;
        let content = Content::Error { code: code.to_owned(), message: message.to_owned() };
        Some(self.add(state, attempt, content))
    }

    /// Ends the feed: readers come to an end.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.tell();
    }

    /// Reads what is at `position` and moves it on.
    fn read(&self, position: &mut Position, transport: Transport, dating: Dating) -> Read {
        let state = self.lock();
        let Some(first) = state.events.front().map(|event| event.position) else {
            return if state.closed { Read::Closed } else { Read::Nothing };
        };
        if position.next < first {
            // The ring went round: what is gone is gone, and so is the base of the next patch.
            *position = Position { next: first, has_base: false };
        }
        let at = usize::try_from(position.next - first).unwrap_or(usize::MAX);
        let Some(event) = state.events.get(at) else {
            return if state.closed { Read::Closed } else { Read::Nothing };
        };
        let has_base = position.has_base;
        position.next += 1;
        position.has_base |= event.is_update();
        let id = dating.of(event).to_string();
        Read::Event(match transport {
            Transport::Sse => sse::event(Some(&id), &event.envelope(has_base, dating, None)),
            // A message has no place for the id but the JSON.
            Transport::WebSocket => event.envelope(has_base, dating, Some(&id)).into(),
        })
    }

    /// The events that the ring holds, as a subscriber that was there from the start got them.
    pub(crate) fn log(&self) -> Vec<LoggedEvent> {
        self.lock().events.iter().map(Event::logged).collect()
    }

    /// Events emitted, by day in UTC.
    pub(crate) fn emitted(&self) -> BTreeMap<String, u64> {
        self.lock().emitted.clone()
    }

    pub(crate) fn subscribers(&self) -> usize {
        self.lock().subscribers
    }

    /// Adds a subscriber, counted until it is dropped. The subscriber's place is taken in the same
    /// moment: a test that sees the subscriber counted can rely on it to get the next event.
    pub(crate) fn subscribe(self: &Arc<Self>, start: Start) -> Subscription {
        let mut state = self.lock();
        state.subscribers += 1;
        let position = state.position(start);
        drop(state);
        self.signal.tell();
        Subscription::new(Arc::clone(self), position, self.changed.subscribe())
    }

    /// Moves a position as a service that loses its place does.
    fn lose(&self, position: &mut Position, to: Place) {
        let state = self.lock();
        let first = state.events.front().map_or(state.end, |event| event.position);
        *position = match to {
            Place::Latest => Position { next: state.latest(), has_base: false },
            Place::Now => Position { next: state.end, has_base: false },
            Place::Beginning => Position { next: first, has_base: false },
            Place::Before(events) => {
                Position { next: position.next.saturating_sub(events).max(first), ..*position }
            }
        };
    }

    /// Whether reading at `position` gives something, an end included.
    fn is_ready(&self, position: &Position) -> bool {
        let state = self.lock();
        state.closed || position.next < state.end
    }

    /// Returns how long nobody has been subscribed.
    pub(crate) fn idle(&self) -> Duration {
        let state = self.lock();
        if state.subscribers > 0 { Duration::ZERO } else { state.idle_since.elapsed() }
    }

    fn add(&self, mut state: MutexGuard<'_, State>, attempt: Attempt, content: Content) -> i64 {
        // Unix milliseconds, and strictly rising: the clock may stand still or step back.
        let id = time::now_ms().max(state.last_id + 1);
        state.last_id = id;
        let position = state.end;
        state.end += 1;
        if state.events.len() == self.ring {
            state.events.pop_front();
        }
        state.events.push_back(Event {
            position,
            id,
            attempt_id: format!("{:08x}", crate::random() as u32),
            attempt,
            content,
        });
        *state.emitted.entry(time::date(id)).or_default() += 1;
        drop(state);
        self.tell();
        id
    }

    fn tell(&self) {
        self.changed.send_replace(());
        self.signal.tell();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the position of the latest update that is still here, else of the latest event.
    fn latest(&self) -> u64 {
        let update = self.events.iter().rev().find(|event| event.is_update());
        update.or_else(|| self.events.back()).map_or(self.end, |event| event.position)
    }

    fn position(&self, start: Start) -> Position {
        let (ms, is_cursor) = match start {
            Start::Latest => {
                return Position { next: self.latest(), has_base: false };
            }
            Start::Cursor(ms) => (ms, true),
            Start::Since(ms) => (ms, false),
        };
        let seen = self.events.partition_point(|event| event.id <= ms);
        let last_seen = seen.checked_sub(1).and_then(|at| self.events.get(at));
        Position {
            next: self.events.get(seen).map_or(self.end, |event| event.position),
            // Only an update that is still here is known to have been seen. A subscriber that
            // resumes behind an error may have begun to listen there, without any document.
            has_base: is_cursor
                && last_seen.is_some_and(|event| event.id == ms && event.is_update()),
        }
    }
}

#[cfg(test)]
mod tests;
