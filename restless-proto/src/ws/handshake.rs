//! The opening handshake, the client's side (RFC 6455 §4.1).

use std::fmt;

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{Request, StatusCode, Uri};
use sha1::{Digest, Sha1};
use url::Url;

use super::deflate::{self, BadParameter, Deflate, DeflateParameters};
use super::extension;
use crate::error::shown;
use crate::{ConfigError, Entropy};

/// An opening handshake: its request, and the check of the response (RFC 6455 §4.1).
///
/// ```
/// use restless_proto::Entropy;
/// use restless_proto::ws::Handshake;
///
/// // Take the entropy's 32 bytes from the operating system.
/// let mut entropy = Entropy::from_seed(7);
/// let url = "wss://example.com/chat".parse()?;
/// let handshake = Handshake::new(&url, &mut entropy)?.subprotocol("chat.v1")?;
///
/// let request = handshake.request();
/// assert_eq!(request.uri(), "https://example.com/chat");
/// assert_eq!(request.headers()["sec-websocket-version"], "13");
/// // Send it with any HTTP/1.1 client that hands over the connection after a 101, then
/// // `handshake.check(response.status(), response.headers())`.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Handshake {
    uri: Uri,
    host: HeaderValue,
    key: String,
    fields: HeaderMap,
    subprotocols: Vec<String>,
    deflate: Option<Deflate>,
}

/// The host and the subprotocols: the rest of the URL and the fields may hold keys.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("host", &self.host)
            .field("subprotocols", &self.subprotocols)
            .field("deflate", &self.deflate)
            .finish_non_exhaustive()
    }
}

impl Handshake {
    /// Prepares a handshake with this `ws`, `wss`, `http` or `https` URL, offering
    /// [compression](Deflate) and no subprotocol. Its key is drawn from `entropy` (§4.1, 7.).
    ///
    /// # Errors
    ///
    /// For another scheme, for a fragment (§3), and for a user name or password, which belong into
    /// a field of the caller's.
    pub fn new(url: &Url, entropy: &mut Entropy) -> Result<Self, ConfigError> {
        // The URL may hold secrets, and an error is printed: it names the part that is wrong only.
        let scheme = match url.scheme() {
            "ws" | "http" => "http",
            "wss" | "https" => "https",
            other => {
                return Err(ConfigError::new("url", other, "schemes are ws, wss, http, https"));
            }
        };
        if url.fragment().is_some() {
            return Err(ConfigError::new("url", "#…", "a WebSocket URL has no fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let accepted = "credentials belong into a header field";
            return Err(ConfigError::new("url", "…@", accepted));
        }
        let unusable = |part: &str| ConfigError::new("url", part, "it must be usable with HTTP");
        let host = url.host_str().ok_or_else(|| unusable("no host"))?;
        let default = (url.port_or_known_default() == Some(443) && scheme == "https")
            || (url.port_or_known_default() == Some(80) && scheme == "http");
        let authority = match url.port_or_known_default() {
            Some(port) if !default => format!("{host}:{port}"),
            _ => host.to_owned(),
        };
        let mut target = url.path().to_owned();
        if let Some(query) = url.query() {
            target.push('?');
            target.push_str(query);
        }
        let host = HeaderValue::from_str(&authority).map_err(|_| unusable("its host"))?;
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(target)
            .build()
            .map_err(|_| unusable("its path or query"))?;
        let mut nonce = [0; 16];
        for part in nonce.chunks_exact_mut(8) {
            part.copy_from_slice(&entropy.next_u64().to_be_bytes());
        }
        Ok(Self {
            uri,
            host,
            key: base64(&nonce),
            fields: HeaderMap::new(),
            subprotocols: Vec::new(),
            deflate: Some(Deflate::default()),
        })
    }

    /// Adds a header field to the request, such as `Authorization` or `Origin`. Repeating a name
    /// adds a second field.
    ///
    /// # Errors
    ///
    /// For a field that the handshake itself sets: `Host`, `Upgrade`, `Connection`, all that begin
    /// with `Sec-WebSocket-`, and those that say how long a content is, as there is none.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Result<Self, ConfigError> {
        let own = [HOST, UPGRADE, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];
        if own.contains(&name) || name.as_str().starts_with("sec-websocket-") {
            let accepted = "the opening handshake sets this field itself";
            return Err(ConfigError::new("header", name.as_str(), accepted));
        }
        self.fields.append(name, value);
        Ok(self)
    }

    /// Offers a subprotocol, after those that were offered before (§1.9). Default none.
    ///
    /// # Errors
    ///
    /// For a name that is not a token (RFC 9110 §5.6.2), and for one that is offered already.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, ConfigError> {
        if !extension::is_token(name) {
            let accepted = "a name is one or more letters, digits or !#$%&'*+-.^_`|~";
            return Err(ConfigError::new("subprotocol", name, accepted));
        }
        if self.subprotocols.iter().any(|offered| offered == name) {
            return Err(ConfigError::new("subprotocol", name, "each is offered once"));
        }
        self.subprotocols.push(name.to_owned());
        Ok(self)
    }

