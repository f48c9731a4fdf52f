//! How a relay is doing, for whoever watches it.

use std::time::Duration;

use tokio::sync::watch;

use crate::Position;

/// What a relay has done so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Progress {
    /// How far the feed is stored, once the store has said so.
    pub position: Option<Position>,
    /// Events stored by this relay.
    pub events: u64,
    /// Bytes of the text of those events, and of dead letters.
    pub bytes: u64,
    /// Dead letters stored by this relay.
    pub dead_letters: u64,
    /// Batches stored by this relay.
    pub batches: u64,
    /// The time from the last stored event to the moment when it was stored, by this machine's
    /// clock; zero for an event whose time is in the future.
    pub lag: Option<Duration>,
    /// Connections that were lost.
    pub losses: u64,
    /// Whether a connection to the service stands.
    pub connected: bool,
    /// How often another worker had moved the feed.
    pub moved: u64,
    /// What is wrong just now, with the store or with the connection; `None` while all is well. A
    /// store that has not answered for 30 s is in trouble, and is waited for. What has ended a
    /// relay stays, the stream's end in good order included.
    pub trouble: Option<String>,
    pub(crate) of_store: Option<String>,
    pub(crate) of_connection: Option<String>,
}

impl Progress {
    /// Tells one of the two troubles: the end of one must not hide the other.
    pub(crate) fn tell_trouble(&mut self) {
        self.trouble = self.of_store.clone().or_else(|| self.of_connection.clone());
    }
}

/// A handle to a relay that runs elsewhere: what the relay has done, and how to end the relay.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) stop: watch::Sender<bool>,
}

impl Handle {
    /// Returns what the relay has done so far.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Waits until there is something new; `None` once the relay is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future misses nothing: the next call gives the newest progress.
    pub async fn changed(&mut self) -> Option<Progress> {
        self.progress.changed().await.ok()?;
        Some(self.progress.borrow_and_update().clone())
    }

    /// Ends the relay: the relay reads no more, stores what it has read, and ends with
    /// [`Ended::Stopped`](crate::Ended::Stopped). A store that is in trouble just then is not
    /// waited for, and a store that is silent is waited for 10 s.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_one_trouble_does_not_hide_the_other() {
        let mut progress = Progress {
            of_connection: Some("the connection was lost".to_owned()),
            ..Progress::default()
        };
        progress.tell_trouble();
        assert_eq!(progress.trouble.as_deref(), Some("the connection was lost"));
        progress.of_connection = None;
        progress.tell_trouble();
        assert_eq!(progress.trouble, None);
    }
}
