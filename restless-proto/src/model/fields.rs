//! How models are read and written, once for all of them.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::json::Json;
use crate::json::object::Object;

/// Fields of an answer that this version does not know, as they came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Extra(Vec<(String, Json)>);

impl Extra {
    /// Returns a field's value.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Returns names and values, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there are no such fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Prints the names only.
impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// The fields of an object on their way into a model. Errors name the field.
pub(super) struct Fields(Object);

impl Fields {
    pub(super) fn new(object: Object) -> Self {
        Self(object)
    }

    /// Takes a field and its twin in snake_case out, and returns the one that has a value. Where
    /// both have a value, the twin in snake_case counts, as in the official SDK (vector
    /// `stream-both-spellings`).
    fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        let snake = snake_case(name);
        let camel = self.0.take(name);
        let twin = if snake == name { None } else { self.0.take(&snake) };
        match (camel, twin) {
            (Some(camel), Some(twin)) if worth(&camel) > worth(&twin) => Some(camel),
            (camel, twin) => twin.or(camel),
        }
    }

    pub(super) fn required<T: Value>(&mut self, name: &str) -> Result<T, String> {
        let raw = self.take(name).ok_or_else(|| format!("{name} is missing"))?;
        T::read(&raw).map_err(|error| format!("{name}: {error}"))
    }

    pub(super) fn optional<T: Value>(&mut self, name: &str) -> Result<Option<T>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(raw) if is_null(&raw) => Ok(None),
            Some(raw) => T::read(&raw).map(Some).map_err(|error| format!("{name}: {error}")),
        }
    }

    pub(super) fn defaulted<T: Value + Default>(&mut self, name: &str) -> Result<T, String> {
        match self.take(name) {
            None => Ok(T::default()),
            Some(raw) => T::read(&raw).map_err(|error| format!("{name}: {error}")),
        }
    }

    /// Takes an object whose names are the caller's, in order.
    pub(super) fn optional_map<T: Value>(
        &mut self,
        name: &str,
    ) -> Result<Option<Vec<(String, T)>>, String> {
        let Some(raw) = self.take(name).filter(|raw| !is_null(raw)) else { return Ok(None) };
        let object: Object = from_json(&raw).map_err(|error| format!("{name}: {error}"))?;
        let read = |(key, raw): (String, Box<RawValue>)| match T::read(&raw) {
            Ok(value) => Ok((key, value)),
            Err(error) => Err(format!("{name}.{key}: {error}")),
        };
        object.into_fields().into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn rest(self) -> Extra {
        let json = |raw: Box<RawValue>| serde_json::from_str(raw.get());
        let fields = self.0.into_fields().into_iter();
        Extra(fields.filter_map(|(name, raw)| json(raw).ok().map(|json| (name, json))).collect())
    }
}

fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// Tells nothing, an empty text and a value apart.
fn worth(raw: &RawValue) -> u8 {
    match raw.get() {
        "null" => 0,
        "\"\"" => 1,
        _ => 2,
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// What a field can be.
pub(super) trait Value: Sized {
    fn read(raw: &RawValue) -> Result<Self, String>;
}

/// Reads half a surrogate pair in a text, or in a name, as U+FFFD: one stream with such a name must
/// not make its whole list unreadable.
pub(super) fn from_json<T: DeserializeOwned>(raw: &RawValue) -> Result<T, String> {
    crate::json::surrogate::read(raw.get()).map_err(|error| error.to_string())
}

impl Value for String {
    fn read(raw: &RawValue) -> Result<Self, String> {
        from_json(raw)
    }
}

impl Value for bool {
    fn read(raw: &RawValue) -> Result<Self, String> {
        from_json(raw)
    }
}

/// A whole number, also where it is spelt as a float.
impl Value for i64 {
    fn read(raw: &RawValue) -> Result<Self, String> {
        if let Ok(number) = from_json::<Self>(raw) {
            return Ok(number);
        }
        let float: f64 = from_json(raw)?;
        // The float is within the integers that a double holds exactly.
        if float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0 {
            Ok(float as Self)
        } else {
            Err(format!("{} is not a whole number", raw.get()))
        }
    }
}

/// JSON that is always an object: the caller's own headers and body.
impl Value for Json {
    fn read(raw: &RawValue) -> Result<Self, String> {
        let json: Self = from_json(raw)?;
        if json.is_object() { Ok(json) } else { Err("an object is due".to_owned()) }
    }
}

impl<T: Value> Value for Vec<T> {
    fn read(raw: &RawValue) -> Result<Self, String> {
        let items: Vec<Box<RawValue>> = from_json(raw)?;
        let read = |(n, raw): (usize, Box<RawValue>)| {
            T::read(&raw).map_err(|error| format!("[{n}]: {error}"))
        };
        items.into_iter().enumerate().map(read).collect()
    }
}

macro_rules! enum_values {
    ($($name:ident),*) => {
        $(impl Value for super::enums::$name {
            fn read(raw: &RawValue) -> Result<Self, String> {
                from_json(raw)
            }
        })*
    };
}

enum_values!(StreamStatus, HttpMethod, PayloadMode);

/// A model: `required`, `optional` or `defaulted` fields by their names on the wire, and `extra`.
macro_rules! model {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$field_doc:meta])* $field:ident: $kind:ty = $how:ident $wire:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
            /// Fields that this version does not know.
            pub extra: $crate::model::Extra,
        }

        impl $crate::model::fields::Value for $name {
            fn read(raw: &serde_json::value::RawValue) -> Result<Self, String> {
                let object = $crate::model::fields::from_json(raw)?;
                let mut fields = $crate::model::fields::Fields::new(object);
                Ok(Self { $($field: fields.$how($wire)?,)* extra: fields.rest() })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let raw = Box::<serde_json::value::RawValue>::deserialize(from)?;
                $crate::model::fields::Value::read(&raw).map_err(serde::de::Error::custom)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let mut map = serde::Serializer::serialize_map(to, None)?;
                $($crate::model::fields::write::$how(&mut map, $wire, &self.$field)?;)*
                for (name, value) in self.extra.iter() {
                    serde::ser::SerializeMap::serialize_entry(&mut map, name, value)?;
                }
                serde::ser::SerializeMap::end(map)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(
                        stringify!($field),
                        &format_args!(
                            "{}",
                            $crate::redact::field(
                                stringify!($field),
                                &format!("{:?}", self.$field),
                            ),
                        ),
                    ))*
                    .field("extra", &self.extra)
                    .finish()
            }
        }
    };
}

/// How fields are written: an optional one only where it has a value.
pub(super) mod write {
    use serde::Serialize;
    use serde::ser::SerializeMap;

    pub(in crate::model) fn required<M: SerializeMap>(
        map: &mut M,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), M::Error> {
        map.serialize_entry(name, value)
    }

    pub(in crate::model) fn defaulted<M: SerializeMap>(
        map: &mut M,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), M::Error> {
        map.serialize_entry(name, value)
    }

    pub(in crate::model) fn optional<M: SerializeMap>(
        map: &mut M,
        name: &str,
        value: &Option<impl Serialize>,
    ) -> Result<(), M::Error> {
        match value {
            Some(value) => map.serialize_entry(name, value),
            None => Ok(()),
        }
    }

    pub(in crate::model) fn optional_map<M: SerializeMap>(
        map: &mut M,
        name: &str,
        value: &Option<Vec<(String, impl Serialize)>>,
    ) -> Result<(), M::Error> {
        struct Map<'a, T>(&'a [(String, T)]);

        impl<T: Serialize> Serialize for Map<'_, T> {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_map(self.0.iter().map(|(key, value)| (key, value)))
            }
        }

        match value {
            Some(value) => map.serialize_entry(name, &Map(value)),
            None => Ok(()),
        }
    }
}
