//! Writing JSON, and refusing floats that lack a spelling in JSON (RFC 8259 §6).

use serde::ser::{self, Error as _, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// Writes any value as JSON. Text that is JSON already, in a [`RawValue`], stays as it is spelt.
///
/// # Errors
///
/// When the value can't be JSON, such as NaN and the infinities, which serde_json would write as
/// null.
pub(crate) fn to_raw(value: &(impl Serialize + ?Sized)) -> Result<Box<RawValue>, Error> {
    value.serialize(Check)?;
    to_raw_value(value)
}

type Error = serde_json::Error;

/// Walks through a value as serde shows it, and stops at such a float.
#[derive(Clone, Copy)]
struct Check;

macro_rules! fine {
    ($($method:ident: $Type:ty,)*) => {
        $(fn $method(self, _: $Type) -> Result<(), Error> { Ok(()) })*
    };
}

impl Serializer for Check {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fine! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64, serialize_u128: u128, serialize_unit_struct: &'static str,
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        if value.is_finite() { Ok(()) } else { Err(Error::custom(format!("{value} is no JSON"))) }
    }

    fn serialize_none(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        Ok(self)
    }
}

macro_rules! elements {
    ($($Trait:ident: $method:ident,)*) => {
        $(impl ser::$Trait for Check {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                value.serialize(*self)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}

elements! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

macro_rules! fields {
    ($($Trait:ident,)*) => {
        $(impl ser::$Trait for Check {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                value.serialize(*self)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}

fields! { SerializeStruct, SerializeStructVariant, }

impl ser::SerializeMap for Check {
    type Ok = ();
    type Error = Error;

    /// A key that JSON can't have is found when it is written.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(*self)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(serde::Serialize)]
    enum Held {
        Struct { a: f64 },
        Tuple(f64, f64),
        One(f64),
    }

    #[test]
    fn floats_without_a_spelling_are_found_wherever_they_are() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            to_raw(&bad).unwrap_err();
            to_raw(&[Some(bad)]).unwrap_err();
            to_raw(&(1, "a", bad)).unwrap_err();
            to_raw(&BTreeMap::from([("a", vec![bad])])).unwrap_err();
            to_raw(&Held::Struct { a: bad }).unwrap_err();
            to_raw(&Held::Tuple(1.0, bad)).unwrap_err();
            to_raw(&Held::One(bad)).unwrap_err();
        }
        to_raw(&f32::NAN).unwrap_err();
    }

    #[test]
    fn all_else_is_written_as_it_is() {
        let raw = RawValue::from_string("[1.0, 1e400]".to_owned()).unwrap();
        let value = BTreeMap::from([("a", (1.5, -0.0, Some(1), None::<u8>, 'c', &raw))]);
        assert_eq!(to_raw(&value).unwrap().get(), r#"{"a":[1.5,-0.0,1,null,"c",[1.0, 1e400]]}"#);
    }
}
