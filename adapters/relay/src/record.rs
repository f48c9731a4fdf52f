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
    /// The cursor behind the last record, where the service has given a cursor.
    pub cursor: Option<String>,
}

impl Position {
    /// Makes a position, as a store has it.
    pub fn new(sequence: u64, cursor: Option<String>) -> Self {
        Self { sequence, cursor }
    }
}

/// One thing to store: an event, or a dead letter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// The cursor behind the record.
    pub cursor: Option<String>,
    /// An event, or a dead letter.
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

/// Something that came in the place of an event, and was not accepted as an event.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The bytes that came. Empty for data too large for the subscription's limits; a beginning for
    /// data too large for the sink.
    pub data: Bytes,
    /// Why the data was not accepted, down to the last cause.
    pub reason: String,
}

/// Prints the length of the data instead of the data, which nobody has vouched for.
impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("reason", &self.reason)
            .finish()
    }
}

impl DeadLetter {
    /// Makes a dead letter, for the author of a [`Sink`](crate::Sink) and its tests.
    pub fn new(data: impl Into<Bytes>, reason: impl Into<String>) -> Self {
        Self { data: data.into(), reason: reason.into() }
    }
}

impl Record {
    /// Makes a record, for the author of a [`Sink`](crate::Sink) and its tests.
    pub fn new(cursor: Option<String>, content: Content) -> Self {
        Self { cursor, content }
    }

    /// Returns the event, where the record is one.
    pub fn event(&self) -> Option<&StreamEvent> {
        match &self.content {
            Content::Event(event) => Some(event),
            Content::Dead(_) => None,
        }
    }

    /// Returns the bytes of the record's text.
    pub fn bytes(&self) -> usize {
        match &self.content {
            Content::Event(event) => event.raw().len(),
            Content::Dead(letter) => letter.data.len(),
        }
    }

    /// Returns when the event happened, as the service says, in Unix milliseconds.
    pub fn unix_ms(&self) -> Option<i64> {
        self.event().and_then(|event| timestamp::unix_ms(&event.meta().timestamp()))
    }
}

/// Records of one feed, to be stored by one atomic step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch {
    /// The feed's name.
    pub feed: Arc<str>,
    /// Where the feed has to stand for the batch to be stored.
    pub expected: Position,
    /// The records to store, in order, at least one.
    pub records: Vec<Record>,
}

impl Batch {
    /// Makes a batch, for the author of a [`Sink`](crate::Sink) and its tests.
    pub fn new(feed: impl Into<Arc<str>>, expected: Position, records: Vec<Record>) -> Self {
        Self { feed: feed.into(), expected, records }
    }

    /// Returns where the feed stands once the batch is stored.
    pub fn position(&self) -> Position {
        let cursor = self.records.last().and_then(|last| last.cursor.clone());
        let sequence = self.expected.sequence.saturating_add(self.records.len() as u64);
        Position { sequence, cursor: cursor.or_else(|| self.expected.cursor.clone()) }
    }

    /// Returns the records, each with its number in the feed: the first record of a feed has 1.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Record)> {
        (self.expected.sequence.saturating_add(1)..).zip(&self.records)
    }
}
