//! Numbers (RFC 8259 §6): how they are spelt, and how Python spells them.

use std::fmt::{self, Write};

/// A number as it is spelt, known to be well-formed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    pub(crate) text: &'a str,
    /// Whether the number has a fraction or an exponent. A number with either is a double; any
    /// other number is an integer of any size.
    pub(crate) float: bool,
}

impl<'a> Number<'a> {
    /// Returns the number as Python writes it: an integer in full, a float as `repr` spells it, in
    /// the shortest form that reads back the same.
    pub(crate) fn canonical<'s>(self, buffer: &'s mut StackText) -> &'s str
    where
        'a: 's,
    {
        if self.float {
            buffer.clear();
            // The longest text of a double is shorter than the buffer.
            let _ = write_repr(self.double(), buffer);
            buffer.as_str()
        } else if self.text == "-0" {
            // Only a float has a negative zero.
            "0"
        } else {
            self.text
        }
    }

    fn double(self) -> f64 {
        // Rust's parser takes the whole grammar, and rounds as IEEE 754 has it. An exponent of
        // seven digits is cut, so that a number of a million digits beside it counts as too large.
        self.text.parse().unwrap_or(f64::NAN)
    }
}

/// Returns a number as an integer, where it is one: a float without a fraction counts.
#[inline]
pub(crate) fn integer(number: &str) -> Option<i64> {
    // Most integers have few digits: five instructions each, where parsing takes a hundred in all.
    if number.len() <= 18 {
        let digit = |digit: u8| digit.is_ascii_digit().then(|| i64::from(digit - b'0'));
        let sum = number.bytes().try_fold(0, |sum, next| Some(sum * 10 + digit(next)?));
        if sum.is_some() {
            return sum;
        }
    }
    if let Ok(integer) = number.parse() {
        return Some(integer);
    }
    if !number.contains(['.', 'e', 'E']) {
        return None;
    }
    // -2^63 and 2^63, which doubles hold exactly; every whole double between them is an i64.
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    let double: f64 = number.parse().ok()?;
    let whole = double.fract() == 0.0 && (-BOUND..BOUND).contains(&double);
    whole.then_some(double as i64)
}

/// Writes a finite double as Python's `repr` does: plain from 0.0001 up to 1e16, and with an
/// exponent of at least two digits elsewhere.
fn write_repr(double: f64, out: &mut StackText) -> fmt::Result {
    let mut scientific = StackText::default();
    write_shortest(double, &mut scientific)?;
    let (mantissa, exponent) = scientific.as_str().split_once('e').ok_or(fmt::Error)?;
    let exponent: i32 = exponent.parse().map_err(|_| fmt::Error)?;
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return write!(out, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }

    let (sign, mantissa) = mantissa.split_at(mantissa.starts_with('-').into());
    let (first, others) = mantissa.split_at(1);
    let others = others.trim_start_matches('.');
    out.write_str(sign)?;
    if let Ok(places) = usize::try_from(exponent) {
        let (before, after) = others.split_at(places.min(others.len()));
        let after = if after.is_empty() { "0" } else { after };
        write!(out, "{first}{before:0<places$}.{after}")
    } else {
        let zeros = exponent.unsigned_abs() as usize - 1;
        write!(out, "0.{:0<zeros$}{first}{others}", "")
    }
}

/// Writes the shortest digits that read back as the same double, with an exponent. Where two texts
/// of that length are equally close to the double, the text with the even last digit is written.
fn write_shortest(double: f64, out: &mut StackText) -> fmt::Result {
    write!(out, "{double:e}")?;
    let mantissa = out.as_str().split('e').next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    // The two texts are at least a double's precision apart, so nothing with fewer digits is
    // halfway between them. Rust rounds up in that case; with a given number of digits, Rust rounds
    // to even.
    if digits >= 16 && mantissa.ends_with(['1', '3', '5', '7', '9']) {
        let mut even = StackText::default();
        write!(even, "{double:.*e}", digits - 1)?;
        if even.as_str().parse() == Ok(double) {
            *out = even;
        }
    }
    Ok(())
}

