//! How long to wait before connecting again.

use std::time::Duration;

use crate::entropy::Entropy;

/// The delay before each reconnect: it starts at the reconnection time, and grows with jitter up to
/// a bound while no event comes.
///
/// `base` is the reconnection time (the caller's, or the server's `retry:`, or the server's
/// `Retry-After` where that is longer), and `n` the number of losses in a row before this one. The
/// delay is then drawn from
/// | n | from | to |
/// | --- | --- | --- |
/// | 0 | `base` | `base` and a quarter |
/// | 1, 2, … | `base` | `max(base, 100 ms) × 2ⁿ`, but no more than the bound (1 minute unless set, and never less than 100 ms), or `base` and a quarter |
///
/// The delay is at least as long as the server asked for (WHATWG HTML §9.2.3, RFC 9110 §10.2.3),
/// and clients that lost the same server come back at different instants.
///
/// A connection that stood ten times as long as the reconnection time (as 100 ms where that is
/// longer) counts as a success, even without an event: the loss after such a connection is the
/// first in a row again. A stream that a box in between cuts every 15 s is therefore connected nine
/// tenths of the time.
///
/// A `base` of zero connects at once the first time, and backs off from 100 ms if the first connect
/// brings nothing. After three connections in a row of less than a second each, even with an event
/// in each, every delay is at least 100 ms. Settings and servers therefore can't make a tight loop.
///
/// A ceiling follows for the connects of a subscription within a minute: 61 with the default
/// reconnection time of a second, `60 s / base + 1` with another time of 100 ms or more, and 604
/// with less, which is ten a second. Each connect may follow ten redirects, and may do so once more
/// with another key after a 401.
///
/// `Retry-After` is about one answer, and gets any wait that the answer asks for: `retry_at` in
/// [`Lost`](crate::subscription::Lost) and in the status says how long that is. A `retry:` stays
/// for good, and counts up to one day, or one odd line could silence a feed for ever.
#[derive(Clone, Debug)]
pub struct Backoff {
    reconnection_time: Duration,
    maximum: Duration,
    losses: u32,
    /// The number of losses in a row that the growth did not slow down, of connections that stood
    /// for less than a second.
    short: u32,
    entropy: Entropy,
}

const LONGEST_RETRY: Duration = Duration::from_secs(24 * 3600);
/// A connection that stood this long breaks a tight loop.
const STABLE_SPELL: Duration = Duration::from_secs(1);
const MOST_SHORT_SPELLS: u32 = 3;
/// A connection that stood this many times as long as the reconnection time counts as a success:
/// with one delay to each connection, the stream is connected nine tenths of the time.
const WELL_LONGER: u32 = 10;
const LEAST_STEP: Duration = Duration::from_millis(100);

impl Backoff {
    /// Starts with the caller's reconnection time, the bound of the growth, and a source of jitter.
    pub fn new(reconnection_time: Duration, maximum: Duration, entropy: Entropy) -> Self {
        let maximum = maximum.max(LEAST_STEP);
        Self { reconnection_time, maximum, losses: 0, short: 0, entropy }
    }

    /// Puts the server's `retry:` in the place of the reconnection time, for good. At most a day
    /// counts.
    pub fn server_retry(&mut self, reconnection_time: Duration) {
        self.reconnection_time = reconnection_time.min(LONGEST_RETRY);
    }

    /// Takes note that an event came: the next loss is the first in a row again.
    pub fn reset(&mut self) {
        self.losses = 0;
    }