    /// Offers compression in this way, or with `None` not at all (RFC 7692). Default
    /// [`Deflate::default`].
    #[must_use]
    pub fn deflate(mut self, deflate: Option<Deflate>) -> Self {
        self.deflate = deflate;
        self
    }

    /// The request: a `GET` of HTTP/1.1 with all its fields, to an absolute `http` or `https` URI.
    /// It must not go out on an HTTP/2 connection.
    ///
    /// Whoever writes it out by hand sends the URI's path and query as the target.
    pub fn request(&self) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = self.uri.clone();
        let fields = request.headers_mut();
        fields.insert(HOST, self.host.clone());
        fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
        fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        fields.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let texts = [
            (SEC_WEBSOCKET_KEY, Some(self.key.clone())),
            (SEC_WEBSOCKET_EXTENSIONS, self.deflate.as_ref().map(Deflate::offer)),
            (
                SEC_WEBSOCKET_PROTOCOL,
                Some(self.subprotocols.join(", ")).filter(|names| !names.is_empty()),
            ),
        ];
        for (name, text) in texts {
            // All of them are made of tokens, so each is a field's value.
            if let Some(Ok(value)) = text.map(HeaderValue::try_from) {
                fields.insert(name, value);
            }
        }
        for (name, value) in &self.fields {
            fields.append(name, value.clone());
        }
        request
    }

    /// Checks the head of the response by every rule of RFC 6455 §4.1.
    ///
    /// # Errors
    ///
    /// The first rule that is broken. [`HandshakeError::Status`] is for a server that refuses in
    /// good order: a redirect, a challenge or a reason may stand in the same response. After any
    /// other the server is no WebSocket server, and the connection is to be closed.
    pub fn check(
        &self,
        status: StatusCode,
        fields: &HeaderMap,
    ) -> Result<Accepted, HandshakeError> {
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(HandshakeError::Status { status });
        }
        let upgrade = joined(fields, &UPGRADE);
        if !upgrade.as_ref().is_some_and(|seen| seen.trim().eq_ignore_ascii_case("websocket")) {
            return Err(HandshakeError::Upgrade { seen: upgrade.as_deref().map(shown) });
        }
        let connection = joined(fields, &CONNECTION);
        let lists_upgrade =
            |seen: &String| seen.split(',').any(|o| o.trim().eq_ignore_ascii_case("upgrade"));
        if !connection.as_ref().is_some_and(lists_upgrade) {
            return Err(HandshakeError::Connection { seen: connection.as_deref().map(shown) });
        }
        let expected = accept_for(&self.key);
        let accept = joined(fields, &SEC_WEBSOCKET_ACCEPT);
        if accept.as_ref().is_none_or(|seen| seen.trim() != expected) {
            return Err(HandshakeError::Accept { expected, seen: accept.as_deref().map(shown) });
        }
        let deflate = match joined(fields, &SEC_WEBSOCKET_EXTENSIONS) {
            Some(response) => check_extensions(self.deflate.as_ref(), &response)?,
            None => None,
        };
        let subprotocol = joined(fields, &SEC_WEBSOCKET_PROTOCOL);
        if let Some(seen) = &subprotocol {
            // Two fields (§11.3.4) are joined with a comma here, which no token has.
            if !self.subprotocols.contains(seen) {
                let offered = self.subprotocols.clone();
                return Err(HandshakeError::Subprotocol { offered, seen: shown(seen) });
            }
        }
        Ok(Accepted { deflate, subprotocol })
    }
}

/// What the server agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    deflate: Option<Deflate>,
    subprotocol: Option<String>,
}

impl Accepted {
    /// What was agreed on where somebody else did the handshake and checked its response: the
    /// compression that was offered, and the response's `Sec-WebSocket-Extensions`. Without
    /// compression it is `Accepted::default()`.
    ///
    /// # Errors
    ///
    /// When that response does not answer the offer.
    pub fn by_extensions(offer: &Deflate, response: &str) -> Result<Self, HandshakeError> {
        let deflate = check_extensions(Some(offer), response)?;
        Ok(Self { deflate, subprotocol: None })
    }