/// A short text on the stack, long enough for any double: a sign, 17 digits, a point and what
/// stands before or after them.
#[derive(Debug, Default)]
pub(crate) struct StackText {
    bytes: [u8; 32],
    len: usize,
}

impl StackText {
    fn clear(&mut self) {
        self.len = 0;
    }

    fn as_str(&self) -> &str {
        let written = self.bytes.get(..self.len).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }
}

impl Write for StackText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::error::JsonProblem;
    use crate::json::token::number_far;

    fn parse(text: &str) -> Result<Number<'_>, JsonProblem> {
        let (rest, float) =
            number_far(text.as_bytes()).map_err(|stop| stop.in_text(text).problem())?;
        assert_eq!(rest, b"");
        Ok(Number { text, float })
    }

    fn canonical(text: &str) -> String {
        parse(text).unwrap().canonical(&mut StackText::default()).to_owned()
    }

    #[test]
    fn integers_are_kept_in_full() {
        for text in ["0", "-1", "18446744073709551616", &"9".repeat(5000)] {
            assert_eq!(canonical(text), text);
        }
        assert_eq!(canonical("-0"), "0");
    }

    #[test]
    fn floats_are_spelt_as_python_spells_them() {
        for (text, due) in [
            ("1.0", "1.0"),
            ("-0.0", "-0.0"),
            ("0e7", "0.0"),
            ("100.50", "100.5"),
            ("1E5", "100000.0"),
            ("9999999999999998.0", "9999999999999998.0"),
            ("1e16", "1e+16"),
            ("-12345678901234567.0", "-1.2345678901234568e+16"),
            ("123.456", "123.456"),
            ("-1234567890123450.0", "-1234567890123450.0"),
            ("0.0001", "0.0001"),
            ("-0.00012345678901234567", "-0.00012345678901234567"),
            ("0.00001", "1e-05"),
            ("1e-7", "1e-07"),
            ("1.5e300", "1.5e+300"),
            ("-2.2250738585072014e-308", "-2.2250738585072014e-308"),
            ("5e-324", "5e-324"),
            ("1e-400", "0.0"),
        ] {
            assert_eq!(canonical(text), due);
        }
    }

    #[test]
    fn of_two_texts_equally_close_the_even_one_is_due() {
        for (text, due) in [
            ("995652351382343.25", "995652351382343.2"),
            ("995652351382343.75", "995652351382343.8"),
            ("-280712244753106.625", "-280712244753106.62"),
            ("1553.3071297341011e11", "155330712973410.12"),
        ] {
            assert_eq!(canonical(text), due);
        }
    }

    #[test]
    fn a_float_beyond_a_double_is_refused_and_an_integer_never() {
        let long = format!("{}.0", "9".repeat(309));
        let with_exponent = format!("{}e99", "9".repeat(250));
        for text in ["1e400", "-1e309", "1.8e308", "1e+00000400", &long, &with_exponent] {
            assert_eq!(parse(text).err(), Some(JsonProblem::NumberRange), "{text}");
        }
        assert_eq!(canonical("1.7976931348623157e308"), "1.7976931348623157e+308");
        assert!(parse(&"9".repeat(400)).is_ok());
    }

    #[test]
    fn whole_floats_are_integers() {
        for (text, due) in [
            ("200", Some(200)),
            ("-0", Some(0)),
            ("7.0", Some(7)),
            ("2e2", Some(200)),
            ("-1e-400", Some(0)),
            ("7.5", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808.0", Some(i64::MIN)),
            ("9223372036854775808.0", None),
        ] {
            assert_eq!(integer(text), due, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["-", "1.", "1e", "1e+"] {
            assert_eq!(parse(text).err(), Some(JsonProblem::EndsEarly), "{text}");
        }
        for text in ["01", "-01", "00", "-x", "1.e5", "1ex", "-.5", "-Infinity"] {
            assert_eq!(parse(text).err(), Some(JsonProblem::Number), "{text}");
        }
    }
}
