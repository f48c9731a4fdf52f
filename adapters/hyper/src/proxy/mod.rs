//! Proxies: which one is on the way to an origin, and how to get through it.
//!
//! A client does all of this by itself. [`Proxy`] is for a program that finds out why a way does
//! not work, or makes connections of its own by the same rules.

mod connect;
mod rules;
mod socks5;

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::uri::Authority;
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use restless_proto::{ConfigError, TimeoutError, TransportError, TransportErrorKind, retry_after};
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use rules::Proxies;

/// One proxy. A proxy's credentials are for the proxy only, and `Display` and `Debug` leave them
/// out.
///
/// ```
/// use restless_hyper::proxy::Proxy;
///
/// let proxy = Proxy::parse("--proxy", "http://user:secret@proxy.example.com:3128")?;
/// assert_eq!(proxy.to_string(), "http://proxy.example.com:3128");
/// assert_eq!(proxy.field(), "--proxy");
/// # Ok::<(), restless_proto::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    field: &'static str,
    protocol: Protocol,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    Socks5,
}

#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

/// The default port of curl, for a proxy of any kind.
const DEFAULT_PORT: u16 = 1080;

const ACCEPTED: &str = "a proxy's URL: http://, socks5:// or socks5h://, with a host, a port from \
    0 to 65535 where it is not 1080, and a user and a password of at most 255 bytes each where it \
    wants some, in which #, / and ? are written %23, %2F and %3F";

