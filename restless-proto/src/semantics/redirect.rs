//! Where a redirect leads, and what may go there (RFC 9110 §15.4).

use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri, header};
use url::Url;

use super::auth::{self, Reach};
use super::scheme;
use crate::redact::shown;

/// The number of redirects in a row that are followed; one more is an error.
pub(crate) const MOST_REDIRECTS: u8 = 10;

/// The length of a URL that gets through everywhere; pound, nginx, Apache, lighttpd and squid stop
/// at 4 to 8 KiB.
const SHORT_URL: usize = 4096;

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

/// A redirect that can't be followed (RFC 9110 §15.4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// `Location` is missing or empty.
    #[error("a redirect with status {status} has no location")]
    NoLocation {
        /// The redirect's status.
        status: StatusCode,
    },
    /// `Location` is unreadable, or of another scheme than http and https.
    #[error("a redirect leads to {location:?}, which is no http or https URL")]
    BadLocation {
        /// The field's value, at most 300 characters of it.
        location: String,
    },
    /// The redirect would take the request's content, which may hold a key, to another origin.
    #[error("a redirect with status {status} would take the request's content to another origin")]
    ContentElsewhere {
        /// The redirect's status.
        status: StatusCode,
    },
    /// The redirect would make credentials go over plain http to another host: see
    /// [`Service`](crate::Service).
    #[error("a redirect with status {status} would send credentials over plain http")]
    PlainHttp {
        /// The redirect's status.
        status: StatusCode,
    },
    /// The redirect asks to wait beyond the time that the call has (`Retry-After`, RFC 9110
    /// §10.2.3).
    #[error(
        "a redirect with status {status} asks to wait for {wait:?}, and the call has less time"
    )]
    Later {
        /// The redirect's status.
        status: StatusCode,
        /// How long the redirect asks to wait.
        wait: Duration,
    },
    /// One redirect came after another.
    #[error("more than {limit} redirects in a row")]
    TooMany {
        /// How many redirects are followed.
        limit: u8,
    },
}

/// One request of a chain of redirects: what is sent, where the request goes, and how many
/// redirects led there.
#[derive(Clone)]
pub(crate) struct Hop {
    request: Request<Bytes>,
    url: Url,
    goal: Goal,
    redirects: u8,
    left_origin: bool,
    became_get: bool,
}

/// What a chain of redirects is to end at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// The content of a response.
    Content,
    /// A WebSocket, for which a `ws` URL says the same as an `http` URL.
    WebSocket,
}

impl Hop {
    /// Makes the first request of a chain; `url` is what the request's URI says.
    pub(crate) fn new(request: Request<Bytes>, url: Url) -> Self {
        Self {
            request,
            url,
            goal: Goal::Content,
            redirects: 0,
            left_origin: false,
            became_get: false,
        }
    }

    /// Makes the same request one on the way to a WebSocket.
    pub(crate) fn for_websocket(self) -> Self {
        Self { goal: Goal::WebSocket, ..self }
    }

