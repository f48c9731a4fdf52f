//! What a request's URI is on the wire (RFC 9112 §3.2).

use std::borrow::Cow;

use http::Uri;
use http::uri::Authority;

/// Returns host and port, as `Host` has them, without user information (RFC 9110 §4.2.4). `None`
/// for a URI without a host.
pub fn host(uri: &Uri) -> Option<&str> {
    let authority = uri.authority().map(Authority::as_str)?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty() && !host.starts_with(':')).then_some(host)
}

/// Returns path and query, as the request line has them: `/` for an empty path (RFC 9112 §3.2.1).
pub fn origin_form(uri: &Uri) -> Cow<'_, str> {
    match uri.path_and_query().map(http::uri::PathAndQuery::as_str) {
        None => Cow::Borrowed("/"),
        Some(path) if path.starts_with('/') => Cow::Borrowed(path),
        Some(query) => Cow::Owned(format!("/{query}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_host_and_origin_form_without_a_user() {
        for (uri, due) in [
            ("http://a.test", (Some("a.test"), "/")),
            ("http://a.test?x=1", (Some("a.test"), "/?x=1")),
            ("http://me:pass@a.test:81/b?x=@", (Some("a.test:81"), "/b?x=@")),
            ("http://[::1]:81/", (Some("[::1]:81"), "/")),
            ("http://me@:81/", (None, "/")),
            ("/b", (None, "/b")),
        ] {
            let Ok(uri) = uri.parse::<Uri>() else { panic!("{uri}") };
            assert_eq!((host(&uri), &*origin_form(&uri)), due, "{uri}");
        }
    }
}
