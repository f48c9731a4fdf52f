//! What comes out of a stream.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use super::last_event_id::LastEventId;

/// What a blank line ended, lent until the decoder is used again.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Block<'a> {
    /// A block with data: an event is dispatched.
    Event(Event<'a>),
    /// A block that had an `id` field and dispatches no event: the last event ID that the block
    /// set, empty where the block took the earlier ID back. A position to resume at moves by it all
    /// the same.
    Id(&'a str),
}

/// A dispatched event (WHATWG HTML §9.2.6).
#[derive(Clone, Copy)]
pub struct Event<'a> {
    pub(super) event_type: &'a str,
    pub(super) data: &'a str,
    /// The memory that `data` is a part of, where that can be shared.
    pub(super) holder: Option<&'a Bytes>,
    pub(super) last_event_id: &'a LastEventId,
    /// The chunk that the ID may lie in. The bytes become a text on demand.
    pub(super) chunk: &'a Bytes,
    /// Whether this event's own block set the last event ID.
    pub(super) has_id: bool,
}

impl<'a> Event<'a> {
    /// Returns the event type: the value of the block's last `event` field, `"message"` where that
    /// is missing or empty.
    pub fn event_type(&self) -> &'a str {
        if self.event_type.is_empty() { "message" } else { self.event_type }
    }

    /// Returns the values of the block's `data` fields, an LF between each two.
    pub fn data(&self) -> &'a str {
        self.data
    }

    /// Returns the same data to keep, in UTF-8. The slice shares the chunk that the data came in,
    /// and keeps that chunk in memory. Data that was joined from several lines or pieces is copied
    /// up to 64 KiB; larger data is given out with the buffer, which may be up to twice as large.
    pub fn data_bytes(&self) -> Bytes {
        let data = self.data.as_bytes();
        self.holder.map_or_else(|| Bytes::copy_from_slice(data), |holder| holder.slice_ref(data))
    }

    /// Returns the same as a text, which the decoder has checked.
    pub(crate) fn text(&self) -> ByteString {
        self.holder
            .map_or_else(|| self.data.into(), |holder| restless_scan::shared(self.data, holder))
    }

    /// Returns the last event ID as of this event's dispatch, which an earlier block may have set;
    /// empty where there is none.
    pub fn last_event_id(&self) -> &'a str {
        self.last_event_id.text(self.chunk)
    }

    /// Returns the ID that this event's own block gave; `None` for a block without an ID. An empty
    /// ID takes an earlier one back.
    pub fn id(&self) -> Option<&'a str> {
        self.has_id.then(|| self.last_event_id())
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("event_type", &self.event_type())
            .field("data", &self.data)
            .field("last_event_id", &self.last_event_id())
            .field("id", &self.id())
            .finish()
    }
}
