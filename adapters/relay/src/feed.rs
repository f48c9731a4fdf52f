//! What to relay, and in what portions.

use std::sync::Arc;
use std::time::Duration;

use restless_proto::Subscription;

/// A feed: its name in the store, and the subscription that brings its events.
#[derive(Clone, Debug)]
#[must_use = "a feed is a value: give it to a relay"]
pub struct Feed {
    pub(crate) name: Arc<str>,
    pub(crate) subscription: Subscription,
    pub(crate) options: Options,
}

impl Feed {
    /// Makes a feed of this name. The subscription's own cursor and `since` count only for a store
    /// that has nothing of the feed: `since("0")` begins with the oldest event that is kept. A
    /// position that the service refuses ends the relay: at once, or where the subscription
    /// [tells continuity](Subscription::continuity) and would go on at the present, with the next
    /// event.
    pub fn new(name: impl Into<Arc<str>>, subscription: Subscription) -> Self {
        Self { name: name.into(), subscription, options: Options::default() }
    }

    /// Stores the feed in other portions than usual.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Returns the feed's name in the store.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Says in what portions a feed is stored.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub(crate) most_records: usize,
    pub(crate) most_bytes: usize,
    pub(crate) linger: Duration,
    pub(crate) retry: Duration,
    pub(crate) max_retry: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            most_records: 512,
            most_bytes: 4 << 20,
            linger: Duration::from_millis(20),
            retry: Duration::from_millis(100),
            max_retry: Duration::from_secs(30),
        }
    }
}

impl Options {
    /// Sets the most records in a batch, at least 1. Default: 512.
    #[must_use]
    pub fn most_records(mut self, most: usize) -> Self {
        self.most_records = most.max(1);
        self
    }

    /// Sets the bytes of text at which a batch is full, at least 1. A batch has one record at
    /// least, whatever the record's size. Default: 4 MiB.
    #[must_use]
    pub fn most_bytes(mut self, most: usize) -> Self {
        self.most_bytes = most.max(1);
        self
    }

    /// Sets how long a record waits for others at the most. Default: 20 ms; zero stores what is
    /// there.
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Sets the delay before a store that failed is asked again, and the bound to which the delay
    /// grows. Default: 100 ms to 30 s.
    #[must_use]
    pub fn retry(mut self, first: Duration, most: Duration) -> Self {
        (self.retry, self.max_retry) = (first, most);
        self
    }
}
