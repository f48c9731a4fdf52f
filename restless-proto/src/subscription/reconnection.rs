//! After a loss: whether to connect again, and when.

use std::time::Duration;

use super::event::{Ended, LossReason};
use super::loss::Loss;
use super::policy::{self, Disposition, Overrides};
use crate::timing::{Backoff, Instant};

/// What the caller wants of reconnecting, and how often reconnecting was in vain.
pub(super) struct Reconnection {
    on: bool,
    most: Option<u32>,
    overrides: Overrides,
    backoff: Backoff,
    /// The number of connects in a row that brought no event.
    attempts: u32,
}

impl Reconnection {
    pub(super) fn new(on: bool, most: Option<u32>, overrides: Overrides, backoff: Backoff) -> Self {
        Self { on, most, overrides, backoff, attempts: 0 }
    }

    /// Returns the number of connects in a row that brought no event.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(super) fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Returns what the table says of this loss, and whether the loss counts. The caller's own rows
    /// are asked once for each loss.
    pub(super) fn judge(&self, loss: &Loss) -> (Disposition, bool) {
        policy::after(loss, &self.overrides)
    }

    /// Counts a loss that was judged so. Returns the reason and the least delay where another
    /// connect follows, and else the end. `anyway` says that the next connect asks for something
    /// else, so that the table can't stop it.
    pub(super) fn after(
        &mut self,
        loss: Loss,
        (mut again, counts): (Disposition, bool),
        anyway: bool,
    ) -> Result<(LossReason, Option<Duration>), Ended> {
        if anyway {
            again = Disposition::Retry;
        }
        let retry_after = loss.retry_after();
        let floor = match again {
            Disposition::Retry if self.on => retry_after,
            Disposition::RetryAfter(least) if self.on => retry_after.max(Some(least)),
            Disposition::Retry | Disposition::RetryAfter(_) | Disposition::Stop => {
                return Err(match loss.reason {
                    LossReason::Complete | LossReason::Snapshot => Ended::Complete,
                    LossReason::Error(error) => Ended::Failed(error),
                });
            }
        };
        if counts {
            if self.most.is_some_and(|most| self.attempts >= most) {
                return Err(Ended::GaveUp { reconnects: self.attempts, last: loss.reason });
            }
            self.attempts = self.attempts.saturating_add(1);
        }
        Ok((loss.reason, floor))
    }

    /// Returns when to connect again; `stood` is the time since which the lost connection stood.
    pub(super) fn retry_at(
        &mut self,
        floor: Option<Duration>,
        stood: Option<Instant>,
        now: Instant,
    ) -> Instant {
        let spell = stood.map(|at| now.saturating_duration_since(at)).unwrap_or_default();
        now + self.backoff.next_delay(floor, spell)
    }

    /// Puts the server's own reconnection time, where the server has set one, in the place of the
    /// caller's.
    pub(super) fn server_retry(&mut self, time: Option<Duration>) {
        if let Some(time) = time {
            self.backoff.server_retry(time);
        }
    }

    /// An accepted event came, which proves that the stream lives. Events of a connect for a
    /// snapshot leave the back-off alone: a document that snapshots can't heal would otherwise ask
    /// for one after the other at once.
    pub(super) fn event_came(&mut self, for_snapshot: bool) {
        self.attempts = 0;
        if !for_snapshot {
            self.backoff.reset();
        }
    }
}
