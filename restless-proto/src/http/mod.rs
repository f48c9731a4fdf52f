//! What HTTP fields mean, as pure functions over the `http` crate's types.

pub(crate) mod auth;
pub mod coding;
pub(crate) mod media_type;
pub(crate) mod query;
pub(crate) mod redirect;
pub(crate) mod retry_after;

use http::HeaderMap;

/// The id that the service gave this request.
pub(crate) fn request_id(fields: &HeaderMap) -> Option<String> {
    ["x-request-id", "request-id"]
        .iter()
        .find_map(|name| fields.get(*name))
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
