//! Which pages of a browser may use the emulator: those that this machine serves itself (WHATWG
//! Fetch §3.3, CORS).

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use url::{Host, Url};

use crate::body::Source;
use crate::reply::Reply;

/// What a browser asks before it lets a page of the web reach this machine, and its answer.
const PRIVATE_NETWORK: (HeaderName, HeaderName) = (
    HeaderName::from_static("access-control-request-private-network"),
    HeaderName::from_static("access-control-allow-private-network"),
);

/// Returns the answer to a browser that asks whether a page may make a request, if this request
/// asks so.
pub(crate) fn preflight(parts: &Parts) -> Option<Reply> {
    let origin = of(&parts.headers)?;
    if parts.method != Method::OPTIONS || !parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    {
        return None;
    }
    if !is_loopback(origin) {
        return Some(Reply::error(StatusCode::FORBIDDEN, "Only pages of this machine are let in"));
    }
    let mut reply = Reply::new(StatusCode::NO_CONTENT, Source::Bytes(Bytes::new()))
        .with(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PATCH, DELETE"))
        .with(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    if let Some(asked) = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        reply = reply.with(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    let (asked, allowed) = PRIVATE_NETWORK;
    if parts.headers.contains_key(asked) {
        reply = reply.with(allowed, HeaderValue::from_static("true"));
    }
    Some(reply)
}

/// Lets a page of this machine read the answer to this request.
pub(crate) fn allow(parts: &Parts, reply: &mut Reply) {
    let Some(origin) = of(&parts.headers).filter(|origin| is_loopback(origin)) else { return };
    reply.headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    let exposed = HeaderValue::from_static("x-request-id, retry-after, x-emulator-warning");
    reply.headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    reply.headers.append(VARY, HeaderValue::from_static("origin"));
}

/// Returns the origin of the page for which a browser makes this request, where a browser makes it.
pub(crate) fn of(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(ORIGIN)
}

/// Whether an origin is on this machine: `localhost`, a name under it, or a loopback address.
pub(crate) fn is_loopback(origin: &HeaderValue) -> bool {
    let url = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
    url.filter(|url| matches!(url.scheme(), "http" | "https"))
        .is_some_and(|url| names_this_machine(&url))
}

/// Whether the host that a request names (RFC 9112 §3.2) is on this machine, as an origin is.
pub(crate) fn host_is_loopback(parts: &Parts) -> bool {
    let field = || parts.headers.get(HOST)?.to_str().ok();
    let host = parts.uri.authority().map(Authority::as_str).or_else(field);
    host.and_then(|host| Url::parse(&format!("http://{host}/")).ok())
        .is_some_and(|url| names_this_machine(&url))
}

fn names_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_localhost_and_the_addresses_of_this_machine() {
        for (origin, due) in [
            ("http://localhost:5173", true),
            ("https://app.localhost", true),
            ("http://127.0.0.1:8787", true),
            ("http://127.8.0.1", true),
            ("http://[::1]:3000", true),
            ("http://example.com", false),
            ("http://localhost.example.com", false),
            ("http://192.168.0.1", false),
            ("file:///tmp/page.html", false),
            ("null", false),
        ] {
            assert_eq!(is_loopback(&HeaderValue::from_static(origin)), due, "{origin}");
        }
    }

    #[test]
    fn host_is_that_of_the_target_or_else_of_the_field() {
        for (target, host, due) in [
            ("/", "localhost", true),
            ("/", "LOCALHOST:8787", true),
            ("/", "127.0.0.1:8787", true),
            ("/", "[::1]:8787", true),
            ("/", "example.com:8787", false),
            ("/", "127.0.0.1.example.com", false),
            ("/", "192.168.0.1", false),
            ("/", "", false),
            ("http://127.0.0.1:8787/", "example.com", true),
            ("http://example.com/", "127.0.0.1", false),
        ] {
            let request = http::Request::get(target).header(HOST, host).body(());
            let (parts, ()) = request.expect("a request").into_parts();
            assert_eq!(host_is_loopback(&parts), due, "{target} of {host:?}");
        }
    }
}
