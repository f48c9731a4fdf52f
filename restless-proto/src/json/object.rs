//! A JSON object whose fields keep their order and their spelling.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Fields by name, in the order in which they first came. For a name that comes twice, the later
/// value counts, as in Python.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    fields: Vec<(String, Box<RawValue>)>,
}

impl Object {
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    pub(crate) fn set(&mut self, name: String, value: Box<RawValue>) {
        match self.fields.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.fields.push((name, value)),
        }
    }

    /// Takes a field out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        let at = self.fields.iter().position(|(other, _)| other == name)?;
        Some(self.fields.remove(at).1)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn into_fields(self) -> Vec<(String, Box<RawValue>)> {
        self.fields
    }
}

/// Prints the object as JSON.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (n, (name, value)) in self.fields.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}", serde_json::Value::from(name.as_str()), value.get())?;
        }
        f.write_str("}")
    }
}

/// Reads from `serde_json` only: its raw values have no meaning elsewhere.
impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
                let mut places = std::collections::HashMap::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    match places.get(&name).and_then(|&at: &usize| fields.get_mut(at)) {
                        Some((_, old)) => *old = value,
                        None => {
                            places.insert(name.clone(), fields.len());
                            fields.push((name, value));
                        }
                    }
                }
                Ok(Object { fields })
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_spelling_stay_and_the_later_twin_counts() {
        let object: Object = serde_json::from_str(r#" {"b": 1.0, "a": [ 1 ], "b": 1e5} "#).unwrap();
        assert_eq!(object.to_string(), r#"{"b":1e5,"a":[ 1 ]}"#);
    }
}
