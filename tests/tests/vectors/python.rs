//! Values as the SDK was given them, as something that serde can write.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A value of a vector. The value keeps the order of names and the spelling of numbers, and has
/// floats for which JSON lacks a word, and which the vectors write as `{"$float": "NaN"}`.
pub(crate) struct Python<'a>(pub(crate) &'a RawValue);

impl Serialize for Python<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.get();
        if let Ok(Named(fields)) = serde_json::from_str(text) {
            return match fields.as_slice() {
                [(name, spelt)] if name == "$float" => {
                    let float: String = serde_json::from_str(spelt.get()).unwrap_or_default();
                    serializer.serialize_f64(float.parse().expect("a float"))
                }
                fields => {
                    serializer.collect_map(fields.iter().map(|(name, raw)| (name, Python(raw))))
                }
            };
        }
        match serde_json::from_str::<Vec<Box<RawValue>>>(text) {
            Ok(values) => serializer.collect_seq(values.iter().map(|raw| Python(raw))),
            Err(_) => match serde_json::from_str::<String>(text) {
                Ok(string) => serializer.serialize_str(&string),
                Err(_) => self.0.serialize(serializer),
            },
        }
    }
}

/// Named values, in order.
#[derive(Default)]
pub(crate) struct Named(pub(crate) Vec<(String, Box<RawValue>)>);

impl Named {
    pub(crate) fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, raw)| &**raw)
    }

    /// A value in a type of ours; `None` where it is absent, null, or of another type.
    pub(crate) fn typed<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Option<T> {
        typed(self.raw(name)?)
    }
}

/// `None` where the value is null or of another type.
pub(crate) fn typed<T: for<'de> Deserialize<'de>>(raw: &RawValue) -> Option<T> {
    serde_json::from_str::<Option<T>>(raw.get()).ok().flatten()
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Named;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("named values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
                let mut named = Named::default();
                while let Some(entry) = map.next_entry()? {
                    named.0.push(entry);
                }
                Ok(named)
            }
        }

        from.deserialize_map(Fields)
    }
}
