//! A subscriber's place in a feed, and how a fault makes it lose that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::event::Dating;
use super::{Feed, Position, Read, Transport};

/// A subscriber of a feed, counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Subscription {
    feed: Arc<Feed>,
    position: Position,
    changed: watch::Receiver<()>,
    /// What happens to its place, and after how many events more.
    lapse: Option<(Lapse, u64)>,
    /// How many events are left out from here on.
    skip: u64,
    dating: Dating,
}

/// What a service that loses its place does to a subscriber.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lapse {
    /// Goes on elsewhere.
    To(Place),
    /// Leaves so many events out.
    Skip(u64),
    /// Dates events so much earlier.
    Back(Duration),
}

/// Where a service goes on that has lost its place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// With the oldest event that is kept.
    Beginning,
    /// As for who names no position.
    Latest,
    /// With the next event to come.
    Now,
    /// So many events earlier.
    Before(u64),
}

impl Subscription {
    /// At `position` of a feed that has counted it already.
    pub(super) fn new(feed: Arc<Feed>, position: Position, changed: watch::Receiver<()>) -> Self {
        let dating = Dating::default();
        Self { feed, position, changed, lapse: None, skip: 0, dating }
    }

    /// After so many events, it loses its place.
    pub(crate) fn lose(&mut self, lapse: Lapse, after: u64) {
        self.lapse = Some((lapse, after));
        self.lapse_if_due();
    }

    /// The next event, without waiting.
    pub(crate) fn read(&mut self, transport: Transport) -> Read {
        // Seen before reading, so that what is added from here on wakes `changed`.
        self.changed.borrow_and_update();
        loop {
            let read = self.feed.read(&mut self.position, transport, self.dating);
            if !matches!(read, Read::Event(_)) {
                return read;
            }
            if let Some(left) = self.skip.checked_sub(1) {
                self.skip = left;
                continue;
            }
            if let Some((_, after)) = &mut self.lapse {
                *after -= 1;
                self.lapse_if_due();
            }
            return read;
        }
    }

    /// Completes when reading again may give something.
    pub(crate) async fn changed(&mut self) {
        // The sender lives in the feed, and the feed in here.
        let _ = self.changed.changed().await;
    }

    /// Completes when there is something to read, or nothing will be.
    pub(crate) async fn ready(&mut self) {
        loop {
            self.changed.borrow_and_update();
            if self.feed.is_ready(&self.position) {
                return;
            }
            self.changed().await;
        }
    }

    fn lapse_if_due(&mut self) {
        let Some((lapse, _)) = self.lapse.take_if(|(_, after)| *after == 0) else { return };
        match lapse {
            Lapse::To(place) => self.feed.lose(&mut self.position, place),
            Lapse::Skip(events) => self.skip = events,
            Lapse::Back(by) => {
                self.dating.behind = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            }
        }
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
