//! UTF-8, checked as it arrives (RFC 6455 §8.1).

/// Bytes that are no UTF-8, at this place in the message: the character's first byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8 {
    pub(crate) at: usize,
}

/// The text, where it is one.
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

/// Checks on from here, and says how far whole characters go: what is behind can become one yet.
pub(crate) fn check_start(text: &[u8], from: usize) -> Result<usize, NotUtf8> {
    match simdutf8::compat::from_utf8(text.get(from..).unwrap_or_default()) {
        Ok(_) => Ok(text.len()),
        Err(error) if error.error_len().is_some() => {
            Err(NotUtf8 { at: from + error.valid_up_to() })
        }
        Err(error) => Ok(from + error.valid_up_to()),
    }
}

/// Text that comes in pieces, checked as it comes, once.
#[derive(Debug, Default)]
pub(crate) struct TextBuffer {
    /// What is checked.
    text: String,
    /// The start of a character whose rest has not come: `held` bytes of it, three at most.
    start: [u8; 4],
    held: usize,
}

impl TextBuffer {
    /// Appends the next piece.
    ///
    /// # Errors
    ///
    /// At the first byte that can't be right.
    #[inline]
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), NotUtf8> {
        if self.held == 0 {
            if let Ok(text) = simdutf8::basic::from_utf8(piece) {
                self.text.push_str(text);
                return Ok(());
            }
        }
        self.push_cut(piece)
    }

    /// States that the text ends here.
    pub(crate) fn finish(&self) -> Result<(), NotUtf8> {
        if self.held == 0 { Ok(()) } else { Err(NotUtf8 { at: self.text.len() }) }
    }

    /// The text so far, for whoever takes it or makes room in it.
    pub(crate) fn text(&mut self) -> &mut String {
        &mut self.text
    }

    /// Room for this many bytes, without asking for memory.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.text.capacity() - self.text.len()
    }

    /// Starts again, with an empty text.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.held = 0;
    }

    /// The same where a character is cut, or is none.
    #[cold]
    fn push_cut(&mut self, mut piece: &[u8]) -> Result<(), NotUtf8> {
        while self.held > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            if let Some(free) = self.start.get_mut(self.held) {
                *free = byte;
            }
            self.held += 1;
            piece = rest;
            match std::str::from_utf8(self.start.get(..self.held).unwrap_or_default()) {
                Ok(character) => {
                    self.text.push_str(character);
                    self.held = 0;
                }
                Err(error) if error.error_len().is_some() => {
                    return Err(NotUtf8 { at: self.text.len() });
                }
                Err(_) => {}
            }
        }
        let (whole, wrong) = match simdutf8::compat::from_utf8(piece) {
            Ok(_) => (piece.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_some()),
        };
        if wrong {
            return Err(NotUtf8 { at: self.text.len() + whole });
        }
        let (whole, rest) = piece.split_at(whole);
        self.text.push_str(simdutf8::basic::from_utf8(whole).unwrap_or_default());
        for (to, from) in self.start.iter_mut().zip(rest) {
            *to = *from;
        }
        self.held = rest.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many bytes are taken before the check fails, byte by byte.
    fn taken(bytes: &[u8]) -> usize {
        let mut joined = TextBuffer::default();
        bytes.iter().take_while(|&&byte| joined.push(&[byte]).is_ok()).count()
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
        let mut joined = TextBuffer::default();
        joined.push(b"ab\xf0\x9f\x98").expect("it can become right");
        assert_eq!(joined.finish(), Err(NotUtf8 { at: 2 }));
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
            let mut joined = TextBuffer::default();
            let pieces = bytes.chunks(size).try_for_each(|piece| joined.push(piece))
                .and_then(|()| joined.finish());
            let whole = check(&bytes);
            prop_assert_eq!(whole.is_ok(), std::str::from_utf8(&bytes).is_ok());
            prop_assert_eq!(pieces, whole.map(|_| ()));
            if let Ok(text) = check(&bytes) {
                prop_assert_eq!(joined.text(), text);
            }
        }

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
