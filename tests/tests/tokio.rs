//! Every scenario of the suite on tokio.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use restless_tokio::Tokio;

/// No scenario takes nearly as long; one that does hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a scenario on a thread and a runtime of its own; one that hangs is a failure.
fn run<F>(scenario: fn(Tokio) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let (done, finished) = channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(scenario(Tokio));
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

restless_tests::scenarios!(crate::run);
