//! Values that the service takes only in some form, checked before anything is sent.

use http::Method;
use serde::Serialize;

use crate::call::Body;
use crate::kinds::ConfigError;
use crate::model::{HttpMethod, Json};

/// Takes a JSON object, or null: the service keeps `headers` and `body` as objects, and could not
/// read back a stream with anything else in these fields.
pub(super) fn object(field: &'static str, value: impl Serialize) -> Result<Json, ConfigError> {
    let json = Json::new(value).map_err(|error| {
        let accepted = "a value that can be written as JSON";
        ConfigError::hidden(field, error.to_string(), accepted)
    })?;
    if json.is_object() || json.get() == "null" {
        Ok(json)
    } else {
        Err(ConfigError::hidden(field, "it is JSON of another kind", "a JSON object"))
    }
}

/// Takes a method that HTTP can carry (RFC 9110 §9.1), known here or not.
pub(super) fn method(method: HttpMethod) -> Result<HttpMethod, ConfigError> {
    match Method::from_bytes(method.as_str().as_bytes()) {
        Ok(_) => Ok(method),
        Err(_) => Err(ConfigError::new("method", method.as_str(), "a token (RFC 9110 §5.6.2)")),
    }
}

/// Sets a field of `body`, or fails it.
pub(super) fn set(body: &mut Body, name: &'static str, value: Result<impl Serialize, ConfigError>) {
    match value {
        Ok(value) => body.set(name, value),
        Err(error) => body.fail(error),
    }
}
