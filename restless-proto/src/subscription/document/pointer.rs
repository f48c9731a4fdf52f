//! JSON Pointers (RFC 6901).

/// Returns the reference tokens of a pointer, decoded; `None` for a text that is no pointer.
pub(super) fn tokens(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    pointer.strip_prefix('/')?.split('/').map(token).collect()
}

/// Decodes a token: `~1` is a slash and `~0` a tilde (§4); a tilde before anything else is an
/// error.
fn token(escaped: &str) -> Option<String> {
    let mut parts = escaped.split('~');
    let mut token = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.as_bytes().first() {
            Some(b'0') => token.push('~'),
            Some(b'1') => token.push('/'),
            _ => return None,
        }
        token.push_str(part.get(1..).unwrap_or_default());
    }
    Some(token)
}

/// Adds a reference token to a pointer.
pub(super) fn push(pointer: &mut String, token: &str) {
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

/// Whether a place is another one, or stands in it.
pub(super) fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the place that a place stands in; all of the document stands in itself.
pub(super) fn parent(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Reads an index into an array (§4): digits without leading zeros.
pub(super) fn index(token: &str) -> Option<usize> {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    let spelt = digits && (token == "0" || !token.starts_with('0'));
    if spelt { token.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_decoded_and_spelt_back() {
        let pointer = "/a~1b/~0/~01//0";
        let tokens = tokens(pointer).unwrap();
        assert_eq!(tokens, ["a/b", "~", "~1", "", "0"]);
        let mut spelt = String::new();
        tokens.iter().for_each(|token| push(&mut spelt, token));
        assert_eq!(spelt, pointer);
    }

    #[test]
    fn what_is_no_pointer_is_none() {
        for text in ["a", "/~", "/~2", "/a~"] {
            assert_eq!(tokens(text), None, "{text}");
        }
    }

    #[test]
    fn an_index_has_no_sign_no_blank_and_no_leading_zero() {
        assert_eq!((index("0"), index("10")), (Some(0), Some(10)));
        for text in ["", "-", "00", "01", "+1", "-1", " 1", "1e0", "99999999999999999999999"] {
            assert_eq!(index(text), None, "{text}");
        }
    }
}
