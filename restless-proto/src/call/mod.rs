//! A REST call as a value: a request, and how its response becomes what is due.

mod body;
mod machine;

use std::fmt;
use std::sync::Arc;

use ::http::response::Parts;
use ::http::{HeaderValue, Method, Request, header};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

pub(crate) use body::Body;
pub use machine::CallMachine;

use crate::{ApiKey, ConfigError, ContentError, Error, Limits, Refused, Service};

/// A REST call: what to ask, and how the answer becomes a `T`.
///
/// The builders of [`streams`](crate::streams), [`direct`](crate::direct),
/// [`usage`](crate::usage) and [`snippets`](crate::snippets) make it; an adapter's
/// `client.send(..)` takes them as they are. Without an adapter, send [`request`](Self::request) by
/// any HTTP stack, and give its answer to [`response`](Self::response); or
/// [`start`](Self::start) a machine that knows about redirects and time.
///
/// ```
/// use restless_proto::model::Stream;
/// use restless_proto::{Call, Service, streams};
///
/// let call: Call<Stream> = streams::get("stream_1").into();
/// let request = call.request(&Service::new("rs_0123456789abcdef"))?;
/// assert_eq!(request.uri(), "https://api.restlessapi.stream/streams/stream_1");
///
/// let answer = r#"{"id":"stream_1","name":"Orders","status":"ACTIVE","method":"GET",
///     "url":"https://api.example.com","payloadMode":"FULL_DATA","pollingInterval":30}"#;
/// let (head, content) = http::Response::new(answer.into()).into_parts();
/// assert_eq!(call.response(&head, content)?.name, "Orders");
/// # Ok::<(), restless_proto::Error>(())
/// ```
pub struct Call<T> {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Body>,
    own_key: OwnKey,
    /// What can't work, found while the call was built.
    error: Option<ConfigError>,
    read: fn(&[u8]) -> Result<T, serde_json::Error>,
}

/// Whether the client's own key goes into the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnKey {
    /// No.
    Omitted,
    /// Unless the body has one, or there is none.
    Added,
    /// Unless the body has one; and one there must be.
    Required,
}

/// All but the unreserved characters (RFC 3986 §2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl<T: DeserializeOwned> Call<T> {
    /// A path is made of literal texts and ids; an id becomes one segment, whatever is in it.
    pub(crate) fn new(method: Method, path: &[Segment<'_>]) -> Self {
        let mut call = Self {
            method,
            path: String::new(),
            query: Vec::new(),
            body: None,
            own_key: OwnKey::Omitted,
            error: None,
            read: |text| serde_json::from_slice(text),
        };
        for segment in path {
            call.path.push('/');
            match segment {
                Segment::Literal(text) => call.path.push_str(text),
                // Encoded dots are dots to many a server: these can't be ids.
                Segment::Id(id @ ("" | "." | "..")) => {
                    let accepted = "any text but none, a dot or two dots";
                    call.error = Some(ConfigError::new("id", *id, accepted));
                }
                Segment::Id(id) => call.path.extend(utf8_percent_encode(id, SEGMENT)),
            }
        }
        call
    }

    pub(crate) fn query(mut self, name: &'static str, value: u64) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: Body, own_key: OwnKey) -> Self {
        self.error = self.error.or_else(|| body.error());
        self.body = Some(body);
        self.own_key = own_key;
        self
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Segment<'a> {
    Literal(&'static str),
    Id(&'a str),
}

impl<T> Call<T> {
    /// The method. A call whose method is idempotent (RFC 9110 §9.2.2) may be sent again when
    /// nobody knows what became of it.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The request: absolute, with all fields but `Host` and `Content-Length`.
    ///
    /// # Errors
    ///
    /// When a value given to the builder can't work, or the key can't stand in a field.
    pub fn request(&self, service: &Service) -> Result<Request<Bytes>, ConfigError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let mut uri = format!("{}{}", service.api_base_url(), self.path);
        for (n, (name, value)) in self.query.iter().enumerate() {
            uri.push(if n == 0 { '?' } else { '&' });
            uri.push_str(&format!("{name}={value}"));
        }
        let content = self.content(service.api_key())?;
        let mut request = Request::new(content.clone().unwrap_or_default());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri
            .parse()
            .map_err(|_| ConfigError::new("base_url", uri.as_str(), "a URL that is a URI"))?;
        let fields = request.headers_mut();
        fields.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if content.is_some() {
            fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = service.api_key() {
            let mut value = HeaderValue::try_from(key.expose())
                .map_err(|_| ConfigError::new("api_key", "(hidden)", "visible ASCII characters"))?;
            value.set_sensitive(true);
            fields.insert("x-api-key", value);
        }
        Ok(request)
    }

    fn content(&self, key: Option<&ApiKey>) -> Result<Option<Bytes>, ConfigError> {
        let Some(body) = &self.body else { return Ok(None) };
        let mut body = body.clone();
        if self.own_key != OwnKey::Omitted && !body.has("apiKey") {
            match key {
                Some(key) => body.set("apiKey", key.expose()),
                None if self.own_key == OwnKey::Required => {
                    return Err(ConfigError::new("api_key", "none", "one given, or the client's"));
                }
                None => {}
            }
        }
        Ok(Some(body.to_bytes()))
    }

    /// What the answer means.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] for a status outside 2xx, [`Error::Content`] for an answer that is not
    /// what is due: nothing, no JSON, or JSON of another form.
    pub fn response(&self, head: &Parts, content: Bytes) -> Result<T, Error> {
        self.response_within(head, content, &Limits::default())
    }

    pub(crate) fn response_within(
        &self,
        head: &Parts,
        content: Bytes,
        limits: &Limits,
    ) -> Result<T, Error> {
        if !head.status.is_success() {
            return Err(Box::new(Refused::from_response(head, &content, limits)).into());
        }
        let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
        let call = || format!("{} {}", self.method, self.path);
        if text.trim_ascii().is_empty() {
            let status = head.status;
            return Err(Box::new(ContentError::Missing { call: call(), status }).into());
        }
        (self.read)(text).map_err(|source| {
            let end = content.len().min(limits.excerpt());
            Error::from(Box::new(ContentError::Json {
                call: call(),
                status: head.status,
                source: Arc::new(source),
                excerpt: content.slice(..end),
            }))
        })
    }
}

impl<T> Clone for Call<T> {
    fn clone(&self) -> Self {
        Self {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            body: self.body.clone(),
            own_key: self.own_key,
            error: self.error.clone(),
            read: self.read,
        }
    }
}

/// Method and path: a body may hold keys.
impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {})", self.method, self.path)
    }
}
