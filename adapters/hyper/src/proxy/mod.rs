//! Proxies: which one is on the way to an origin, and how to get through it.

mod connect;
mod rules;
mod socks5;

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use restless_proto::{ConfigError, TimeoutError, TransportError, TransportErrorKind};
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use rules::Proxies;

/// One proxy. Its credentials are for itself only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
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

/// curl's, for a proxy of any kind.
const DEFAULT_PORT: u16 = 1080;

const ACCEPTED: &str = "a proxy's URL: http://, socks5:// or socks5h://, with a host, and a user \
    and a password of at most 255 bytes each where it wants some";

impl Proxy {
    /// Reads `[scheme://][user[:password]@]host[:port]`; no scheme is `http`.
    ///
    /// # Errors
    ///
    /// When it is something else. The value is not in the error, for it may hold a password.
    pub(crate) fn parse(field: &'static str, url: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError::new(field, "…", ACCEPTED);
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let protocol = match scheme.to_ascii_lowercase().as_str() {
            "http" => Protocol::Http,
            // Names go to the proxy by either: only it can know what they mean in its network.
            "socks5" | "socks5h" => Protocol::Socks5,
            _ => return Err(bad()),
        };
        let uri: Uri = format!("http://{rest}").parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?;
        let host = bare(authority.host());
        if host.is_empty() {
            return Err(bad());
        }
        let credentials = authority.as_str().rsplit_once('@').map(|(user, _)| {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let decode = |text| percent_decode_str(text).collect();
            Credentials { user: decode(user), password: decode(password) }
        });
        let fits = |part: &[u8]| part.len() <= 255;
        if credentials.as_ref().is_some_and(|c| !fits(&c.user) || !fits(&c.password)) {
            return Err(bad());
        }
        let port = authority.port_u16().unwrap_or(DEFAULT_PORT);
        Ok(Self { protocol, host: host.to_owned(), port, credentials })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether requests to plain http origins are sent to it whole (RFC 9112 §3.2.2), and not
    /// through a tunnel.
    pub(crate) fn forwards(&self) -> bool {
        self.protocol == Protocol::Http
    }

    /// What it wants in `Proxy-Authorization` (RFC 7617).
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let Credentials { user, password } = self.credentials.as_ref()?;
        let pair = BASE64_STANDARD.encode([user, &b":"[..], password].concat());
        let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Makes a connection to it one to an origin.
    ///
    /// # Errors
    ///
    /// [`TransportErrorKind::Proxy`] where it would say the same the next time, else
    /// [`TransportErrorKind::Connect`].
    pub(crate) async fn tunnel<S>(
        &self,
        socket: &mut S,
        host: &str,
        port: u16,
    ) -> Result<(), TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let done = match self.protocol {
            Protocol::Http => connect::tunnel(socket, self, host, port).await,
            Protocol::Socks5 => socks5::tunnel(socket, self, host, port).await,
        };
        done.map_err(|why| self.failed(why))
    }

    /// The error of an answer with this status that is the proxy's own.
    pub(crate) fn refused(&self, status: u16) -> TransportError {
        self.failed(Why::Status(status))
    }

    /// The error of no connection to it.
    pub(crate) fn unreachable(&self, error: TransportError) -> TransportError {
        self.failed(Why::Unreachable(error))
    }

    /// The error of no way through it in time.
    pub(crate) fn late(&self, error: TimeoutError) -> TransportError {
        self.failed(Why::Late(error))
    }

    /// The error of a way that is not taken: the proxy would read what is for this machine alone.
    pub(crate) fn reads_along(&self) -> TransportError {
        self.failed(Why::ReadsAlong)
    }

    fn failed(&self, why: Why) -> TransportError {
        TransportError::new(why.kind(), ProxyError { proxy: self.to_string(), why })
    }
}

/// Without its credentials.
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

/// A literal IPv6 address without its brackets.
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

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("it answered with status {}", http::StatusCode::from_u16(*.0).unwrap_or_default())]
    Status(u16),
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
    /// [`TransportErrorKind::Connect`] where it may answer otherwise the next time.
    fn kind(&self) -> TransportErrorKind {
        match self {
            Self::Status(408 | 429 | 500..) | Self::Reply(1 | 3..=6) => TransportErrorKind::Connect,
            Self::NotSpoken(_) | Self::Unreachable(_) | Self::Late(_) | Self::Broken(_) => {
                TransportErrorKind::Connect
            }
            Self::Status(_) | Self::Reply(_) | Self::Credentials | Self::HostTooLong => {
                TransportErrorKind::Proxy
            }
            Self::ReadsAlong => TransportErrorKind::Request,
        }
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
    fn what_may_pass_is_no_refusal() {
        for (why, kind) in [
            (Why::Status(407), TransportErrorKind::Proxy),
            (Why::Status(403), TransportErrorKind::Proxy),
            (Why::Status(302), TransportErrorKind::Proxy),
            (Why::Status(502), TransportErrorKind::Connect),
            (Why::Reply(2), TransportErrorKind::Proxy),
            (Why::Reply(5), TransportErrorKind::Connect),
            (Why::Credentials, TransportErrorKind::Proxy),
        ] {
            assert_eq!(parse("proxy.test").failed(why).kind(), kind);
        }
    }
}
