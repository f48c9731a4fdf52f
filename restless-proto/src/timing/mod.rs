//! Time as a value, which comes in as an argument, and goes out as a deadline.
//!
//! | timer | armed | stopped | default | what it causes |
//! | --- | --- | --- | --- | --- |
//! | [`Connect`](crate::Timer::Connect) | by the driver, on `Open` where no idle connection will do | when a socket stands, beyond the proxy if there is one | 10 s | `Ended` with a timeout |
//! | [`TlsHandshake`](crate::Timer::TlsHandshake) | by the driver, from then on, over TLS | when bytes can be sent | 10 s | `Ended` with a timeout |
//! | [`Credentials`](crate::Timer::Credentials) | on `Authorize`, by a subscription | by the answer | 30 s, not to be set | a loss, then a reconnect |
//! | [`ResponseHead`](crate::Timer::ResponseHead) | on `Open`, so that connecting counts, by a subscription over WebSocket and a `ws` machine; of an event stream until a connection stands, as far as it is longer than the next | by the response's head | 30 s | a loss, then a reconnect; of a `ws` machine the end |
//! | [`Idle`](crate::Timer::Idle) | of an event stream by `Connected`; by the head, and again by each piece of content, comments and pongs too | at the end of the exchange | 5 min | a loss, then a reconnect |
//! | [`Total`](crate::Timer::Total) | when a call starts | when it is done | 30 s | the call fails |
//! | [`Pong`](crate::Timer::Pong) | by a ping of ours, every 20 s over WebSocket | by any bytes | 20 s | a loss, then a reconnect |
//! | [`Close`](crate::Timer::Close) | by our Close frame | by the peer's | 10 s | the connection is dropped |
//!
//! The delay before a reconnect is a deadline too: see [`Backoff`]. A further deadline ends the
//! wait for the content of a refusal after 5 s; the error has the content that has come by then.

mod backoff;

use std::fmt;
use std::ops::Add;
use std::time::Duration;

pub use backoff::Backoff;

/// A point in time: the time since an origin that the driver picks.
///
/// A `std::time::Instant` can't be made up, as a test, a recording and `wasm32-unknown-unknown`
/// need to. Take the origin once, and pass `Instant::from_origin(origin.elapsed())`.
///
/// ```
/// use std::time::Duration;
/// use restless_proto::Instant;
///
/// let start = Instant::ORIGIN;
/// let later = start + Duration::from_secs(5);
/// assert_eq!(later.saturating_duration_since(start), Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The origin itself.
    pub const ORIGIN: Self = Self(Duration::ZERO);

    /// Returns the point this long after the origin.
    pub fn from_origin(since: Duration) -> Self {
        Self(since)
    }

    /// Returns how long after the origin this point is.
    pub fn since_origin(self) -> Duration {
        self.0
    }

    /// Returns how long after `earlier` this point is; zero for a point before `earlier`.
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Adds a span; a sum that is too large is the end of time.
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after the origin", self.0)
    }
}
