//! The JSON object that goes out with a call.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;

use crate::json::object::Object;
use crate::json::to_raw;
use crate::kinds::ConfigError;
use crate::model::names::{camel_case, camel_case_strategies};

/// Fields in the order in which they were given, each as it is spelt.
#[derive(Clone, Default)]
pub(crate) struct Body {
    fields: Object,
    error: Option<ConfigError>,
}

impl Body {
    pub(crate) fn error(&self) -> Option<ConfigError> {
        self.error.clone()
    }

    pub(crate) fn fail(&mut self, error: ConfigError) {
        self.error.get_or_insert(error);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some()
    }

    /// Returns a field that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.fields.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
    }

    /// Returns a field as it goes out.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.get())
    }

    /// Whether a field is there and has a value.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| !matches!(value.get(), "null" | "\"\""))
    }

    /// Sets a field in its place, by its name on the wire, which is in camelCase. A value that
    /// can't be JSON is remembered as the body's error.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Serialize) {
        self.insert(name, name.to_owned(), &value);
    }

    /// Sets a field of the service's that this crate does not know: a name in snake_case becomes
    /// camelCase. The caller's own values stay.
    pub(crate) fn set_other(&mut self, name: &str, value: impl Serialize) {
        self.insert("field", camel_case(name), &value);
    }

    fn insert(&mut self, field: &'static str, name: String, value: &impl Serialize) {
        match to_raw(value) {
            Ok(raw) if name == STRATEGIES => self.fields.set(name, camel_case_strategies(raw)),
            Ok(raw) => self.fields.set(name, raw),
            Err(error) => self.fail(ConfigError::hidden(field, error.to_string(), JSON)),
        }
    }

    /// Sets all fields of a JSON object, each as [`set_other`](Self::set_other) does.
    pub(crate) fn merge(&mut self, object: impl Serialize) {
        let read = to_raw(&object).and_then(|raw| serde_json::from_str::<Object>(raw.get()));
        match read {
            Ok(object) => {
                for (name, value) in object.into_fields() {
                    self.set_other(&name, value);
                }
            }
            Err(error) => {
                self.fail(ConfigError::hidden("body", error.to_string(), "a JSON object"));
            }
        }
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        self.fields.to_string().into()
    }
}

const STRATEGIES: &str = "pollingStrategies";
const JSON: &str = "a value that can be written as JSON";

/// Prints the names only: values may be keys.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fields.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_spelling_takes_the_place_of_an_earlier_one() {
        let mut body = Body::default();
        body.merge(serde_json::json!({"payloadMode": "FULL_DATA"}));
        body.set("name", "n");
        body.set_other("payload_mode", "JSON_PATCH");
        assert_eq!(body.to_bytes(), r#"{"payloadMode":"JSON_PATCH","name":"n"}"#);
    }

    #[test]
    fn a_float_that_json_can_t_spell_is_an_error() {
        let mut body = Body::default();
        body.set("body", serde_json::json!({"f": 1.0}));
        assert_eq!(body.error(), None);
        body.set("body", [f64::NAN]);
        assert_eq!(body.error().map(|error| error.field()), Some("body"));
    }

    #[test]
    fn what_is_no_object_can_t_be_a_body() {
        let mut body = Body::default();
        body.merge([1, 2]);
        assert_eq!(body.error().map(|error| error.field()), Some("body"));
    }
}