    pub(crate) fn request(&self) -> &Request<Bytes> {
        &self.request
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Returns how many redirects led here.
    pub(crate) fn redirects(&self) -> u8 {
        self.redirects
    }

    /// Whether the first origin was left on the way, and our credentials with it: a 401 is then not
    /// about them.
    pub(crate) fn has_left_origin(&self) -> bool {
        self.left_origin
    }

    /// Whether another method became GET on the way: what was asked for first was acted on.
    pub(crate) fn has_become_get(&self) -> bool {
        self.became_get
    }

    /// Puts the fields of a new handshake in the place of the old ones: the key of a handshake is
    /// never used twice (RFC 6455 §4.1).
    pub(crate) fn renew(&mut self, handshake: &HeaderMap) {
        for name in [&header::SEC_WEBSOCKET_KEY, &header::SEC_WEBSOCKET_PROTOCOL] {
            match handshake.get(name) {
                Some(value) => self.request.headers_mut().insert(name, value.clone()),
                None => self.request.headers_mut().remove(name),
            };
        }
    }

    /// Sends the request to another URL, and leaves the rest of the request as it is.
    ///
    /// # Errors
    ///
    /// Where the URL is too long for a URI, as a URL with a position may be.
    pub(crate) fn place_at(&mut self, url: Url) -> Result<(), RedirectError> {
        let uri = url.as_str().parse().map_err(|_| RedirectError::BadLocation {
            location: format!("{} bytes", url.as_str().len()),
        })?;
        *self.request.uri_mut() = uri;
        self.url = url;
        Ok(())
    }

    /// Returns the length of the URL, where that is more than some boxes in between take.
    pub(crate) fn long_url(&self) -> Option<usize> {
        Some(self.url.as_str().len()).filter(|bytes| *bytes > SHORT_URL)
    }

    /// Makes the request that follows the redirect that answered this one.
    ///
    /// - 303 turns any method but HEAD into GET without content; 301 and 302 do so to POST; 307 and
    ///   308 keep both (RFC 9110 §15.4.2 to §15.4.9).
    /// - When the origin changes, or https becomes http on it, credentials stay behind. All fields
    ///   of the caller's own stay behind too, since any of them may be a credential, and so do
    ///   subprotocols, which some use for tokens. Credentials in the query of the old URL are in
    ///   the new URL only where the server put them there.
    /// - Content, which may hold a key, stays at its origin: a redirect of content to another
    ///   origin is an error. A redirect with credentials, as in the query of `Location`, to where
    ///   credentials must not go is an error as well.
    /// - On the way to a WebSocket, `ws` and `wss` are `http` and `https`.
    /// - A fragment of the old URL is dropped, since a fragment never goes over the wire.
    ///
    /// # Errors
    ///
    /// When [`MOST_REDIRECTS`] led here already; when `Location` is missing, empty, or of another
    /// scheme than http and https; or when content would leave the origin, or credentials would go
    /// where they must not.
    pub(crate) fn follow(mut self, head: &Parts, reach: Reach) -> Result<Self, RedirectError> {
        let status = head.status;
        if self.redirects == MOST_REDIRECTS {
            return Err(RedirectError::TooMany { limit: MOST_REDIRECTS });
        }
        let to = location(&self.url, head, self.goal)?;
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.request.method() != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => {
                self.request.method() == Method::POST
            }
            _ => false,
        };
        if becomes_get {
            self.became_get |= self.request.method() != Method::GET;
            *self.request.method_mut() = Method::GET;
            self.request.body_mut().clear();
            for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING] {
                self.request.headers_mut().remove(name);
            }
        }
        if to.origin() != self.url.origin() {
            // The content of our calls holds the key too, and can't be told from the caller's.
            if !self.request.body().is_empty() {
                return Err(RedirectError::ContentElsewhere { status });
            }
            self.left_origin = true;
            let fields = std::mem::take(self.request.headers_mut());
            for (name, value) in &fields {
                if OURS.contains(name) {
                    self.request.headers_mut().append(name.clone(), value.clone());
                }
            }
        }
        if auth::has_credentials(self.request.headers(), &to) && !reach.includes(&to) {
            return Err(RedirectError::PlainHttp { status });
        }
        self.place_at(to)?;
        self.redirects += 1;
        Ok(self)
    }
}

/// Returns where a redirect from this URL leads.
fn location(from: &Url, head: &Parts, goal: Goal) -> Result<Url, RedirectError> {
    let location = head
        .headers
        .get(header::LOCATION)
        .filter(|location| !location.is_empty())
        .ok_or(RedirectError::NoLocation { status: head.status })?;
    let bad = || RedirectError::BadLocation {
        location: shown(&String::from_utf8_lossy(location.as_bytes())),
    };
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| bad())?;
    let mut to = from.join(location).map_err(|_| bad())?;
    to.set_fragment(None);
    if goal == Goal::WebSocket {
        to = scheme::request_url(&to).ok_or_else(bad)?;
    }
    // A URL that is too long for a URI is bad too.
    let sendable = matches!(to.scheme(), "http" | "https") && to.as_str().parse::<Uri>().is_ok();
    if sendable && to.host().is_some() { Ok(to) } else { Err(bad()) }
}

/// Makes a URI of a URL: whatever `Url` writes for http and https is a URI, save one of 64 KiB and
/// more.
pub(crate) fn uri(url: &Url) -> Uri {
    // A bare default would only fail to connect.
    url.as_str().parse().unwrap_or_default()
}

