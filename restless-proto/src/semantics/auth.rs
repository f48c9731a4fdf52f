//! How credentials go out, and where they may go.

use core::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

use super::{absolute, scheme};
use crate::kinds::ConfigError;
use crate::query;
use crate::secret::ApiKey;

/// Makes the credentials of a runtime request (RFC 6750 §2.1).
///
/// # Errors
///
/// As [`sensitive`].
pub(crate) fn bearer(key: &ApiKey) -> Result<HeaderValue, ConfigError> {
    sensitive(key, "Bearer ")
}

/// Makes the key the value of a field, after a prefix, and marks the value so that no `Debug`
/// prints it.
///
/// # Errors
///
/// Where the key has other characters than visible ASCII, such as a line end that was copied along.
pub(crate) fn sensitive(key: &ApiKey, prefix: &str) -> Result<HeaderValue, ConfigError> {
    let odd = key.expose().bytes().enumerate().find(|(_, byte)| !byte.is_ascii_graphic());
    let wrong = match (odd, HeaderValue::try_from(format!("{prefix}{}", key.expose()))) {
        (None, Ok(mut value)) => {
            value.set_sensitive(true);
            return Ok(value);
        }
        (Some((at, byte)), _) => format!("byte {} is {byte:#04X}", at + 1),
        (None, Err(error)) => error.to_string(),
    };
    Err(ConfigError::hidden("api_key", wrong, "visible ASCII characters"))
}

/// Refuses the field that our key goes in as one of the caller's own.
pub(crate) fn refuse_api_key(name: &HeaderName) -> Result<(), ConfigError> {
    if name == "x-api-key" {
        return Err(ConfigError::new("header", name.as_str(), "left to the client, as its key"));
    }
    Ok(())
}

/// Where credentials may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only where nobody on the way can read along: over https, or to this machine itself.
    #[default]
    Private,
    /// Wherever the caller sends them, who has said so by name.
    Anywhere,
}

/// Names what a [`Reach`] asks for, in the words of an error.
pub(crate) const PRIVATE: &str = "https, or a loopback host, where credentials are sent, unless \
    allow_credentials_over_plain_http says otherwise";

impl Reach {
    /// Whether credentials may go to this URL.
    pub(crate) fn includes(self, url: &Url) -> bool {
        self == Self::Anywhere
            || scheme::is_secure(url.scheme())
            || url.host_str().is_some_and(is_loopback)
    }
}

/// Whether a host is this machine itself: 127.0.0.0/8 and ::1 (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3),
/// and the names that lead nowhere else (RFC 6761 §6.3). A literal IPv6 address may have its
/// brackets.
///
/// ```
/// assert!(restless_proto::is_loopback("[::1]") && restless_proto::is_loopback("localhost"));
/// assert!(!restless_proto::is_loopback("localhost.example.com"));
/// ```
pub fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// Whether a request with these fields and this URL bears credentials. A field does if it is ours,
/// or the caller's own under a name that HTTP has for credentials. A URL does in `apiKey`, in the
/// `headers` that are for the API behind a direct stream, or as user and password, of which many an
/// HTTP stack makes a field.
///
/// A field of another name is the caller's business: an `x-tenant` need not be a secret.
pub(crate) fn has_credentials(fields: &HeaderMap, url: &Url) -> bool {
    let in_query = |name: &&str| query::value(url, name).is_some_and(|value| !value.is_empty());
    FIELDS.iter().any(|name| fields.contains_key(name))
        || PARAMETERS.iter().any(in_query)
        || absolute::has_user(url)
}

/// The parameters of a URL, and the names in a call's content, that hold credentials.
pub(crate) const PARAMETERS: [&str; 2] = ["apiKey", "headers"];

const FIELDS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_reach_https_and_loopback_and_nothing_else() {
        for (url, due) in [
            ("https://a.test/", true),
            ("wss://a.test/", true),
            ("http://127.0.0.1:8787/", true),
            ("http://127.255.255.254/", true),
            ("http://[::1]:8787/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://localhost:8787/", true),
            ("http://LOCALHOST./", true),
            ("ws://a.localhost/", true),
            ("http://a.test/", false),
            ("ws://a.test/", false),
            ("http://128.0.0.1/", false),
            ("http://0.0.0.0/", false),
            ("http://192.168.0.1/", false),
            ("http://[::]/", false),
            ("http://[::2]/", false),
            ("http://notlocalhost/", false),
            ("http://localhost.a.test/", false),
            ("http://127.0.0.1.a.test/", false),
            ("http://localhost@a.test/", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(Reach::Private.includes(&url), due, "{url}");
            assert!(Reach::Anywhere.includes(&url), "{url}");
        }
    }

    #[test]
    fn a_key_is_one_wherever_it_stands() {
        for (field, url, due) in [
            ("accept", "http://a.test/?streamId=a&cursor=7&apiKey=", false),
            ("x-tenant", "http://a.test/", false),
            ("authorization", "http://a.test/", true),
            ("cookie", "http://a.test/", true),
            ("proxy-authorization", "http://a.test/", true),
            ("x-api-key", "http://a.test/", true),
            ("accept", "http://a.test/?apiKey=k", true),
            ("accept", "http://a.test/?%61piKey=k", true),
            ("accept", "http://a.test/?headers=%7B%7D", true),
            ("accept", "http://user@a.test/", true),
            ("accept", "http://:password@a.test/", true),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(field, HeaderValue::from_static("v"));
            assert_eq!(has_credentials(&fields, &Url::parse(url).unwrap()), due, "{field} {url}");
        }
    }
}
