//! What a `Content-Type` says.

use std::borrow::Cow;

use http::{HeaderMap, header};

/// Whether the content is an event stream. The essence is `text/event-stream` without regard to
/// case; parameters, a charset among them, are passed over (WHATWG HTML §9.2.3; an event stream is
/// always UTF-8, §9.2.5).
pub(crate) fn is_event_stream(fields: &HeaderMap) -> bool {
    let text = content_type(fields).unwrap_or_default();
    MimeType::of(&text).is_some_and(|found| found.essence == "text/event-stream")
}

/// Whether the type of a text is ISO 8859-1, the one old charset in which proxies still write
/// errors.
pub(crate) fn is_latin1(fields: &HeaderMap) -> bool {
    let text = content_type(fields).unwrap_or_default();
    let charset = MimeType::of(&text).and_then(|found| found.charset).unwrap_or_default();
    let label = charset.replace(['-', '_'], "").to_ascii_lowercase();
    matches!(label.as_str(), "iso88591" | "latin1" | "l1")
}

/// Returns all that the field says, over as many lines as it has; `None` where the field is
/// missing.
pub(crate) fn content_type(fields: &HeaderMap) -> Option<String> {
    let lines = fields.get_all(header::CONTENT_TYPE).into_iter();
    let lines: Vec<Cow<'_, str>> =
        lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    if lines.is_empty() { None } else { Some(lines.join(", ")) }
}

/// A MIME type (WHATWG MIME Sniffing §3), as far as this crate needs it.
#[derive(Debug, PartialEq, Eq)]
struct MimeType<'a> {
    /// Type and subtype, in lower case.
    essence: String,
    /// The parameter `charset`.
    charset: Option<Cow<'a, str>>,
}

impl<'a> MimeType<'a> {
    /// Returns the type of a response, by all that its field says. Of several types, the last that
    /// is valid counts. Where that type has no charset, the types right before it with the same
    /// essence are looked at, and the charset of the first of them counts (WHATWG Fetch §3.6,
    /// "extract a MIME type").
    fn of(text: &'a str) -> Option<Self> {
        let mut found: Option<Self> = None;
        // Where that type is the one before it again, the charset of the first of them.
        let mut first_charset = None;
        for value in split(text, ',') {
            let Some(mut next) = Self::parse(value).filter(|next| next.essence != "*/*") else {
                continue;
            };
            if found.as_ref().is_none_or(|before| before.essence != next.essence) {
                first_charset = next.charset.take();
            }
            found = Some(next);
        }
        let found = found?;
        Some(Self { charset: found.charset.or(first_charset), ..found })
    }

    /// Reads one type (WHATWG MIME Sniffing §4.4).
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = split(text, ';');
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let (kind, subtype) = (kind.trim_start_matches(BLANK), subtype.trim_end_matches(BLANK));
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let charset = parts.find_map(|parameter| {
            let (name, value) = parameter.trim_start_matches(BLANK).split_once('=')?;
            unquote(value).filter(|_| name.eq_ignore_ascii_case("charset"))
        });
        Some(Self { essence: format!("{kind}/{subtype}").to_ascii_lowercase(), charset })
    }
}

/// White space within a field (RFC 9110 §5.6.3), and the line ends that Fetch counts as such.
const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// Splits a text at separators; a separator within quotes is passed over (RFC 9110 §5.6.4).
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |char| {
        match char {
            _ if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = quoted,
            _ => {}
        }
        char == separator && !quoted
    })
}

/// Returns a parameter's value, `None` for an empty one. The value ends at its closing quote.
fn unquote(value: &str) -> Option<Cow<'_, str>> {
    let Some(quoted) = value.strip_prefix('"') else {
        let text = value.trim_end_matches(BLANK);
        return (!text.is_empty()).then_some(Cow::Borrowed(text));
    };
    let mut text = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next() {
            None | Some('"') => return Some(Cow::Owned(text)),
            Some('\\') => text.push(chars.next().unwrap_or('\\')),
            Some(char) => text.push(char),
        }
    }
}

/// Whether a text is a token (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(of_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[&str]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append(header::CONTENT_TYPE, line.parse().unwrap());
        }
        fields
    }

    #[test]
    fn only_the_essence_counts_and_its_case_does_not() {
        for (value, due) in [
            ("text/event-stream", true),
            ("Text/Event-Stream", true),
            ("text/event-stream;", true),
            ("text/event-stream ; charset=windows-1252", true),
            ("text/event-stream;charset=utf-8", true),
            ("text/x-bogus", false),
            ("x bogus", false),
            ("application/text/event-stream-x", false),
            ("text/event-streams", false),
            ("", false),
        ] {
            assert_eq!(is_event_stream(&fields(&[value])), due, "{value:?}");
        }
        assert!(!is_event_stream(&HeaderMap::new()));
    }

    #[test]
    fn of_several_types_the_last_that_is_one_counts() {
        for (lines, due) in [
            (&["text/event-stream, text/event-stream"][..], true),
            (&["text/event-stream", "text/event-stream"], true),
            (&["text/html, text/event-stream"], true),
            (&["text/html", "text/event-stream;charset=utf-8"], true),
            (&["text/event-stream, text/html"], false),
            (&["text/event-stream", "text/html"], false),
            (&["text/event-stream, */*"], true),
            (&["text/event-stream,*/*;charset=gbk"], true),
            (&["text/event-stream, cannot-parse"], true),
            (&["text/event-stream", ""], true),
            (&[",text/event-stream,"], true),
            (&["text/html;x=\", text/event-stream", "text/plain\""], false),
            (&["text/html;x=\"\\\",\", text/event-stream"], true),
            (&["text/html;x=\", text/event-stream"], false),
        ] {
            assert_eq!(is_event_stream(&fields(lines)), due, "{lines:?}");
        }
    }

    #[test]
    fn a_charset_is_carried_over_to_the_same_essence_alone() {
        for (lines, due) in [
            (&["text/html;charset=latin1"][..], Some("latin1")),
            (&["text/html;charset=\"gbk\"", "text/html;x=y"], Some("gbk")),
            (&["text/html;charset=gbk;a=b, text/html"], Some("gbk")),
            (&["text/html;charset=gbk, text/html;charset=utf-8"], Some("utf-8")),
            (&["text/html;charset=gbk, text/html;charset=utf-8, text/html"], Some("gbk")),
            (&["text/html;charset=gbk, text/plain"], None),
            (&["text/html;charset=gbk, text/html;charset=\"\""], Some("")),
            (&["text/html;charset=gbk, x/x, text/html;x=y"], None),
            (&["text/html;charset=gbk, */*, text/html"], Some("gbk")),
            (&["text/plain;x=\";charset=gbk\""], None),
            (&["text/plain;charset=;charset=gbk"], Some("gbk")),
            (&["text/plain; Charset=\"a\\\"b\" "], Some("a\"b")),
        ] {
            let text = content_type(&fields(lines)).unwrap();
            let found = MimeType::of(&text).and_then(|found| found.charset);
            assert_eq!(found.as_deref(), due, "{lines:?}");
        }
    }
}
