//! An event of a feed, and its JSON.

use std::sync::Arc;

use restless_proto::signature::Signer;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Attempt;
use crate::log::{LoggedEvent, LoggedKind};
use crate::{fields, time};

#[derive(Debug)]
pub(super) struct Event {
    pub(super) position: u64,
    pub(super) id: i64,
    pub(super) attempt_id: String,
    pub(super) attempt: Attempt,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Update {
        document: Arc<str>,
        patch: Option<String>,
        /// Whether the stream is one of patches, so that full data is a fallback.
        wants_patch: bool,
        signer: Option<Arc<Signer>>,
    },
    Error {
        code: String,
        message: String,
    },
}

/// By which clock events are dated.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dating {
    /// How many milliseconds the clock is behind.
    pub(super) behind: i64,
}

impl Dating {
    /// The event's id, which is its date.
    pub(super) fn of(self, event: &Event) -> i64 {
        event.id.saturating_sub(self.behind)
    }
}

impl Event {
    pub(super) fn is_update(&self) -> bool {
        matches!(self.content, Content::Update { .. })
    }

    /// Returns the event's JSON, as a patch only for a subscriber that has the base.
    pub(super) fn envelope(
        &self,
        has_base: bool,
        dating: Dating,
        event_id: Option<&str>,
    ) -> String {
        let (kind, data, fallback, error, signature) = match &self.content {
            Content::Update { document, patch, wants_patch, signer } => {
                let patch = patch.as_deref().filter(|_| has_base);
                let data = patch.unwrap_or(document);
                // A number that no float holds (`1e400`) has no canonical form, so the signature is
                // missing.
                let signature = signer
                    .as_deref()
                    .and_then(|signer| signer.sign(data).ok())
                    .map(|signature| signature.to_string());
                let fallback = (*wants_patch && patch.is_none()).then_some("FULL_DATA");
                ("update", Some(data), fallback, None, signature)
            }
            Content::Error { code, message } => {
                ("error", None, None, Some(ErrorDetail { code, message }), None)
            }
        };
        fields::to_json(&Envelope {
            r#type: kind,
            meta: Meta {
                timestamp: time::event_timestamp(dating.of(self)),
                attempt_id: &self.attempt_id,
                status: self.attempt.status,
                latency_ms: self.attempt.latency_ms,
                payload_mode_fallback: fallback,
            },
            // The text goes through as it is; it was checked when it came in.
            data: data.and_then(|data| serde_json::from_str(data).ok()),
            error,
            signature,
            event_id,
        })
    }

    pub(super) fn logged(&self) -> LoggedEvent {
        let (kind, data, document) = match &self.content {
            Content::Update { document, patch, .. } => (
                LoggedKind::Update,
                Some(patch.clone().unwrap_or_else(|| document.to_string())),
                Some(document.to_string()),
            ),
            Content::Error { .. } => (LoggedKind::Error, None, None),
        };
        LoggedEvent {
            id: self.id.to_string(),
            kind,
            data,
            document,
            envelope: self.envelope(true, Dating::default(), None),
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'a str,
    meta: Meta<'a>,
    data: Option<&'a RawValue>,
    error: Option<ErrorDetail<'a>>,
    signature: Option<String>,
    event_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Meta<'a> {
    timestamp: String,
    attempt_id: &'a str,
    status: Option<u16>,
    latency_ms: Option<u64>,
    payload_mode_fallback: Option<&'a str>,
}

#[derive(Serialize)]
struct ErrorDetail<'a> {
    code: &'a str,
    message: &'a str,
}
