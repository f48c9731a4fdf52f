//! One more look at the network before time is up.

use std::time::Duration;

use crate::timing::Instant;

/// A deadline that is noticed late was noticed late because nobody ran the driver. What has come
/// meanwhile is still with the operating system: while an exchange is open, the driver waits a
/// moment longer for it before it counts that nothing came.
#[derive(Clone, Copy, Default)]
pub(super) struct Look {
    /// What the driver was told to wait for.
    deadline: Option<Instant>,
    /// Until when it looks once more.
    until: Option<Instant>,
}

/// How late is late, and how long the look is: a turn of a reactor.
const LATE: Duration = Duration::from_millis(20);

impl Look {
    /// What the driver is to wait for, where the machine waits for this.
    pub(super) fn wait(&mut self, deadline: Option<Instant>) -> Option<Instant> {
        if deadline != self.deadline {
            *self = Self { deadline, until: None };
        }
        self.until.or(deadline)
    }

    /// Whether a driver that says at `now` that time is up is to look once more.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        match (self.until, self.deadline) {
            (Some(until), _) if now < until => true,
            (Some(_), _) => {
                self.until = None;
                false
            }
            (None, Some(deadline)) if now > deadline + LATE => {
                self.until = Some(now + LATE);
                true
            }
            (None, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(ms))
    }

    #[test]
    fn who_is_late_looks_once_more_and_only_once() {
        let mut look = Look::default();
        assert_eq!(look.wait(Some(at(100))), Some(at(100)));
        assert!(look.is_due(at(150)));
        assert_eq!(look.wait(Some(at(100))), Some(at(170)));
        assert!(look.is_due(at(160)), "it is too early");
        assert!(!look.is_due(at(170)));
    }

    #[test]
    fn who_is_in_time_does_not() {
        let mut look = Look::default();
        look.wait(Some(at(100)));
        assert!(!look.is_due(at(100)) && !look.is_due(at(120)));
    }

    #[test]
    fn another_deadline_has_a_look_of_its_own() {
        let mut look = Look::default();
        look.wait(Some(at(100)));
        assert!(look.is_due(at(150)));
        assert_eq!(look.wait(Some(at(300))), Some(at(300)));
        assert!(!look.is_due(at(300)));
    }
}
