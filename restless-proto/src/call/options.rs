//! How a call is driven.

use std::time::Duration;

use crate::limits::Limits;

/// How stubbornly a call is made, and what its reply may take.
///
/// ```
/// use std::time::Duration;
/// use restless_proto::CallOptions;
///
/// let patient = CallOptions::default().timeout(Duration::from_secs(120)).max_retries(5);
/// # let _ = patient;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallOptions {
    pub(super) limits: Limits,
    pub(super) timeout: Duration,
    pub(super) max_retries: u32,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self { limits: Limits::default(), timeout: Duration::from_secs(30), max_retries: 2 }
    }
}

impl CallOptions {
    /// Sets what the reply may take in memory. Default: [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the longest time for all of the call: credentials, redirects, every try and the delays
    /// between them. Default: 30 s. Reaching it is a [`Timer::Total`](crate::Timer::Total).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the most further tries after a failure that may pass;
    /// [`CallMachine`](crate::CallMachine) lists such failures. Default: 2; 0 for none.
    #[must_use]
    pub fn max_retries(mut self, most: u32) -> Self {
        self.max_retries = most;
        self
    }
}