impl Proxy {
    /// Reads `[scheme://][user[:password]@]host[:port]`; a missing scheme is `http`. `field` is
    /// what the value comes from: an error and [`field`](Self::field) name it.
    ///
    /// # Errors
    ///
    /// When the text is something else. The error says what is wrong, and leaves the value out: any
    /// part of the value may be part of a password.
    pub fn parse(field: &'static str, url: &str) -> Result<Self, ConfigError> {
        let bad = |wrong: &str| ConfigError::hidden(field, wrong, ACCEPTED);
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let protocol = match scheme.to_ascii_lowercase().as_str() {
            "http" => Protocol::Http,
            // Names go to the proxy by either scheme: only the proxy can know what they mean in its
            // network.
            "socks5" | "socks5h" => Protocol::Socks5,
            "https" => return Err(bad("TLS to the proxy itself is not supported")),
            "socks" | "socks4" | "socks4a" => {
                return Err(bad("of SOCKS only version 5 is supported"));
            }
            _ => return Err(bad("its scheme is none of these")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // A path says nothing, as for curl; a path with an `@` is the end of a password.
        if path.contains('@') {
            return Err(bad("there is a #, / or ? before its @"));
        }
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        if place.is_empty() || (place.starts_with(':') && !place.starts_with("::")) {
            return Err(bad("it has no host"));
        }
        let authority: Authority = authority
            .parse()
            .map_err(|_| bad("its host or its port has a character of no use there"))?;
        let host = bare(authority.host());
        let port = port(&authority).ok_or_else(|| bad("its port is no such number"))?;
        let credentials = authority.as_str().rsplit_once('@').map(|(user, _)| {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let decode = |text| percent_decode_str(text).collect();
            Credentials { user: decode(user), password: decode(password) }
        });
        let fits = |part: &[u8]| part.len() <= 255;
        if credentials.as_ref().is_some_and(|c| !fits(&c.user) || !fits(&c.password)) {
            return Err(bad("the user or the password is longer"));
        }
        Ok(Self { field, protocol, host: host.to_owned(), port, credentials })
    }

    /// Finds the proxy that the environment names for the way to a host, by the rules of
    /// [`ClientBuilder::proxy`](crate::ClientBuilder::proxy); `tls` is for https and wss.
    /// [`field`](Self::field) is the variable.
    ///
    /// # Errors
    ///
    /// When a variable's value is no proxy's URL.
    pub fn from_environment(tls: bool, host: &str) -> Result<Option<Self>, ConfigError> {
        let proxies = Proxies::from_environment(variable)?;
        Ok(proxies.on_the_way(tls, host).cloned())
    }

    /// Returns where the proxy's URL comes from: a variable of the environment, or what the caller
    /// has named.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Returns the proxy's host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the proxy's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether requests to plain http origins are sent to the proxy whole (RFC 9112 §3.2.2),
    /// instead of through a tunnel.
    pub fn forwards(&self) -> bool {
        self.protocol == Protocol::Http
    }

    /// Returns what the proxy wants in `Proxy-Authorization` (RFC 7617).
    pub fn authorization(&self) -> Option<HeaderValue> {
        let Credentials { user, password } = self.credentials.as_ref()?;
        let pair = BASE64_STANDARD.encode([user, &b":"[..], password].concat());
        let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Makes a connection to the proxy one to an origin. `user_agent` is told to an HTTP proxy, as
    /// to the origin.
    ///
    /// # Errors
    ///
    /// [`TransportErrorKind::Proxy`] where the proxy would say the same the next time, else
    /// [`TransportErrorKind::Connect`]. The error names the proxy, and what the proxy has answered.
    pub async fn tunnel<S>(
        &self,
        socket: &mut S,
        host: &str,
        port: u16,
        user_agent: &HeaderValue,
    ) -> Result<(), TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let done = match self.protocol {
            Protocol::Http => connect::tunnel(socket, self, host, port, user_agent).await,
            Protocol::Socks5 => socks5::tunnel(socket, self, host, port).await,
        };
        done.map_err(|why| self.failed(why))
    }

    /// Makes the error of an answer that is the proxy's own, to a request that the proxy was to
    /// send on.
    pub(crate) fn refused(&self, head: &http::response::Parts) -> TransportError {
        let wait = retry_after(&head.headers);
        let status = head.status.as_u16();
        self.failed(Why::Status { status, port: None, wait })
    }

    /// Makes the error of a tunnel that stood, and then broke, or led to somebody else.
    pub(crate) fn behind(&self, error: TransportError) -> TransportError {
        let (kind, wait) = (error.kind(), error.retry_after());
        TransportError::new(kind, Behind { proxy: self.to_string(), source: error })
            .with_retry_after(wait)
    }

    /// Makes the error of a tunnel in which nobody spoke in time.
    pub(crate) fn late_behind(&self, error: TimeoutError) -> TransportError {
        let error = Behind { proxy: self.to_string(), source: error };
        TransportError::new(TransportErrorKind::Connect, error)
    }

    /// Makes the error of a proxy that could not be connected to.
    pub(crate) fn unreachable(&self, error: TransportError) -> TransportError {
        self.failed(Why::Unreachable(error))
    }

    /// Makes the error of a proxy that could not be passed in time.
    pub(crate) fn late(&self, error: TimeoutError) -> TransportError {
        self.failed(Why::Late(error))
    }

    /// Makes the error of a way that is not taken: the proxy would read what is for this machine
    /// alone.
    pub(crate) fn reads_along(&self) -> TransportError {
        self.failed(Why::ReadsAlong)
    }

    fn failed(&self, why: Why) -> TransportError {
        let (kind, wait) = (why.kind(), why.wait());
        TransportError::new(kind, ProxyError { proxy: self.to_string(), why })
            .with_retry_after(wait)
    }
}

/// Leaves the proxy's credentials out.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http => "http",
            Protocol::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}", authority(&self.host, self.port))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Returns a variable's value. A value that is no text can't be a proxy's URL, and counts as a
/// malformed one.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Returns the port that an authority names, or the default; `None` for a port that is malformed.
fn port(authority: &Authority) -> Option<u16> {
    let (_, host) = authority.as_str().rsplit_once('@').unwrap_or(("", authority.as_str()));
    match host.strip_prefix(authority.host())?.strip_prefix(':') {
        None | Some("") => Some(DEFAULT_PORT),
        // `parse` would take a sign as well.
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok(),
        Some(_) => None,
    }
}

/// Returns a literal IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// What went wrong at a proxy, and at which.
#[derive(Debug, thiserror::Error)]
#[error("the proxy {proxy}")]
struct ProxyError {
    proxy: String,
    #[source]
    why: Why,
}

/// What went wrong behind a proxy, where the proxy may have had its part in it.
#[derive(Debug, thiserror::Error)]
#[error("by way of the proxy {proxy}")]
struct Behind<E: std::error::Error + 'static> {
    proxy: String,
    source: E,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    /// The answer to CONNECT for this port; without a port, to a request that the proxy was to send
    /// on.
    #[error("it answered with status {}{}", shown(*.status), advice(*.status, *.port))]
    Status { status: u16, port: Option<u16>, wait: Option<Duration> },
    #[error("{}", socks5::meaning(*.0))]
    Reply(u8),
    #[error("it refused the credentials, or wants some")]
    Credentials,
    #[error("the host's name is too long for it")]
    HostTooLong,
    #[error("it does not speak {0}")]
    NotSpoken(&'static str),
    #[error(
        "it is another machine, and plain http to this one may hold credentials: see \
         allow_credentials_over_plain_http"
    )]
    ReadsAlong,
    #[error("it can't be reached")]
    Unreachable(#[source] TransportError),
    #[error("it took too long")]
    Late(#[source] TimeoutError),
    #[error("the connection to it broke")]
    Broken(#[from] std::io::Error),
}

impl Why {
    /// Returns [`TransportErrorKind::Connect`] where the proxy may answer otherwise the next time.
    fn kind(&self) -> TransportErrorKind {
        match self {
            // These are about the way to the host, most likely: some proxies say 404 where a name
            // does not resolve.
            Self::Status { status: 404 | 408 | 429 | 500.., .. } | Self::Reply(1 | 3..=6) => {
                TransportErrorKind::Connect
            }
            Self::NotSpoken(_) | Self::Unreachable(_) | Self::Late(_) | Self::Broken(_) => {
                TransportErrorKind::Connect
            }
            Self::Status { .. } | Self::Reply(_) | Self::Credentials | Self::HostTooLong => {
                TransportErrorKind::Proxy
            }
            Self::ReadsAlong => TransportErrorKind::Request,
        }
    }

    /// Returns how long the proxy asks to wait.
    fn wait(&self) -> Option<Duration> {
        match self {
            Self::Status { wait, .. } => *wait,
            _ => None,
        }
    }
}

fn shown(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or_default()
}

/// Returns what a status of a proxy means beside what the status says.
fn advice(status: u16, port: Option<u16>) -> &'static str {
    match (status, port) {
        (403, Some(port)) if port != 443 => ": most proxies allow port 443 only",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Proxy {
        Proxy::parse("proxy", url).unwrap()
    }

    #[test]
    fn a_proxy_is_a_url_or_only_a_host() {
        assert_eq!(parse("proxy.test:3128").to_string(), "http://proxy.test:3128");
        assert_eq!(parse("HTTP://proxy.test/").to_string(), "http://proxy.test:1080");
        assert_eq!(parse("socks5h://[::1]:9").to_string(), "socks5://[::1]:9");
        for bad in
            ["", "ftp://proxy.test", "https://proxy.test", "http://", "http://a b", "socks4://a"]
        {
            assert!(Proxy::parse("proxy", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_says_what_is_wrong_and_nothing_of_the_value() {
        let long = format!("http://{}:canary@h", "u".repeat(256));
        for (url, wrong) in [
            ("https://canary:canary@h:1", "TLS to the proxy itself is not supported"),
            ("socks4://canary@h", "only version 5"),
            ("canary://h", "its scheme is none of these"),
            ("http://u:canary?canary@h", "before its @"),
            ("http://", "it has no host"),
            ("http://u:canary@", "it has no host"),
            ("http://u:canary@:80", "it has no host"),
            // Where `@host` was forgotten, the port is a password.
            ("http://h:canary", "its port"),
            ("http://h:99999", "its port is no such number"),
            ("http://can ary@h", "a character of no use there"),
            (&long, "is longer"),
        ] {
            let error = Proxy::parse("http_proxy", url).unwrap_err().to_string();
            assert!(error.starts_with("http_proxy must be a proxy's URL"), "{error}");
            assert!(error.contains(wrong), "{url}: {error}");
            assert!(!error.contains("canary") && !error.contains('…'), "{error}");
        }
    }

    #[test]
    fn a_port_is_a_number_of_sixteen_bits() {
        assert_eq!(parse("http://h:65535").to_string(), "http://h:65535");
        assert_eq!(parse("http://h:").to_string(), "http://h:1080");
        assert_eq!(parse("http://[::1]/path?query").to_string(), "http://[::1]:1080");
        for port in ["abc", "99999", "65536", "-1", "+1", "0x50", "8080:8080", " 80"] {
            for url in [format!("http://h:{port}"), format!("socks5://u:p@[::1]:{port}/")] {
                assert!(Proxy::parse("proxy", &url).is_err(), "{url}");
            }
        }
    }

    #[test]
    fn a_password_that_ends_the_authority_is_an_error_and_no_other_host() {
        for end in ['#', '/', '?'] {
            for url in [format!("http://user:12{end}34@h:1"), format!("socks5://us{end}er@h:1")] {
                let error = Proxy::parse("proxy", &url).unwrap_err();
                assert!(error.to_string().contains("%23"), "{error}");
                assert!(!error.to_string().contains("12"), "{error}");
            }
        }
        let proxy = parse("http://user:1%232%2F3%3F4@h:1");
        assert_eq!(proxy.authorization().unwrap(), "Basic dXNlcjoxIzIvMz80");
    }

    #[test]
    fn credentials_are_decoded_and_shown_to_nobody() {
        let proxy = parse("http://us%40er:pass%3Aword@proxy.test:1");
        let value = proxy.authorization().unwrap();
        assert_eq!(value, "Basic dXNAZXI6cGFzczp3b3Jk");
        assert!(value.is_sensitive());
        assert_eq!(format!("{proxy} {proxy:?}"), "http://proxy.test:1 Proxy(http://proxy.test:1)");
        let error = Proxy::parse("proxy", "ftp://user:canary@proxy.test").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
        let long = format!("socks5://{}@proxy.test", "u".repeat(256));
        assert!(Proxy::parse("proxy", &long).is_err());
    }

    #[test]
    fn a_refusal_of_another_port_than_443_says_what_is_usual() {
        for (port, due) in [(443, false), (8443, true)] {
            let why = Why::Status { status: 403, port: Some(port), wait: None };
            assert_eq!(why.to_string().contains("port 443 only"), due, "{why}");
        }
    }

    #[test]
    fn what_may_pass_is_no_refusal() {
        let status = |status| Why::Status { status, port: Some(443), wait: None };
        for (why, kind) in [
            (status(407), TransportErrorKind::Proxy),
            (status(403), TransportErrorKind::Proxy),
            (status(302), TransportErrorKind::Proxy),
            (status(404), TransportErrorKind::Connect),
            (status(502), TransportErrorKind::Connect),
            (Why::Reply(2), TransportErrorKind::Proxy),
            (Why::Reply(5), TransportErrorKind::Connect),
            (Why::Credentials, TransportErrorKind::Proxy),
        ] {
            assert_eq!(parse("proxy.test").failed(why).kind(), kind);
        }
    }
}
