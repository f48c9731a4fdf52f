//! The URLs of the runtime, public as [`url`](mod@crate::url). Within this crate, that name stays
//! free for the crate `url`.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Position, Url};

use crate::api::direct::Target;
use crate::json::to_raw;
use crate::kinds::ConfigError;
use crate::model::names::camel_case_strategies;
use crate::query::{pairs, value, value_in};
use crate::redact;
use crate::secret::ApiKey;
use crate::semantics::absolute::foreign_url;
use crate::semantics::scheme;
use crate::service::STREAM_BASE_URL;

/// The URL to follow a stream or a session at, over server-sent events.
pub fn sse() -> ManagedUrl {
    ManagedUrl::new(Transport::EventStream)
}

/// The URL to follow a stream or a session at, over WebSocket.
pub fn websocket() -> ManagedUrl {
    ManagedUrl::new(Transport::WebSocket)
}

/// The URL to follow a REST API at, over server-sent events.
pub fn direct_sse(target: impl Into<Target>) -> DirectUrl {
    DirectUrl::new(target.into(), Transport::EventStream)
}

/// The URL to follow a REST API at, over WebSocket.
pub fn direct_websocket(target: impl Into<Target>) -> DirectUrl {
    DirectUrl::new(target.into(), Transport::WebSocket)
}

/// The WebSocket URL that belongs to an SSE URL: `https` becomes `wss`, `http` becomes `ws`, and
/// the path ends in `/ws`, once. The query stays as it is spelt.
///
/// ```
/// use restless_proto::url::{sse, to_websocket_url};
///
/// let url = to_websocket_url(sse().stream_id("stream_123").build()?)?;
/// assert_eq!(url.expose(), "wss://stream.restlessapi.stream/ws?streamId=stream_123");
/// # Ok::<(), restless_proto::ConfigError>(())
/// ```
///
/// # Errors
///
/// When the text is another thing than an absolute http, https, ws or wss URL.
pub fn to_websocket_url(url: impl AsRef<str>) -> Result<RuntimeUrl, ConfigError> {
    let mut parts = Parts::normalized(url.as_ref(), "url")?;
    parts.scheme = scheme::over_websocket(&parts.scheme).unwrap_or_default().to_owned();
    parts.path.truncate(parts.path.trim_end_matches('/').len());
    if !parts.path.ends_with("/ws") {
        parts.path.push_str("/ws");
    }
    Ok(RuntimeUrl(parts.to_string()))
}

/// Sets the `cursor` of any URL: in the place of an old cursor, else at the end. All else stays as
/// it is spelt; blanks around the URL and line ends within, which say nothing, are left out.
///
/// ```
/// use restless_proto::url::set_cursor;
///
/// assert_eq!(set_cursor("https://s.test/?cursor=1&a=b+c", "2"), "https://s.test/?cursor=2&a=b+c");
/// ```
pub fn set_cursor(url: impl AsRef<str>, cursor: &str) -> String {
    let mut parts = Parts::of(url.as_ref());
    parts.set("cursor", cursor);
    parts.to_string()
}

/// Sets the `since` of any URL, as [`set_cursor`] does.
pub fn set_since(url: impl AsRef<str>, since: &str) -> String {
    let mut parts = Parts::of(url.as_ref());
    parts.set("since", since);
    parts.to_string()
}

/// A URL of the runtime, which may hold a key. `Display` is therefore missing, and `Debug` hides
/// all that could be a key. The text leaves this type by [`expose`](Self::expose), as a `String`,
/// or by `AsRef<str>`.
#[derive(Clone, PartialEq, Eq)]
pub struct RuntimeUrl(String);

impl RuntimeUrl {
    /// Returns the whole text. Mind where the text goes from here.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Gives the whole text, as [`RuntimeUrl::expose`] does.
impl AsRef<str> for RuntimeUrl {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Gives the whole text, as [`RuntimeUrl::expose`] does.
impl From<RuntimeUrl> for String {
    fn from(url: RuntimeUrl) -> Self {
        url.0
    }
}

/// Hides the values of `apiKey`, `headers` and `body`, the target's URL, user information, and
/// whatever else looks like a key.
impl fmt::Debug for RuntimeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::of(&self.0);
        if let Some((_, host)) = parts.authority.rsplit_once('@') {
            parts.authority = format!("…@{host}");
        }
        for name in ["apiKey", "headers", "body", "url"] {
            if parts.get(name).is_some() {
                parts.query = parts.query.map(|query| set_in(&query, name, Some("…")));
            }
        }
        write!(f, "RuntimeUrl({})", redact::redacted(&parts.to_string()))
    }
}

/// Builds a URL for a stream or a session: see [`sse`].
#[derive(Clone)]
#[must_use = "build it"]
pub struct ManagedUrl {
    base: String,
    stream_id: String,
    session_id: String,
    cursor: Option<String>,
    since: Option<String>,
    transport: Transport,
}

/// Leaves out the base, whose query may hold a key.
impl fmt::Debug for ManagedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedUrl")
            .field("stream_id", &redact::redacted(&self.stream_id))
            .field("session_id", &redact::redacted(&self.session_id))
            .finish_non_exhaustive()
    }
}

