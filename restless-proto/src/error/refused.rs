//! Refusals, and what they say.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;

use crate::json::object::Object;
use crate::json::surrogate;
use crate::kinds::LongUrl;
use crate::limits::Limits;
use crate::machine::ForwardedBy;
use crate::redact::shown;
use crate::redact::{self, Keys};
use crate::semantics::media_type::is_latin1;
use crate::semantics::request_id;
use crate::semantics::retry_after::retry_after;

/// The service answered and said no: to a call by a status outside 2xx, to a subscription by any
/// status but 200.
///
/// A service may repeat what it was told: `Debug` and `Display` leave out the keys that went out
/// with the request, and what looks like a key.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} refused with {status}{}{}", Who(.forwarded_by.as_ref()), LongUrl(*.long_url), Message(&.shown.0))]
pub struct Refused {
    status: StatusCode,
    message: String,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    excerpt: Bytes,
    forwarded_by: Option<ForwardedBy>,
    /// The length of the URL, where that may be the reason.
    long_url: Option<usize>,
    /// The message and the id without keys.
    shown: (String, Option<String>),
}

/// Who may have refused.
struct Who<'a>(Option<&'a ForwardedBy>);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(by) => write!(f, "the service, or the proxy {},", by.proxy()),
            None => f.write_str("the service"),
        }
    }
}

/// Prints the peer's words behind a colon, in one line, keys hidden; nothing where the peer was
/// silent.
pub(super) struct Message<'a>(pub(super) &'a str);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", shown(self.0)) }
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("status", &self.status)
            .field("message", &self.shown.0)
            .field("request_id", &self.shown.1)
            .field("retry_after", &self.retry_after)
            .field("excerpt", &format_args!("{} bytes", self.excerpt.len()))
            .field("forwarded_by", &self.forwarded_by)
            .finish()
    }
}

impl Refused {
    /// Reads a refusal; `content` is the part of the content that was read. The message is cut at
    /// the excerpt's limit.
    pub(crate) fn from_response(head: &Parts, content: &[u8], limits: &Limits) -> Self {
        let end = content.len().min(limits.excerpt_bytes);
        let mut message = message(&head.headers, content);
        truncate(&mut message, limits.excerpt_bytes);
        let request_id = request_id(&head.headers);
        Self {
            status: head.status,
            shown: (redact::redacted(&message), request_id.as_deref().map(redact::redacted)),
            message,
            request_id,
            retry_after: retry_after(&head.headers),
            excerpt: Bytes::copy_from_slice(content.get(..end).unwrap_or_default()),
            forwarded_by: head.extensions.get().cloned(),
            long_url: None,
        }
    }

    pub(super) fn blame_long_url(&mut self, bytes: usize) {
        let may_be_why = matches!(
            self.status,
            StatusCode::BAD_REQUEST
                | StatusCode::URI_TOO_LONG
                | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        );
        self.long_url = Some(bytes).filter(|_| may_be_why);
    }

    pub(super) fn redact(&mut self, keys: &Keys) {
        let (message, request_id) = &mut self.shown;
        *message = keys.redacted(&self.message);
        *request_id = self.request_id.as_deref().map(|id| keys.redacted(id));
    }

    /// Returns the status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns what the answer's content says: the `message` of the JSON object where there is one,
    /// else the JSON value or the text itself.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the answer's `x-request-id` (or `request-id`) field, where there is one.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns how long the service asks to wait (RFC 9110 §10.2.3). A date is read against the
    /// same answer's `Date`.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns the proxy that was given the request whole, where there was one: the refusal may be
    /// the proxy's own.
    pub fn forwarded_by(&self) -> Option<&str> {
        self.forwarded_by.as_ref().map(ForwardedBy::proxy)
    }

    /// Returns the first bytes of the answer's content, at most
    /// [`Limits::excerpt_bytes`](crate::Limits::excerpt_bytes).
    pub fn excerpt(&self) -> &Bytes {
        &self.excerpt
    }
}

/// Returns the `message` of a JSON object, else the JSON value, else the text. A message that is no
/// text in JSON is given as JSON.
fn message(fields: &HeaderMap, content: &[u8]) -> String {
    match raw_json(content) {
        Some(value) => {
            let said = match surrogate::read::<Object>(value.get()) {
                Ok(mut object) => object.take("message").unwrap_or(value),
                Err(_) => value,
            };
            surrogate::read(said.get()).unwrap_or_else(|_| said.get().to_owned())
        }
        None if is_latin1(fields) => content.iter().copied().map(char::from).collect(),
        None => String::from_utf8_lossy(content).into_owned(),
    }
}

/// Reads JSON, which is UTF-8 whatever the type says (RFC 8259 §8.1); a byte order mark before the
/// JSON is passed over.
fn raw_json(content: &[u8]) -> Option<Box<RawValue>> {
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    serde_json::from_slice(text).ok()
}

fn truncate(text: &mut String, longest: usize) {
    let mut end = longest.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(content_type: &str, content: &[u8]) -> Refused {
        let response = http::Response::builder()
            .status(503)
            .header("content-type", content_type)
            .header("x-request-id", "req_1")
            .header("retry-after", "3");
        let head = response.body(()).unwrap().into_parts().0;
        Refused::from_response(&head, content, &Limits::default().excerpt_bytes(16))
    }

    #[test]
    fn the_message_is_a_text_whatever_it_was() {
        for (content_type, content, due) in [
            ("text/plain", &br#"{"message":"a"}"#[..], "a"),
            ("", br#" {"message":[1.0]} "#, "[1.0]"),
            ("", br#"{"error":1}"#, r#"{"error":1}"#),
            ("", b"\xef\xbb\xbf\"a\"", "a"),
            ("", br#"{"message":"a\ud83d"}"#, "a\u{fffd}"),
            ("", br#"{"\ude00":1,"message":"a"}"#, "a"),
            ("text/plain; charset=ISO-8859-1", b"{\"message\":\"\xe9\"}", "{\"message\":\"é\"}"),
            ("text/plain", b"caf\xe9", "caf\u{fffd}"),
            ("", b"", ""),
        ] {
            assert_eq!(refused(content_type, content).message(), due);
        }
    }

    #[test]
    fn message_and_excerpt_are_bounded_and_cut_between_characters() {
        let refused = refused("text/plain", "123456789012345é and more".as_bytes());
        assert_eq!(refused.message(), "123456789012345");
        assert_eq!(refused.excerpt().len(), 16);
    }

    #[test]
    fn a_refusal_that_may_be_a_proxy_s_names_both() {
        let response = http::Response::builder()
            .status(401)
            .extension(ForwardedBy::new("http://proxy.test:3128"));
        let head = response.body(()).unwrap().into_parts().0;
        let refused = Refused::from_response(&head, b"", &Limits::default());
        let due = "the service, or the proxy http://proxy.test:3128, refused with 401 Unauthorized";
        assert_eq!(refused.to_string(), due);
        assert_eq!(refused.forwarded_by(), Some("http://proxy.test:3128"));
    }

    #[test]
    fn it_says_what_to_do_and_prints_no_key() {
        let refused = refused("", br#"{"message":"no key rs_12ab34cd"}"#);
        assert_eq!(refused.request_id(), Some("req_1"));
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(3)));
        assert_eq!(refused.message(), "no key rs_12ab34");
        let shown = format!("{refused} {refused:?}");
        assert!(shown.contains("503 Service Unavailable: no key rs_…"), "{shown}");
        assert!(!shown.contains("12ab"), "{shown}");
    }
}
