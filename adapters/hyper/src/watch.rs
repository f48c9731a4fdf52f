//! Watching a subscription without disturbing it.

use std::time::Duration;

use restless_proto::Instant;
use restless_proto::subscription::Status;
use tokio::sync::watch;

/// The status of a subscription, for a health check or a display. Cheap to clone.
///
/// The status is as of the last poll: a subscription that nobody polls stands still.
#[derive(Clone, Debug)]
pub struct Watch {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) origin: std::time::Instant,
}

impl Watch {
    /// Returns the status now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits for another state: opened, lost, connecting again, ended. `None` once the subscription
    /// is dropped. Events that come in leave the state, and this future, alone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call tells of a change that was missed.
    pub async fn changed(&mut self) -> Option<Status> {
        self.status.changed().await.ok()?;
        Some(self.status.borrow_and_update().clone())
    }

    /// Returns a point in time from a status, as the standard library's; a century ahead at the
    /// most, for a server may ask for any wait.
    pub fn time(&self, at: Instant) -> std::time::Instant {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        self.origin.checked_add(at.since_origin().min(CENTURY)).unwrap_or(self.origin)
    }
}
