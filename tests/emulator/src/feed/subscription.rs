//! A subscriber's place in a feed.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::{Feed, Position, Read, Transport};

/// A subscriber of a feed, counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Subscription {
    feed: Arc<Feed>,
    position: Position,
    changed: watch::Receiver<()>,
}

impl Subscription {
    /// At `position` of a feed that has counted it already.
    pub(super) fn new(feed: Arc<Feed>, position: Position, changed: watch::Receiver<()>) -> Self {
        Self { feed, position, changed }
    }

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
