//! The names of fields: the service spells them in camel case.

use serde_json::value::RawValue;

use crate::json::object::Object;

/// Makes `pollingInterval` of `polling_interval`, by the rule of the official SDK for any name with
/// an underscore in it.
pub(crate) fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        camel.push_str(letters.as_str());
    }
    camel
}

/// Changes the names in polling strategies, which are the service's too. Other JSON stays as it is.
pub(crate) fn camel_case_strategies(raw: Box<RawValue>) -> Box<RawValue> {
    let Ok(strategies) = serde_json::from_str::<Vec<Object>>(raw.get()) else { return raw };
    let texts: Vec<String> = strategies
        .into_iter()
        .map(|strategy| {
            let mut camel = Object::default();
            for (name, value) in strategy.into_fields() {
                camel.set(camel_case(&name), value);
            }
            camel.to_string()
        })
        .collect();
    RawValue::from_string(format!("[{}]", texts.join(","))).unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_camel_case_as_the_official_sdk_does_it() {
        for (name, due) in [
            ("name", "name"),
            ("polling_interval", "pollingInterval"),
            ("payloadMode", "payloadMode"),
            ("_a", "A"),
            ("a__b", "aB"),
            ("X_Y", "XY"),
            ("a_1", "a1"),
            ("_", ""),
            ("", ""),
            ("with space_x", "with spaceX"),
        ] {
            assert_eq!(camel_case(name), due, "{name:?}");
        }
    }
}
