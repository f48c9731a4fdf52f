//! The present document of a stream, kept up to date by its events.

mod limits;
mod node;
mod patch;
mod places;
mod pointer;

use serde::de::DeserializeOwned;

use super::continuity::{Continuity, GapReason};
use super::event::{Event, Item};
use crate::event::{self, Kind, StreamEvent};
use crate::kinds::LimitError;
use crate::model::PayloadMode;
use crate::redact::redacted;

pub use limits::DocumentLimits;
use node::{Extent, Node};
pub use patch::PatchError;
use places::Places;

/// The present value of what a stream's REST API answers.
///
/// A document takes a subscription's items in order. In [`PayloadMode::FullData`] each update takes
/// the place of the last one. In [`PayloadMode::JsonPatch`] an update is a patch (RFC 6902), which
/// applies whole or not at all; `payload_mode_fallback` marks an update that is full data instead.
///
/// The value is right, or *stale*: where a patch does not fit, or may have been missed, the last
/// value stays, and [`stale`](Self::stale) gives the reason. A subscription that connects without a
/// cursor gets full data first, which heals the document: [`wants_snapshot`](Self::wants_snapshot)
/// says when it is time for a snapshot, and
/// [`ask_for_snapshot`](super::SubscriptionMachine::ask_for_snapshot) asks for the snapshot.
///
/// A document does best with every event of a subscription that tells
/// [`continuity`](crate::Subscription::continuity), by [`take_event`](Self::take_event): the
/// document then knows of gaps, and of patches that come twice, which may fit all the same.
///
/// Numbers and strings keep their spelling, so that numbers stay exact; members come sorted by
/// name.
///
/// ```
/// use restless_proto::event::{SseId, StreamEvent};
/// use restless_proto::model::PayloadMode;
/// use restless_proto::subscription::{Change, Document};
///
/// # fn event(rest: &str) -> Result<StreamEvent, restless_proto::event::Error> {
/// #     StreamEvent::parse(rest.to_owned(), SseId::None)
/// # }
/// let mut document = Document::new(PayloadMode::JsonPatch);
/// let full = r#"{"type":"update","data":{"total":1,"paid":false},
///     "meta":{"timestamp":"2026-03-24T00:00:00Z","payload_mode_fallback":"FULL_DATA"}}"#;
/// document.take(&event(full)?);
/// let patch = r#"{"type":"update","data":[{"op":"replace","path":"/paid","value":true}],
///     "meta":{"timestamp":"2026-03-24T00:00:01Z"}}"#;
/// let Change::Value(paths) = document.take(&event(patch)?) else { panic!() };
/// assert_eq!(paths, ["/paid"]);
/// assert_eq!(document.text().as_deref(), Some(r#"{"paid":true,"total":1}"#));
/// # Ok::<(), restless_proto::event::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Document {
    mode: PayloadMode,
    limits: DocumentLimits,
    held: Option<(Node, Extent)>,
    stale: Option<Stale>,
    wants_snapshot: bool,
    error: Option<StreamEvent>,
    /// Whether the next item was taken already.
    repeated: bool,
    /// Whether a connection stands that has brought no update.
    fresh: bool,
}

/// What an item has done to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The value has changed at these places, and is outside of them what it was. The places are
    /// JSON Pointers (RFC 6901), `""` for all of it; none stands in another. An empty list says
    /// that the value is the same.
    ///
    /// Full data is compared with the value before: the places are those that differ. Of an array
    /// that has another length than before, the place is the array.
    ///
    /// The places of a patch are those where its operations put or removed a value, also where the
    /// value is the same as before. An element that a patch adds behind the last one of an array
    /// has the place of its index, and so has a last element that is removed. Where other elements
    /// are added or removed, the place is the array, since the elements behind them have moved.
    ///
    /// Listed are 10,000 places at the most, of 1 MiB together, a place of a patch as often as its
    /// operations name it. Where there are more, the list is `""` alone.
    Value(Vec<String>),
    /// The event is an error: the value stays, and [`error`](Document::error) has it.
    Error,
    /// The value may no longer be the present one: [`stale`](Document::stale) says why.
    Stale,
}

