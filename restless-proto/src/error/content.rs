//! A good answer that can't be read.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::de::Error as _;

use crate::limits::Limits;
use crate::machine::ForwardedBy;
use crate::redact::Keys;
use crate::semantics::coding::CodingError;

/// The first bytes of an answer. The bytes may hold a key, so that `Debug` tells only how many
/// bytes there are.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Bytes);

impl Excerpt {
    /// Copies the bytes: a slice would keep the whole answer alive.
    pub(crate) fn of(content: &[u8], limits: &Limits) -> Self {
        let end = content.len().min(limits.excerpt_bytes);
        Self(Bytes::copy_from_slice(content.get(..end).unwrap_or_default()))
    }
}

impl std::ops::Deref for Excerpt {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A reply with a good status that can't be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The content's coding can't be taken off (RFC 9110 §8.4). A subscription connects again,
    /// except after a content or transfer coding that is not understood.
    #[error(transparent)]
    Coding(#[from] CodingError),
    /// The content is not JSON of the form that the call returns.
    #[error("the reply to {call} with status {status} can't be read{}", OrProxy(.forwarded_by))]
    Json {
        /// The call, as `METHOD /path`.
        call: String,
        /// The reply's status.
        status: StatusCode,
        /// What is wrong, and where in the text.
        source: Arc<serde_json::Error>,
        /// The first bytes of the content.
        excerpt: Excerpt,
        /// The proxy that was given the request whole, where there was one: the answer may be the
        /// proxy's.
        forwarded_by: Option<ForwardedBy>,
    },
    /// Content is missing where a model is needed.
    #[error(
        "the reply to {call} with status {status} has no content, and one is due{}",
        OrProxy(.forwarded_by)
    )]
    Missing {
        /// The call, as `METHOD /path`.
        call: String,
        /// The reply's status.
        status: StatusCode,
        /// The proxy that was given the request whole, where there was one: the answer may be the
        /// proxy's.
        forwarded_by: Option<ForwardedBy>,
    },
    /// A subscription's answer is no event stream (WHATWG HTML §9.2.3).
    #[error(
        "expected content of type text/event-stream, got {}{}",
        .seen.as_deref().unwrap_or("none"), OrProxy(.forwarded_by)
    )]
    NotAnEventStream {
        /// The first 300 characters of the `Content-Type` field, keys hidden; `None` where the
        /// field was absent.
        seen: Option<String>,
        /// The first bytes of the content.
        excerpt: Excerpt,
        /// The proxy that was given the request whole, where there was one: the answer may be the
        /// proxy's.
        forwarded_by: Option<ForwardedBy>,
    },
}

/// Prints that a proxy may have answered in the service's place.
struct OrProxy<'a>(&'a Option<ForwardedBy>);

impl fmt::Display for OrProxy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(by) => write!(f, ": it may be the proxy's, {}", by.proxy()),
            None => Ok(()),
        }
    }
}

impl ContentError {
    pub(super) fn redact(&mut self, keys: &Keys) {
        match self {
            Self::Json { source, .. } => {
                *source = Arc::new(serde_json::Error::custom(keys.redacted(&source.to_string())));
            }
            Self::NotAnEventStream { seen: Some(seen), .. } => keys.redact(seen),
            Self::Coding(_) | Self::Missing { .. } | Self::NotAnEventStream { seen: None, .. } => {}
        }
    }

    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Json { status, .. } | Self::Missing { status, .. } => Some(*status),
            Self::NotAnEventStream { .. } => Some(StatusCode::OK),
            Self::Coding(_) => None,
        }
    }
}
