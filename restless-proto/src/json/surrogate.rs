//! Half a surrogate pair (RFC 8259 §8.2), which no Unicode text can hold.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// Reads JSON text in which half a surrogate pair may stand, which is read as U+FFFD.
///
/// # Errors
///
/// When the text is of another type.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| match replaced(text) {
        Cow::Borrowed(_) => Err(error),
        Cow::Owned(text) => serde_json::from_str(&text),
    })
}

/// Puts U+FFFD in the place of each half, in an escape that is as long: any other fault of the text
/// stays at the same place.
fn replaced(text: &str) -> Cow<'_, str> {
    let mut whole = Cow::Borrowed(text);
    let mut at = 0;
    while let Some(escape) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += escape;
        at += match (unit(text, at), unit(text, at + ESCAPE.len())) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE.len(),
            (Some(0xd800..=0xdfff), _) => {
                whole.to_mut().replace_range(at..at + ESCAPE.len(), ESCAPE);
                ESCAPE.len()
            }
            // The backslash, and what it escapes, which may be another backslash.
            _ => {
                1 + text
                    .get(at + 1..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(0, char::len_utf8)
            }
        };
    }
    whole
}

const ESCAPE: &str = r"\ufffd";

/// Returns the code unit of the escape that stands there.
fn unit(text: &str, at: usize) -> Option<u32> {
    let digits = text.get(at..at + ESCAPE.len())?.strip_prefix(r"\u")?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pair_is_replaced_and_a_whole_one_is_not() {
        for (given, due) in [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""a\uDE00b""#, r#""a\ufffdb""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\n\ude00""#, r#""\ufffd\n\ufffd""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\\\ud83d""#, r#""\\\ufffd""#),
            (r#""\ud83""#, r#""\ud83""#),
            (r#""\ud83é""#, r#""\ud83é""#),
            (r#""\é\ud83d""#, r#""\é\ufffd""#),
            ("\\", "\\"),
            ("", ""),
        ] {
            assert_eq!(replaced(given), due, "{given}");
        }
        assert_eq!(read::<String>(r#""a\ud83d\u00e9""#).unwrap(), "a\u{fffd}é");
    }

    #[test]
    fn an_error_is_where_it_was() {
        let error = read::<[String; 1]>(r#"["\ud83d", 1]"#).unwrap_err();
        assert_eq!((error.line(), error.column()), (1, 12), "{error}");
    }
}
