//! What a sink stores.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use restless_proto::StreamEvent;
use restless_proto::event::timestamp;

/// How far a feed is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// How many records the store holds of the feed, dead letters included. The number is the
    /// fence: a batch is stored only where the store has exactly as many records as the batch
    /// expects.
    pub sequence: u64,
    /// The cursor behind the last of them, where the service has given one.
    pub cursor: Option<String>,
}

impl Position {
    /// A position, as a store has it.
    pub fn new(sequence: u64, cursor: Option<String>) -> Self {
        Self { sequence, cursor }
    }
}

/// One thing to store: an event, or a dead letter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// The cursor behind it.
    pub cursor: Option<String>,
    /// What it is.
    pub content: Content,
}

/// What a record is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Content {
    /// An event of the feed.
    Event(StreamEvent),
    /// Something that can't be stored as an event.
    Dead(DeadLetter),
}

/// Something that came in the place of an event, and was not accepted as one.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// What came, byte for byte. Empty where it was too large for the subscription's limits, a
    /// beginning of it where it was too large for the sink.
    pub data: Bytes,
    /// Why it was not accepted, down to the last cause.
    pub reason: String,
}

/// Of the data its length only: nobody has vouched for it.
impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("reason", &self.reason)
            .finish()
    }
}

impl DeadLetter {
    /// A dead letter, for who writes a [`Sink`](crate::Sink) and its tests.
    pub fn new(data: impl Into<Bytes>, reason: impl Into<String>) -> Self {
        Self { data: data.into(), reason: reason.into() }
    }
}

impl Record {
    /// A record, for who writes a [`Sink`](crate::Sink) and its tests.
    pub fn new(cursor: Option<String>, content: Content) -> Self {
        Self { cursor, content }
    }

    /// The event, where it is one.
    pub fn event(&self) -> Option<&StreamEvent> {
        match &self.content {
            Content::Event(event) => Some(event),
            Content::Dead(_) => None,
        }
    }

    /// Bytes of its text.
    pub fn bytes(&self) -> usize {
        match &self.content {
            Content::Event(event) => event.raw().len(),
            Content::Dead(letter) => letter.data.len(),
        }
    }

    /// When the service says that it happened, in Unix milliseconds.
    pub fn unix_ms(&self) -> Option<i64> {
        self.event().and_then(|event| timestamp::unix_ms(&event.meta().timestamp()))
    }
}

/// Records of one feed, to be stored by one atomic step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch {
    /// Which feed.
    pub feed: Arc<str>,
    /// Where the feed has to stand for the batch to be stored.
    pub expected: Position,
    /// What to store, in order; never empty.
    pub records: Vec<Record>,
}

impl Batch {
    /// A batch, for who writes a [`Sink`](crate::Sink) and its tests.
    pub fn new(feed: impl Into<Arc<str>>, expected: Position, records: Vec<Record>) -> Self {
        Self { feed: feed.into(), expected, records }
    }

    /// Where the feed stands once it is stored.
    pub fn position(&self) -> Position {
        let cursor = self.records.last().and_then(|last| last.cursor.clone());
        let sequence = self.expected.sequence.saturating_add(self.records.len() as u64);
        Position { sequence, cursor: cursor.or_else(|| self.expected.cursor.clone()) }
    }

    /// The records, each with its number in the feed: the first of a feed has 1.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Record)> {
        (self.expected.sequence.saturating_add(1)..).zip(&self.records)
    }
}
