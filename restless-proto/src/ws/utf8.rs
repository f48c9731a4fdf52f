//! UTF-8, checked as it arrives (RFC 6455 §8.1).

/// Bytes that are no UTF-8, at this place in the message: the first byte of the wrong character.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8 {
    pub(crate) at: usize,
}

/// Returns the text, where the bytes are one.
#[inline]
pub(crate) fn check(text: &[u8]) -> Result<&str, NotUtf8> {
    match simdutf8::basic::from_utf8(text) {
        Ok(text) => Ok(text),
        Err(_) => Err(first_fault(text)),
    }
}

#[cold]
fn first_fault(text: &[u8]) -> NotUtf8 {
    let error = simdutf8::compat::from_utf8(text).err();
    NotUtf8 { at: error.map_or(text.len(), |error| error.valid_up_to()) }
}

/// Checks on from here, and returns how far whole characters go: the bytes behind may still become
/// a character.
pub(crate) fn check_start(text: &[u8], from: usize) -> Result<usize, NotUtf8> {
    match simdutf8::compat::from_utf8(text.get(from..).unwrap_or_default()) {
        Ok(_) => Ok(text.len()),
        Err(error) if error.error_len().is_some() => {
            Err(NotUtf8 { at: from + error.valid_up_to() })
        }
        Err(error) => Ok(from + error.valid_up_to()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns how many bytes are taken before the check fails, byte by byte.
    fn taken(bytes: &[u8]) -> usize {
        let mut checked = 0;
        let good = (1..=bytes.len()).take_while(|&end| {
            let now = check_start(&bytes[..end], checked);
            checked = now.as_ref().map_or(checked, |&whole| whole);
            now.is_ok()
        });
        good.count()
    }

    #[test]
    fn the_first_byte_that_cannot_be_right_fails() {
        assert_eq!(taken(b"\xc0\x80"), 0, "overlong by its first byte");
        assert_eq!(taken(b"\xe0\x80\x80"), 1, "overlong by its second");
        assert_eq!(taken(b"\xed\xa0\x80"), 1, "a surrogate");
        assert_eq!(taken(b"\xf4\x90\x80\x80"), 1, "above U+10FFFF");
        assert_eq!(taken(b"\xf5\x80\x80\x80"), 0, "above U+10FFFF");
        assert_eq!(taken(b"a\xe2\x82b"), 3, "cut short");
        assert_eq!(taken("κόσμε".as_bytes()), "κόσμε".len());
    }

    #[test]
    fn a_text_that_ends_within_a_character_is_none() {
        assert_eq!(check_start(b"ab\xf0\x9f\x98", 0), Ok(2), "it can become right");
        assert_eq!(check(b"ab\xf0\x9f\x98"), Err(NotUtf8 { at: 2 }));
    }

    proptest! {
        #[test]
        fn a_check_from_where_the_last_one_ended_gives_what_the_whole_gives(
            bytes in prop_oneof![
                "\\PC{0,20}".prop_map(String::into_bytes),
                proptest::collection::vec(any::<u8>(), 0..20),
            ],
            size in 1usize..5,
        ) {
            let mut checked = Ok(0);
            for end in (0..bytes.len()).step_by(size).chain([bytes.len()]) {
                checked = checked.and_then(|from| check_start(&bytes[..end], from));
            }
            prop_assert_eq!(check(&bytes).is_ok(), std::str::from_utf8(&bytes).is_ok());
            match check(&bytes) {
                Ok(_) => prop_assert_eq!(checked, Ok(bytes.len())),
                Err(NotUtf8 { at }) => match checked {
                    Ok(whole) => prop_assert!(whole == at && bytes.len() - at < 4),
                    Err(error) => prop_assert_eq!(error.at, at),
                },
            }
        }
    }
}
