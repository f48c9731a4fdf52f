//! HTTP semantics (RFC 9110): what statuses and fields mean, as pure functions over the `http`
//! crate's types.

pub(crate) mod absolute;
pub(crate) mod auth;
pub mod coding;
pub(crate) mod date;
pub(crate) mod media_type;
pub(crate) mod redirect;
pub(crate) mod retry_after;
pub(crate) mod scheme;
pub(crate) mod target;

use http::HeaderMap;

/// Returns the id that the service gave this request; of a long id, its beginning.
pub(crate) fn request_id(fields: &HeaderMap) -> Option<String> {
    let value = ["x-request-id", "request-id"].iter().find_map(|name| fields.get(*name))?;
    let text = String::from_utf8_lossy(value.as_bytes());
    Some(text.chars().take(LONGEST_REQUEST_ID).collect())
}

/// The longest id, in characters: a UUID has 36.
const LONGEST_REQUEST_ID: usize = 256;
