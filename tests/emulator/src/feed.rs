//! A feed: the ring of a stream's events, and the positions in it that subscribers read from.
//!
//! A subscriber holds no queue. It holds a position, and reads the event at it under the same lock
//! that events are added under: what was replayed and what is live is one sequence, without a seam
//! where an event could be lost or doubled. A slow reader costs nothing but its place.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use restless_proto::signature::Signer;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::json::{self, JsonError};
use crate::log::{LoggedEvent, LoggedKind};
use crate::signal::Signal;
use crate::source::PayloadMode;
use crate::{fields, sse, time};

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

#[derive(Debug)]
struct Event {
    position: u64,
    id: i64,
    attempt_id: String,
    attempt: Attempt,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Update {
        document: Arc<str>,
        patch: Option<String>,
        /// Whether the stream is one of patches, so that full data is a fallback.
        wants_patch: bool,
        signer: Option<Arc<Signer>>,
    },
    Error {
        code: String,
        message: String,
    },
}

/// Where a subscriber wants to start.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    /// With the next event to come.
    Now,
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
    /// Nothing yet.
    Nothing,
    /// Nothing, and there will be nothing more.
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

    /// From the next update on, data goes out like this.
    pub(crate) fn set_form(&self, form: Form) {
        self.lock().form = form;
    }

    /// Adds an update and returns its id. With `only_changes`, data that says the same as the last
    /// is no event, and `None`; after an error it is one, for how else would a subscriber learn that
    /// it has passed.
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

    /// No more events: whoever reads comes to an end.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.tell();
    }

    /// Reads what is at `position` and moves it on.
    fn read(&self, position: &mut Position, transport: Transport) -> Read {
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
        position.has_base |= matches!(event.content, Content::Update { .. });
        let id = event.id.to_string();
        Read::Event(match transport {
            Transport::Sse => sse::event(&id, &event.envelope(has_base, None)),
            // A message has no place for the id but the JSON.
            Transport::WebSocket => event.envelope(has_base, Some(&id)).into(),
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

    /// Adds a subscriber, counted until it is dropped. Its place is taken in the same moment: who
    /// sees it counted can rely on it to get the next event.
    pub(crate) fn subscribe(self: &Arc<Self>, start: Start) -> Subscription {
        let mut state = self.lock();
        state.subscribers += 1;
        let position = state.position(start);
        drop(state);
        self.signal.tell();
        Subscription { feed: Arc::clone(self), position, changed: self.changed.subscribe() }
    }

    /// How long nobody has been subscribed.
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
    fn position(&self, start: Start) -> Position {
        let (ms, is_cursor) = match start {
            Start::Now => return Position { next: self.end, has_base: false },
            Start::Cursor(ms) => (ms, true),
            Start::Since(ms) => (ms, false),
        };
        let seen = self.events.partition_point(|event| event.id <= ms);
        let last_seen = seen.checked_sub(1).and_then(|at| self.events.get(at));
        Position {
            next: self.events.get(seen).map_or(self.end, |event| event.position),
            // Only an update that is still here is known to have been seen. Who resumes behind an
            // error may have begun to listen there, without any document.
            has_base: is_cursor
                && last_seen.is_some_and(|event| {
                    event.id == ms && matches!(event.content, Content::Update { .. })
                }),
        }
    }
}

/// A subscriber of a feed, counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Subscription {
    feed: Arc<Feed>,
    position: Position,
    changed: watch::Receiver<()>,
}

impl Subscription {
    /// The next event, without waiting.
    pub(crate) fn read(&mut self, transport: Transport) -> Read {
        // Seen before reading, so that what is added from here on wakes `changed`.
        self.changed.borrow_and_update();
        self.feed.read(&mut self.position, transport)
    }

    /// Completes when reading again may give something.
    pub(crate) async fn changed(&mut self) {
        // The sender lives in the feed, and the feed in here.
        let _ = self.changed.changed().await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.feed.lock();
        state.subscribers -= 1;
        state.idle_since = Instant::now();
        drop(state);
        self.feed.signal.tell();
    }
}

impl Event {
    /// The event's JSON, as a patch only for who has the base.
    fn envelope(&self, has_base: bool, event_id: Option<&str>) -> String {
        let (kind, data, fallback, error, signature) = match &self.content {
            Content::Update { document, patch, wants_patch, signer } => {
                let patch = patch.as_deref().filter(|_| has_base);
                let data = patch.unwrap_or(document);
                // A number that no float holds (`1e400`) has no canonical form, so no signature.
                let signature = signer
                    .as_deref()
                    .and_then(|signer| signer.sign(data).ok())
                    .map(|signature| signature.to_string());
                let fallback = (*wants_patch && patch.is_none()).then_some("FULL_DATA");
                ("update", Some(data), fallback, None, signature)
            }
            Content::Error { code, message } => {
                ("error", None, None, Some(ErrorDetail { code, message }), None)
            }
        };
        fields::to_json(&Envelope {
            r#type: kind,
            meta: Meta {
                timestamp: time::event_timestamp(self.id),
                attempt_id: &self.attempt_id,
                status: self.attempt.status,
                latency_ms: self.attempt.latency_ms,
                payload_mode_fallback: fallback,
            },
            // The text goes through as it is; it was checked when it came in.
            data: data.and_then(|data| serde_json::from_str(data).ok()),
            error,
            signature,
            event_id,
        })
    }

    fn logged(&self) -> LoggedEvent {
        let (kind, data, document) = match &self.content {
            Content::Update { document, patch, .. } => (
                LoggedKind::Update,
                Some(patch.clone().unwrap_or_else(|| document.to_string())),
                Some(document.to_string()),
            ),
            Content::Error { .. } => (LoggedKind::Error, None, None),
        };
        LoggedEvent {
            id: self.id.to_string(),
            kind,
            data,
            document,
            envelope: self.envelope(true, None),
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'a str,
    meta: Meta<'a>,
    data: Option<&'a RawValue>,
    error: Option<ErrorDetail<'a>>,
    signature: Option<String>,
    event_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Meta<'a> {
    timestamp: String,
    attempt_id: &'a str,
    status: Option<u16>,
    latency_ms: Option<u64>,
    payload_mode_fallback: Option<&'a str>,
}

#[derive(Serialize)]
struct ErrorDetail<'a> {
    code: &'a str,
    message: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(mode: PayloadMode, ring: usize) -> Arc<Feed> {
        let form = Form { mode, signer: None };
        Feed::new("stream_1".to_owned(), ring, form, Arc::new(Signal::default()))
    }

    fn put(feed: &Feed, data: &str) -> i64 {
        feed.update(data, Attempt::default(), false).expect("JSON").expect("an event")
    }

    fn take(subscription: &mut Subscription) -> serde_json::Value {
        let Read::Event(frame) = subscription.read(Transport::Sse) else {
            panic!("nothing to read")
        };
        let frame = String::from_utf8(frame.to_vec()).expect("UTF-8");
        let data = frame.lines().filter_map(|line| line.strip_prefix("data: "));
        serde_json::from_str(&data.collect::<Vec<_>>().join("\n")).expect("JSON")
    }

    #[test]
    fn ids_rise_within_one_millisecond() {
        let feed = feed(PayloadMode::FullData, 1000);
        let ids: Vec<_> = (0..500).map(|_| put(&feed, "1")).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn cursor_starts_at_the_next_event() {
        let feed = feed(PayloadMode::FullData, 10);
        let ids: Vec<_> = (0..5).map(|n| put(&feed, &n.to_string())).collect();
        let mut reader = feed.subscribe(Start::Cursor(ids[2]));
        assert_eq!(take(&mut reader)["data"], 3);
        assert_eq!(take(&mut reader)["data"], 4);
        assert!(matches!(reader.read(Transport::Sse), Read::Nothing));
    }

    #[test]
    fn without_a_cursor_only_new_events_come() {
        let feed = feed(PayloadMode::FullData, 10);
        put(&feed, "1");
        let mut reader = feed.subscribe(Start::Now);
        assert!(matches!(reader.read(Transport::Sse), Read::Nothing));
        put(&feed, "2");
        assert_eq!(take(&mut reader)["data"], 2);
    }

    #[test]
    fn cursor_older_than_the_ring_resumes_at_the_oldest_event() {
        let feed = feed(PayloadMode::FullData, 2);
        let first = put(&feed, "1");
        for n in 2..=4 {
            put(&feed, &n.to_string());
        }
        let mut reader = feed.subscribe(Start::Cursor(first));
        assert_eq!(take(&mut reader)["data"], 3);
    }

    #[test]
    fn reader_that_the_ring_overtook_goes_on_with_full_data() {
        let feed = feed(PayloadMode::JsonPatch, 2);
        put(&feed, "[1]");
        let mut reader = feed.subscribe(Start::Since(0));
        take(&mut reader);
        for n in 2..=4 {
            put(&feed, &format!("[{n}]"));
        }
        let event = take(&mut reader);
        assert_eq!(event["data"], serde_json::json!([3]));
        assert_eq!(event["meta"]["payload_mode_fallback"], "FULL_DATA");
    }

    #[test]
    fn patch_goes_to_who_has_the_base() {
        let feed = feed(PayloadMode::JsonPatch, 10);
        let first = put(&feed, r#"{"n":1}"#);
        put(&feed, r#"{"n":2}"#);
        let event = take(&mut feed.subscribe(Start::Cursor(first)));
        assert_eq!(event["data"][0]["op"], "replace");
        assert_eq!(event["meta"]["payload_mode_fallback"], serde_json::Value::Null);
    }

    #[test]
    fn since_holds_no_base() {
        let feed = feed(PayloadMode::JsonPatch, 10);
        let first = put(&feed, r#"{"n":1}"#);
        put(&feed, r#"{"n":2}"#);
        let event = take(&mut feed.subscribe(Start::Since(first)));
        assert_eq!(event["data"]["n"], 2);
        assert_eq!(event["meta"]["payload_mode_fallback"], "FULL_DATA");
    }

    #[test]
    fn error_between_updates_does_not_break_the_chain_of_patches() {
        let feed = feed(PayloadMode::JsonPatch, 10);
        let mut reader = feed.subscribe(Start::Now);
        put(&feed, "[1]");
        feed.error("C", "m", Attempt::default(), true).expect("an event");
        put(&feed, "[2]");
        take(&mut reader);
        take(&mut reader);
        assert_eq!(take(&mut reader)["data"][0]["value"], 2);
    }

    #[test]
    fn cursor_of_an_error_holds_no_base() {
        // Its owner may have subscribed after the document and before the error.
        let feed = feed(PayloadMode::JsonPatch, 10);
        put(&feed, "[1]");
        let mut reader = feed.subscribe(Start::Now);
        let error = feed.error("C", "m", Attempt::default(), true).expect("an event");
        take(&mut reader);
        drop(reader);
        put(&feed, "[2]");
        let event = take(&mut feed.subscribe(Start::Cursor(error)));
        assert_eq!(event["data"], serde_json::json!([2]));
        assert_eq!(event["meta"]["payload_mode_fallback"], "FULL_DATA");
    }

    #[test]
    fn same_data_after_an_error_is_an_event() {
        let feed = feed(PayloadMode::JsonPatch, 10);
        let poll = || feed.update("[1]", Attempt::default(), true).expect("JSON");
        let mut reader = feed.subscribe(Start::Now);
        assert!(poll().is_some());
        feed.error("C", "m", Attempt::default(), true).expect("an event");
        assert!(poll().is_some());
        assert!(poll().is_none());
        take(&mut reader);
        take(&mut reader);
        // A patch that changes nothing.
        assert_eq!(take(&mut reader)["data"], serde_json::json!([]));
    }

    #[test]
    fn same_data_is_no_event_when_polled() {
        let feed = feed(PayloadMode::FullData, 10);
        let poll = |data| feed.update(data, Attempt::default(), true).expect("JSON");
        assert!(poll(r#"{"a":1,"b":2}"#).is_some());
        assert!(poll(r#"{ "b": 2, "a": 1 }"#).is_none());
        assert!(poll(r#"{"a":1,"b":3}"#).is_some());
    }

    #[test]
    fn error_that_lasts_is_one_event() {
        let feed = feed(PayloadMode::FullData, 10);
        assert!(feed.error("C", "m", Attempt::default(), true).is_some());
        assert!(feed.error("C", "m", Attempt::default(), true).is_none());
        assert!(feed.error("C", "other", Attempt::default(), true).is_some());
    }

    #[test]
    fn closed_feed_ends_after_its_last_event() {
        let feed = feed(PayloadMode::FullData, 10);
        put(&feed, "1");
        feed.close();
        let mut reader = feed.subscribe(Start::Since(0));
        take(&mut reader);
        assert!(matches!(reader.read(Transport::Sse), Read::Closed));
    }
}
