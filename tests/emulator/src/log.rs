//! What the emulator can be asked about afterwards: the events it emitted, the requests it got.

use bytes::Bytes;
use http::{HeaderMap, Method};

/// An event as the server knows it: the truth that a test compares with what arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The event's id, which is its cursor: Unix milliseconds, strictly rising within a stream.
    pub id: String,
    /// Update or error.
    pub kind: LoggedKind,
    /// The raw text of `data` as a subscriber that followed from the start got it: a patch in
    /// `JSON_PATCH` mode, where there was something to patch, else the full data. `None` in an
    /// error.
    pub data: Option<String>,
    /// The raw text of the full data after this event, in both payload modes. `None` in an error.
    pub document: Option<String>,
    /// The whole event as JSON, as that subscriber got it over SSE. Over WebSocket its `event_id`
    /// is [`id`](Self::id).
    pub envelope: String,
}

/// The `type` of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedKind {
    /// The data changed.
    Update,
    /// The upstream, or the filter over what it said, failed.
    Error,
}

/// A request that the emulator got, REST and runtime alike, also one that a fault answered.
///
/// `Debug` hides the credentials in `headers`, but not an `apiKey` in `uri` or in `body`.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// Path and query as they came.
    pub uri: String,
    /// The header fields; `authorization` and `x-api-key` are marked sensitive.
    pub headers: HeaderMap,
    /// The content, at most 1 MiB.
    pub body: Bytes,
}
