//! REST calls as values: a request, and how the response becomes a model.

mod body;
mod content;
mod machine;
mod options;
mod reply;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{DeserializeOwned, Error as _};
use url::Url;

pub(crate) use body::Body;
use content::Content;
pub use machine::CallMachine;
pub use options::CallOptions;
pub use reply::Reply;

use crate::error::Excerpt;
use crate::error::{ContentError, Error, Refused};
use crate::fields;
use crate::kinds::ConfigError;
use crate::limits::Limits;
use crate::redact;
use crate::secret::ApiKey;
use crate::semantics::{absolute, auth, coding};
use crate::service::Service;

/// A REST call: what to ask, and how the answer becomes a `T`.
///
/// The builders of [`streams`](crate::streams), [`direct`](crate::direct), [`usage`](crate::usage)
/// and [`snippets`](crate::snippets) make calls; an adapter's `client.send(..)` takes the builders
/// as they are. Without an adapter, send [`request`](Self::request) by any HTTP stack, and give its
/// answer to [`response`](Self::response); or [`start`](Self::start) a machine that knows about
/// redirects and time.
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
    query: Vec<(String, String)>,
    body: Option<Body>,
    key_in_body: KeyInBody,
    /// The caller's own fields.
    fields: HeaderMap,
    idempotent: bool,
    /// The value that can't work, found while the call was built.
    error: Option<ConfigError>,
    read: fn(&Parts, &[u8]) -> Result<T, serde_json::Error>,
}

/// Whether the client's own key goes into the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyInBody {
    /// The key stays out of the body.
    Omitted,
    /// The client's key, if there is one, goes into a body without a key.
    Added,
    /// The client's key goes into a body without a key; where both lack one, the call fails.
    Required,
}

/// Whether a request goes out with the client's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bears {
    /// The request has the key, or will have one once the user has given it.
    Key,
    /// The request goes out without a key.
    NoKey,
}

