//! What stands around an event's data.

use std::borrow::Cow;
use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::data::RawJson;
use super::error::Error;
use super::fields::ExtraFields;
use super::kind::Kind;
use super::parts::{ERROR_KEYS, EVENT_KEYS, ErrorParts, META_KEYS, MetaParts, Parts};
use crate::json::string::unescape;
use crate::redact::shown;

/// An event lent from the text in which it arrived: nothing is copied or allocated to read the
/// event.
///
/// [`StreamEvent`](super::StreamEvent) is the same event, and owns its text. The texts that an
/// envelope lends are borrowed unless they are spelt with escapes.
///
/// ```
/// use restless_proto::event::{Envelope, Kind};
///
/// let event = Envelope::parse(
///     r#"{"type":"update","meta":{"timestamp":"2026-03-24T00:00:00Z","latencyMs":43},"data":[1.0]}"#,
/// )?;
/// assert_eq!(event.kind(), Kind::Update);
/// assert_eq!(event.meta().latency_ms(), Some(43));
/// assert_eq!(event.data().map(|data| data.get()), Some("[1.0]"));
/// # Ok::<(), restless_proto::event::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    text: &'a str,
    parts: Parts,
}

impl<'a> Envelope<'a> {
    /// Reads an event's JSON text.
    ///
    /// Keys are read in snake_case and in camelCase. Of such twins, the one with a value counts;
    /// null and an empty string count as no value. Where both lack a value, the camelCase key
    /// counts. Of equal keys the last one counts.
    ///
    /// # Errors
    ///
    /// Where the text is not JSON, or not an event: `type` and `meta.timestamp` are required, and
    /// each field that has a name here must have its type or be null. See [`Error`].
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        Ok(Self { text, parts: Parts::parse(text)? })
    }

    /// Takes what was found before in the same text.
    pub(super) fn of(text: &'a str, parts: Parts) -> Self {
        Self { text, parts }
    }

    pub(super) fn parts(&self) -> Parts {
        self.parts
    }

    /// Returns the event's `type`: an update or an error.
    pub fn kind(&self) -> Kind {
        self.parts.kind
    }

    /// Returns when and how the service asked its upstream.
    pub fn meta(&self) -> Meta<'a> {
        Meta { text: self.text, parts: self.parts.meta }
    }

    /// Returns the payload as it arrived; `None` where it is absent or null.
    pub fn data(&self) -> Option<RawJson<'a>> {
        self.parts.data.map(|data| RawJson::new(data.of(self.text)))
    }

    /// Returns what went wrong, for an error event. The service may leave the detail out.
    pub fn error(&self) -> Option<ErrorDetail<'a>> {
        self.parts.error.map(|parts| ErrorDetail { text: self.text, parts })
    }

    /// Returns the [signature](crate::signature) of the data.
    pub fn signature(&self) -> Option<Cow<'a, str>> {
        self.parts.signature.map(|signature| unescape(signature.of(self.text)))
    }

    /// Returns the id in the JSON text, which may be empty. An id of the event's SSE frame goes
    /// before it: see [`StreamEvent`](super::StreamEvent).
    pub fn event_id(&self) -> Option<Cow<'a, str>> {
        self.parts.event_id.map(|id| unescape(id.of(self.text)))
    }

    /// Returns the fields beside those above.
    pub fn extra(&self) -> ExtraFields<'a> {
        ExtraFields::of(self.text, EVENT_KEYS)
    }

    /// Returns the whole text.
    pub fn raw(&self) -> &'a str {
        self.text
    }

    pub(super) fn serialize_with_id<S: Serializer>(
        &self,
        serializer: S,
        id: Option<&str>,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", self.kind().as_str())?;
        map.serialize_entry("meta", &self.meta())?;
        map.serialize_entry("data", &self.data())?;
        map.serialize_entry("error", &self.error())?;
        map.serialize_entry("signature", &self.signature())?;
        map.serialize_entry("event_id", &id)?;
        serialize_extra(map, self.extra())
    }
}

