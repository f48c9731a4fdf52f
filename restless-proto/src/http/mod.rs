//! What HTTP fields mean, as pure functions over the `http` crate's types.

pub(crate) mod media_type;
pub(crate) mod redirect;
pub(crate) mod retry_after;

use http::{HeaderMap, HeaderValue};

use crate::ApiKey;

/// The credentials of a runtime request (RFC 6750 §2.1), marked so that no `Debug` prints them;
/// `None` where the key holds what no field can.
pub(crate) fn bearer(key: &ApiKey) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The id that the service gave this request.
pub(crate) fn request_id(fields: &HeaderMap) -> Option<String> {
    ["x-request-id", "request-id"]
        .iter()
        .find_map(|name| fields.get(*name))
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
