//! Which service, and with whose key.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use crate::fields;
use crate::kinds::ConfigError;
use crate::redact;
use crate::secret::ApiKey;
use crate::semantics::absolute::{http_url, redact_url};
use crate::semantics::auth::{self, Reach};

/// Where the REST API of the public service is.
pub const API_BASE_URL: &str = "https://api.restlessapi.stream";
/// Where the streams of the public service are.
pub const STREAM_BASE_URL: &str = "https://stream.restlessapi.stream";

/// Where the service is, and the key to use it with. Cheap to clone.
///
/// Credentials go out over https, or to this machine itself (127.0.0.0/8, ::1, `localhost` and the
/// names under it). A call or a subscription that would send credentials over plain http to another
/// host is a [`ConfigError`] before anything is sent; a redirect that would do so is an error too.
/// [`allow_credentials_over_plain_http`](Self::allow_credentials_over_plain_http) lifts the rule.
/// Credentials are: the key, in a field, in content and in a URL, written by hand too; `headers`
/// for the API behind a stream; and the caller's own `Authorization` and `Cookie`. Other fields of
/// the caller's own go where the caller sends them.
///
/// ```
/// use restless_proto::Service;
///
/// let local = Service::new("rs_0123456789abcdef")
///     .with_api_base_url("http://127.0.0.1:8787")?
///     .with_stream_base_url("http://127.0.0.1:8787")?;
/// assert_eq!(local.api_base_url(), "http://127.0.0.1:8787");
/// # Ok::<(), restless_proto::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Service {
    credentials: Credentials,
    api_base_url: Arc<str>,
    stream_base_url: Arc<str>,
    reach: Reach,
    /// What goes out with every request that has no field of the same name.
    defaults: Arc<HeaderMap>,
}

/// The credentials that requests go out with.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// No credentials, or those in the URL.
    None,
    /// The same key goes with each request.
    Fixed(Arc<ApiKey>),
    /// The user is asked.
    OnDemand,
}

/// The public service, without a key.
impl Default for Service {
    fn default() -> Self {
        Self {
            credentials: Credentials::None,
            api_base_url: API_BASE_URL.into(),
            stream_base_url: STREAM_BASE_URL.into(),
            reach: Reach::default(),
            defaults: Arc::new(fields::defaults()),
        }
    }
}

impl Service {
    /// Makes the public service, with this key; an empty key stands for no key.
    pub fn new(api_key: impl Into<ApiKey>) -> Self {
        Self::default().with_api_key(api_key)
    }

    /// Sets the key; an empty text stands for no key.
    #[must_use]
    pub fn with_api_key(mut self, key: impl Into<ApiKey>) -> Self {
        let key = key.into();
        self.credentials =
            if key.is_empty() { Credentials::None } else { Credentials::Fixed(Arc::new(key)) };
        self
    }

    /// Asks the driver for keys, by [`Output::Authorize`](crate::machine::Output::Authorize):
    /// before each call and each connect of a subscription, and once more when a key was refused
    /// with 401. A second refusal ends the call or the subscription.
    #[must_use]
    pub fn with_credentials_on_demand(mut self) -> Self {
        self.credentials = Credentials::OnDemand;
        self
    }

    /// Sends REST calls to this URL, which may have a path.
    ///
    /// # Errors
    ///
    /// When the text is another thing than an absolute http or https URL, or has a user, a password
    /// or a query.
    pub fn with_api_base_url(mut self, url: &str) -> Result<Self, ConfigError> {
        let parsed = http_url("base_url", url)?;
        if parsed.query().is_some() || parsed.fragment().is_some() {
            let accepted = "a URL that calls add their path to";
            return Err(ConfigError::hidden("base_url", "it has a query or a fragment", accepted));
        }
        self.api_base_url = parsed.as_str().trim_end_matches('/').into();
        Ok(self)
    }

    /// Follows streams at this URL, which may have a path and a query; both stay.
    ///
    /// # Errors
    ///
    /// When the text is another thing than an absolute http or https URL, or has a user or a
    /// password.
    pub fn with_stream_base_url(mut self, url: &str) -> Result<Self, ConfigError> {
        http_url("stream_base_url", url)?;
        self.stream_base_url = url.into();
        Ok(self)
    }

    /// Adds this field to each call and each connect of a subscription. A request that has a field
    /// of that name keeps its own. Of two fields with one name, the later counts. Default:
    /// `User-Agent` alone.
    ///
    /// # Errors
    ///
    /// When HTTP can't carry the field. When the field says how the request or its connection is to
    /// be read (`Accept`, `Connection`, `Host` and the like). And for `x-api-key`: see
    /// [`with_api_key`](Self::with_api_key).
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, ConfigError> {
        let (name, value) = fields::checked(name, value)?;
        auth::refuse_api_key(&name)?;
        Arc::make_mut(&mut self.defaults).insert(name, value);
        Ok(self)
    }

    /// Sets the `User-Agent` (RFC 9110 §10.1.5); an empty text leaves the field out. Default:
    /// [`USER_AGENT`](crate::USER_AGENT).
    ///
    /// # Errors
    ///
    /// When a field can't carry the text.
    pub fn with_user_agent(mut self, user_agent: &str) -> Result<Self, ConfigError> {
        let defaults = Arc::make_mut(&mut self.defaults);
        if user_agent.is_empty() {
            defaults.remove(header::USER_AGENT);
        } else {
            let (name, mut value) = fields::checked("user-agent", user_agent)?;
            value.set_sensitive(false);
            defaults.insert(name, value);
        }
        Ok(self)
    }