    /// The parameters of compression, or `None` where messages are not compressed.
    pub fn deflate(&self) -> Option<&DeflateParameters> {
        self.deflate.as_ref().map(Deflate::agreed)
    }

    /// The subprotocol that the server chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// How to compress, within what was agreed on.
    pub(crate) fn compression(&self) -> Option<&Deflate> {
        self.deflate.as_ref()
    }
}

/// A response that does not open a WebSocket (RFC 6455 §4.1), each with what was seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The status is not 101: the server refused, or wants something else first.
    #[error("expected status 101 to switch protocols, got {status}")]
    Status {
        /// The response's status.
        status: StatusCode,
    },
    /// `Upgrade` is missing or not `websocket`.
    #[error("expected the field upgrade to be websocket, got {}", Seen(.seen))]
    Upgrade {
        /// The field's value.
        seen: Option<String>,
    },
    /// `Connection` is missing or does not list `Upgrade`.
    #[error("expected the field connection to list upgrade, got {}", Seen(.seen))]
    Connection {
        /// The field's value.
        seen: Option<String>,
    },
    /// `Sec-WebSocket-Accept` does not answer our key: a cache, or no WebSocket server.
    #[error("expected the field sec-websocket-accept to be {expected}, got {}", Seen(.seen))]
    Accept {
        /// The only right value.
        expected: String,
        /// The field's value; of several fields, all, with commas between.
        seen: Option<String>,
    },
    /// `Sec-WebSocket-Extensions` breaks its grammar (§9.1).
    #[error("the field sec-websocket-extensions can't be read: {seen:?}")]
    Extensions {
        /// The field's value.
        seen: String,
    },
    /// The server uses an extension that was not offered, or one of them twice.
    #[error("expected at most the extension {}, once, got {seen:?}", .offered.unwrap_or("none"))]
    UnofferedExtension {
        /// What was offered.
        offered: Option<&'static str>,
        /// The extension's name.
        seen: String,
    },
    /// A parameter of permessage-deflate that does not answer the offer (RFC 7692 §7.1).
    #[error(
        "the response to the offer {offered:?} has the parameter {name:?} as {}: {rule}", Seen(.seen)
    )]
    DeflateParameter {
        /// The whole offer.
        offered: String,
        /// The parameter's name.
        name: String,
        /// Its value.
        seen: Option<String>,
        /// What was expected.
        rule: &'static str,
    },
    /// The server chose a subprotocol that was not offered, or more than one (§11.3.4).
    #[error("expected one of the subprotocols {offered:?}, got {seen:?}")]
    Subprotocol {
        /// What was offered.
        offered: Vec<String>,
        /// The field's value.
        seen: String,
    },
}

/// Whatever the peer wrote, or that it wrote nothing, on one line.
struct Seen<'a>(&'a Option<String>);

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(seen) => write!(f, "{seen:?}"),
            None => f.write_str("nothing"),
        }
    }
}

fn check_extensions(
    offer: Option<&Deflate>,
    response: &str,
) -> Result<Option<Deflate>, HandshakeError> {
    let listed = extension::parse(response)
        .ok_or_else(|| HandshakeError::Extensions { seen: shown(response) })?;
    let mut accepted = None;
    for extension in listed {
        let unoffered = || HandshakeError::UnofferedExtension {
            offered: offer.map(|_| deflate::NAME),
            seen: shown(&extension.name),
        };
        let Some(offer) = offer.filter(|_| extension.name == deflate::NAME) else {
            return Err(unoffered());
        };
        if accepted.is_some() {
            return Err(unoffered());
        }
        let agreed = offer.accept(&extension).map_err(|BadParameter { name, value, why }| {
            HandshakeError::DeflateParameter {
                offered: offer.offer(),
                name: shown(&name),
                seen: value.as_deref().map(shown),
                rule: why,
            }
        })?;
        accepted = Some(agreed);
    }
    Ok(accepted)
}

/// All fields of a name as one, as RFC 9110 §5.3 joins them. What is not text becomes `�`, which
/// no rule accepts.
fn joined(fields: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> =
        fields.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
    if values.is_empty() { None } else { Some(values.join(", ")) }
}

/// The answer to a key: §4.2.2, 5., 4.
fn accept_for(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64(&hash.finalize())
}

/// RFC 4648 §4, with padding.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = (0..3)
            .fold(0, |word, i| word << 8 | u32::from(group.get(i).copied().unwrap_or_default()));
        for i in 0..4 {
            let six = (word >> (18 - 6 * i)) & 0x3f;
            text.push(if i > group.len() { '=' } else { base64_digit(six) });
        }
    }
    text
}