/// Why a document may not be the present one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stale {
    /// A patch came before any full data.
    #[error("a patch came, and there is no document to apply it to")]
    NoBase,
    /// A patch does not fit.
    #[error("a patch does not fit the document")]
    Patch(#[from] PatchError),
    /// Full data is larger than the limit.
    #[error("the document is too large")]
    Limit(#[from] LimitError),
    /// An event was rejected, and may have been a patch.
    #[error("an event was rejected, and may have changed the document")]
    Rejected,
    /// Events were skipped.
    #[error("events were skipped, and may have changed the document")]
    Skipped,
    /// An update's payload is missing, or marked with a word of a later version.
    #[error("an update is neither a patch nor full data: {what}")]
    Unknown {
        /// The payload mode that the event says, or what is missing.
        what: String,
    },
}

impl Document {
    /// Makes an empty document of a stream with this payload mode, which the stream's `payloadMode`
    /// says.
    pub fn new(mode: PayloadMode) -> Self {
        Self {
            mode,
            limits: DocumentLimits::default(),
            held: None,
            stale: None,
            wants_snapshot: false,
            error: None,
            repeated: false,
            fresh: false,
        }
    }

    /// Sets other limits than the defaults.
    #[must_use]
    pub fn limits(mut self, limits: DocumentLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes the next thing that happened in the subscription. A gap makes the document stale,
    /// save a gap whose next item is full data; an event that comes again leaves it as it is.
    pub fn take_event(&mut self, event: &Event) -> Change {
        match event {
            Event::Opened(_) => self.fresh = true,
            Event::Continuity(continuity) => {
                self.repeated = *continuity == Continuity::Repeated;
                if let Continuity::Gap { why, .. } = continuity {
                    return self.pass(*why);
                }
            }
            Event::Item(_) if self.repeated => {}
            Event::Item(item) => return self.take_item(item),
            Event::Unanswered | Event::Lost(_) | Event::Ended(_) => {}
        }
        Change::Value(Vec::new())
    }

    /// Takes note of a gap.
    fn pass(&mut self, why: GapReason) -> Change {
        match why {
            // The document has taken note of the rejected event, or full data comes next.
            GapReason::Rejected | GapReason::OverLimit | GapReason::Snapshot => {
                Change::Value(Vec::new())
            }
            // Full data is on its way without being asked for, but an error may come before it.
            GapReason::Refused => {
                self.stale.get_or_insert(Stale::Skipped);
                Change::Stale
            }
            GapReason::NoPosition | GapReason::WentBack => self.skipped(),
        }
    }

    /// Takes the next item of the subscription. A rejected item makes the document stale: in
    /// full-data mode until the next update, which has all.
    pub fn take_item(&mut self, item: &Item) -> Change {
        match item {
            Item::Event(event) => self.take(event),
            Item::Rejected(_) => self.spoil(Stale::Rejected),
        }
    }

    /// Takes the next event.
    pub fn take(&mut self, event: &StreamEvent) -> Change {
        if event.kind() == Kind::Error {
            self.error = Some(event.clone());
            return Change::Error;
        }
        let fallback = event.meta().payload_mode_fallback();
        let mode = fallback.map_or_else(|| self.mode.clone(), |mode| PayloadMode::from(&*mode));
        let changed = match mode {
            PayloadMode::FullData => self.replace(event),
            PayloadMode::JsonPatch => self.patch(event),
            PayloadMode::Other(mode) => {
                Err(Stale::Unknown { what: format!("payload mode {}", redacted(&mode)) })
            }
        };
        match changed {
            Ok(paths) => {
                self.error = None;
                self.fresh = false;
                Change::Value(paths)
            }
            Err(why) => self.spoil(why),
        }
    }

    /// Takes note that events were skipped: the value may no longer be the present one. In
    /// full-data mode the next update heals the document by itself.
    pub fn skipped(&mut self) -> Change {
        self.spoil(Stale::Skipped)
    }

    fn spoil(&mut self, why: Stale) -> Change {
        let wants = self.stale.is_none() || self.fresh;
        self.fresh = false;
        if wants {
            self.wants_snapshot = self.mode != PayloadMode::FullData;
        }
        // The first reason is the one to know; the reasons after it follow from it.
        self.stale.get_or_insert(why);
        Change::Stale
    }

    fn replace(&mut self, event: &StreamEvent) -> Result<Vec<String>, Stale> {
        let data = event.data().unwrap_or_default();
        let node = Node::read(data.get()).ok_or_else(|| unreadable("data"))?;
        let extent = node.extent();
        self.limits.check_bytes(extent.bytes)?;
        self.limits.check_levels(extent.levels)?;
        let mut places = Places::default();
        match &self.held {
            Some((old, _)) => node::differences(old, &node, &mut String::new(), &mut places),
            None => places.add(""),
        }
        self.held = Some((node, extent));
        self.stale = None;
        self.wants_snapshot = false;
        Ok(places.into_list())
    }

    fn patch(&mut self, event: &StreamEvent) -> Result<Vec<String>, Stale> {
        // A patch on top of a stale document gives a document that is as stale.
        if let Some(why) = &self.stale {
            return Err(why.clone());
        }
        let Some((root, extent)) = &mut self.held else { return Err(Stale::NoBase) };
        let data = event.data().ok_or_else(|| unreadable("data, which is missing"))?;
        let patch = Node::read(data.get()).ok_or_else(|| unreadable("data"))?;
        Ok(patch::apply(root, extent, &patch, &self.limits)?)
    }

    /// Whether the document has no value yet.
    pub fn is_empty(&self) -> bool {
        self.held.is_none()
    }

    /// Returns why the value may not be the present one; `None` while it is.
    pub fn stale(&self) -> Option<&Stale> {
        self.stale.as_ref()
    }

    /// Whether to ask for full data now. `true` once for each time that the document became stale.
    /// `true` once more for each later connection whose first update left the document stale, as
    /// far as the document was [told](Self::take_event) of connections.
    pub fn wants_snapshot(&mut self) -> bool {
        std::mem::take(&mut self.wants_snapshot)
    }

    /// Returns the error event that came last, as long as no update has come since.
    pub fn error(&self) -> Option<&StreamEvent> {
        self.error.as_ref()
    }

    /// Returns the value as JSON without blanks; `None` while the document is empty.
    pub fn text(&self) -> Option<String> {
        self.held.as_ref().map(|(root, extent)| written(root, extent.bytes))
    }

    /// Returns what stands at a JSON Pointer (RFC 6901), as JSON without blanks.
    pub fn at(&self, pointer: &str) -> Option<String> {
        let (root, _) = self.held.as_ref()?;
        patch::find(root, &pointer::tokens(pointer)?).map(|node| written(node, 0))
    }

    /// Reads the value as the caller's type; `None` while the document is empty.
    ///
    /// # Errors
    ///
    /// [`event::Error::Data`] for a value of another form.
    pub fn parse<T: DeserializeOwned>(&self) -> Option<Result<T, event::Error>> {
        let text = self.text()?;
        let mut reader = serde_json::Deserializer::from_str(&text);
        // The depth of the value is bounded, and the stack bears more.
        reader.disable_recursion_limit();
        Some(T::deserialize(&mut reader).map_err(|error| event::Error::data(&error)))
    }
}

fn written(node: &Node, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes);
    node.write(&mut text);
    text
}

fn unreadable(what: &str) -> Stale {
    Stale::Unknown { what: what.to_owned() }
}

#[cfg(test)]
mod tests;
