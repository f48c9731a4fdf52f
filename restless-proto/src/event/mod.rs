//! Events of a stream: an update or an error, around data that stays as it arrived.
//!
//! The service sends one JSON object for each event, as the data of an SSE event or as one
//! WebSocket message:
//!
//! ```json
//! {"type":"update","meta":{"timestamp":"2026-06-07T00:49:36.562+00:00","attempt_id":"a59d80d4",
//!  "status":200,"latency_ms":43,"payload_mode_fallback":null},"data":{"any":"json"},
//!  "error":null,"signature":null,"event_id":null}
//! ```
//!
//! [`StreamEvent`] owns the text that arrived, [`Envelope`] borrows it. Both read it once, check
//! all of it, and remember where things are. The data is parsed when asked for, into the caller's
//! own type: [`RawJson::parse`].
//!
//! Fields that the service adds later are kept, at every level: see the `extra` methods.

mod data;
mod envelope;
mod error;
mod fields;
pub mod timestamp;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Serialize, Serializer};

pub use data::RawJson;
pub use envelope::{Envelope, ErrorDetail, Kind, Meta};
pub use error::{Error, JsonType};
pub use fields::ExtraFields;

use crate::error::one_line;
use envelope::Parts;

/// How deep an event's data may nest: no value in it stands inside more than 199 arrays and
/// objects. What is deeper is refused, so that no text can exhaust the stack.
pub const DATA_LEVELS: u32 = 200;

/// An event that owns its text: cheap to clone and to send elsewhere, and its parts are slices of
/// what arrived.
///
/// Its id is, in this order: the `id` of its own SSE frame, the one in its JSON text, the one that
/// an earlier frame left over (WHATWG HTML §9.2.6, last event ID), the first that is not empty.
///
/// ```
/// use restless_proto::event::{Kind, SseId, StreamEvent};
///
/// let text = r#"{"type":"update","meta":{"timestamp":"2026-03-24T00:00:00Z"},"data":{"n":1}}"#;
/// let event = StreamEvent::parse(text, SseId::Own("7"))?;
/// assert_eq!(event.kind(), Kind::Update);
/// assert_eq!(event.event_id(), Some("7"));
/// assert_eq!(event.data().unwrap_or_default().get(), r#"{"n":1}"#);
/// # Ok::<(), restless_proto::event::Error>(())
/// ```
#[derive(Clone)]
pub struct StreamEvent {
    text: ByteString,
    parts: Parts,
    /// The event's id, where it is not in the text as it is.
    id: Option<Arc<str>>,
}

/// The id that comes with an event by SSE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth place for an id to come from")]
pub enum SseId<'a> {
    /// There is none, as by WebSocket.
    #[default]
    None,
    /// The `id` field of the event's own frame.
    Own(&'a str),
    /// The last event ID that an earlier frame of the connection set.
    Leftover(&'a str),
}

impl StreamEvent {
    /// Reads an event's JSON text, and keeps it. A `Bytes` is kept as it is, not copied.
    ///
    /// # Errors
    ///
    /// Where the bytes are not UTF-8, and as [`Envelope::parse`].
    pub fn parse(text: impl Into<Bytes>, id: SseId<'_>) -> Result<Self, Error> {
        let text = ByteString::try_from(text.into())
            .map_err(|error| Error::NotUtf8 { offset: error.valid_up_to() })?;
        let envelope = Envelope::parse(&text)?;
        let parts = envelope.parts();
        let in_json = envelope.event_id().filter(|id| !id.is_empty());
        let id = match (id, in_json) {
            (SseId::Own(id), _) | (SseId::Leftover(id), None) if !id.is_empty() => {
                Some(Arc::from(id))
            }
            (_, Some(Cow::Owned(id))) => Some(Arc::from(id)),
            (_, Some(Cow::Borrowed(_)) | None) => None,
        };
        Ok(Self { text, parts, id })
    }

    /// The event's `type`: an update or an error.
    pub fn kind(&self) -> Kind {
        self.envelope().kind()
    }

    /// When and how the service asked its upstream.
    pub fn meta(&self) -> Meta<'_> {
        self.envelope().meta()
    }

    /// The payload as it arrived; `None` where it is absent or null.
    pub fn data(&self) -> Option<RawJson<'_>> {
        self.envelope().data()
    }

    /// The same as a slice of the bytes that arrived, which it keeps alive.
    pub fn data_bytes(&self) -> Option<Bytes> {
        self.data().map(|data| self.text.slice_ref(data.get()).into_bytes())
    }

    /// What went wrong, for an error event. The service may leave it out.
    pub fn error(&self) -> Option<ErrorDetail<'_>> {
        self.envelope().error()
    }

    /// The [signature](crate::signature) of the data:
    /// [`Signer::verify_event`](crate::signature::Signer::verify_event) checks it.
    pub fn signature(&self) -> Option<Cow<'_, str>> {
        self.envelope().signature()
    }

    /// The event's id, by the order at [`StreamEvent`]. Empty only where the text says so and
    /// there is no other.
    pub fn event_id(&self) -> Option<&str> {
        match &self.id {
            Some(id) => Some(id),
            None => self.parts.event_id.map(|id| id.of(&self.text)),
        }
    }

    /// The position after this event, to resume a stream from: its id, else its timestamp as Unix
    /// milliseconds. `None` where it has neither: then the position stays what it was.
    pub fn cursor(&self) -> Option<Cow<'_, str>> {
        match self.event_id() {
            Some(id) if !id.is_empty() => Some(Cow::Borrowed(id)),
            _ => timestamp::unix_ms(&self.meta().timestamp()).map(|ms| ms.to_string().into()),
        }
    }

    /// The fields beside those above.
    pub fn extra(&self) -> ExtraFields<'_> {
        self.envelope().extra()
    }

    /// The whole text.
    pub fn raw(&self) -> &str {
        &self.text
    }

    /// The event as it is in its text, without the id of its SSE frame.
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope::of(&self.text, self.parts)
    }
}

/// Equal text and equal id.
impl PartialEq for StreamEvent {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.event_id() == other.event_id()
    }
}

impl Eq for StreamEvent {}

/// Writes all fields in snake_case, null where they are absent, and the extra ones as they came.
impl Serialize for StreamEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.envelope().serialize_with_id(serializer, self.event_id())
    }
}

impl fmt::Debug for StreamEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamEvent")
            .field("event_id", &self.event_id())
            .field("text", &format_args!("{}", one_line(&self.text)))
            .finish()
    }
}
