//! What HTTP fields mean, as pure functions over the `http` crate's types.

pub(crate) mod media_type;
pub(crate) mod redirect;
pub(crate) mod retry_after;

use http::{HeaderMap, HeaderValue};

use crate::ApiKey;

/// The credentials of a runtime request (RFC 6750 §2.1); `None` as [`sensitive`].
pub(crate) fn bearer(key: &ApiKey) -> Option<HeaderValue> {
    sensitive(key, "Bearer ")
}

/// The key as the value of a field, after a prefix, marked so that no `Debug` prints it. `None`
/// where there is more in it than visible ASCII characters: a line end that was copied along, say.
pub(crate) fn sensitive(key: &ApiKey, prefix: &str) -> Option<HeaderValue> {
    if !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut value = HeaderValue::try_from(format!("{prefix}{}", key.expose())).ok()?;
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
