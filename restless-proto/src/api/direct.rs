//! Direct streams: a REST API followed without a stream of its own.
//!
//! # Long URLs
//!
//! A direct URL has the whole target in its query, `headers` and `body` included. With their
//! defaults, boxes in between take URLs of so many bytes:
//!
//! | box | bytes | what it says to more |
//! | --- | --- | --- |
//! | pound, nginx, Apache, lighttpd, squid | 4 to 8 KiB | 414, 431, 400, or a reset without a status |
//! | haproxy, varnish | 15 to 33 KiB | 400, or a reset without a status |
//!
//! For a URL over 4 KiB, the error of such an answer says how long the URL was. The second
//! connection in a row that breaks without an answer ends such a subscription. [`session`] takes
//! the target in the content of a call, which may be as long as needed, and gives a short URL.

use std::fmt;

use http::Method;
use serde::Serialize;

use super::{body_builder, checked};
use crate::call::Call;
use crate::call::Segment::Literal;
use crate::call::{Body, KeyInBody};
use crate::kinds::ConfigError;
use crate::model::{
    DirectSessionResponse, DirectSetupResponse, HttpMethod, Json, PayloadMode, PollingStrategy,
};
use crate::secret::ApiKey;

/// What a direct stream polls: one description for [`setup`], [`session`],
/// [`Subscription::direct`](crate::Subscription::direct) and the
/// [URLs](crate::url::direct_sse).
///
/// ```
/// use restless_proto::{Subscription, direct};
///
/// let target = direct::target("https://api.example.com/orders")
///     .polling_interval(30)
///     .jq_filter(".items");
/// let subscription = Subscription::direct(target);
/// # let _ = subscription;
/// ```
pub fn target(url: impl Into<String>) -> Target {
    Target {
        url: url.into(),
        method: None,
        headers: None,
        body: None,
        jq_filter: None,
        payload_mode: None,
        polling_interval: None,
        polling_strategies: Vec::new(),
        api_key: None,
        error: None,
    }
}

/// Gives commands, URLs and code for a direct stream.
pub fn setup(target: impl Into<Target>) -> Setup {
    Setup { body: target.into().into_body() }
}

/// Makes a session: a URL for a direct stream that stays. With a dedupe key, the session that has
/// the key is used again, which makes the call idempotent.
///
/// ```
/// use restless_proto::{Call, Service, direct, model::DirectSessionResponse};
///
/// let call: Call<DirectSessionResponse> =
///     direct::session("https://api.example.com/orders").dedupe_key("orders-v1").into();
/// let request = call.request(&Service::default())?;
/// assert_eq!(
///     request.body(),
///     r#"{"url":"https://api.example.com/orders","dedupeKey":"orders-v1"}"#
/// );
/// # Ok::<(), restless_proto::ConfigError>(())
/// ```
pub fn session(target: impl Into<Target>) -> Session {
    Session { body: target.into().into_body() }
}

/// Gives commands, URLs and code from a whole JSON object, for what this version does not know.
/// Names in snake_case go out in camelCase; the caller's `headers` and `body` go out as they are.
pub fn setup_from(object: impl Serialize) -> Setup {
    Setup { body: Body::default() }.fields(object)
}

/// Makes a session from a whole JSON object, as [`setup_from`] does.
pub fn session_from(object: impl Serialize) -> Session {
    Session { body: Body::default() }.fields(object)
}

/// What a direct stream polls: see [`target`].
#[derive(Clone)]
#[must_use = "a target is a value: subscribe to it, or make a session of it"]
pub struct Target {
    pub(crate) url: String,
    pub(crate) method: Option<HttpMethod>,
    pub(crate) headers: Option<Json>,
    pub(crate) body: Option<Json>,
    pub(crate) jq_filter: Option<String>,
    pub(crate) payload_mode: Option<PayloadMode>,
    pub(crate) polling_interval: Option<u64>,
    pub(crate) polling_strategies: Vec<PollingStrategy>,
    pub(crate) api_key: Option<ApiKey>,
    pub(crate) error: Option<ConfigError>,
}

impl Target {
    /// Sets how the API is asked: a token (RFC 9110 §5.6.2); white space around the token is left
    /// out. Default: GET, which an empty text in a URL means, too.
    pub fn method(mut self, method: impl Into<HttpMethod>) -> Self {
        let method = HttpMethod::from(method.into().as_str().trim());
        let is_empty = method.as_str().is_empty();
        self.method = if is_empty { Some(method) } else { self.checked(checked::method(method)) };
        self
    }

