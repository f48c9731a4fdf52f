//! One line of an event stream.

/// What a line says (WHATWG HTML §9.2.6); comments and unknown fields say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Data,
    Event,
    Id,
    Retry,
}

const KNOWN: [(Field, &[u8]); 4] = [
    (Field::Data, b"data"),
    (Field::Event, b"event"),
    (Field::Id, b"id"),
    (Field::Retry, b"retry"),
];

/// The field of a line and where its value starts: behind the colon and one space.
pub(super) fn parse(line: &[u8]) -> Option<(Field, usize)> {
    // The names differ in their first letter.
    let (field, name) = KNOWN.iter().find(|(_, name)| name.first() == line.first())?;
    let rest = line.strip_prefix(*name)?;
    let value = match rest {
        [] => name.len(),
        [b':', b' ', ..] => name.len() + 2,
        [b':', ..] => name.len() + 1,
        _ => return None,
    };
    Some((*field, value))
}

/// Whether a line that starts so can be one of a known field: else nobody needs to remember it.
pub(super) fn may_matter(start: &[u8]) -> bool {
    start.is_empty()
        || KNOWN.iter().any(|(_, name)| match start.strip_prefix(*name) {
            Some(rest) => rest.first().is_none_or(|&byte| byte == b':'),
            None => name.starts_with(start),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_starts_behind_the_colon_and_one_space() {
        for (line, due) in [
            ("data", Some((Field::Data, ""))),
            ("data:", Some((Field::Data, ""))),
            ("data: ", Some((Field::Data, ""))),
            ("data:x", Some((Field::Data, "x"))),
            ("data:  x", Some((Field::Data, " x"))),
            ("id: 1:2", Some((Field::Id, "1:2"))),
            ("event:x", Some((Field::Event, "x"))),
            ("retry: 5", Some((Field::Retry, "5"))),
            (" data: x", None),
            ("data : x", None),
            ("datax: x", None),
            ("Data: x", None),
            (": comment", None),
            (":", None),
            ("e", None),
        ] {
            let seen = parse(line.as_bytes()).map(|(field, at)| (field, &line[at..]));
            assert_eq!(seen, due, "{line:?}");
        }
    }

    #[test]
    fn a_line_that_can_t_be_a_field_s_is_known_by_its_start() {
        for (start, due) in [
            ("", true),
            ("d", true),
            ("data", true),
            ("data: x", true),
            ("id", true),
            ("datax", false),
            (":", false),
            (": data", false),
            ("x", false),
            ("evil", false),
        ] {
            assert_eq!(may_matter(start.as_bytes()), due, "{start:?}");
        }
    }
}
