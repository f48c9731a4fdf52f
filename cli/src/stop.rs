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
    /// SIGHUP keeps what it does: who was started with `nohup` ignores the signal.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Self::to(&[SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()])
    }

    /// Does the same with SIGHUP, too, for who has a screen to give back.
    pub(crate) fn listen_with_a_screen() -> std::io::Result<Self> {
        use SignalKind as Kind;
        Self::to(&[Kind::interrupt(), Kind::terminate(), Kind::quit(), Kind::hangup()])
    }

    fn to(kinds: &[SignalKind]) -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        for kind in kinds {
            let (mut signal, sender) = (signal(*kind)?, sender.clone());
            tokio::spawn(async move {
                while signal.recv().await.is_some() {
                    if sender.send_replace(true) {
                        // Asked for the second time: nobody wants to wait any more.
                        if let Some(farewell) = FAREWELL.get() {
                            farewell();
                        }
                        std::process::exit(130);
                    }
                }
            });
        }
        Ok(Self(receiver))
    }

    /// Ready once, when it is time.
    pub(crate) async fn asked(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
