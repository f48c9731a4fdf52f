//! Asked to stop: once to drain, twice to end.

use std::sync::OnceLock;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What is done before the second signal ends the process.
static FAREWELL: OnceLock<fn()> = OnceLock::new();

/// Sets what is done before the second signal ends the process, which drops nothing.
pub(crate) fn before_the_end(farewell: fn()) {
    // The first one stays; there is one screen a process.
    let _ = FAREWELL.set(farewell);
}

/// Says when the user, or who runs this machine, wants it to stop.
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// From now on the first SIGINT, SIGTERM or SIGQUIT is told, and the next ends the process.
    ///
    /// SIGHUP keeps its default: a terminal that is gone needs no putting back, and whoever started
    /// the process with `nohup` has had the signal ignored.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut quit = signal(SignalKind::quit())?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = quit.recv() => {}
                }
                if sender.send_replace(true) {
                    // Asked for the second time: nobody wants to wait for anything any more.
                    if let Some(farewell) = FAREWELL.get() {
                        farewell();
                    }
                    std::process::exit(130);
                }
            }
        });
        Ok(Self(receiver))
    }

    /// Ready once, when it is time.
    pub(crate) async fn asked(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