/// Leaves out the base, whose query may hold a key.
impl fmt::Debug for DirectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectUrl").field("target", &self.target).finish_non_exhaustive()
    }
}

impl ManagedUrl {
    fn new(transport: Transport) -> Self {
        Self {
            base: STREAM_BASE_URL.to_owned(),
            stream_id: String::new(),
            session_id: String::new(),
            cursor: None,
            since: None,
            transport,
        }
    }

    /// Sets where the runtime is. Default: [`STREAM_BASE_URL`].
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base = url.into();
        self
    }

    /// Sets the stream. An empty id stands for none.
    pub fn stream_id(mut self, id: impl Into<String>) -> Self {
        self.stream_id = id.into();
        self
    }

    /// Sets the session. An empty id stands for none.
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session_id = id.into();
        self
    }

    /// Sets the position to start at. Default: none.
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// Sets the time to start at. Default: none.
    pub fn since(mut self, since: impl Into<String>) -> Self {
        self.since = Some(since.into());
        self
    }

    /// Builds the URL.
    ///
    /// # Errors
    ///
    /// When both a stream and a session are named, or neither; and when the base is of another
    /// scheme than http, https, ws and wss.
    pub fn build(self) -> Result<RuntimeUrl, ConfigError> {
        let mut parts = base(&self.base)?;
        match (self.stream_id.as_str(), self.session_id.as_str()) {
            ("", "") => {
                let accepted = "exactly one of stream_id and session_id";
                return Err(ConfigError::new("stream_id", "", accepted));
            }
            (id, "") => parts.set("streamId", id),
            ("", id) => parts.set("sessionId", id),
            (_, _) => {
                let accepted = "exactly one of stream_id and session_id";
                return Err(ConfigError::new("stream_id", "one of two", accepted));
            }
        }
        parts.set_position(self.cursor.as_deref(), self.since.as_deref());
        finish(&parts, self.transport)
    }
}

/// Builds a URL for a REST API: see [`direct_sse`].
#[derive(Clone)]
#[must_use = "build it"]
pub struct DirectUrl {
    base: String,
    target: Target,
    cursor: Option<String>,
    since: Option<String>,
    transport: Transport,
}

impl DirectUrl {
    fn new(target: Target, transport: Transport) -> Self {
        Self { base: STREAM_BASE_URL.to_owned(), target, cursor: None, since: None, transport }
    }

    /// Sets where the runtime is. Default: [`STREAM_BASE_URL`].
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base = url.into();
        self
    }

    /// Sets the position to start at. Default: none.
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// Sets the time to start at. Default: none.
    pub fn since(mut self, since: impl Into<String>) -> Self {
        self.since = Some(since.into());
        self
    }

    /// Builds the URL. What is empty or the default is left out.
    ///
    /// # Errors
    ///
    /// When the target's URL is missing, a value of the target can't be JSON, or the base is of
    /// another scheme than http, https, ws and wss.
    pub fn build(self) -> Result<RuntimeUrl, ConfigError> {
        let target = self.target;
        if let Some(error) = target.error {
            return Err(error);
        }
        if target.url.is_empty() {
            return Err(ConfigError::new("url", "", "the URL of a REST API"));
        }
        let mut parts = base(&self.base)?;
        parts.set("url", &target.url);
        parts.set_position(self.cursor.as_deref(), self.since.as_deref());
        let method = target.method.map(|method| method.as_str().to_uppercase());
        parts.set_if("method", method.filter(|method| method != "GET"));
        parts.set_if("headers", target.headers.map(|json| ascii_json(json.get())).filter(says));
        parts.set_if("body", target.body.map(|json| ascii_json(json.get())).filter(says));
        parts.set_if("jq", target.jq_filter);
        let mode = target.payload_mode.map(|mode| mode.as_str().to_uppercase());
        parts.set_if("payloadMode", mode.filter(|mode| mode != "FULL_DATA"));
        let seconds = target.polling_interval.filter(|&seconds| seconds > 0);
        parts.set_if("pollingInterval", seconds.map(|seconds| seconds.to_string()));
        if !target.polling_strategies.is_empty() {
            let json = to_raw(&target.polling_strategies).map(camel_case_strategies).ok();
            parts.set_if("pollingStrategies", json.map(|json| ascii_json(json.get())));
        }
        parts.set_if("apiKey", target.api_key.as_ref().map(ApiKey::expose).map(str::to_owned));
        finish(&parts, self.transport)
    }
}

#[expect(clippy::ptr_arg, reason = "a filter over Option<String>")]
fn says(json: &String) -> bool {
    !matches!(json.as_str(), "null" | "{}" | "[]" | "\"\"" | "false" | "0")
}

fn base(url: &str) -> Result<Parts, ConfigError> {
    let mut parts = Parts::normalized(url, "stream_base_url")?;
    if parts.query.is_none() && parts.fragment.is_none() {
        parts.path.truncate(parts.path.trim_end_matches('/').len());
    }
    Ok(parts)
}

