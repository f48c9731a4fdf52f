//! UTF-8, checked as it arrives (RFC 6455 §8.1).

/// Checks text that comes in pieces, and fails at the first byte that can't be right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Utf8Check {
    /// The start of a character whose rest has not come: `held` bytes of it, three at most.
    start: [u8; 4],
    held: usize,
    /// How many bytes of whole characters there were.
    whole: usize,
}

/// Bytes that are no UTF-8, at this place in the message: the character's first byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8 {
    pub(crate) at: usize,
}

impl Utf8Check {
    /// Takes the next piece.
    pub(crate) fn feed(&mut self, mut piece: &[u8]) -> Result<(), NotUtf8> {
        while self.held > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            if let Some(free) = self.start.get_mut(self.held) {
                *free = byte;
            }
            self.held += 1;
            piece = rest;
            match std::str::from_utf8(self.start.get(..self.held).unwrap_or_default()) {
                Ok(_) => {
                    self.whole += self.held;
                    self.held = 0;
                }
                Err(error) if error.error_len().is_some() => {
                    return Err(NotUtf8 { at: self.whole });
                }
                Err(_) => {}
            }
        }
        let whole = match simdutf8::compat::from_utf8(piece) {
            Ok(_) => piece.len(),
            Err(error) if error.error_len().is_some() => {
                return Err(NotUtf8 { at: self.whole + error.valid_up_to() });
            }
            Err(error) => error.valid_up_to(),
        };
        let rest = piece.get(whole..).unwrap_or_default();
        for (to, from) in self.start.iter_mut().zip(rest) {
            *to = *from;
        }
        self.held = rest.len();
        self.whole += whole;
        Ok(())
    }

    /// States that the text ends here.
    pub(crate) fn finish(&self) -> Result<(), NotUtf8> {
        if self.held == 0 { Ok(()) } else { Err(NotUtf8 { at: self.whole }) }
    }
}

/// Checks text that came in one piece.
pub(crate) fn check(text: &[u8]) -> Result<(), NotUtf8> {
    if simdutf8::basic::from_utf8(text).is_ok() {
        return Ok(());
    }
    let mut check = Utf8Check::default();
    check.feed(text)?;
    check.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many bytes are taken before the check fails, byte by byte.
    fn taken(bytes: &[u8]) -> usize {
        let mut check = Utf8Check::default();
        bytes.iter().take_while(|&&byte| check.feed(&[byte]).is_ok()).count()
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
        let mut check = Utf8Check::default();
        check.feed(b"ab\xf0\x9f\x98").expect("it can become right");
        assert_eq!(check.finish(), Err(NotUtf8 { at: 2 }));
    }

    proptest! {
        #[test]
        fn any_cut_gives_what_the_whole_gives(
            bytes in prop_oneof![
                "\\PC{0,20}".prop_map(String::into_bytes),
                proptest::collection::vec(any::<u8>(), 0..20),
            ],
            size in 1usize..5,
        ) {
            let mut check = Utf8Check::default();
            let pieces = bytes.chunks(size).try_for_each(|piece| check.feed(piece))
                .and_then(|()| check.finish());
            let whole = super::check(&bytes);
            prop_assert_eq!(whole.is_ok(), std::str::from_utf8(&bytes).is_ok());
            prop_assert_eq!(pieces, whole);
        }
    }
}
