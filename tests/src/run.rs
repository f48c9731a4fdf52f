//! Running a scenario, and giving up on a future.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::suite::child;

/// No scenario takes nearly as long; one that does hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// The same in a child, whose parent has time left to tell what it said.
const LIMIT_OF_A_CHILD: Duration = Duration::from_secs(60);

/// Runs a scenario on a thread of its own; one that hangs is a failure.
///
/// # Panics
///
/// As the scenario does, and if it hangs.
pub fn on_a_thread(scenario: impl FnOnce() + Send + 'static) {
    let (done, finished) = channel();
    let thread = std::thread::spawn(move || {
        scenario();
        // Nobody listens any more where it was too late.
        let _ = done.send(());
    });
    let limit = if child::said().is_some() { LIMIT_OF_A_CHILD } else { LIMIT };
    match finished.recv_timeout(limit) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Polls a future for so long, then drops it: `None`, if it was not ready.
///
/// The time is the standard library's, and its task is kept awake meanwhile: a runtime's own timers
/// may know no less than a millisecond.
pub async fn within<F: Future>(span: Duration, future: F) -> Option<F::Output> {
    let before = Instant::now();
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(done) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        if before.elapsed() >= span {
            return Poll::Ready(None);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
