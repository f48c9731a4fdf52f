//! The opening handshake, the client's side (RFC 6455 §4.1).

mod error;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{Request, StatusCode, Uri};
use sha1::{Digest, Sha1};
use url::Url;

pub use error::HandshakeError;

use super::deflate::{self, BadParameter, Deflate, DeflateParameters};
use super::extension;
use crate::entropy::Entropy;
use crate::kinds::ConfigError;
use crate::redact::shown;
use crate::semantics::absolute::has_user;
use crate::semantics::redirect::Hop;
use crate::semantics::{scheme, target};

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

/// Prints the host and the subprotocols: the rest of the URL and the fields may hold keys.
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
    /// [compression](Deflate) and no subprotocol. The key is drawn from `entropy` (§4.1, 7.).
    ///
    /// # Errors
    ///
    /// For another scheme, for a fragment (§3), and for a user name or password, which belong into
    /// a field of the caller's.
    pub fn new(url: &Url, entropy: &mut Entropy) -> Result<Self, ConfigError> {
        // The URL may hold secrets, and an error is printed, so the error names only the part that
        // is wrong.
        let Some(request) = scheme::request_url(url) else {
            let accepted = "a URL whose scheme is ws, wss, http or https";
            return Err(ConfigError::new("url", url.scheme(), accepted));
        };
        if url.fragment().is_some() {
            return Err(ConfigError::hidden(
                "url",
                "it has one",
                "a WebSocket URL without a fragment",
            ));
        }
        if has_user(url) {
            let accepted = "a URL without credentials, which belong into a header field";
            return Err(ConfigError::hidden("url", "it has some", accepted));
        }
        let unusable = |part: &str| ConfigError::hidden("url", part, "a URL that HTTP can use");
        let uri: Uri =
            request.as_str().parse().map_err(|_| unusable("it is no URI, or too long for one"))?;
        let host = target::host(&uri).ok_or_else(|| unusable("it has no host"))?;
        let host =
            HeaderValue::from_str(host).map_err(|_| unusable("its host is none of HTTP's"))?;
        Ok(Self {
            uri,
            host,
            key: new_key(entropy),
            fields: HeaderMap::new(),
            subprotocols: Vec::new(),
            deflate: Some(Deflate::default()),
        })
    }

    /// Adds a header field to the request, such as `Authorization` or `Origin`. A name that is
    /// repeated adds a second field.
    ///
    /// # Errors
    ///
    /// For a field that the handshake itself sets: `Host`, `Upgrade`, `Connection`, and all that
    /// begin with `Sec-WebSocket-`. For a field that says how long a content is, as there is none.
    /// And for `Proxy-Authorization`, which the origin would get.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Result<Self, ConfigError> {
        let own =
            [HOST, UPGRADE, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, PROXY_AUTHORIZATION];
        if own.contains(&name) || name.as_str().starts_with("sec-websocket-") {
            let accepted = "left to the opening handshake and the HTTP stack";
            return Err(ConfigError::new("header", name.as_str(), accepted));
        }
        self.fields.append(name, value);
        Ok(self)
    }

    /// Offers a subprotocol, after those that were offered before (§1.9). Default: none.
    ///
    /// # Errors
    ///
    /// For a name that is not a token (RFC 9110 §5.6.2), and for a name that is offered already.
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

    /// Sets how compression is offered (RFC 7692); `None` offers none. Default:
    /// [`Deflate::default`].
    #[must_use]
    pub fn deflate(mut self, deflate: Option<Deflate>) -> Self {
        self.deflate = deflate;
        self
    }

    /// Makes the handshake of another connection, to where a redirect leads: with a new key, and
    /// with subprotocols at the first origin only, since some services use subprotocols for tokens.
    pub(crate) fn redirect(&mut self, entropy: &mut Entropy, hop: &Hop) {
        self.key = new_key(entropy);
        if hop.has_left_origin() {
            self.subprotocols.clear();
        }
    }

    /// Returns the request: a `GET` of HTTP/1.1 with all its fields, to an absolute `http` or
    /// `https` URI. The request must not go out on an HTTP/2 connection.
    ///
    /// A driver that writes the request by hand sends the URI's path and query as the target.
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
            // All of the names are tokens, so each is a field's value.
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
    /// other error the server is no WebSocket server, and the connection is to be closed.
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
    /// Gives what was agreed on where somebody else did the handshake and checked its response:
    /// `offer` is the compression that was offered, `response` the response's
    /// `Sec-WebSocket-Extensions`. Where compression was not offered, use `Accepted::default()`.
    ///
    /// # Errors
    ///
    /// When the response contradicts the offer.
    pub fn by_extensions(offer: &Deflate, response: &str) -> Result<Self, HandshakeError> {
        let deflate = check_extensions(Some(offer), response)?;
        Ok(Self { deflate, subprotocol: None })
    }

    /// Returns the parameters of compression, or `None` where messages are not compressed.
    pub fn deflate(&self) -> Option<&DeflateParameters> {
        self.deflate.as_ref().map(Deflate::agreed)
    }

    /// Returns the subprotocol that the server chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Returns how to compress, within what was agreed on.
    pub(crate) fn compression(&self) -> Option<&Deflate> {
        self.deflate.as_ref()
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

/// Joins all fields of a name into one, as RFC 9110 §5.3 does. Bytes that are no text become `�`,
/// which every rule refuses.
fn joined(fields: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> =
        fields.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
    if values.is_empty() { None } else { Some(values.join(", ")) }
}

/// Draws a key; each connection has its own (§4.1, 7.).
fn new_key(entropy: &mut Entropy) -> String {
    let mut nonce = [0; 16];
    for part in nonce.chunks_exact_mut(8) {
        part.copy_from_slice(&entropy.next_u64().to_be_bytes());
    }
    BASE64.encode(nonce)
}

/// Returns the answer to a key: §4.2.2, 5., 4.
fn accept_for(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(hash.finalize())
}

#[cfg(test)]
mod tests;
