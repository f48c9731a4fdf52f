//! Which service, and as whom.

use std::sync::Arc;

use url::Url;

use crate::{ApiKey, ConfigError};

/// Where the REST API of the public service is.
pub const API_BASE_URL: &str = "https://api.restlessapi.stream";
/// Where the streams of the public service are.
pub const STREAM_BASE_URL: &str = "https://stream.restlessapi.stream";

/// Where the service is, and the key to use it with. Cheap to clone.
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
#[derive(Clone, Debug)]
pub struct Service {
    api_key: Option<Arc<ApiKey>>,
    api_base_url: Arc<str>,
    stream_base_url: Arc<str>,
}

/// The public service, without a key.
impl Default for Service {
    fn default() -> Self {
        Self {
            api_key: None,
            api_base_url: API_BASE_URL.into(),
            stream_base_url: STREAM_BASE_URL.into(),
        }
    }
}

impl Service {
    /// The public service, with this key; an empty one is none.
    pub fn new(api_key: impl Into<ApiKey>) -> Self {
        Self::default().with_api_key(api_key)
    }

    /// With this key; an empty one is none.
    #[must_use]
    pub fn with_api_key(mut self, key: impl Into<ApiKey>) -> Self {
        self.api_key = Some(key.into()).filter(|key| !key.is_empty()).map(Arc::new);
        self
    }

    /// With REST calls to this URL; it may have a path.
    ///
    /// # Errors
    ///
    /// When it is not an absolute http or https URL without a query.
    pub fn with_api_base_url(mut self, url: &str) -> Result<Self, ConfigError> {
        let accepted = "an absolute http or https URL without a query";
        let parsed = http_url(url).filter(|url| url.query().is_none() && url.fragment().is_none());
        if parsed.is_none() {
            return Err(ConfigError::new("base_url", redact_url(url), accepted));
        }
        self.api_base_url = url.trim_end_matches('/').into();
        Ok(self)
    }

    /// With streams at this URL; it may have a path and a query, which stay.
    ///
    /// # Errors
    ///
    /// When it is not an absolute http or https URL.
    pub fn with_stream_base_url(mut self, url: &str) -> Result<Self, ConfigError> {
        if http_url(url).is_none() {
            let accepted = "an absolute http or https URL";
            return Err(ConfigError::new("stream_base_url", redact_url(url), accepted));
        }
        self.stream_base_url = url.into();
        Ok(self)
    }

    /// The key, where there is one.
    pub fn api_key(&self) -> Option<&ApiKey> {
        self.api_key.as_deref()
    }

    /// Where REST calls go.
    pub fn api_base_url(&self) -> &str {
        &self.api_base_url
    }

    /// Where streams are.
    pub fn stream_base_url(&self) -> &str {
        &self.stream_base_url
    }
}

/// An absolute http or https URL.
pub(crate) fn http_url(text: &str) -> Option<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}

/// What of a URL that can't be used may stand in an error: a key may hide in the rest.
pub(crate) fn redact_url(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) => format!("{}://{}…", url.scheme(), url.host_str().unwrap_or_default()),
        Err(_) => {
            let end = text.find(['/', '?', '#', '@', ':']).unwrap_or(text.len()).min(24);
            format!("{}…", text.get(..end).unwrap_or_default())
        }
    }
}
