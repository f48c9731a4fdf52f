//! The signature of an event: HMAC-SHA256 over canonical JSON.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::json::{Kind, Node};

/// The signature of `data` in lower-case hexadecimal, or `None` where a number in it has no
/// canonical form (`1e400`).
pub(crate) fn sign(secret: &str, data: &Node<'_>) -> Option<String> {
    let mut canonical = String::new();
    write_value(data, &mut canonical)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(canonical.as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        write!(hex, "{byte:02x}").ok()?;
    }
    Some(hex)
}

fn write_value(node: &Node<'_>, out: &mut String) -> Option<()> {
    match &node.kind {
        Kind::Object(members) => {
            out.push('{');
            // A `BTreeMap` of text is in order of UTF-8 bytes, which is the order of code points.
            for (index, (key, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_value(value, out)?;
            }
            out.push('}');
        }
        Kind::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, out)?;
            }
            out.push(']');
        }
        Kind::String(text) => write_string(text, out),
        Kind::Number(spelling) => write_number(spelling, out)?,
        Kind::Word(word) => out.push_str(word),
    }
    Some(())
}

fn write_string(text: &str, out: &mut String) {
    // serde_json escapes exactly what the canonical form escapes, and in the same spelling.
    out.push_str(&crate::json::string(text));
}

/// Integers in full; floats in the shortest form that reads back the same, as Python spells them.
fn write_number(spelling: &str, out: &mut String) -> Option<()> {
    if !spelling.contains(['.', 'e', 'E']) {
        out.push_str(if spelling == "-0" { "0" } else { spelling });
        return Some(());
    }
    let float: f64 = spelling.parse().ok().filter(|float: &f64| float.is_finite())?;
    // Rust's `{:e}` has the shortest digits; what is left is where to put the point.
    let scientific = format!("{:e}", float.abs());
    let (digits, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let digits = digits.replace('.', "");
    if float.is_sign_negative() {
        out.push('-');
    }
    if (-4..16).contains(&exponent) {
        let point = exponent + 1;
        let count = i32::try_from(digits.len()).ok()?;
        if point <= 0 {
            out.push_str("0.");
            (point..0).for_each(|_| out.push('0'));
            out.push_str(&digits);
        } else if point >= count {
            out.push_str(&digits);
            (count..point).for_each(|_| out.push('0'));
            out.push_str(".0");
        } else {
            let (whole, fraction) = digits.split_at(usize::try_from(point).ok()?);
            write!(out, "{whole}.{fraction}").ok()?;
        }
    } else {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            write!(out, ".{rest}").ok()?;
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "e{sign}{:02}", exponent.abs()).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn canonical(text: &str) -> Option<String> {
        let mut out = String::new();
        write_value(&parse(text).expect("JSON"), &mut out)?;
        Some(out)
    }

    #[test]
    fn signature_is_the_services() {
        let data = parse(r#"{"id":"order_123","total":42}"#).expect("JSON");
        assert_eq!(
            sign("secret", &data).as_deref(),
            Some("0e8d5075fec7809ec154d186f8b561bfd9f984bb8f9732c2784425d2f4987f8b")
        );
    }

    #[test]
    fn canonical_form_is_sorted_and_compact() {
        assert_eq!(
            canonical(" { \"b\" : [ 1 , 2 ] ,\n\t\"a\\u0041\" : { } } ").as_deref(),
            Some(r#"{"aA":{},"b":[1,2]}"#)
        );
    }

    #[test]
    fn canonical_numbers_are_spelt_as_python_spells_them() {
        for (from, to) in [
            ("1.0", "1.0"),
            ("1.50", "1.5"),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("1e2", "100.0"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("1.25E+22", "1.25e+22"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1e-7", "1e-07"),
            ("123.456", "123.456"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("5e-324", "5e-324"),
        ] {
            assert_eq!(canonical(from).as_deref(), Some(to), "{from}");
        }
    }

    #[test]
    fn number_beyond_a_float_has_no_signature() {
        assert_eq!(canonical("1e400"), None);
    }
}
