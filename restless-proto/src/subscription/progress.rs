//! How far a subscription has come: where to resume, and how one item follows another.

use http::HeaderMap;
use url::Url;

use super::continuity::{Continuity, GapReason, Tracker, Verdict};
use super::cursor::{self, Position};
use super::event::Item;
use super::loss::Loss;
use super::policy::{self, Overrides};
use crate::event::StreamEvent;

/// The position, and what is judged by the position.
pub(super) struct Progress {
    /// The caller's URL.
    url: Url,
    position: Position,
    /// The judge of continuity, where continuity is asked for: most subscriptions do without.
    tracker: Option<Box<Tracker>>,
    /// Whether the present connect is for a snapshot.
    for_snapshot: bool,
    /// Whether the request that was answered last named a position.
    resumed: bool,
    /// Whether the present connection has brought an item.
    brought: bool,
}

impl Progress {
    pub(super) fn new(url: Url, position: Position, tracker: Option<Tracker>) -> Self {
        let (for_snapshot, resumed, brought) = (false, false, false);
        Self { url, position, tracker: tracker.map(Box::new), for_snapshot, resumed, brought }
    }

    pub(super) fn cursor(&self) -> Option<&str> {
        self.position.cursor()
    }

    /// Returns how the last item that was handed out followed the item before it.
    pub(super) fn continuity(&self) -> Option<&Continuity> {
        self.tracker.as_ref().and_then(|tracker| tracker.last())
    }

    /// Returns the caller's URL with the position in its query.
    pub(super) fn url(&self) -> Url {
        self.position.place_in(&self.url)
    }

    /// Does the same for a URL that a redirect leads to.
    pub(super) fn place_in_redirect(&self, url: &Url) -> Url {
        self.position.place_in_redirect(url)
    }

    /// A connection stands: a request to `url` was answered with these fields.
    pub(super) fn stands(&mut self, fields: &HeaderMap, url: &Url) {
        self.position.answered(fields);
        self.resumed = cursor::is_in(url);
        self.brought = false;
        if let Some(tracker) = &mut self.tracker {
            tracker.stands(fields, self.resumed);
        }
    }

    /// An id came without an item.
    pub(super) fn moved(&mut self, id: &str) {
        self.position.move_to(id);
        if let Some(tracker) = &mut self.tracker {
            tracker.moved(id);
        }
    }

    /// Judges how this item follows the item before it; the user is told first where that is news.
    pub(super) fn judge(&mut self, item: Item) -> Verdict {
        self.brought = true;
        match &mut self.tracker {
            Some(tracker) => tracker.judge(item, self.position.cursor()),
            None => Verdict::Same(item),
        }
    }

    /// Returns the item whose news was told.
    pub(super) fn take_judged(&mut self) -> Option<Item> {
        self.tracker.as_mut().and_then(|tracker| tracker.take())
    }

    /// An event is handed out.
    pub(super) fn move_behind(&mut self, event: &StreamEvent) {
        self.position.move_behind(event);
    }

    /// A rejected event of this id is handed out, and moves the position: otherwise the event would
    /// come again for ever.
    pub(super) fn move_past(&mut self, id: &str) {
        self.position.move_to(id);
    }

    /// Asks for a snapshot. Returns false where a snapshot is on its way already.
    pub(super) fn ask_for_snapshot(&mut self, stands: bool) -> bool {
        if !stands && self.position.is_given_up() {
            return false;
        }
        self.give_up(GapReason::Snapshot);
        self.for_snapshot = true;
        true
    }

    pub(super) fn is_for_snapshot(&self) -> bool {
        self.for_snapshot
    }

    /// Another connect comes. The connect is for a snapshot too, as long as nothing has come of the
    /// connect before.
    pub(super) fn connects_again(&mut self) {
        self.for_snapshot &= self.position.is_given_up();
    }

    /// Whether this refusal may be for the position alone, and the subscription is to go on without
    /// a position: because the user is told of gaps, or because the position is one that the user
    /// never named.
    pub(super) fn is_refused_by(&self, loss: &Loss, overrides: &Overrides) -> bool {
        if self.tracker.is_none() && !self.position.is_of_an_answer() {
            return false;
        }
        // A close code is about the position only where the code is the answer to the position. The
        // next request may name the time of the answer where this one named nothing.
        let named = match loss.close {
            Some(_) => self.resumed && !self.brought,
            None => cursor::is_in(&self.url()),
        };
        named && policy::may_refuse_position(loss, overrides)
    }

    /// Gives the position up: the next connect names none.
    pub(super) fn give_up(&mut self, why: GapReason) {
        let (why, from) = if why == GapReason::Refused && self.position.is_of_an_answer() {
            self.position.forget_answer();
            // Nobody named that position.
            (GapReason::NoPosition, None)
        } else {
            (why, self.position.give_up())
        };
        if let Some(tracker) = &mut self.tracker {
            tracker.gave_up(why, from);
        }
    }

    /// Drops what is judged and still held back.
    pub(super) fn end(&mut self) {
        if let Some(tracker) = &mut self.tracker {
            tracker.let_go();
        }
    }
}
