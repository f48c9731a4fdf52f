//! What a `Content-Type` says.

use http::{HeaderMap, header};

/// Whether the content is an event stream: the essence is `text/event-stream` without regard to
/// case; parameters, a charset among them, change nothing (WHATWG HTML §9.2.3; an event stream is
/// always UTF-8, §9.2.5).
pub(crate) fn is_event_stream(fields: &HeaderMap) -> bool {
    let Some(value) = fields.get(header::CONTENT_TYPE) else { return false };
    let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// Whether text says that it is in ISO 8859-1, the one old charset that proxies still write errors
/// in.
pub(crate) fn is_latin1(fields: &HeaderMap) -> bool {
    let value = fields.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().split(';').skip(1).any(|parameter| {
        let (name, charset) = parameter.split_once('=').unwrap_or_default();
        let charset = charset.trim().trim_matches('"').replace(['-', '_'], "").to_ascii_lowercase();
        name.trim().eq_ignore_ascii_case("charset")
            && matches!(charset.as_str(), "iso88591" | "latin1" | "l1")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let mut fields = HeaderMap::new();
            fields.insert(header::CONTENT_TYPE, value.parse().unwrap());
            assert_eq!(is_event_stream(&fields), due, "{value:?}");
        }
        assert!(!is_event_stream(&HeaderMap::new()));
    }
}
