//! What a subscription tells its user.

use std::fmt;

use bytes::Bytes;

use crate::error::Error;
use crate::event::{self, StreamEvent};
use crate::kinds::LimitError;
use crate::redact::Keys;
use crate::redact::redacted;
use crate::signature;
use crate::timing::Instant;

use super::continuity::Continuity;

/// What happened in a subscription, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection stands. Comes once for each connection, before its first item.
    Opened(Opened),
    /// A connection has stood for 10 s, and the head of an answer is still missing. A box in
    /// between may hold the head back until there is an event, or until some kilobytes have come
    /// (`X-Accel-Buffering: no` in the response and `proxy_buffering off` in nginx prevent that).
    /// Comes at most once for each connect, and over event streams alone.
    Unanswered,
    /// Tells how the next item follows the item before it, where
    /// [`continuity`](crate::Subscription::continuity) asks for that. Comes before the first item,
    /// before each item that follows in another way than the last one, and before each item after a
    /// gap.
    Continuity(Continuity),
    /// The stream said something.
    Item(Item),
    /// The connection is gone, and another one is planned.
    Lost(Lost),
    /// The subscription is over. Comes once, and is the last.
    Ended(Ended),
}

/// A connection stands: the server answered 200 with an event stream.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The cursor at which this connection resumed; `None` where there was none.
    pub cursor: Option<String>,
    /// The id that the service gave this request, for a support ticket.
    pub request_id: Option<String>,
    /// The subprotocol that a WebSocket's server chose of those that were offered.
    pub subprotocol: Option<String>,
}

/// Leaves out what looks like a key.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("cursor", &self.cursor.as_deref().map(redacted))
            .field("request_id", &self.request_id.as_deref().map(redacted))
            .field("subprotocol", &self.subprotocol.as_deref().map(redacted))
            .finish()
    }
}

/// What an event stream carries: an event, or a text that should have been an event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Item {
    /// An update or an error, verified where a secret was given.
    Event(StreamEvent),
    /// A text that is not to be trusted as an event. The stream goes on.
    Rejected(Rejected),
}

impl Item {
    /// Returns the event, or `None` for an item that was rejected.
    pub fn event(&self) -> Option<&StreamEvent> {
        match self {
            Self::Event(event) => Some(event),
            Self::Rejected(_) => None,
        }
    }

    /// Returns the event, or what was rejected.
    ///
    /// # Errors
    ///
    /// The [`Rejected`], which is an error of its own, for code that stops at one bad event.
    pub fn into_event(self) -> Result<StreamEvent, Rejected> {
        match self {
            Self::Event(event) => Ok(event),
            Self::Rejected(rejected) => Err(rejected),
        }
    }
}

/// An event that was not accepted. The item's id has moved the cursor all the same: otherwise one
/// bad event would be sent again for ever.
///
/// An event that was too large for an event stream keeps its id, where the `id` field itself is not
/// too large. The id of a WebSocket message stands in the message's text, which is unread: the
/// cursor stays before the message, and moves past it with the next event. If the connection is
/// lost before the next event, the message is sent again, and rejected again.
#[derive(Clone, thiserror::Error)]
#[error("an event was rejected")]
#[non_exhaustive]
pub struct Rejected {
    /// The bytes that came; empty for an event that was too large to keep.
    pub data: Bytes,
    /// The id that came with the event, where there was one.
    pub id: Option<String>,
    /// Why the event was not accepted.
    #[source]
    pub reason: RejectReason,
}

/// Prints the length of the data instead of the data, which nobody has vouched for.
impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("id", &self.id.as_deref().map(redacted))
            .field("reason", &self.reason)
            .finish()
    }
}

