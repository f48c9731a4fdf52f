//! The last two minutes, second by second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What came in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Second {
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// The largest from an event's time to when it came, in milliseconds.
    pub(super) lag_ms: u64,
    /// The longest that an upstream took, in milliseconds.
    pub(super) latency_ms: u64,
}

/// The last seconds, the present one included.
#[derive(Clone, Default)]
pub(super) struct Seconds {
    began: Option<Instant>,
    /// The present one is the last.
    ring: VecDeque<Second>,
}

const KEPT: usize = 120;
const SECOND: Duration = Duration::from_secs(1);

impl Seconds {
    /// Counts an event of so many bytes.
    pub(super) fn count(
        &mut self,
        now: Instant,
        bytes: usize,
        lag_ms: Option<i64>,
        latency_ms: Option<i64>,
    ) {
        self.advance(now);
        if let Some(second) = self.ring.back_mut() {
            second.events += 1;
            second.bytes += bytes as u64;
            let at_least = |ms: Option<i64>| ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
            second.lag_ms = second.lag_ms.max(at_least(lag_ms));
            second.latency_ms = second.latency_ms.max(at_least(latency_ms));
        }
    }

    /// Turns to the second that it is now.
    pub(super) fn advance(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        if self.ring.is_empty() {
            self.ring.push_back(Second::default());
        }
        let passed = now.saturating_duration_since(began).as_secs();
        for _ in 0..passed.min(KEPT as u64) {
            self.ring.push_back(Second::default());
        }
        while self.ring.len() > KEPT {
            self.ring.pop_front();
        }
        self.began = Some(began + SECOND * u32::try_from(passed).unwrap_or_default());
    }

    /// The last that is whole: what a rate is read from.
    pub(super) fn last(&self) -> Second {
        self.ring.iter().rev().nth(1).copied().unwrap_or_default()
    }

    /// The last `count` seconds of one figure, the oldest first.
    pub(super) fn of(&self, count: usize, figure: fn(&Second) -> u64) -> Vec<u64> {
        let from = self.ring.len().saturating_sub(count);
        self.ring.iter().skip(from).map(figure).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_without_an_event_count_as_none() {
        let (mut seconds, start) = (Seconds::default(), Instant::now());
        seconds.count(start, 10, Some(7), None);
        seconds.count(start + Duration::from_millis(900), 5, Some(3), Some(40));
        seconds.count(start + Duration::from_millis(3100), 1, Some(-1), None);
        assert_eq!(seconds.of(9, |second| second.events), [2, 0, 0, 1]);
        assert_eq!(seconds.of(9, |second| second.bytes), [15, 0, 0, 1]);
        assert_eq!(seconds.of(9, |second| second.lag_ms), [7, 0, 0, 0]);
        assert_eq!(seconds.of(2, |second| second.events), [0, 1]);
        assert_eq!(seconds.last(), Second::default());
        seconds.advance(start + Duration::from_millis(4000));
        assert_eq!(seconds.last().events, 1);
    }

    #[test]
    fn two_minutes_are_kept_however_long_nothing_comes() {
        let (mut seconds, start) = (Seconds::default(), Instant::now());
        seconds.count(start, 1, None, None);
        seconds.advance(start + Duration::from_secs(1_000_000));
        assert_eq!(seconds.of(usize::MAX, |second| second.events), [0; KEPT]);
    }
}
