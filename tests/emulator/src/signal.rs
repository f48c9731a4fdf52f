//! Waiting for something to be so, without sleeping.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Longest blocking [`Until::wait`].
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells whoever waits that something in the emulator changed.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    wakers: Vec<Waker>,
}

impl Signal {
    /// States that something changed.
    pub(crate) fn tell(&self) {
        let wakers = {
            let mut state = self.lock();
            state.version += 1;
            std::mem::take(&mut state.wakers)
        };
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A condition to wait for: `.wait()` from a plain thread, `.await` from an async one.
///
/// Awaiting goes on until the condition holds: the emulator can't know the caller's timer.
#[must_use = "nothing waits before `.wait()` or `.await`"]
pub struct Until<'a> {
    signal: &'a Signal,
    what: String,
    condition: Box<dyn Fn() -> bool + Send + Sync + 'a>,
}

impl<'a> Until<'a> {
    pub(crate) fn new(
        signal: &'a Signal,
        what: impl Into<String>,
        condition: impl Fn() -> bool + Send + Sync + 'a,
    ) -> Self {
        Self { signal, what: what.into(), condition: Box::new(condition) }
    }

    /// Blocks until the condition holds, for at most ten seconds.
    ///
    /// # Errors
    /// [`TimedOut`], naming what did not come.
    pub fn wait(self) -> Result<(), TimedOut> {
        self.wait_for(PATIENCE)
    }

    /// Blocks until the condition holds, for at most `patience`.
    ///
    /// # Errors
    /// [`TimedOut`], naming what did not come.
    pub fn wait_for(self, patience: Duration) -> Result<(), TimedOut> {
        let started = Instant::now();
        loop {
            let seen = self.signal.lock().version;
            if (self.condition)() {
                return Ok(());
            }
            let mut state = self.signal.lock();
            while state.version == seen {
                let left = patience.saturating_sub(started.elapsed());
                if left.is_zero() {
                    return Err(TimedOut { what: self.what, patience });
                }
                state = self
                    .signal
                    .changed
                    .wait_timeout(state, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
    }
}

impl Future for Until<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The waker first: a change after the look at the condition must not go unheard.
        let mut state = self.signal.lock();
        if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.wakers.push(cx.waker().clone());
        }
        drop(state);
        if (self.condition)() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl fmt::Debug for Until<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until").field("what", &self.what).finish_non_exhaustive()
    }
}

/// What was waited for did not come in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("waited {patience:?} for {what}")]
pub struct TimedOut {
    what: String,
    patience: Duration,
}
