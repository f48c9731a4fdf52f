//! How credentials go out.

use http::HeaderValue;

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
