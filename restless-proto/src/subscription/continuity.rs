//! How an item follows the item before it, as far as a client can know.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;

use super::event::{Item, RejectReason};
use crate::event::timestamp::unix_ms;
use crate::event::{Kind, StreamEvent};
use crate::model::PayloadMode;
use crate::redact::redacted;
use crate::semantics::date;

/// Says how an item follows the item before it. A subscription tells so where
/// [`Subscription::continuity`](crate::Subscription::continuity) asks for this.
///
/// The judgement rests on what a client sees: ids, times, refusals and rejected items. A service
/// that silently leaves events out, under ids that rise, escapes the judgement, because an event
/// does not name the event before. A [`Document`](super::Document) of patches notices most of such
/// gaps, by patches that do not fit.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Continuity {
    /// The item came as it happened, behind the item before it.
    Live,
    /// The item had happened before the connection stood: the service sent the item from its past.
    /// The item's time is before the `Date` of the answer, which is in whole seconds; after an
    /// answer without `Date` every item counts as live.
    Replayed,
    /// An event of this id was handed out already, within the
    /// [window](crate::Subscription::dedupe), or by an earlier run whose cursor was this id.
    Repeated,
    /// Something may be missing between the item before it and this one.
    Gap {
        /// The cursor before the gap, where there was one.
        from: Option<String>,
        /// The cursor behind the item that comes after the gap, where it has one.
        to: Option<String>,
        /// What made the gap.
        why: GapReason,
    },
}

impl Continuity {
    /// Returns the word that the examples print: `live`, `replayed`, `repeated`, `gap`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Replayed => "replayed",
            Self::Repeated => "repeated",
            Self::Gap { .. } => "gap",
        }
    }
}

/// Leaves out what looks like a key.
impl fmt::Debug for Continuity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("Live"),
            Self::Replayed => f.write_str("Replayed"),
            Self::Repeated => f.write_str("Repeated"),
            Self::Gap { from, to, why } => f
                .debug_struct("Gap")
                .field("from", &from.as_deref().map(redacted))
                .field("to", &to.as_deref().map(redacted))
                .field("why", why)
                .finish(),
        }
    }
}

/// What made a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum GapReason {
    /// The service refused the position that the caller or an event had named, and was asked again
    /// without a position.
    #[error("the service refused the position")]
    Refused,
    /// The service's ids went back, to an id that is not known: its clock was set back, or its
    /// events are others.
    #[error("the service's ids went back")]
    WentBack,
    /// The item before it was rejected, and what that item said is unknown.
    #[error("an event was rejected")]
    Rejected,
    /// The item before it was larger than a limit allows.
    #[error("an event was over a limit")]
    OverLimit,
    /// Full data took the place of patches: the service says so by `payload_mode_fallback`, or
    /// [a snapshot was asked for](super::SubscriptionMachine::ask_for_snapshot).
    #[error("a snapshot took the place of what lies before it")]
    Snapshot,
    /// A position to resume at was missing: no event had given one, and the first answer lacked a
    /// `Date`, or the service refused the time of that answer.
    #[error("there was no position to resume at")]
    NoPosition,
}

impl GapReason {
    /// Returns the word that the examples print.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::WentBack => "went-back",
            Self::Rejected => "rejected",
            Self::OverLimit => "over-limit",
            Self::Snapshot => "snapshot",
            Self::NoPosition => "no-position",
        }
    }
}

/// What a subscription that tells continuity remembers to judge by.
pub(super) struct Tracker {
    window: Window,
    /// Whether repeated events are dropped.
    drops: bool,
    /// The id that the next one has to be above, where ids are numbers.
    highest: Option<u64>,
    /// A gap before the next item, and the cursor before it.
    gap: Option<(GapReason, Option<String>)>,
    /// When the present connection was answered, by the service's clock, in Unix milliseconds.
    answered_ms: Option<i64>,
    has_stood: bool,
    /// The continuity that was told last. Another one is news.
    told: Option<Continuity>,
    /// The next item, while the user is told first how the item follows.
    held: Option<Item>,
}