fn base64_digit(six: u32) -> char {
    let (start, offset) = match six {
        0..26 => (u32::from('A'), six),
        26..52 => (u32::from('a'), six - 26),
        52..62 => (u32::from('0'), six - 52),
        62 => (u32::from('+'), 0),
        _ => (u32::from('/'), 0),
    };
    char::from_u32(start + offset).unwrap_or('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake() -> Handshake {
        let url = "ws://server.example.com:81/chat?a=b".parse().expect("a URL");
        let mut handshake =
            Handshake::new(&url, &mut Entropy::from_seed(1)).expect("a WebSocket URL");
        handshake.key = "dGhlIHNhbXBsZSBub25jZQ==".to_owned();
        handshake
    }

    fn response(changes: &[(&'static str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
        fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        let accept = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        fields.insert(SEC_WEBSOCKET_ACCEPT, accept);
        for &(name, value) in changes {
            match value {
                "" => drop(fields.remove(name)),
                value => {
                    fields.insert(name, HeaderValue::from_str(value).expect("a value"));
                }
            }
        }
        fields
    }

    fn check(changes: &[(&'static str, &str)]) -> Result<Accepted, HandshakeError> {
        handshake()
            .subprotocol("chat")
            .expect("a token")
            .check(StatusCode::SWITCHING_PROTOCOLS, &response(changes))
    }

    #[test]
    fn the_example_of_rfc_6455_section_1_3_is_accepted() {
        assert_eq!(accept_for("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let accepted = check(&[("sec-websocket-protocol", "chat")]).expect("all is well");
        assert_eq!((accepted.subprotocol(), accepted.deflate()), (Some("chat"), None));
    }

    #[test]
    fn base64_is_padded_and_has_all_its_digits() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        let all: Vec<u8> = (0..=255).collect();
        assert!(base64(&all).starts_with("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj"));
        assert!(base64(&all).ends_with("8PHy8/T19vf4+fr7/P3+/w=="));
    }

    #[test]
    fn the_request_has_every_field_of_section_4_1() {
        let value = HeaderValue::from_static("Bearer x");
        let request = handshake()
            .subprotocol("chat")
            .and_then(|h| h.subprotocol("superchat"))
            .and_then(|h| h.header(http::header::AUTHORIZATION, value))
            .expect("all allowed")
            .request();
        assert_eq!(request.method(), "GET");
        assert_eq!(request.uri(), "http://server.example.com:81/chat?a=b");
        let fields = request.headers();
        for (name, value) in [
            ("host", "server.example.com:81"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat, superchat"),
            ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
            ("authorization", "Bearer x"),
        ] {
            assert_eq!(fields[name], value, "{name}");
        }
        assert_eq!(fields.len(), 8);
    }

    #[test]
    fn keys_differ_and_are_16_bytes() {
        let mut entropy = Entropy::from_seed(1);
        let url = "wss://example.com".parse().expect("a URL");
        let [a, b] = [0; 2].map(|_| Handshake::new(&url, &mut entropy).expect("a URL").key);
        assert_ne!(a, b);
        assert_eq!((a.len(), a.ends_with("==")), (24, true));
    }

    #[test]
    fn the_default_port_is_left_out_of_host() {
        for (url, host) in [
            ("wss://a.example:443/", "a.example"),
            ("wss://a.example:80/", "a.example:80"),
            ("ws://[::1]:80/", "[::1]"),
            ("http://a.example:8080/", "a.example:8080"),
        ] {
            let url = url.parse().expect("a URL");
            let handshake = Handshake::new(&url, &mut Entropy::from_seed(1)).expect("usable");
            assert_eq!(handshake.request().headers()[HOST], host);
        }
    }

    #[test]
    fn urls_that_are_no_websocket_urls_are_refused_without_printing_their_secrets() {
        for url in ["ftp://a.example", "ws://a.example/#top", "ws://me:secret@a.example/"] {
            let url = url.parse().expect("a URL");
            let error = Handshake::new(&url, &mut Entropy::from_seed(1)).expect_err("refused");
            assert!(!format!("{error:?}").contains("secret"));
        }
    }

    #[test]
    fn fields_of_the_handshake_are_not_the_caller_s() {
        for name in ["host", "connection", "upgrade", "sec-websocket-key", "sec-websocket-foo"] {
            let value = HeaderValue::from_static("x");
            let seen = handshake().header(HeaderName::from_static(name), value);
            assert_eq!(seen.expect_err("refused").value(), name);
        }
    }

    #[test]
    fn subprotocols_are_tokens_offered_once() {
        for name in ["", "a b", "a,b", "a\r\nx: y", "é"] {
            assert!(handshake().subprotocol(name).is_err(), "{name:?}");
        }
        assert!(handshake().subprotocol("a").and_then(|h| h.subprotocol("a")).is_err());
    }

    #[test]
    fn a_status_other_than_101_is_a_refusal() {
        let status = StatusCode::UNAUTHORIZED;
        assert_eq!(
            handshake().check(status, &response(&[])),
            Err(HandshakeError::Status { status })
        );
    }

    #[test]
    fn upgrade_must_be_websocket_in_any_case() {
        assert!(check(&[("upgrade", "WebSocket")]).is_ok());
        let seen = Some("h2c".to_owned());
        assert_eq!(check(&[("upgrade", "h2c")]), Err(HandshakeError::Upgrade { seen }));
        assert_eq!(check(&[("upgrade", "")]), Err(HandshakeError::Upgrade { seen: None }));
    }

    #[test]
    fn connection_must_list_upgrade() {
        assert!(check(&[("connection", "keep-alive, upgrade")]).is_ok());
        let seen = Some("keep-alive".to_owned());
        assert_eq!(
            check(&[("connection", "keep-alive")]),
            Err(HandshakeError::Connection { seen })
        );
        assert_eq!(check(&[("connection", "")]), Err(HandshakeError::Connection { seen: None }));
    }

    #[test]
    fn accept_must_answer_the_key() {
        let expected = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned();
        assert_eq!(
            check(&[("sec-websocket-accept", "")]),
            Err(HandshakeError::Accept { expected: expected.clone(), seen: None })
        );
        let wrong = "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert_eq!(
            check(&[("sec-websocket-accept", wrong)]),
            Err(HandshakeError::Accept { expected: expected.clone(), seen: Some(wrong.into()) })
        );
        let mut twice = response(&[]);
        twice.append(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(&expected).expect("a value"));
        let seen = handshake().check(StatusCode::SWITCHING_PROTOCOLS, &twice);
        assert!(matches!(seen, Err(HandshakeError::Accept { .. })), "§11.3.3: {seen:?}");
    }

    #[test]
    fn the_subprotocol_must_be_one_that_was_offered() {
        for seen in ["superchat", "Chat", "chat, chat"] {
            let offered = vec!["chat".to_owned()];
            assert_eq!(
                check(&[("sec-websocket-protocol", seen)]),
                Err(HandshakeError::Subprotocol { offered, seen: seen.into() })
            );
        }
    }

    #[test]
    fn extensions_must_have_been_offered() {
        let extensions = "sec-websocket-extensions";
        let accepted = check(&[(extensions, "permessage-deflate; server_max_window_bits=10")]);
        let parameters = DeflateParameters { server_max_window_bits: 10, ..Default::default() };
        assert_eq!(accepted.expect("offered").deflate(), Some(&parameters));
        let unoffered = |seen: &str| {
            Err(HandshakeError::UnofferedExtension {
                offered: Some(deflate::NAME),
                seen: seen.into(),
            })
        };
        assert_eq!(
            check(&[(extensions, "x-webkit-deflate-frame")]),
            unoffered("x-webkit-deflate-frame")
        );
        let twice = "permessage-deflate, permessage-deflate";
        assert_eq!(check(&[(extensions, twice)]), unoffered("permessage-deflate"));
        let none = handshake().deflate(None);
        let seen = none.check(
            StatusCode::SWITCHING_PROTOCOLS,
            &response(&[(extensions, "permessage-deflate")]),
        );
        assert!(matches!(seen, Err(HandshakeError::UnofferedExtension { offered: None, .. })));
        assert!(none.request().headers().get(SEC_WEBSOCKET_EXTENSIONS).is_none());
        assert!(matches!(
            check(&[(extensions, "permessage-deflate;")]),
            Err(HandshakeError::Extensions { .. })
        ));
    }

    #[test]
    fn a_bad_parameter_says_what_was_offered_and_seen() {
        let field = "permessage-deflate; client_max_window_bits=99";
        let error = check(&[("sec-websocket-extensions", field)]).expect_err("out of range");
        assert_eq!(
            error.to_string(),
            "the response to the offer \"permessage-deflate; client_max_window_bits\" has the \
             parameter \"client_max_window_bits\" as \"99\": window bits are 8 to 15"
        );
    }
}