fn finish(parts: &Parts, transport: Transport) -> Result<RuntimeUrl, ConfigError> {
    let url = parts.to_string();
    match transport {
        Transport::EventStream => Ok(RuntimeUrl(url)),
        Transport::WebSocket => to_websocket_url(url),
    }
}

/// How the stream at a URL is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    EventStream,
    WebSocket,
}

/// A URL's parts as they are spelt (RFC 3986 appendix B).
#[derive(Clone, Debug)]
struct Parts {
    scheme: String,
    authority: String,
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

impl Parts {
    /// Splits a URL of the runtime into its parts, normalized (WHATWG URL §4.4); only an empty path
    /// stays empty.
    fn normalized(text: &str, field: &'static str) -> Result<Self, ConfigError> {
        let url = foreign_url(field, text)?;
        let path = match url.path() {
            "/" if Self::of(text).path.is_empty() => "",
            path => path,
        };
        Ok(Self {
            scheme: url.scheme().to_owned(),
            authority: url[Position::BeforeUsername..Position::BeforePath].to_owned(),
            path: path.to_owned(),
            query: url.query().map(str::to_owned),
            fragment: url.fragment().map(str::to_owned),
        })
    }

    /// Splits any URL. What is no part of a URL is left out first, as a parser does: blanks and
    /// control characters around the URL, tabs and line ends within (WHATWG URL §4.4). A blank at
    /// the end would come to stand in the middle, and count.
    fn of(url: &str) -> Self {
        let url = url.trim_matches(|char| char <= ' ').replace(['\t', '\r', '\n'], "");
        let split = |text: &str, at: char| match text.split_once(at) {
            Some((head, tail)) => (head.to_owned(), Some(tail.to_owned())),
            None => (text.to_owned(), None),
        };
        let (rest, fragment) = split(&url, '#');
        let (rest, query) = split(&rest, '?');
        let (scheme, rest) = rest.split_once("://").unwrap_or(("", &rest));
        let path = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path);
        let [scheme, authority, path] = [scheme, authority, path].map(str::to_owned);
        Self { scheme, authority, path, query, fragment }
    }

    fn get(&self, name: &str) -> Option<String> {
        value_in(self.query.as_deref()?, name)
    }

    fn set(&mut self, name: &str, value: &str) {
        let query = self.query.as_deref().unwrap_or_default();
        self.query = Some(set_in(query, name, Some(value)));
    }

    fn set_if(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.set(name, &value);
        }
    }

    fn set_position(&mut self, cursor: Option<&str>, since: Option<&str>) {
        for (name, value) in [("cursor", cursor), ("since", since)] {
            if let Some(value) = value {
                self.set(name, value);
            }
        }
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.scheme.is_empty() { "" } else { "://" };
        write!(f, "{}{separator}{}{}", self.scheme, self.authority, self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        match &self.fragment {
            Some(fragment) => write!(f, "#{fragment}"),
            None => Ok(()),
        }
    }
}

/// Returns `query` with one parameter set, in its first place or at the end; `None` takes the
/// parameter out. Every other parameter stays as it is spelt.
fn set_in(query: &str, name: &str, value: Option<&str>) -> String {
    let mut value = value.map(|value| format!("{name}={}", encode(value)));
    let mut kept = Vec::new();
    for (text, key, _) in pairs(query) {
        if key == name {
            kept.extend(value.take());
        } else {
            kept.push(text.to_owned());
        }
    }
    kept.extend(value);
    kept.join("&")
}

/// Encodes as Python's `quote_plus` does: all but the unreserved characters are encoded, a space as
/// a plus.
fn encode(text: &str) -> String {
    const KEPT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b' ');
    utf8_percent_encode(text, KEPT).to_string().replace(' ', "+")
}

/// Makes JSON in printable ASCII, without white space between the tokens.
fn ascii_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for letter in json.chars() {
        if !in_string && letter.is_ascii_whitespace() {
            continue;
        }
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = in_string,
            '"' => in_string = !in_string,
            _ => {}
        }
        if letter.is_ascii() && letter != '\u{7f}' {
            out.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

// The next functions are for the cursor of a subscription, whose URL is parsed already.

pub(crate) fn with_cursor(url: &Url, cursor: &str) -> Url {
    with(url, "cursor", Some(cursor))
}

pub(crate) fn with_since(url: &Url, since: &str) -> Url {
    with(url, "since", Some(since))
}

pub(crate) fn without_since(url: &Url) -> Url {
    if value(url, "since").is_some() { with(url, "since", None) } else { url.clone() }
}

pub(crate) fn without_position(url: &Url) -> Url {
    let url = without_since(url);
    if value(&url, "cursor").is_some() { with(&url, "cursor", None) } else { url }
}

fn with(url: &Url, name: &str, value: Option<&str>) -> Url {
    let query = set_in(url.query().unwrap_or_default(), name, value);
    let mut url = url.clone();
    url.set_query(if query.is_empty() { None } else { Some(&query) });
    url
}

#[cfg(test)]
mod tests;