/// What is done with an item that was judged.
pub(super) enum Verdict {
    /// The item is handed out, and follows as the item before it did.
    Same(Item),
    /// The user is told first how the item follows; then the item is [taken](Tracker::take).
    News(Continuity),
    /// The item is dropped.
    Drop,
}

/// How many ids are remembered unless [`dedupe`](crate::Subscription::dedupe) says another number.
pub(super) const WINDOW: usize = 1024;

impl Tracker {
    /// Starts empty but for `cursor`, where the caller resumes: an earlier run handed out that
    /// event.
    pub(super) fn new(dedupe: Option<usize>, cursor: Option<&str>) -> Self {
        let mut tracker = Self {
            window: Window::new(dedupe.unwrap_or(WINDOW)),
            drops: dedupe.is_some(),
            highest: None,
            gap: None,
            answered_ms: None,
            has_stood: false,
            told: None,
            held: None,
        };
        if let Some(cursor) = cursor {
            tracker.remember(cursor);
        }
        tracker
    }

    /// A connection stands, whose answer had these fields; `resumes` says whether its request named
    /// a position.
    pub(super) fn stands(&mut self, fields: &HeaderMap, resumes: bool) {
        let at = date::date(fields).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        self.answered_ms = at.and_then(|at| i64::try_from(at.as_millis()).ok());
        if std::mem::replace(&mut self.has_stood, true) && !resumes {
            self.gap.get_or_insert((GapReason::NoPosition, None));
        }
    }

    /// The position `from` was given up. The next item comes after a gap, if anything is known of
    /// what was before.
    pub(super) fn gave_up(&mut self, why: GapReason, from: Option<String>) {
        self.held = None;
        if from.is_some() || self.told.is_some() || why == GapReason::Refused {
            self.gap = Some((why, from));
        }
    }

    /// An id came without an item.
    pub(super) fn moved(&mut self, id: &str) {
        // The id is behind the cursor now, but no event of this id was handed out.
        self.rise(id);
    }

    /// Judges how this item follows; `from` is the cursor before the item.
    pub(super) fn judge(&mut self, item: Item, from: Option<&str>) -> Verdict {
        let continuity = match &item {
            Item::Event(event) => self.judge_event(event, from),
            Item::Rejected(rejected) => {
                if self.starts_anew() {
                    self.forget();
                }
                let to = || rejected.id.clone();
                let continuity = match (self.take_gap(to), &self.told) {
                    (Some(gap), _) => gap,
                    // The item's time is not to be trusted, where it has one.
                    (None, Some(Continuity::Replayed)) => Continuity::Replayed,
                    (None, Some(_) | None) => Continuity::Live,
                };
                let why = match rejected.reason {
                    RejectReason::TooLarge(_) => GapReason::OverLimit,
                    RejectReason::Malformed(_) | RejectReason::Signature(_) => GapReason::Rejected,
                };
                self.gap = Some((why, from.map(str::to_owned)));
                continuity
            }
        };
        if self.drops && continuity == Continuity::Repeated {
            return Verdict::Drop;
        }
        let is_gap = matches!(continuity, Continuity::Gap { .. });
        if !is_gap && self.told.as_ref() == Some(&continuity) {
            return Verdict::Same(item);
        }
        self.told = Some(continuity.clone());
        self.held = Some(item);
        Verdict::News(continuity)
    }

    /// Returns the item whose news was told.
    pub(super) fn take(&mut self) -> Option<Item> {
        self.held.take()
    }

    /// Drops the held item: nobody is left to take it.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    /// Returns how the last item followed the item before it; `None` before the first.
    pub(super) fn last(&self) -> Option<&Continuity> {
        self.told.as_ref()
    }

