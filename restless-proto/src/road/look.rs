//! One more look at the network before a deadline counts.

use std::time::Duration;

use crate::timing::Instant;

/// One more look at the network, for a deadline that the driver notices late. A driver is late
/// because nobody ran it, and bytes that have come meanwhile are still with the operating system.
/// While an exchange is open, the machine therefore asks the driver to wait a moment longer, before
/// silence counts.
#[derive(Clone, Copy, Default)]
pub(super) struct Look {
    /// The deadline that the driver was told of.
    deadline: Option<Instant>,
    /// The end of the further look, while there is one.
    until: Option<Instant>,
}

/// The lateness from which a deadline is noticed late, and the length of the further look: a turn
/// of a reactor.
const TURN: Duration = Duration::from_millis(20);

impl Look {
    /// Returns the deadline to tell the driver, where `deadline` is the machine's own.
    pub(super) fn wait(&mut self, deadline: Option<Instant>) -> Option<Instant> {
        if deadline != self.deadline {
            *self = Self { deadline, until: None };
        }
        self.until.or(deadline)
    }

    /// Whether a driver that says at `now` that time is up has to look once more.
    pub(super) fn is_again(&mut self, now: Instant) -> bool {
        match (self.until, self.deadline) {
            (Some(until), _) if now < until => true,
            (Some(_), _) => {
                self.until = None;
                false
            }
            (None, Some(deadline)) if now > deadline + TURN => {
                self.until = Some(now + TURN);
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
        assert!(look.is_again(at(150)));
        assert_eq!(look.wait(Some(at(100))), Some(at(170)));
        assert!(look.is_again(at(160)), "it is too early");
        assert!(!look.is_again(at(170)));
    }

    #[test]
    fn who_is_in_time_does_not() {
        let mut look = Look::default();
        look.wait(Some(at(100)));
        assert!(!look.is_again(at(100)) && !look.is_again(at(120)));
    }

    #[test]
    fn another_deadline_has_a_look_of_its_own() {
        let mut look = Look::default();
        look.wait(Some(at(100)));
        assert!(look.is_again(at(150)));
        assert_eq!(look.wait(Some(at(300))), Some(at(300)));
        assert!(!look.is_again(at(300)));
    }
}
