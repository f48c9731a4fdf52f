//! A subscriber's place in a feed, and how a fault makes the subscriber lose it.

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
    /// What happens to the subscriber's place, and after how many events more.
    lapse: Option<(Lapse, u64)>,
    /// How many events are left out from here on.
    skip: u64,
    dating: Dating,
}

/// What a service that loses its place does to a subscriber.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lapse {
    /// The service goes on elsewhere.
    To(Place),
    /// The service leaves so many events out.
    Skip(u64),
    /// The service dates events so much earlier.
    Back(Duration),
}

/// Where a service goes on that has lost its place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// The service goes on with the oldest event that is kept.
    Beginning,
    /// The service goes on as for a request without a position.
    Latest,
    /// The service goes on with the next event to come.
    Now,
    /// The service goes back by so many events.
    Before(u64),
}

impl Subscription {
    /// Takes a place at `position` of a feed that has counted the subscriber already.
    pub(super) fn new(feed: Arc<Feed>, position: Position, changed: watch::Receiver<()>) -> Self {
        let dating = Dating::default();
        Self { feed, position, changed, lapse: None, skip: 0, dating }
    }

    /// Loses the place after so many events.
    pub(crate) fn lose(&mut self, lapse: Lapse, after: u64) {
        self.lapse = Some((lapse, after));
        self.lapse_if_due();
    }

    /// Returns the next event, without waiting.
    pub(crate) fn read(&mut self, transport: Transport) -> Read {
        // Changes are seen before reading, so that what is added from here on wakes `changed`.
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

    /// Completes when there is something to read, or the feed has ended.
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