/// Why an event was not accepted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RejectReason {
    /// The bytes are no event of the service.
    #[error(transparent)]
    Malformed(#[from] event::Error),
    /// A secret was given, and the update's signature is missing or wrong.
    #[error(transparent)]
    Signature(#[from] signature::Error),
    /// The event is larger than [`Limits`](crate::Limits) allow, or over WebSocket larger than
    /// [`message_bytes`](crate::ws::Options::message_bytes) or in more
    /// [`fragments`](crate::ws::Options::fragments) than the options allow. The event was passed
    /// over.
    #[error(transparent)]
    TooLarge(#[from] LimitError),
}

impl RejectReason {
    /// Takes these keys out of all that the reason prints.
    pub(super) fn redact(&mut self, keys: &Keys) {
        if let Self::Malformed(event::Error::UnknownType { found }) = self {
            keys.redact(found);
        }
    }
}

/// The connection is gone, and another one is planned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lost {
    /// Why the connection is gone.
    pub reason: LossReason,
    /// The number of connects in a row that brought no event, the planned one included, as far as
    /// the connects [count](crate::Subscription::max_reconnects).
    pub attempt: u32,
    /// The time of the next connect.
    pub retry_at: Instant,
}

/// Why a connection is gone.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LossReason {
    /// The server ended the stream in good order.
    #[error("the server ended the stream")]
    Complete,
    /// [A snapshot was asked for](super::SubscriptionMachine::ask_for_snapshot), which takes a
    /// connect that names no position.
    #[error("a snapshot was asked for")]
    Snapshot,
    /// Any other error.
    #[error(transparent)]
    Error(#[from] Error),
}

/// Why a subscription is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// The user closed the subscription.
    Closed,
    /// The server ended the stream in good order, and reconnecting is off.
    Complete,
    /// The server answered 204, which says: do not come back.
    NoContent,
    /// As many connects in a row as are allowed brought no event.
    GaveUp {
        /// How many reconnects were made.
        reconnects: u32,
        /// How the last connection went.
        last: LossReason,
    },
    /// An error that would come back the same, or any error while reconnecting is off.
    Failed(Error),
}

impl Ended {
    /// Returns the error, if the end is one. An end in good order is no error, even after the last
    /// of the connects that are allowed.
    pub fn into_error(self) -> Option<Error> {
        match self {
            Self::Closed | Self::Complete | Self::NoContent => None,
            // A snapshot is no reason to give up.
            Self::GaveUp { last: LossReason::Complete | LossReason::Snapshot, .. } => None,
            Self::GaveUp { reconnects, last: LossReason::Error(error) } => {
                Some(Error::no_event(reconnects, error))
            }
            Self::Failed(error) => Some(error),
        }
    }
}

/// Where a subscription stands, at one moment.
#[derive(Clone)]
#[non_exhaustive]
pub struct Status {
    /// What the subscription is doing.
    pub state: State,
    /// The number of connects in a row that brought no event so far, as far as the connects
    /// [count](crate::Subscription::max_reconnects).
    pub reconnects: u32,
    /// The cursor to store, and to resume at.
    pub cursor: Option<String>,
    /// When the last bytes of a stream came, comments included; `None` before the first.
    pub last_heard: Option<Instant>,
    /// How the last item followed the item before it. `None` before the first item, and where
    /// [`continuity`](crate::Subscription::continuity) is off.
    pub continuity: Option<Continuity>,
}

/// Leaves out what looks like a key.
impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status")
            .field("state", &self.state)
            .field("reconnects", &self.reconnects)
            .field("cursor", &self.cursor.as_deref().map(redacted))
            .field("last_heard", &self.last_heard)
            .field("continuity", &self.continuity)
            .finish()
    }
}

/// What a subscription is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// A request is out, or about to go.
    Connecting,
    /// A redirect's `Retry-After` (RFC 9110 §10.2.3) asks to wait before it is followed.
    Redirected {
        /// When the redirect is followed.
        retry_at: Instant,
    },
    /// A connection has stood for 10 s, and the head of an answer is still missing: see
    /// [`Event::Unanswered`].
    Unanswered,
    /// A connection stands.
    Open,
    /// The user has closed the subscription, and the peer is being told.
    Closing,
    /// The last connection is gone, and the next one is planned.
    Waiting(Lost),
    /// The subscription is over.
    Ended(Ended),
}
