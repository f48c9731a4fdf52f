//! When something is due: at a time, or never, as the clock ends before the longest spans do.

use tokio::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due(Option<Instant>);

impl Due {
    /// So long after now.
    pub(crate) fn after(span: Duration) -> Self {
        Self::behind(Instant::now(), span)
    }

    /// So long after `start`.
    pub(crate) fn behind(start: Instant, span: Duration) -> Self {
        Self(start.checked_add(span))
    }

    /// Completes when the time has come.
    pub(crate) async fn comes(self) {
        match self.0 {
            Some(due) if due <= Instant::now() => {}
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

/// What breaks a silence of a certain length.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    every: Duration,
    next: Due,
}

impl Heartbeat {
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, next: Due::after(every) }
    }

    /// Notes that the silence was broken.
    pub(crate) fn put_off(&mut self) {
        self.next = Due::after(self.every);
    }

    /// Completes with each heartbeat. Dropping the future loses none.
    pub(crate) async fn beats(&mut self) {
        self.next.comes().await;
        self.put_off();
    }
}