/// Writes all fields in snake_case, null where they are absent, and the extra ones as they came.
impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize_with_id(serializer, self.event_id().as_deref())
    }
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Envelope").field(&format_args!("{}", shown(self.text))).finish()
    }
}

/// When and how the service asked its upstream: an event's `meta`.
#[derive(Clone, Copy)]
pub struct Meta<'a> {
    text: &'a str,
    parts: MetaParts,
}

impl<'a> Meta<'a> {
    /// Returns when the service asked, as the service wrote the time. Any text is accepted; the
    /// service's own is ISO 8601, and [`timestamp::unix_ms`](super::timestamp::unix_ms) reads it.
    pub fn timestamp(&self) -> Cow<'a, str> {
        unescape(self.parts.timestamp.of(self.text))
    }

    /// Returns which attempt this was, for a support ticket.
    pub fn attempt_id(&self) -> Option<Cow<'a, str>> {
        self.parts.attempt_id.map(|id| unescape(id.of(self.text)))
    }

    /// Returns the HTTP status that the upstream answered with. Whole floats count as integers; any
    /// number is accepted, whether HTTP has such a status or not.
    pub fn status(&self) -> Option<i64> {
        self.parts.status
    }

    /// Returns how long the upstream took, in milliseconds.
    pub fn latency_ms(&self) -> Option<i64> {
        self.parts.latency_ms
    }

    /// Returns the payload mode that was used instead of the mode that was asked for: `FULL_DATA`
    /// where there was nothing to make a patch from.
    pub fn payload_mode_fallback(&self) -> Option<Cow<'a, str>> {
        self.parts.payload_mode_fallback.map(|mode| unescape(mode.of(self.text)))
    }

    /// Returns the fields beside those above.
    pub fn extra(&self) -> ExtraFields<'a> {
        ExtraFields::of(self.raw(), META_KEYS)
    }

    /// Returns the whole object's text.
    pub fn raw(&self) -> &'a str {
        self.parts.object.of(self.text)
    }
}

/// Writes all fields in snake_case, null where they are absent, and the extra ones as they came.
impl Serialize for Meta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.timestamp())?;
        map.serialize_entry("attempt_id", &self.attempt_id())?;
        map.serialize_entry("status", &self.status())?;
        map.serialize_entry("latency_ms", &self.latency_ms())?;
        map.serialize_entry("payload_mode_fallback", &self.payload_mode_fallback())?;
        serialize_extra(map, self.extra())
    }
}

impl fmt::Debug for Meta<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meta").field(&format_args!("{}", shown(self.raw()))).finish()
    }
}

/// What went wrong between the service and its upstream: an event's `error`.
#[derive(Clone, Copy)]
pub struct ErrorDetail<'a> {
    text: &'a str,
    parts: ErrorParts,
}

impl<'a> ErrorDetail<'a> {
    /// Returns the service's name for what went wrong.
    pub fn code(&self) -> Cow<'a, str> {
        unescape(self.parts.code.of(self.text))
    }

    /// Returns the same for people.
    pub fn message(&self) -> Cow<'a, str> {
        unescape(self.parts.message.of(self.text))
    }

    /// Returns the fields beside those above.
    pub fn extra(&self) -> ExtraFields<'a> {
        ExtraFields::of(self.raw(), ERROR_KEYS)
    }

    /// Returns the whole object's text.
    pub fn raw(&self) -> &'a str {
        self.parts.object.of(self.text)
    }
}

/// Writes the code, the message, and the extra fields as they came.
impl Serialize for ErrorDetail<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", &self.code())?;
        map.serialize_entry("message", &self.message())?;
        serialize_extra(map, self.extra())
    }
}

/// Prints the code and the message, on one line.
impl fmt::Display for ErrorDetail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(&self.code()), shown(&self.message()))
    }
}

impl fmt::Debug for ErrorDetail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ErrorDetail").field(&format_args!("{}", shown(self.raw()))).finish()
    }
}

fn serialize_extra<M: SerializeMap>(mut map: M, extra: ExtraFields<'_>) -> Result<M::Ok, M::Error> {
    for (key, value) in extra {
        map.serialize_entry(&key, &value)?;
    }
    map.end()
}