    /// Sets fields that are sent to the API: anything that is a JSON object, sent as it is. Whoever
    /// sees a URL can read the fields in the URL; a [`session`] hides them.
    pub fn headers(mut self, headers: impl Serialize) -> Self {
        self.headers = self.checked(checked::object("headers", headers));
        self
    }

    /// Sets content that is sent to the API: anything that is a JSON object, which is all that the
    /// service takes, sent as it is. Whoever sees a URL can read the content in the URL.
    pub fn body(mut self, body: impl Serialize) -> Self {
        self.body = self.checked(checked::object("body", body));
        self
    }

    /// Sets a jq filter over the API's answers.
    pub fn jq_filter(mut self, filter: impl Into<String>) -> Self {
        self.jq_filter = Some(filter.into());
        self
    }

    /// Sets what updates hold. Default: all data.
    pub fn payload_mode(mut self, mode: impl Into<PayloadMode>) -> Self {
        self.payload_mode = Some(mode.into());
        self
    }

    /// Sets the seconds between two questions. Default: 0, which leaves the interval to the
    /// service.
    pub fn polling_interval(mut self, seconds: u64) -> Self {
        self.polling_interval = Some(seconds);
        self
    }

    /// Sets other intervals at other times of day.
    pub fn polling_strategies(
        mut self,
        strategies: impl IntoIterator<Item = PollingStrategy>,
    ) -> Self {
        self.polling_strategies = Vec::from_iter(strategies);
        self
    }

    /// Puts a key into the URL's query, where proxies and logs can read the key, or into a call's
    /// body. A subscription then sends this key alone. Default: none; the client's key goes into a
    /// field.
    pub fn api_key_in_url(mut self, key: impl Into<ApiKey>) -> Self {
        self.api_key = Some(key.into()).filter(|key| !key.is_empty());
        self
    }

    /// Remembers the first value that can't work; the error comes when the target is used.
    fn checked<T>(&mut self, value: Result<T, ConfigError>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }

    fn into_body(self) -> Body {
        let mut body = Body::default();
        if let Some(error) = self.error {
            body.fail(error);
        }
        body.set("url", self.url);
        if let Some(method) = self.method {
            body.set("method", method);
        }
        if let Some(headers) = self.headers {
            body.set("headers", headers);
        }
        if let Some(content) = self.body {
            body.set("body", content);
        }
        if let Some(filter) = self.jq_filter {
            body.set("jqFilter", filter);
        }
        if let Some(mode) = self.payload_mode {
            body.set("payloadMode", mode);
        }
        if let Some(seconds) = self.polling_interval {
            body.set("pollingInterval", seconds);
        }
        if !self.polling_strategies.is_empty() {
            body.set("pollingStrategies", self.polling_strategies);
        }
        if let Some(key) = self.api_key {
            body.set("apiKey", key.expose());
        }
        body
    }
}

impl<T: Into<String>> From<T> for Target {
    fn from(url: T) -> Self {
        target(url)
    }
}

/// Prints the URL's host at most: URLs, headers and bodies hold keys of the API.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("url", &crate::semantics::absolute::redact_url(&self.url))
            .field("method", &self.method)
            .field("payload_mode", &self.payload_mode)
            .field("polling_interval", &self.polling_interval)
            .finish_non_exhaustive()
    }
}

/// Asks for commands, URLs and code: see [`setup`].
#[derive(Clone)]
#[must_use = "a call is a value: give it to a client"]
pub struct Setup {
    body: Body,
}

/// Asks for a session: see [`session`].
#[derive(Clone)]
#[must_use = "a call is a value: give it to a client"]
pub struct Session {
    body: Body,
}

body_builder!(Setup);
body_builder!(Session);

impl Setup {
    /// Sets the language to select for code.
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.body.set("language", language.into());
        self
    }
}

impl Session {
    /// Sets the key by which the session is found again. A call with a dedupe key may be made again
    /// where the outcome of the first try is unknown.
    pub fn dedupe_key(mut self, key: impl Into<String>) -> Self {
        self.body.set("dedupeKey", key.into());
        self
    }
}

impl From<Setup> for Call<DirectSetupResponse> {
    fn from(setup: Setup) -> Self {
        Self::new(Method::POST, &[Literal("streams"), Literal("direct"), Literal("setup")])
            .body(setup.body, KeyInBody::Omitted)
    }
}

impl From<Session> for Call<DirectSessionResponse> {
    fn from(session: Session) -> Self {
        let deduped = session.body.says("dedupeKey");
        let path = [Literal("streams"), Literal("direct"), Literal("sessions")];
        let call = Self::new(Method::POST, &path).body(session.body, KeyInBody::Omitted);
        if deduped { call.idempotent() } else { call }
    }
}
