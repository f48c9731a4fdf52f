//! The fields that mean something (WHATWG HTML §9.2.6). All others, and comments, are ignored.

/// A field by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Data,
    Event,
    Id,
    Retry,
}

impl Field {
    /// Returns the field of a whole line and where its value starts; `None` for a comment and for a
    /// name that means nothing.
    #[inline]
    pub(super) fn of(line: &[u8]) -> Option<(Self, usize)> {
        let (field, after_name) = match line {
            [b'd', b'a', b't', b'a', after @ ..] => (Self::Data, after),
            [b'e', b'v', b'e', b'n', b't', after @ ..] => (Self::Event, after),
            [b'i', b'd', after @ ..] => (Self::Id, after),
            [b'r', b'e', b't', b'r', b'y', after @ ..] => (Self::Retry, after),
            _ => return None,
        };
        let value = match after_name {
            // A line without a colon is a field with an empty value.
            [] => after_name,
            [b':', b' ', value @ ..] | [b':', value @ ..] => value,
            _ => return None,
        };
        Some((field, line.len() - value.len()))
    }

    /// Whether the start of a line leaves open which field the line is, or where its value starts.
    /// True only for up to [`LONGEST_OPEN_START`] bytes.
    pub(super) fn is_open(start: &[u8]) -> bool {
        NAMES_WITH_COLON.iter().any(|name| name.starts_with(start))
    }
}

/// The most bytes of a line that leave open which field the line is: after the colon a space may
/// follow.
pub(super) const LONGEST_OPEN_START: usize = 6;

const NAMES_WITH_COLON: [&[u8]; 4] = [b"data:", b"event:", b"id:", b"retry:"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_exactly() {
        for line in ["Data:x", " data:x", "data :x", "datax:x", "dat:x", "idx", "i", ":data:x", ""]
        {
            assert_eq!(Field::of(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn one_space_after_the_colon_is_not_part_of_the_value() {
        assert_eq!(Field::of(b"data:x"), Some((Field::Data, 5)));
        assert_eq!(Field::of(b"event: x"), Some((Field::Event, 7)));
        assert_eq!(Field::of(b"id:  x"), Some((Field::Id, 4)));
        assert_eq!(Field::of(b"retry:\tx"), Some((Field::Retry, 6)));
    }

    #[test]
    fn a_line_without_a_colon_has_an_empty_value() {
        assert_eq!(Field::of(b"data"), Some((Field::Data, 4)));
        assert_eq!(Field::of(b"id:"), Some((Field::Id, 3)));
    }

    #[test]
    fn a_start_is_open_until_its_value_begins() {
        for start in ["", "d", "data", "data:", "retry:", "i", "id:"] {
            assert!(Field::is_open(start.as_bytes()), "{start}");
            assert!(start.len() <= LONGEST_OPEN_START);
        }
        for start in ["x", ":", "data: ", "data:x", "datax", "ide"] {
            assert!(!Field::is_open(start.as_bytes()), "{start}");
        }
    }
}
