//! Running a scenario.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// No scenario takes nearly as long; one that does hangs.
const LIMIT: Duration = Duration::from_secs(30);

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
    match finished.recv_timeout(LIMIT) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}