/// All but the unreserved characters (RFC 3986 §2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl<T: DeserializeOwned> Call<T> {
    /// Makes a path of literal texts and ids; an id becomes one segment, whatever is in the id.
    pub(crate) fn new(method: Method, path: &[Segment<'_>]) -> Self {
        let mut call = Self {
            idempotent: method.is_idempotent(),
            method,
            path: String::new(),
            query: Vec::new(),
            body: None,
            key_in_body: KeyInBody::Omitted,
            fields: HeaderMap::new(),
            error: None,
            read: |_, text| serde_json::from_slice(text),
        };
        for segment in path {
            call.path.push('/');
            match segment {
                Segment::Literal(text) => call.path.push_str(text),
                // Encoded dots are dots to many a server, so these texts can't be ids.
                Segment::Id(id @ ("" | "." | "..")) => {
                    let accepted = "any text but none, a dot or two dots";
                    call.error = Some(ConfigError::new("id", *id, accepted));
                }
                Segment::Id(id) => call.path.extend(utf8_percent_encode(id, SEGMENT)),
            }
        }
        call
    }

    /// Adds a parameter to the query; both texts are encoded.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        let encoded = |text| utf8_percent_encode(text, SEGMENT).to_string();
        self.query.push((encoded(name), encoded(value)));
        self
    }

    pub(crate) fn body(mut self, body: Body, key_in_body: KeyInBody) -> Self {
        self.error = self.error.or_else(|| body.error());
        self.body = Some(body);
        self.key_in_body = key_in_body;
        self
    }

    /// Says that the service makes the call idempotent, whatever the method.
    pub(crate) fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Makes the same call, whose answer comes with the head of its response: the request's id,
    /// rate limits.
    ///
    /// ```
    /// use restless_proto::model::Stream;
    /// use restless_proto::{Call, Reply, streams};
    ///
    /// let call: Call<Reply<Stream>> = streams::get("stream_1").with_head();
    /// # let _ = call;
    /// ```
    pub fn with_head(self) -> Call<Reply<T>> {
        Call {
            method: self.method,
            path: self.path,
            query: self.query,
            body: self.body,
            key_in_body: self.key_in_body,
            fields: self.fields,
            idempotent: self.idempotent,
            error: self.error,
            read: |head, text| Ok(Reply::new(head.clone(), serde_json::from_slice(text)?)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Segment<'a> {
    Literal(&'static str),
    Id(&'a str),
}

impl<T> Call<T> {
    /// Adds a field of the caller's, after those that were given before. The field takes the place
    /// of a [default](Service::with_header) of that name. Default: none.
    ///
    /// A field that [`Service::with_header`] would refuse is a [`ConfigError`] once the call is
    /// made.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let field = fields::checked(name, value);
        match field.and_then(|(name, value)| auth::refuse_api_key(&name).map(|()| (name, value))) {
            Ok((name, value)) => {
                self.fields.append(name, value);
            }
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
        self
    }

    /// Returns the method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whether to make the call twice does what to make it once does: the method is idempotent (RFC
    /// 9110 §9.2.2), or the service makes the call so, as for a [session](crate::direct::session)
    /// with a dedupe key.
    pub fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Makes the request: absolute, with all fields but `Host` and `Content-Length`.
    ///
    /// The request asks for the content codings that [`response`](Self::response) takes off
    /// (`Accept-Encoding`, RFC 9110 §12.5.3). A caller who reads the answer by other means takes
    /// that field out.
    ///
    /// # Errors
    ///
    /// Where a value that the builder was given can't work, where the key has a character that
    /// fields forbid or comes on demand, and where credentials would go over plain http to another
    /// host: see [`Service`].
    pub fn request(&self, service: &Service) -> Result<Request<Bytes>, ConfigError> {
        if service.asks_for_credentials() {
            let accepted = "a key, for nobody can be asked here: see Service::with_api_key";
            return Err(ConfigError::new("api_key", "on demand", accepted));
        }
        self.request_as(service, service.api_key())
    }

    pub(crate) fn request_as(
        &self,
        service: &Service,
        key: Option<&ApiKey>,
    ) -> Result<Request<Bytes>, ConfigError> {
        self.check(service, if key.is_some() { Bears::Key } else { Bears::NoKey })?;
        let mut uri = format!("{}{}", service.api_base_url(), self.path);
        for (n, (name, value)) in self.query.iter().enumerate() {
            uri.push(if n == 0 { '?' } else { '&' });
            uri.push_str(&format!("{name}={value}"));
        }
        let content = self.content(key)?;
        let mut request = Request::new(content.clone().unwrap_or_default());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri
            .parse()
            .map_err(|_| ConfigError::new("base_url", uri.as_str(), "a URL that is a URI"))?;
        let fields = request.headers_mut();
        fields.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        fields.insert(header::ACCEPT_ENCODING, coding::accepted());
        if content.is_some() {
            fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = key {
            fields.insert("x-api-key", auth::sensitive(key, "")?);
        }
        for name in self.fields.keys() {
            // A caller's own field goes before ours.
            fields.remove(name);
        }
        for (name, value) in &self.fields {
            fields.append(name.clone(), value.clone());
        }
        fields::fill(fields, service.defaults());
        Ok(request)
    }

    /// Checks what can be told of a call without its key.
    pub(crate) fn check(&self, service: &Service, bears: Bears) -> Result<(), ConfigError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let says = |name: &&str| {
            self.body.iter().any(|body| body.has(name)) || self.query.iter().any(|(q, _)| q == name)
        };
        let in_content = auth::PARAMETERS.iter().any(says);
        let base = service.api_base_url();
        let mut fields = self.fields.clone();
        fields::fill(&mut fields, service.defaults());
        let keyed = bears == Bears::Key || in_content;
        let has_credentials = |url: &Url| keyed || auth::has_credentials(&fields, url);
        // The base was parsed before it was taken.
        let base_url = Url::parse(base).ok();
        if base_url.is_none_or(|url| has_credentials(&url) && !service.reach().includes(&url)) {
            return Err(ConfigError::new("base_url", absolute::redact_url(base), auth::PRIVATE));
        }
        Ok(())
    }

    fn content(&self, key: Option<&ApiKey>) -> Result<Option<Bytes>, ConfigError> {
        let Some(body) = &self.body else { return Ok(None) };
        let mut body = body.clone();
        if self.key_in_body != KeyInBody::Omitted && !body.has("apiKey") {
            match key {
                Some(key) => body.set("apiKey", key.expose()),
                None if self.key_in_body == KeyInBody::Required => {
                    return Err(ConfigError::new("api_key", "", "one given, or the client's"));
                }
                None => {}
            }
        }
        Ok(Some(body.to_bytes()))
    }

    /// Reads the answer.
    ///
    /// The content of the answer is decoded as the `Content-Encoding` field says. An HTTP stack
    /// that decodes content takes the field away; a caller whose stack leaves the field there, as
    /// `fetch` in browsers does, removes the field before.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] for a status outside 2xx. [`Error::Content`] for content that is empty,
    /// malformed, undecodable, or JSON of another form. [`Error::Limit`] where coded content
    /// decodes to more than the default of [`Limits::content_bytes`].
    ///
    /// An error of this method hides text that looks like a key. An error of the
    /// [machine](Self::start) also hides the very key that went out, which only the machine knows.
    pub fn response(&self, head: &Parts, content: Bytes) -> Result<T, Error> {
        let limits = Limits::default();
        // The content that is here already is no danger to memory; what it decodes to may be.
        let most = limits.content_bytes.max(content.len());
        if !head.status.is_success() {
            let content = coding::readable(&head.headers, &content, most);
            return Err(Box::new(Refused::from_response(head, &content, &limits)).into());
        }
        let mut decoded = Content::new(head, most);
        decoded.take(content)?;
        self.reply(head, &decoded.finish()?, &limits)
    }

    /// Reads a good answer, whose content is decoded.
    fn reply(&self, head: &Parts, content: &[u8], limits: &Limits) -> Result<T, Error> {
        let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let call = || format!("{} {}", self.method, redact::redacted(&self.path));
        let (status, forwarded_by) = (head.status, head.extensions.get().cloned());
        if text.trim_ascii().is_empty() {
            let missing = ContentError::Missing { call: call(), status, forwarded_by };
            return Err(Box::new(missing).into());
        }
        (self.read)(head, text).map_err(|source| {
            // The error may quote what could not be read.
            let source = serde_json::Error::custom(redact::redacted(&source.to_string()));
            Error::from(Box::new(ContentError::Json {
                call: call(),
                status,
                source: Arc::new(source),
                excerpt: Excerpt::of(content, limits),
                forwarded_by,
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
            key_in_body: self.key_in_body,
            fields: self.fields.clone(),
            idempotent: self.idempotent,
            error: self.error.clone(),
            read: self.read,
        }
    }
}

/// Prints method and path: a body may hold keys.
impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {})", self.method, redact::redacted(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use http::{Response, StatusCode};

    use super::*;
    use crate::api::{direct, streams};
    use crate::model::BaseActionResponse;

    fn path(id: &str) -> Result<String, &'static str> {
        let request = streams::get(id).request(&Service::default());
        request.map(|request| request.uri().path().to_owned()).map_err(|error| error.field())
    }

    #[test]
    fn an_id_is_one_segment_whatever_is_in_it() {
        for (id, due) in [
            ("a-b_c.d~1", "/streams/a-b_c.d~1"),
            ("a:b@c;d=e", "/streams/a%3Ab%40c%3Bd%3De"),
            ("a/b", "/streams/a%2Fb"),
            ("../other", "/streams/..%2Fother"),
            ("a?b#c", "/streams/a%3Fb%23c"),
            ("100%2F", "/streams/100%252F"),
            ("a\\b\r\n\0", "/streams/a%5Cb%0D%0A%00"),
            ("é 日", "/streams/%C3%A9%20%E6%97%A5"),
            ("...", "/streams/..."),
        ] {
            assert_eq!(path(id).as_deref(), Ok(due));
            // No reader of URLs makes another path of this one.
            let url = Url::parse(&format!("https://s.test{due}")).unwrap();
            assert_eq!(url.path(), due);
        }
        for id in ["", ".", ".."] {
            assert_eq!(path(id), Err("id"), "{id:?}");
        }
    }

    #[test]
    fn a_key_that_no_field_can_carry_is_an_error_that_does_not_show_it() {
        for key in ["canary\r\nx: y", "canary\n", "canary\0", "canary\u{7f}", "canaryé"] {
            let error = streams::get("a").request(&Service::new(key)).unwrap_err();
            assert_eq!(error.field(), "api_key");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        let error = streams::get("a").request(&Service::new("rs_0123456789abcdef\r")).unwrap_err();
        let due = "api_key must be visible ASCII characters; byte 20 is 0x0D";
        assert_eq!(error.to_string(), due);
    }

    #[test]
    fn the_key_is_marked_so_that_no_debug_prints_it() {
        let request = streams::get("a").request(&Service::new("canary")).unwrap();
        assert_eq!(request.headers()["x-api-key"], "canary");
        assert!(!format!("{request:?}").contains("canary"));
    }

    #[test]
    fn neither_calls_nor_builders_print_a_key() {
        let create = streams::create("canary", "https://u:canary@a.test/?k=canary")
            .headers(serde_json::json!({"authorization": "canary"}))
            .body(serde_json::json!({"canary": "canary"}))
            .api_key("canary")
            .field("new", "canary");
        let target = direct::target("https://u:canary@a.test/canary?k=canary")
            .headers(serde_json::json!({"authorization": "canary"}))
            .api_key_in_url("canary")
            .jq_filter("canary");
        let session = direct::session(target.clone()).dedupe_key("canary");
        let validate = streams::validate_api_key().key("canary");
        let shown = format!("{create:?} {target:?} {session:?} {validate:?}");
        assert!(!shown.contains("canary"), "{shown}");
        let call: Call<_> = create.into();
        assert_eq!(format!("{call:?}"), "Call(POST /streams)");
    }

    fn sent(service: &Service, call: Call<BaseActionResponse>) -> HeaderMap {
        call.request(service).unwrap().into_parts().0.headers
    }

    #[test]
    fn a_call_s_own_fields_go_before_the_defaults_and_the_defaults_before_none() {
        let service = Service::new("rs_1").with_header("x-tenant", "all").unwrap();
        let fields = sent(&service, streams::delete("a"));
        assert_eq!(
            (&fields["x-tenant"], &fields["user-agent"]),
            (&"all".parse().unwrap(), &crate::USER_AGENT.parse().unwrap())
        );
        let call = streams::delete("a").header("X-Tenant", "one").header("x-tenant", "two");
        let fields = sent(&service, call.header("user-agent", "mine/1"));
        assert!(fields.get_all("x-tenant").iter().eq(["one", "two"]));
        assert!(fields.get_all("user-agent").iter().eq(["mine/1"]));
        let fields = sent(&service.with_user_agent("").unwrap(), streams::delete("a"));
        assert!(!fields.contains_key("user-agent"));
    }

    #[test]
    fn a_field_that_is_not_the_caller_s_to_set_is_an_error_once_the_call_is_made() {
        for name in ["x-api-key", "host", "content-length", "accept", "no name"] {
            let call = streams::delete("a").header(name, "canary").header("x-tenant", "a");
            let error = call.request(&Service::default()).unwrap_err();
            assert_eq!(error.field(), "header", "{name}");
        }
    }

    #[test]
    fn credentials_of_the_caller_s_own_do_not_go_over_plain_http() {
        let plain = || Service::default().with_api_base_url("http://a.test").unwrap();
        streams::delete("a").request(&plain()).unwrap();
        let own = streams::delete("a").header("authorization", "Basic canary");
        assert_eq!(own.request(&plain()).unwrap_err().field(), "base_url");
        let service = plain().with_header("authorization", "Basic canary").unwrap();
        assert_eq!(streams::delete("a").request(&service).unwrap_err().field(), "base_url");
    }

    #[test]
    fn an_answer_with_its_head_has_the_request_s_id_and_prints_no_value() {
        let head = Response::builder()
            .header("x-request-id", "req_1")
            .header("x-ratelimit-remaining", "canary");
        let head = head.body(()).unwrap().into_parts().0;
        let call = streams::delete("a").with_head();
        let reply = call.response(&head, Bytes::from(r#"{"id":"a","affected":true}"#)).unwrap();
        assert!(reply.affected);
        assert_eq!(reply.request_id().as_deref(), Some("req_1"));
        assert_eq!(reply.fields()["x-ratelimit-remaining"], "canary");
        let shown = format!("{reply:?}");
        assert!(shown.contains("x-ratelimit-remaining") && !shown.contains("canary"), "{shown}");
        assert_eq!(reply.into_inner().id, "a");
    }

    fn answer(status: u16, content: &[u8]) -> Result<BaseActionResponse, Error> {
        let head = Response::builder().status(status).body(()).unwrap().into_parts().0;
        streams::delete("a").response(&head, Bytes::copy_from_slice(content))
    }

    #[test]
    fn an_answer_in_2xx_is_the_model() {
        for status in [200, 201, 299] {
            assert!(answer(status, br#"{"id":"a","affected":true}"#).unwrap().affected);
        }
        assert!(answer(200, b"\xef\xbb\xbf {\"id\":\"a\",\"affected\":true}\n").unwrap().affected);
    }

    #[test]
    fn no_content_where_a_model_is_due_says_so() {
        for (status, content) in [(204, &b""[..]), (200, b" \n"), (200, b"\xef\xbb\xbf")] {
            let error = answer(status, content).unwrap_err();
            let Error::Content(content) = &error else { panic!("{error:?}") };
            assert!(matches!(**content, ContentError::Missing { .. }));
            assert!(error.to_string().starts_with("the reply to DELETE /streams/a with status 20"));
        }
    }

    #[test]
    fn what_is_not_the_model_says_where_and_shows_a_piece() {
        for content in ["null", "[]", "<html>", r#"{"id":"a"}"#, "{}x"] {
            let error = answer(200, content.as_bytes()).unwrap_err();
            assert_eq!(error.status(), Some(StatusCode::OK), "{content}");
            assert!(error.source().is_some());
        }
        let error = answer(200, br#"{"id":"a"}"#).unwrap_err();
        assert!(error.source().unwrap().to_string().contains("affected"), "{error:?}");
    }

    #[test]
    fn no_depth_of_json_exhausts_the_stack() {
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        let extra = [br#"{"id":"a","affected":true,"x":"#, &deep[..], b"}"].concat();
        assert!(answer(200, &extra).is_ok_and(|model| model.extra.get("x").is_some()));
        answer(200, &deep).unwrap_err();
        answer(200, &b"{\"id\":".repeat(100_000)).unwrap_err();
        assert!(matches!(answer(500, &deep).unwrap_err(), Error::Refused(_)));
    }

    #[test]
    fn a_status_outside_2xx_is_a_refusal() {
        for status in [199, 300, 302, 304, 400, 401, 500] {
            let error = answer(status, br#"{"message":"no"}"#).unwrap_err();
            assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
        }
    }
}
