//! Keys in texts that are printed.

/// What stands before a secret in URLs, commands and JSON.
const MARKS: [&str; 6] =
    ["rs_", "apiKey=", "api-key: ", "Bearer ", "apiKey\\\": \\\"", "apiKey\\\":\\\""];

/// `text` with whatever follows a mark of a key, to the end of its word, replaced.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let next = MARKS
            .iter()
            .filter_map(|mark| rest.find(mark).map(|at| (at, at + mark.len())))
            .min_by_key(|&(at, _)| at);
        let Some((_, end)) = next else {
            out.push_str(rest);
            return out;
        };
        out.push_str(rest.get(..end).unwrap_or_default());
        out.push('…');
        let tail = rest.get(end..).unwrap_or_default();
        let word = tail
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '%')))
            .unwrap_or(tail.len());
        rest = tail.get(word..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_mark_is_not_printed() {
        for (text, due) in [
            ("curl -H 'x-api-key: abc' u", "curl -H 'x-api-key: …' u"),
            ("Authorization: Bearer rs_0af'", "Authorization: Bearer …'"),
            ("http://s/?apiKey=k1&a=b", "http://s/?apiKey=…&a=b"),
            ("rs_0123abcd, rs_ff", "rs_…, rs_…"),
            ("orders", "orders"),
        ] {
            assert_eq!(redact(text), due);
        }
    }
}
