//! What the emulator can be asked about afterwards: the events it emitted, the requests it got.

use std::collections::VecDeque;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

/// Most requests that are remembered.
const MAX_REQUESTS: usize = 10_000;
/// Most bytes that the remembered requests have together.
const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;

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

impl RecordedRequest {
    /// Copies a request. A value or a content that is shared would keep the whole buffer that a
    /// connection was read into.
    pub(crate) fn new(parts: &Parts, body: &[u8]) -> Self {
        let own = |value: &HeaderValue| {
            let mut own = HeaderValue::from_bytes(value.as_bytes()).ok()?;
            own.set_sensitive(value.is_sensitive());
            Some(own)
        };
        let mut headers = parts.headers.clone();
        for value in headers.values_mut() {
            if let Some(own) = own(value) {
                *value = own;
            }
        }
        Self {
            method: parts.method.clone(),
            uri: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers,
            body: Bytes::copy_from_slice(body),
        }
    }

    fn bytes(&self) -> usize {
        let fields = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        self.uri.len() + self.body.len() + fields.sum::<usize>()
    }
}

/// The last requests, within two bounds, and how many there have been.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    kept: VecDeque<RecordedRequest>,
    /// How many bytes the kept ones have.
    bytes: usize,
    count: usize,
}

impl Requests {
    pub(crate) fn push(&mut self, request: RecordedRequest) {
        self.count += 1;
        self.bytes += request.bytes();
        self.kept.push_back(request);
        while self.kept.len() > MAX_REQUESTS || self.bytes > MAX_REQUEST_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
    }

    /// Returns the requests that are kept, oldest first.
    pub(crate) fn kept(&self) -> Vec<RecordedRequest> {
        self.kept.iter().cloned().collect()
    }

    /// Returns how many requests have come, those included that are kept no more.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &Bytes) -> RecordedRequest {
        let (method, headers) = (Method::POST, HeaderMap::new());
        RecordedRequest { method, uri: String::new(), headers, body: body.clone() }
    }

    #[test]
    fn the_oldest_requests_go_at_either_bound_and_all_of_them_count() {
        // One content, shared, that counts for each request.
        for (length, left) in [(0, MAX_REQUESTS), (1024 * 1024, 64), (16 * 1024, 4096)] {
            let (body, mut requests) = (Bytes::from(vec![0; length]), Requests::default());
            let first = Bytes::from_static(b"the first");
            requests.push(request(&first));
            for _ in 0..MAX_REQUESTS {
                requests.push(request(&body));
            }
            assert_eq!((requests.kept.len(), requests.count()), (left, MAX_REQUESTS + 1));
            assert!(requests.bytes <= MAX_REQUEST_BYTES, "{} bytes", requests.bytes);
            assert!(requests.kept().iter().all(|kept| kept.body != first), "the first is kept");
        }
    }
}
