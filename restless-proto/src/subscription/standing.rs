//! A connection that stands: what comes on it, how long it may be silent, and how it ends.

use std::time::Duration;

use bytes::Bytes;

use super::event::Item;
use super::feed::{Fed, Feed};
use super::loss::Loss;
use crate::error::Error;
use crate::kinds::{TimeoutError, Timer};
use crate::machine::End;
use crate::signature::Signer;
use crate::timing::Instant;

/// One connection, from the accepted head on.
pub(super) struct Standing {
    feed: Feed,
    since: Instant,
    /// The longest silence, `Timer::Idle`.
    idle: Option<Duration>,
    /// The end of the silence that is accepted. The head and each piece of content set it anew.
    deadline: Option<Instant>,
    /// How the exchange ended, while events are still to be told.
    ended: Option<End>,
}

/// What a connection has next.
pub(super) enum Next {
    Item(Item),
    /// No item, but the cursor moves.
    Moved(String),
    /// Bytes that the protocol owes the peer.
    Send(Bytes),
    /// Nothing more for now: wait for the network, or until this deadline.
    Wait(Option<Instant>),
    /// The peer has said its last word, and only the end of the connection is still to come.
    WaitForTheEnd(Option<Instant>),
    /// The connection is gone.
    Gone(Loss),
}

impl Standing {
    pub(super) fn new(feed: Feed, idle: Option<Duration>, now: Instant) -> Self {
        Self { feed, since: now, idle, deadline: idle.map(|idle| now + idle), ended: None }
    }

    /// When the head came.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// The reconnection time that the server has set on this connection.
    pub(super) fn reconnection_time(&self) -> Option<Duration> {
        self.feed.reconnection_time()
    }

    /// Notes that the peer was heard, and returns the feed, which takes in what came.
    pub(super) fn heard(&mut self, now: Instant) -> &mut Feed {
        self.deadline = self.idle.map(|idle| now + idle);
        &mut self.feed
    }

    /// An item was handed out.
    pub(super) fn was_of_use(&mut self) {
        self.feed.was_of_use();
    }

    /// An item was dropped, because it is repeated.
    pub(super) fn was_repeated(&mut self) {
        self.feed.was_repeated();
    }

    pub(super) fn elapsed(&mut self, now: Instant) {
        self.feed.elapsed(now);
    }

    /// The exchange is over. Events that have arrived come out before the loss.
    pub(super) fn ended(&mut self, why: End, now: Instant) {
        self.feed.ended(&why, now);
        self.ended.get_or_insert(why);
    }

    /// Begins the protocol's own closing; `None` for a protocol that has none to begin.
    pub(super) fn close(mut self, now: Instant) -> Option<Feed> {
        (self.ended.is_none() && self.feed.close(now)).then_some(self.feed)
    }

    /// Reads on, until there is something to say or to wait for.
    pub(super) fn next(&mut self, signer: Option<&Signer>, now: Instant) -> Next {
        Next::Gone(match self.feed.next(signer) {
            Fed::Item(item) => return Next::Item(item),
            Fed::Moved(cursor) => return Next::Moved(cursor),
            Fed::Send(bytes) => return Next::Send(bytes),
            Fed::Broken(error) => error.into(),
            Fed::Closed(closed) => Loss::of_close(closed, self.ended.take()),
            // The peer's last word stands: the closing has a deadline of its own, and silence must
            // not take the place of the code.
            Fed::Starved(until) if self.feed.is_closing() => return Next::WaitForTheEnd(until),
            Fed::Starved(until) => match self.ended.take() {
                Some(why) if !self.feed.tells_its_end() => Loss::of_end(why),
                None if self.deadline.is_some_and(|deadline| now >= deadline) => {
                    let idle = self.idle.unwrap_or_default();
                    Error::from(TimeoutError::new(Timer::Idle, idle)).into()
                }
                why => {
                    self.ended = why;
                    return Next::Wait([self.deadline, until].into_iter().flatten().min());
                }
            },
        })
    }
}
