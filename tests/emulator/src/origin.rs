//! Which pages of a browser may use the emulator: those that this machine serves itself.

use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};
use url::{Host, Url};

/// The origin of the page that a browser makes this request for, where it is one that a browser makes.
pub(crate) fn of(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(ORIGIN)
}

/// Whether an origin is on this machine: `localhost`, a name under it, or a loopback address.
pub(crate) fn is_loopback(origin: &HeaderValue) -> bool {
    let url = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
    let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https")) else {
        return false;
    };
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
}
