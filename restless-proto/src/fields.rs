//! Header fields that the caller sets, and those that go out with every request.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::kinds::ConfigError;

/// What goes out as `User-Agent` (RFC 9110 §10.1.5), unless
/// [`Service::with_user_agent`](crate::Service::with_user_agent) says otherwise.
pub const USER_AGENT: &str = concat!("restless-rust/", env!("CARGO_PKG_VERSION"));

/// Fields that say how a request and its connection are to be read.
const TAKEN: [HeaderName; 9] = [
    header::ACCEPT,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    // The origin would get this field.
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Reads a field that the caller sets. The value is marked as sensitive, since a secret may stand
/// there.
///
/// # Errors
///
/// Where HTTP can't carry the field, and where the field is the client's to set.
pub(crate) fn checked(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let Ok(name) = HeaderName::try_from(name) else {
        return Err(ConfigError::new("header", name, "a field name (RFC 9110 §5.1)"));
    };
    let Ok(mut value) = HeaderValue::try_from(value) else {
        let accepted = "a field whose value has no line end or other control character";
        return Err(ConfigError::hidden("header", format!("that of {name} has one"), accepted));
    };
    if TAKEN.contains(&name) {
        let accepted = "left to the client and the HTTP stack";
        return Err(ConfigError::new("header", name.as_str(), accepted));
    }
    value.set_sensitive(true);
    Ok((name, value))
}

/// Adds the defaults to the fields of a request, except where the request has a field of that name.
pub(crate) fn fill(fields: &mut HeaderMap, defaults: &HeaderMap) {
    for (name, value) in defaults {
        fields.entry(name).or_insert_with(|| value.clone());
    }
}

/// Returns the defaults that a service has where none were set.
pub(crate) fn defaults() -> HeaderMap {
    HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))])
}