    /// Returns the delay after one more loss, at least `retry_after`; `spell` is how long the
    /// connection stood.
    pub fn next_delay(&mut self, retry_after: Option<Duration>, spell: Duration) -> Duration {
        let asked_for = retry_after.unwrap_or_default();
        if spell >= self.reconnection_time.max(LEAST_STEP).saturating_mul(WELL_LONGER) {
            self.losses = 0;
        }
        if spell >= STABLE_SPELL {
            self.short = 0;
        } else if self.losses == 0 {
            // After an event, or at the first loss, the growth alone would not slow it down.
            self.short = self.short.saturating_add(1);
        }
        let mut base = self.reconnection_time.max(asked_for);
        if self.short > MOST_SHORT_SPELLS {
            base = base.max(LEAST_STEP);
        }
        let spread = match self.losses {
            0 => base / 4,
            n => {
                let grown = base.max(LEAST_STEP).saturating_mul(1_u32 << n.min(20));
                grown.min(self.maximum).saturating_sub(base).max(base / 4)
            }
        };
        self.losses = self.losses.saturating_add(1);
        let nanos = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
        base.saturating_add(Duration::from_nanos(self.entropy.up_to(nanos)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(base_ms: u64, seed: u64) -> Backoff {
        Backoff::new(
            Duration::from_millis(base_ms),
            Duration::from_secs(60),
            Entropy::from_seed(seed),
        )
    }

    #[test]
    fn delays_grow_from_the_reconnection_time_to_the_bound() {
        for seed in 0..200 {
            let mut backoff = backoff(1000, seed);
            for n in 0..12_u32 {
                let upper = if n == 0 { 1250 } else { (1000_u64 << n).min(60_000) };
                let delay =
                    u64::try_from(backoff.next_delay(None, Duration::ZERO).as_millis()).unwrap();
                assert!((1000..=upper).contains(&delay), "loss {n}: {delay} ms");
            }
        }
    }

    #[test]
    fn the_mean_delay_doubles_while_no_event_comes() {
        let mean = |n: usize| {
            let total: Duration = (0..400)
                .map(|seed| {
                    let mut backoff = backoff(1000, seed);
                    (0..=n).map(|_| backoff.next_delay(None, Duration::ZERO)).last().unwrap()
                })
                .sum();
            total / 400
        };
        assert!(mean(3) > mean(1) * 2 && mean(5) > mean(3) * 2);
    }

    #[test]
    fn an_event_starts_the_growth_anew() {
        let mut backoff = backoff(1000, 1);
        for _ in 0..8 {
            backoff.next_delay(None, Duration::ZERO);
        }
        backoff.reset();
        assert!(backoff.next_delay(None, Duration::ZERO) <= Duration::from_millis(1250));
    }

    #[test]
    fn a_connection_that_stood_well_longer_than_the_delay_starts_the_growth_anew() {
        for (spell, grows) in [(9_999, true), (10_000, false), (15_000, false)] {
            let longest = (0..50).map(|seed| {
                let mut backoff = backoff(1000, seed);
                let spell = Duration::from_millis(spell);
                (0..8).map(|_| backoff.next_delay(None, spell)).last().unwrap()
            });
            let longest = longest.max().unwrap();
            assert_eq!(longest > Duration::from_millis(1250), grows, "{spell}: {longest:?}");
        }
    }

    #[test]
    fn retry_after_is_a_floor_even_above_the_bound() {
        let mut backoff = backoff(10, 1);
        let delay = backoff.next_delay(Some(Duration::from_secs(1800)), Duration::ZERO);
        assert!(delay >= Duration::from_secs(1800));
    }

    #[test]
    fn retry_after_gets_any_wait_and_retry_a_day() {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        for asked_for in [Duration::from_secs(7200), Duration::from_secs(1 << 40), Duration::MAX] {
            let mut backoff = backoff(10, 1);
            assert!(backoff.next_delay(Some(asked_for), Duration::ZERO) >= asked_for);
            backoff.reset();
            backoff.server_retry(asked_for);
            let delay = backoff.next_delay(None, Duration::ZERO);
            assert!((asked_for.min(DAY)..=DAY + DAY / 4).contains(&delay), "{delay:?}");
        }
    }

    #[test]
    fn no_bound_is_low_enough_for_a_tight_loop() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO, Entropy::from_seed(1));
        let total: Duration = (0..101).map(|_| backoff.next_delay(None, Duration::ZERO)).sum();
        assert!(total > Duration::from_secs(2), "{total:?}");
    }

    #[test]
    fn a_reconnection_time_of_zero_connects_at_once_and_then_backs_off() {
        let mut backoff = backoff(0, 3);
        assert_eq!(backoff.next_delay(None, Duration::ZERO), Duration::ZERO);
        let rest: Duration = (0..10).map(|_| backoff.next_delay(None, Duration::ZERO)).sum();
        assert!(rest > Duration::from_secs(1), "{rest:?}");
    }

    #[test]
    fn a_server_that_sends_an_event_and_closes_makes_no_tight_loop() {
        let mut backoff = backoff(0, 3);
        let delays: Vec<Duration> = (0..10)
            .map(|_| {
                backoff.reset();
                backoff.next_delay(None, Duration::from_millis(1))
            })
            .collect();
        assert!(delays[3..].iter().all(|delay| *delay >= LEAST_STEP), "{delays:?}");
        backoff.reset();
        assert_eq!(backoff.next_delay(None, STABLE_SPELL), Duration::ZERO);
    }

    #[test]
    fn a_server_s_retry_takes_the_place_of_the_reconnection_time() {
        let mut backoff = backoff(1000, 1);
        backoff.server_retry(Duration::from_millis(50));
        assert!(backoff.next_delay(None, Duration::ZERO) < Duration::from_millis(100));
    }

    #[test]
    fn clients_that_are_told_one_retry_after_come_back_spread_out() {
        for losses in 1..4 {
            let mut delays: Vec<Duration> = (0..1000)
                .map(|seed| {
                    let mut backoff = backoff(1000, seed);
                    let told = Some(Duration::from_secs(600));
                    (0..losses).map(|_| backoff.next_delay(told, Duration::ZERO)).last().unwrap()
                })
                .collect();
            delays.sort();
            assert!(delays[0] >= Duration::from_secs(600));
            assert!(delays[999] - delays[0] > Duration::from_secs(120), "after {losses} losses");
        }
    }

    #[test]
    fn clients_that_lose_one_server_together_come_back_spread_out() {
        let mut delays: Vec<Duration> =
            (0..1000).map(|seed| backoff(1000, seed).next_delay(None, Duration::ZERO)).collect();
        delays.sort();
        let (earliest, latest) = (delays[0], delays[999]);
        assert!(latest - earliest > Duration::from_millis(200));
    }
}
