//! Where a redirect leads, and what may go there (RFC 9110 §15.4).

use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use url::Url;

use crate::error::one_line;
use crate::{RedirectError, redact};

/// Redirects that are followed in a row before it is an error.
pub(crate) const MOST_REDIRECTS: u8 = 10;

/// Whether this status redirects, so that its `Location` is to be followed.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

/// The request that follows the redirect of `request`, which went to `from`.
///
/// - 303 turns any method but HEAD into GET without content; 301 and 302 do so to POST; 307 and
///   308 keep both (RFC 9110 §15.4.2 to §15.4.9).
/// - When the origin changes, or https becomes http on it, credentials stay behind, and with them
///   every field of the caller's own, which may be one. Those in the query of the old URL are not
///   in the new one unless the server put them there.
/// - A fragment of the old URL is not carried on: it never goes over the wire.
///
/// - Content, which may hold a key, is not carried to another origin: that is an error.
///
/// # Errors
///
/// When there is no `Location`, an empty one, or one that is no http or https URL; or when content
/// would leave the origin.
pub(crate) fn follow(
    request: &Request<bytes::Bytes>,
    from: &Url,
    status: StatusCode,
    fields: &HeaderMap,
) -> Result<(Request<bytes::Bytes>, Url), RedirectError> {
    let location = fields
        .get(header::LOCATION)
        .filter(|location| !location.is_empty())
        .ok_or(RedirectError::NoLocation { status })?;
    let bad = || RedirectError::BadLocation {
        location: one_line(&redact::text(&String::from_utf8_lossy(location.as_bytes()))),
    };
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| bad())?;
    let mut to = from.join(location).map_err(|_| bad())?;
    to.set_fragment(None);
    if !matches!(to.scheme(), "http" | "https") || to.host().is_none() {
        return Err(bad());
    }

    let mut next = request.clone();
    *next.uri_mut() = to.as_str().parse().map_err(|_| bad())?;
    let becomes_get = match status {
        StatusCode::SEE_OTHER => request.method() != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => request.method() == Method::POST,
        _ => false,
    };
    if becomes_get {
        *next.method_mut() = Method::GET;
        next.body_mut().clear();
        for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING] {
            next.headers_mut().remove(name);
        }
    }
    if to.origin() != from.origin() {
        // The content of our calls holds the key too, and can't be told from the caller's.
        if !next.body().is_empty() {
            return Err(RedirectError::ContentElsewhere { status });
        }
        let fields = std::mem::take(next.headers_mut());
        for (name, value) in &fields {
            if OURS.contains(name) || name.as_str().starts_with("sec-websocket-") {
                next.headers_mut().append(name.clone(), value.clone());
            }
        }
    }
    Ok((next, to))
}

/// Fields that say nothing of the caller. Any other may be a credential.
const OURS: [HeaderName; 6] = [
    header::ACCEPT,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_TYPE,
    header::UPGRADE,
    header::USER_AGENT,
];

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn request(method: Method) -> Request<Bytes> {
        Request::builder()
            .method(method)
            .uri("https://a.test/x?apiKey=k")
            .header("authorization", "Bearer k")
            .header("x-api-key", "k")
            .header("x-auth-token", "k")
            .header("accept", "text/event-stream")
            .header("content-type", "application/json")
            .body(Bytes::from_static(b"{}"))
            .unwrap()
    }

    fn go(method: Method, status: u16, location: &str) -> Result<Request<Bytes>, RedirectError> {
        let from = Url::parse("https://a.test/x?apiKey=k").unwrap();
        let mut fields = HeaderMap::new();
        fields.insert(header::LOCATION, location.parse().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        follow(&request(method), &from, status, &fields).map(|(next, _)| next)
    }

    #[test]
    fn the_method_after_a_redirect_is_what_each_status_says() {
        for (method, status, due, content) in [
            (Method::GET, 301, Method::GET, true),
            (Method::GET, 307, Method::GET, true),
            (Method::POST, 301, Method::GET, false),
            (Method::POST, 302, Method::GET, false),
            (Method::POST, 303, Method::GET, false),
            (Method::PATCH, 303, Method::GET, false),
            (Method::PATCH, 302, Method::PATCH, true),
            (Method::DELETE, 301, Method::DELETE, true),
            (Method::POST, 307, Method::POST, true),
            (Method::POST, 308, Method::POST, true),
            (Method::HEAD, 303, Method::HEAD, true),
        ] {
            let next = go(method.clone(), status, "/y").unwrap();
            assert_eq!(next.method(), due, "{method} {status}");
            assert_eq!(!next.body().is_empty(), content, "{method} {status}");
            assert_eq!(next.headers().contains_key("content-type"), content, "{method} {status}");
        }
    }

    #[test]
    fn credentials_stay_behind_when_the_origin_changes() {
        for (location, kept) in [
            ("/y", true),
            ("?z", true),
            ("https://a.test:443/y", true),
            ("https://b.test/y", false),
            ("https://a.test:444/y", false),
            ("http://a.test/y", false),
            ("//b.test/y", false),
            ("https://a.test.b.test/", false),
        ] {
            // 303 drops the content, which else would not leave.
            let next = go(Method::POST, 303, location).unwrap();
            assert_eq!(next.headers().contains_key("authorization"), kept, "{location}");
            assert_eq!(next.headers().contains_key("x-api-key"), kept, "{location}");
            assert_eq!(next.headers().contains_key("x-auth-token"), kept, "{location}");
            assert!(next.headers().contains_key("accept"), "{location}");
            assert!(!next.uri().to_string().contains("apiKey"), "{location}");
        }
    }

    #[test]
    fn content_does_not_leave_the_origin() {
        for (status, location, due) in [
            (307, "https://b.test/", false),
            (308, "http://a.test/", false),
            (303, "https://b.test/", true),
            (307, "/y", true),
        ] {
            let went = go(Method::POST, status, location).is_ok();
            assert_eq!(went, due, "{status} {location}");
        }
    }

    #[test]
    fn a_location_that_leads_nowhere_is_an_error() {
        let status = StatusCode::FOUND;
        assert_eq!(go(Method::GET, 302, "").unwrap_err(), RedirectError::NoLocation { status });
        for location in
            ["ftp://a.test/", "javascript:alert(1)", "https://", "http://[::1", "ws://a.test/"]
        {
            let error = go(Method::GET, 302, location).unwrap_err();
            assert!(matches!(error, RedirectError::BadLocation { .. }), "{location}: {error}");
        }
    }
}