    /// Lets credentials go over plain http to any host, where everybody on the way can read and
    /// keep them: for a network that is all one's own, such as the network between containers.
    #[must_use]
    pub fn allow_credentials_over_plain_http(mut self) -> Self {
        self.reach = Reach::Anywhere;
        self
    }

    /// Returns the key; `None` without a key, and for keys that are asked for on demand.
    pub fn api_key(&self) -> Option<&ApiKey> {
        match &self.credentials {
            Credentials::Fixed(key) => Some(key),
            Credentials::None | Credentials::OnDemand => None,
        }
    }

    /// Returns where REST calls go.
    pub fn api_base_url(&self) -> &str {
        &self.api_base_url
    }

    /// Returns where streams are.
    pub fn stream_base_url(&self) -> &str {
        &self.stream_base_url
    }

    /// Returns what goes out as `User-Agent`; `None` where the field is left out.
    pub fn user_agent(&self) -> Option<&HeaderValue> {
        self.defaults.get(header::USER_AGENT)
    }

    /// Checks a request that another program made, by the rule for credentials above. In such a
    /// request, a field of any name whose value is marked as sensitive counts as credentials as
    /// well.
    ///
    /// # Errors
    ///
    /// When the request's URL is another thing than an absolute http or https URL, or has a user or
    /// a password. When the request bears credentials, and would go over plain http to another host
    /// than this machine without [leave](Self::allow_credentials_over_plain_http).
    pub fn check<T>(&self, request: &http::Request<T>) -> Result<(), ConfigError> {
        let uri = request.uri().to_string();
        let url = http_url("url", &uri)?;
        let marked = request.headers().values().any(HeaderValue::is_sensitive);
        if (marked || auth::has_credentials(request.headers(), &url)) && !self.reach.includes(&url)
        {
            return Err(ConfigError::new("url", redact_url(&uri), auth::PRIVATE));
        }
        Ok(())
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(crate) fn asks_for_credentials(&self) -> bool {
        matches!(self.credentials, Credentials::OnDemand)
    }

    pub(crate) fn defaults(&self) -> &Arc<HeaderMap> {
        &self.defaults
    }

    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("credentials", &self.credentials)
            .field("api_base_url", &redact::redacted(&self.api_base_url))
            .field("stream_base_url", &redact::redacted(&self.stream_base_url))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_normalized_without_its_last_slash() {
        for (given, due) in [
            ("https://api.test", "https://api.test"),
            ("HTTPS://API.Test:443/V1//", "https://api.test/V1"),
            ("http://127.0.0.1:8787/", "http://127.0.0.1:8787"),
        ] {
            let service = Service::default().with_api_base_url(given).unwrap();
            assert_eq!(service.api_base_url(), due);
        }
    }

    #[test]
    fn a_url_that_can_t_be_a_base_is_refused_and_not_shown_whole() {
        for given in
            ["", "api.test", "ws://s/", "https://", "https://me:canary@s/", "https://s/?k=canary"]
        {
            let error = Service::default().with_api_base_url(given).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
        for (given, due) in [
            ("", "base_url is missing: an absolute http or https URL without user and password"),
            (
                "api.test",
                "base_url must be an absolute http or https URL without user and password; \
                it has no scheme",
            ),
            (
                "localhost:1",
                "base_url must be an absolute http or https URL without user and password; \
                it has no // and host",
            ),
        ] {
            let error = Service::default().with_api_base_url(given).unwrap_err();
            assert_eq!(error.to_string(), due);
        }
        Service::default().with_stream_base_url("https://s/?region=eu").unwrap();
        for given in ["wss://s/", "https://me:canary@s/", "https://canary@s/"] {
            let error = Service::default().with_stream_base_url(given).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }

    #[test]
    fn an_empty_key_is_none_and_no_key_is_printed() {
        assert_eq!(Service::new("").api_key(), None);
        let service = Service::new("canary");
        assert!(service.api_key().is_some() && !format!("{service:?}").contains("canary"));
        let service = service.with_stream_base_url("https://s/?apiKey=canary").unwrap();
        assert!(!format!("{service:?}").contains("canary"), "{service:?}");
    }

    #[test]
    fn a_default_field_that_is_not_the_caller_s_to_set_is_refused() {
        for name in ["host", "accept", "connection", "x-api-key", "no name", ""] {
            let refused = Service::default().with_header(name, "canary").unwrap_err();
            assert_eq!(refused.field(), "header", "{name}");
        }
        Service::default().with_header("x-tenant", "a\nb").unwrap_err();
        Service::default().with_user_agent("a\nb").unwrap_err();
        let service = Service::default().with_header("x-tenant", "canary").unwrap();
        assert!(!format!("{service:?}").contains("canary"));
    }

    #[test]
    fn a_request_with_credentials_is_checked_and_one_without_goes_anywhere() {
        let mut marked = HeaderValue::from_static("canary");
        marked.set_sensitive(true);
        for (url, field, value, due) in [
            ("http://a.test/", "accept", HeaderValue::from_static("v"), true),
            ("http://a.test/", "authorization", HeaderValue::from_static("canary"), false),
            ("http://a.test/", "x-tenant", marked.clone(), false),
            ("http://a.test/?apiKey=canary", "accept", HeaderValue::from_static("v"), false),
            ("https://a.test/", "x-tenant", marked.clone(), true),
            ("http://127.0.0.1/", "x-tenant", marked, true),
        ] {
            let request = http::Request::get(url).header(field, value).body(()).unwrap();
            let checked = Service::default().check(&request);
            assert_eq!(checked.is_ok(), due, "{url} {field}");
            assert!(!format!("{checked:?}").contains("canary"));
            Service::default().allow_credentials_over_plain_http().check(&request).unwrap();
        }
        Service::default().check(&http::Request::new(())).unwrap_err();
    }
}