    fn judge_event(&mut self, event: &StreamEvent, from: Option<&str>) -> Continuity {
        let id = event.own_id();
        let to = || event.cursor().map(Cow::into_owned);
        let starts_anew = self.starts_anew();
        if !starts_anew && id.is_some_and(|id| self.window.has(id)) {
            return Continuity::Repeated;
        }
        let went_back = id.and_then(number).zip(self.highest).is_some_and(|(id, last)| id < last);
        if let Some(gap) = self.take_gap(to) {
            if starts_anew || went_back {
                self.forget();
            }
            self.remember_own(id);
            return gap;
        }
        let gap = |why| Continuity::Gap { from: from.map(str::to_owned), to: to(), why };
        if went_back {
            self.forget();
            self.remember_own(id);
            return gap(GapReason::WentBack);
        }
        self.remember_own(id);
        if (self.told.is_some() || from.is_some()) && is_snapshot(event) {
            return gap(GapReason::Snapshot);
        }
        let time = unix_ms(&event.meta().timestamp());
        match time.zip(self.answered_ms) {
            Some((time, answered)) if time < answered => Continuity::Replayed,
            Some(_) | None => Continuity::Live,
        }
    }

    /// Whether the next item comes after a gap that is more than an item that was rejected.
    fn starts_anew(&self) -> bool {
        let rejection = |why| matches!(why, GapReason::Rejected | GapReason::OverLimit);
        self.gap.as_ref().is_some_and(|(why, _)| !rejection(*why))
    }

    fn take_gap(&mut self, to: impl FnOnce() -> Option<String>) -> Option<Continuity> {
        let (why, from) = self.gap.take()?;
        Some(Continuity::Gap { from, to: to(), why })
    }

    /// Forgets what came before, which is no measure of what comes. After a gap the same ids may be
    /// other events, or the same events, which a document that was set back has to take again.
    fn forget(&mut self) {
        self.window.clear();
        self.highest = None;
    }

    fn remember_own(&mut self, id: Option<&str>) {
        if let Some(id) = id {
            self.remember(id);
        }
    }

    fn remember(&mut self, id: &str) {
        self.window.add(id);
        self.rise(id);
    }

    fn rise(&mut self, id: &str) {
        if let Some(number) = number(id) {
            self.highest = Some(self.highest.unwrap_or_default().max(number));
        }
    }
}

/// Whether an update brings full data where a patch was due.
fn is_snapshot(event: &StreamEvent) -> bool {
    let mode = event.meta().payload_mode_fallback();
    event.kind() == Kind::Update
        && mode.is_some_and(|mode| PayloadMode::from(&*mode) == PayloadMode::FullData)
}

/// Returns an id as a number, which the service's ids are: milliseconds.
fn number(id: &str) -> Option<u64> {
    id.parse().ok()
}

/// The last ids, up to a number of them.
struct Window {
    most: usize,
    order: VecDeque<Arc<str>>,
    ids: BTreeSet<Arc<str>>,
}

/// The longest id that is remembered, as long as the longest cursor.
const MOST_ID_BYTES: usize = 4096;

impl Window {
    fn new(most: usize) -> Self {
        Self { most: most.max(1), order: VecDeque::new(), ids: BTreeSet::new() }
    }

    fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    fn add(&mut self, id: &str) {
        if id.is_empty() || id.len() > MOST_ID_BYTES || self.has(id) {
            return;
        }
        if self.order.len() == self.most {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
        let id: Arc<str> = id.into();
        self.order.push_back(Arc::clone(&id));
        self.ids.insert(id);
    }

    fn clear(&mut self) {
        self.order.clear();
        self.ids.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets_the_oldest_id_first() {
        let mut window = Window::new(2);
        for id in ["1", "2", "2", "3", ""] {
            window.add(id);
        }
        let held = ["", "1", "2", "3"].map(|id| window.has(id));
        assert_eq!(held, [false, false, true, true]);
        assert_eq!((window.order.len(), window.ids.len()), (2, 2));
    }

    #[test]
    fn an_id_over_4_kib_takes_no_room() {
        let mut window = Window::new(2);
        window.add(&"1".repeat(MOST_ID_BYTES + 1));
        assert!(window.order.is_empty());
        window.add(&"1".repeat(MOST_ID_BYTES));
        assert_eq!(window.order.len(), 1);
    }

    #[test]
    fn printed_it_shows_no_key() {
        let key = format!("rs_{}", "ab".repeat(16));
        let from = Some(key.clone());
        let gap = Continuity::Gap { from, to: None, why: GapReason::Snapshot };
        let shown = format!("{gap:?}");
        assert!(!shown.contains(&key) && shown.contains("Snapshot"), "{shown}");
    }
}
