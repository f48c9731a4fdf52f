//! What of a text may be printed: everything but keys, and what may hold them.

/// Stands where something was left out.
const HIDDEN: &str = "…";

/// Text of the service's, such as a command line, a URL or JSON: what looks like a key, or stands
/// where keys do, is left out. It may be escaped as `Debug` or a URL does it.
pub(crate) fn text(text: &str) -> String {
    // The same offsets as in `text`.
    let lower = text.to_ascii_lowercase();
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(rest) = lower.get(at..) {
        let Some(first) = rest.chars().next() else { break };
        let Some((from, to)) = secret_ahead(&lower, at) else {
            let next = at + first.len_utf8();
            shown.push_str(text.get(at..next).unwrap_or_default());
            at = next;
            continue;
        };
        shown.push_str(text.get(at..from).unwrap_or_default());
        shown.push_str(HIDDEN);
        at = to;
    }
    shown
}

/// Where the secret lies that what stands at `at` announces.
fn secret_ahead(lower: &str, at: usize) -> Option<(usize, usize)> {
    let rest = lower.get(at..)?;
    let before = lower.get(..at)?;
    if rest.starts_with("rs_") {
        let value = rest.get(3..)?;
        let len = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
        return (len > 0 && starts_word(before)).then_some((at + 3, at + 3 + len));
    }
    if before.ends_with("://") {
        let end = rest.find(|c: char| "/?#\"'\\ ".contains(c) || c.is_control());
        let user = rest.get(..end.unwrap_or(rest.len()))?.rfind('@')?;
        return (user > 0).then_some((at, at + user));
    }
    if before.ends_with(['?', '&']) {
        let name = ["headers=", "body="].into_iter().find(|name| rest.starts_with(name));
        if let Some(name) = name {
            let value = rest.get(name.len()..)?;
            let len = value.find(ENDS).unwrap_or(value.len());
            return (len > 0).then_some((at + name.len(), at + name.len() + len));
        }
    }
    let name = NAMES.into_iter().find(|name| rest.starts_with(name))?;
    // A scheme stands between the header's name and the credentials (RFC 9110 §11.4).
    let ends = if name == "authorization" { LINE_ENDS } else { ENDS };
    let after = rest.get(name.len()..)?;
    let (gap, mut assigned) = separators(after);
    assigned |= name == "bearer" && gap > 0 && starts_word(before);
    let value = after.get(gap..)?;
    let len = value.find(ends).unwrap_or(value.len());
    let from = at + name.len() + gap;
    (assigned && len > 0).then_some((from, from + len))
}

/// How long the separators are that a value comes after, and whether one of them assigns.
fn separators(text: &str) -> (usize, bool) {
    let (mut len, mut assigned) = (0, false);
    while let Some(rest) = text.get(len..) {
        let (step, assigns) = match rest.as_bytes() {
            [b':' | b'=', ..] => (1, true),
            [b' ' | b'"' | b'\'' | b'\\' | b'+', ..] => (1, false),
            [b'%', b'3', b'a' | b'd', ..] => (3, true),
            [b'%', b'2', b'0' | b'2' | b'7', ..] => (3, false),
            _ => break,
        };
        len += step;
        assigned |= assigns;
    }
    (len, assigned)
}

/// Whether a word may start here: `rs_1` is a key, `users_1` is none.
fn starts_word(before: &str) -> bool {
    let mut last = before.bytes().rev();
    match last.next() {
        Some(byte) if byte.is_ascii_alphanumeric() => {
            // Or the end of a percent-encoded byte.
            byte.is_ascii_hexdigit()
                && last.next().is_some_and(|byte| byte.is_ascii_hexdigit())
                && last.next() == Some(b'%')
        }
        _ => true,
    }
}

/// What a key comes after, in lower case.
const NAMES: [&str; 5] = ["api-key", "api_key", "apikey", "authorization", "bearer"];
/// What ends a value.
const ENDS: &[char] = &['"', '\'', '&', '#', '\\', '\n', ' ', ',', ';', ')', '}'];
/// What ends a value that may hold spaces.
const LINE_ENDS: &[char] = &['"', '\'', '&', '\\', '\n'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_text_are_left_out_and_the_rest_stays() {
        for (given, due) in [
            ("curl -H 'X-API-Key:k1' https://s", "curl -H 'X-API-Key:…' https://s"),
            ("-H \"Authorization: Basic abc def\" -N", "-H \"Authorization: …\" -N"),
            ("key rs_12AB, and users_12", "key rs_…, and users_12"),
            ("https://s/?url=u&apiKey=secret&x=1", "https://s/?url=u&apiKey=…&x=1"),
            ("q=Bearer%20rs_12ab%22", "q=Bearer%20…"),
            ("{\"apiKey\": \"secret\", \"b\": 1}", "{\"apiKey\": \"…\", \"b\": 1}"),
            (r#""{\"apiKey\":\"secret\"}""#, r#""{\"apiKey\":\"…\"}""#),
            ("https://s/?headers=%7B%22a%22%7D&b=1 x", "https://s/?headers=…&b=1 x"),
            ("http://me:pass@s.test/a@b", "http://…@s.test/a@b"),
            ("process.env.RESTLESS_API_KEY)", "process.env.RESTLESS_API_KEY)"),
            ("grüße 日本", "grüße 日本"),
            ("", ""),
        ] {
            assert_eq!(text(given), due, "{given}");
        }
    }
}
