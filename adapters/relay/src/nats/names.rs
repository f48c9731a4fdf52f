//! Names and texts of ours in the forms that NATS has for them.

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::SinkError;

/// Makes a feed's name one token of a subject, and a key of a bucket: letters, digits, `-` and `_`
/// stay as they are, each other byte becomes `=` and two digits.
///
/// # Errors
///
/// Where the name is empty, or longer than a subject should be.
pub(super) fn token(name: &str) -> Result<String, SinkError> {
    if name.is_empty() || name.len() > MOST_NAME_BYTES {
        let why = format!("a feed's name has 1 to {MOST_NAME_BYTES} bytes in NATS");
        return Err(SinkError::will_not_pass(why));
    }
    let mut token = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            token.push(char::from(byte));
        } else {
            // To write to a string never fails.
            let _ = write!(token, "={byte:02X}");
        }
    }
    Ok(token)
}

/// Returns the name that a token was made of; `None` for a token that is not ours.
pub(super) fn name(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b'=' {
            let (digits, tail) = rest.split_at_checked(2)?;
            rest = tail;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The longest name of a feed. A subject is part of a line of at most 4 KiB.
const MOST_NAME_BYTES: usize = 1000;

/// Makes a text the value of a header, whatever is in the text.
pub(super) fn value(text: &str) -> Cow<'_, str> {
    const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    utf8_percent_encode(text, ESCAPED).into()
}

/// Returns the text of such a value; `None` where it is none.
pub(super) fn text(value: &str) -> Option<String> {
    percent_decode_str(value).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_token_whatever_the_name_and_comes_back() {
        for feed in ["orders", "a.b", "*", ">", "a b\n", "é", "=41", "A/b"] {
            let token = token(feed).unwrap();
            assert!(!token.contains(['.', '*', '>', ' ', '\n', '/']), "{token}");
            assert_eq!(name(&token).as_deref(), Some(feed));
        }
        assert_eq!(token("a.b").unwrap(), "a=2Eb");
        assert!(token("").is_err());
    }

    #[test]
    fn a_header_s_value_is_one_line_and_comes_back() {
        for cursor in ["1700000000000", "a b", "x\r\ny", "100%", "é"] {
            let value = value(cursor);
            assert!(value.bytes().all(|byte| byte.is_ascii_graphic()), "{value}");
            assert_eq!(text(&value).as_deref(), Some(cursor));
        }
    }
}
