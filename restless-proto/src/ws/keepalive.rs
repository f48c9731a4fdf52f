//! Our own pings, and the peer that leaves them unanswered (RFC 6455 §5.5.2).

use std::time::Duration;

use super::options::Options;
use crate::timing::Instant;

/// When to ping, and when to give up.
///
/// | timer | armed | stopped | what it causes |
/// | --- | --- | --- | --- |
/// | ping | at the start, and again by each ping of ours | when the closing begins | a ping |
/// | answer | by a ping of ours | by any byte from the peer, or when the closing begins | the loss of the connection |
#[derive(Debug)]
pub(crate) struct KeepAlive {
    every: Option<Duration>,
    within: Option<Duration>,
    ping_at: Option<Instant>,
    answer: Option<Answer>,
}

#[derive(Debug)]
struct Answer {
    by: Instant,
    /// Whether the time was given once more, because nobody looked when it was up.
    extended: bool,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Todo {
    Nothing,
    Ping,
    /// The peer had this long, and was silent.
    Loss(Duration),
}

impl KeepAlive {
    pub(crate) fn new(options: &Options, now: Instant) -> Self {
        let (every, within) = (options.ping_every, options.pong_within);
        Self { every, within, ping_at: every.map(|every| now + every), answer: None }
    }

    /// The peer was heard.
    pub(crate) fn heard(&mut self) {
        self.answer = None;
    }

    /// Returns what there is to do now. The caller asks again until the answer is `Nothing`.
    pub(crate) fn check(&mut self, now: Instant) -> Todo {
        if let (Some(answer), Some(within)) = (&mut self.answer, self.within) {
            if now >= answer.by {
                let late = now.saturating_duration_since(answer.by) > NOT_WAITING;
                if !late || answer.extended {
                    return Todo::Loss(within);
                }
                *answer = Answer { by: now + within, extended: true };
            }
        }
        if let (Some(ping_at), Some(every)) = (self.ping_at, self.every) {
            if now >= ping_at {
                self.ping_at = Some(now + every);
                if self.answer.is_none() {
                    self.answer =
                        self.within.map(|span| Answer { by: now + span, extended: false });
                    return Todo::Ping;
                }
            }
        }
        Todo::Nothing
    }

    /// Returns when to check next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let answer_by = self.answer.as_ref().map(|answer| answer.by);
        answer_by.into_iter().chain(self.ping_at).min()
    }
}

/// The lateness from which a check is one of a driver that was not waiting for the deadline.
const NOT_WAITING: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Instant {
        Instant::from_origin(Duration::from_secs_f64(seconds))
    }

    fn seconds(every: u64, within: u64) -> KeepAlive {
        spans(Some(every), Some(within))
    }

    fn spans(every: Option<u64>, within: Option<u64>) -> KeepAlive {
        let (every, within) = (every.map(Duration::from_secs), within.map(Duration::from_secs));
        KeepAlive::new(&Options::default().ping_every(every).pong_within(within), Instant::ORIGIN)
    }

    #[test]
    fn pings_come_at_the_interval_while_the_peer_is_heard() {
        let mut keep_alive = seconds(20, 20);
        for ping in 1..5 {
            let due = at(20.0 * f64::from(ping));
            assert_eq!(keep_alive.deadline(), Some(due));
            assert_eq!(keep_alive.check(due), Todo::Ping);
            assert_eq!(keep_alive.check(due), Todo::Nothing);
            keep_alive.heard();
        }
    }

    #[test]
    fn silence_after_a_ping_is_a_loss() {
        let mut keep_alive = seconds(20, 5);
        assert_eq!(keep_alive.check(at(20.0)), Todo::Ping);
        assert_eq!(keep_alive.deadline(), Some(at(25.0)));
        assert_eq!(keep_alive.check(at(24.9)), Todo::Nothing);
        assert_eq!(keep_alive.check(at(25.0)), Todo::Loss(Duration::from_secs(5)));
    }

    #[test]
    fn a_check_that_comes_late_gives_the_span_once_more_and_only_once() {
        let mut keep_alive = seconds(20, 5);
        assert_eq!(keep_alive.check(at(20.0)), Todo::Ping);
        assert_eq!(keep_alive.check(at(39.0)), Todo::Nothing);
        assert_eq!(keep_alive.check(at(60.0)), Todo::Loss(Duration::from_secs(5)));
    }

    #[test]
    fn no_second_ping_while_an_answer_is_due() {
        let mut keep_alive = seconds(2, 5);
        assert_eq!(keep_alive.check(at(2.0)), Todo::Ping);
        assert_eq!(keep_alive.check(at(4.0)), Todo::Nothing);
        assert_eq!(keep_alive.check(at(6.0)), Todo::Nothing);
        assert_eq!(keep_alive.check(at(7.0)), Todo::Loss(Duration::from_secs(5)));
    }

    #[test]
    fn each_half_can_be_switched_off() {
        let mut silent = spans(None, Some(5));
        assert_eq!((silent.deadline(), silent.check(at(1e6))), (None, Todo::Nothing));
        let mut patient = spans(Some(5), None);
        for ping in 1..5 {
            assert_eq!(patient.check(at(5.0 * f64::from(ping))), Todo::Ping);
        }
    }
}