/// The fields that say nothing of the caller. Any other may be a credential.
const OURS: [HeaderName; 9] = [
    header::ACCEPT,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_TYPE,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::UPGRADE,
    header::USER_AGENT,
];

#[cfg(test)]
mod tests {
    use super::*;

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
        let response = http::Response::builder().status(status).header("location", location);
        let head = response.body(()).unwrap().into_parts().0;
        Hop::new(request(method), from).follow(&head, Reach::Private).map(|next| next.request)
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
            // 303 drops the content, which otherwise must stay at its origin.
            let next = go(Method::POST, 303, location).unwrap();
            assert_eq!(next.headers().contains_key("authorization"), kept, "{location}");
            assert_eq!(next.headers().contains_key("x-api-key"), kept, "{location}");
            assert_eq!(next.headers().contains_key("x-auth-token"), kept, "{location}");
            assert!(next.headers().contains_key("accept"), "{location}");
            assert!(!next.uri().to_string().contains("apiKey"), "{location}");
        }
    }

    #[test]
    fn credentials_are_marked_wherever_they_go() {
        let from = Url::parse("https://a.test/x").unwrap();
        let mut request = request(Method::GET);
        for value in request.headers_mut().values_mut() {
            value.set_sensitive(true);
        }
        let response = http::Response::builder().status(302).header("location", "/y");
        let head = response.body(()).unwrap().into_parts().0;
        let next = Hop::new(request, from).follow(&head, Reach::Private).unwrap();
        assert!(next.request.headers()["authorization"].is_sensitive());
        assert!(next.request.headers()["x-api-key"].is_sensitive());
    }

    #[test]
    fn a_redirect_does_not_make_credentials_go_over_plain_http() {
        for (location, due) in [
            ("http://b.test/?apiKey=k", false),
            ("http://a.test/?headers=%7B%7D", false),
            ("http://b.test/", true),
            ("http://127.0.0.1/?apiKey=k", true),
            ("https://b.test/?apiKey=k", true),
        ] {
            let status = StatusCode::SEE_OTHER;
            let error = go(Method::GET, 303, location).err();
            let plain = Some(RedirectError::PlainHttp { status });
            assert_eq!(error, if due { None } else { plain }, "{location}");
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
    fn a_handshake_may_be_led_to_a_websocket_url() {
        for (location, due) in [
            ("wss://b.test/ws?x", Some("https://b.test/ws?x")),
            ("ws://127.0.0.1:81/", Some("http://127.0.0.1:81/")),
            ("ws://b.test/?apiKey=k", None),
            ("wsss://b.test/", None),
        ] {
            let from = Url::parse("https://a.test/ws").unwrap();
            let response = http::Response::builder().status(302).header("location", location);
            let head = response.body(()).unwrap().into_parts().0;
            let request = request(Method::GET).map(|_| Bytes::new());
            let next = Hop::new(request, from).for_websocket().follow(&head, Reach::Private);
            assert_eq!(next.ok().map(|next| next.url.to_string()).as_deref(), due, "{location}");
        }
    }

    #[test]
    fn subprotocols_and_the_caller_s_fields_do_not_leave_the_origin_and_the_handshake_does() {
        for (location, kept) in [("/y", true), ("https://b.test/y", false)] {
            let from = Url::parse("https://a.test/x").unwrap();
            let mut request = request(Method::GET).map(|_| Bytes::new());
            for name in ["sec-websocket-protocol", "sec-websocket-key", "sec-websocket-version"] {
                request.headers_mut().insert(name, http::HeaderValue::from_static("k"));
            }
            let response = http::Response::builder().status(302).header("location", location);
            let head = response.body(()).unwrap().into_parts().0;
            let next = Hop::new(request, from).for_websocket().follow(&head, Reach::Private);
            let fields = next.unwrap().request.into_parts().0.headers;
            assert_eq!(fields.contains_key("sec-websocket-protocol"), kept, "{location}");
            assert!(fields.contains_key("sec-websocket-key"), "{location}");
            assert!(fields.contains_key("sec-websocket-version"), "{location}");
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
