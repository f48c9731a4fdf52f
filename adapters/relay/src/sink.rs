//! What a store is to a relay.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::{Batch, Position};

/// A store of feeds.
///
/// [`store`](Self::store) is one atomic step: either all records of a batch are stored durably and
/// the feed's position is moved, or nothing has changed. A store without transactions may break off
/// in the middle of a batch, as long as each record moves the position by one atomic step: the
/// store then holds the batch's beginning, and says so. A relay builds on this step alone.
pub trait Sink: Send {
    /// Returns how far a feed is stored; [`Position::default`] for a feed that the store has never
    /// seen.
    fn position(&mut self, feed: &str) -> impl Future<Output = Result<Position, SinkError>> + Send;

    /// Stores a batch if the feed stands where the batch expects it, by
    /// [sequence](Position::sequence).
    ///
    /// After an `Err`, whether the batch is stored may be unknown, as where a connection breaks
    /// during a commit: the relay then asks for the position.
    fn store(
        &mut self,
        batch: Arc<Batch>,
    ) -> impl Future<Output = Result<Stored, SinkError>> + Send;

    /// Returns the most bytes of text that a record may have; a larger record becomes a dead
    /// letter. Default: the sink has no limit of its own.
    fn most_record_bytes(&self) -> Option<usize> {
        None
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a batch that was not stored has to come again"]
#[expect(clippy::exhaustive_enums, reason = "a third outcome must not be ignorable")]
pub enum Stored {
    /// The batch is stored, and the position has moved.
    Stored,
    /// The feed stands elsewhere: another worker has moved it, and nothing was stored.
    Moved,
}

/// A store that can't do what it was asked for.
#[derive(Clone, Debug)]
pub struct SinkError {
    kind: Kind,
    what: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    MayPass,
    Final,
    Record(usize),
}

impl SinkError {
    /// A failure that may pass: the store is busy, away, or out of space. The relay tries again,
    /// for as long as it takes.
    pub fn may_pass(what: impl Into<String>) -> Self {
        Self { kind: Kind::MayPass, what: what.into(), source: None }
    }

    /// A failure that stays: another file than a store, a missing permission, a corrupt store. The
    /// relay ends with this error.
    pub fn will_not_pass(what: impl Into<String>) -> Self {
        Self { kind: Kind::Final, what: what.into(), source: None }
    }

    /// States that the store refuses one record of the batch, the one at `index`, whatever is
    /// tried. The relay makes a dead letter of that record. Nothing of the batch was stored.
    pub fn record(index: usize, what: impl Into<String>) -> Self {
        Self { kind: Kind::Record(index), what: what.into(), source: None }
    }

    /// Adds the cause.
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Whether to try again is of use.
    pub fn is_transient(&self) -> bool {
        self.kind == Kind::MayPass
    }

    /// Returns the index of the record that the error is about, if it is about one.
    pub fn record_index(&self) -> Option<usize> {
        match self.kind {
            Kind::Record(index) => Some(index),
            Kind::MayPass | Kind::Final => None,
        }
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for SinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
