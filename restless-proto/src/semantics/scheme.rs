//! `ws` and `wss` name what `http` and `https` name, where a WebSocket is to be opened: the
//! handshake of a WebSocket is a request over HTTP (RFC 6455 §3).

use url::{Position, Url};

/// Each scheme of HTTP, and the scheme of WebSocket that goes with it.
const PAIRS: [(&str, &str); 2] = [("http", "ws"), ("https", "wss")];

/// Returns the scheme of the requests for a URL of this scheme; `None` for a scheme that is none of
/// the four.
pub(crate) fn over_http(scheme: &str) -> Option<&'static str> {
    pair(scheme).map(|(http, _)| http)
}

/// Returns the scheme of WebSocket that goes with this scheme.
pub(crate) fn over_websocket(scheme: &str) -> Option<&'static str> {
    pair(scheme).map(|(_, websocket)| websocket)
}

/// Whether a URL of this scheme is a WebSocket's.
pub(crate) fn is_websocket(scheme: &str) -> bool {
    over_websocket(scheme) == Some(scheme)
}

/// Whether a URL of this scheme keeps others on the way from reading along.
pub(crate) fn is_secure(scheme: &str) -> bool {
    over_http(scheme) == Some("https")
}

/// Returns the URL that a request for this one goes to.
pub(crate) fn request_url(url: &Url) -> Option<Url> {
    let http = over_http(url.scheme())?;
    Url::parse(&format!("{http}{}", &url[Position::AfterScheme..])).ok()
}

fn pair(scheme: &str) -> Option<(&'static str, &'static str)> {
    PAIRS.into_iter().find(|&(http, websocket)| scheme == http || scheme == websocket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ws_is_http_and_wss_is_https_and_back() {
        for (given, http, websocket, is_ours, secure) in [
            ("http", Some("http"), Some("ws"), false, false),
            ("https", Some("https"), Some("wss"), false, true),
            ("ws", Some("http"), Some("ws"), true, false),
            ("wss", Some("https"), Some("wss"), true, true),
            ("wsss", None, None, false, false),
            ("ftp", None, None, false, false),
            ("", None, None, false, false),
        ] {
            assert_eq!((over_http(given), over_websocket(given)), (http, websocket), "{given}");
            assert_eq!((is_websocket(given), is_secure(given)), (is_ours, secure), "{given}");
        }
    }

    #[test]
    fn a_request_s_url_is_the_same_but_for_its_scheme() {
        for (given, due) in [
            ("wss://a.test:443/ws?x=ws://b#f", Some("https://a.test/ws?x=ws://b#f")),
            ("ws://me:pass@[::1]:81", Some("http://me:pass@[::1]:81/")),
            ("https://ws.test/ws", Some("https://ws.test/ws")),
            ("ftp://a.test/", None),
        ] {
            let url = request_url(&Url::parse(given).unwrap());
            assert_eq!(url.as_ref().map(Url::as_str), due, "{given}");
        }
    }
}
