//! Streams: list, get, create, update, start, stop, delete; and whether a key is good.

use std::fmt;

use http::Method;
use serde::Serialize;

pub use super::pages::Pages;
use super::{body_builder, checked};
use crate::call::Call;
use crate::call::Segment::{Id, Literal};
use crate::call::{Body, KeyInBody};
use crate::model::{
    BaseActionResponse, HttpMethod, PayloadMode, PollingStrategy, Stream, StreamStatus,
    StreamsResponse,
};
use crate::secret::ApiKey;

/// Lists streams: 20 from the first one, unless told otherwise. [`Pages`] walks through all.
///
/// ```
/// use restless_proto::{Call, Service, model::StreamsResponse, streams};
///
/// let call: Call<StreamsResponse> = streams::list().limit(5).offset(40).into();
/// let request = call.request(&Service::default())?;
/// assert_eq!(request.uri().path_and_query().unwrap(), "/streams?limit=5&offset=40");
/// # Ok::<(), restless_proto::ConfigError>(())
/// ```
pub fn list() -> List {
    List { limit: 20, offset: 0, more: Vec::new() }
}

/// Gets one stream.
pub fn get(id: impl AsRef<str>) -> Call<Stream> {
    Call::new(Method::GET, &[Literal("streams"), Id(id.as_ref())])
}

/// Creates a stream that polls `url`.
///
/// ```
/// use restless_proto::model::PayloadMode;
/// use restless_proto::{Call, Service, model::Stream, streams};
///
/// let call: Call<Stream> = streams::create("Orders", "https://api.example.com/orders")
///     .payload_mode(PayloadMode::JsonPatch)
///     .polling_interval(30)
///     .into();
/// let request = call.request(&Service::new("rs_1"))?;
/// assert_eq!(
///     request.body(),
///     r#"{"name":"Orders","url":"https://api.example.com/orders","payloadMode":"JSON_PATCH","pollingInterval":30,"apiKey":"rs_1"}"#
/// );
/// # Ok::<(), restless_proto::ConfigError>(())
/// ```
pub fn create(name: impl Into<String>, url: impl Into<String>) -> Create {
    let mut body = Body::default();
    body.set("name", name.into());
    body.set("url", url.into());
    Create { body }
}

/// Creates a stream from a whole JSON object, for what this version does not know. Names in
/// snake_case go out in camelCase; the caller's `headers` and `body` go out as they are.
pub fn create_from(object: impl Serialize) -> Create {
    Create { body: Body::default() }.fields(object)
}

/// Changes a stream. What is not named stays; what is set is changed; what is cleared is removed,
/// by null on the wire.
///
/// ```
/// use restless_proto::{Call, Service, model::Stream, streams};
///
/// let call: Call<Stream> =
///     streams::update("stream_1").name("Orders v2").clear_jq_filter().into();
/// let request = call.request(&Service::default())?;
/// assert_eq!(request.body(), r#"{"name":"Orders v2","jqFilter":null}"#);
/// # Ok::<(), restless_proto::ConfigError>(())
/// ```
pub fn update(id: impl Into<String>) -> Update {
    Update { id: id.into(), body: Body::default() }
}

/// Lets a stream poll.
pub fn start(id: impl AsRef<str>) -> Call<Stream> {
    Call::new(Method::POST, &[Literal("streams"), Id(id.as_ref()), Literal("start")])
}

/// Stops a stream's polling.
pub fn stop(id: impl AsRef<str>) -> Call<Stream> {
    Call::new(Method::POST, &[Literal("streams"), Id(id.as_ref()), Literal("stop")])
}

/// Deletes a stream.
pub fn delete(id: impl AsRef<str>) -> Call<BaseActionResponse> {
    Call::new(Method::DELETE, &[Literal("streams"), Id(id.as_ref())])
}

/// Asks whether a key is good: the client's own, unless another one is given.
pub fn validate_api_key() -> ValidateApiKey {
    ValidateApiKey { body: Body::default() }
}

/// Asks for a list of streams: see [`list`].
#[derive(Clone)]
#[must_use = "a call is a value: give it to a client"]
pub struct List {
    limit: u64,
    offset: u64,
    more: Vec<(String, String)>,
}

/// Leaves out the values of parameters that this version does not know, which may be anything.
impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("limit", &self.limit)
            .field("offset", &self.offset)
            .field("query", &Vec::from_iter(self.more.iter().map(|(name, _)| name)))
            .finish()
    }
}

impl List {
    /// Sets the most streams to list. Default: 20.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Sets how many streams to pass over first. Default: 0.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Adds a parameter that this version does not know, behind those above. Name and value are
    /// percent-encoded, and otherwise go out as they are.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.more.push((name.into(), value.into()));
        self
    }

    /// Makes the same list, so many streams further on.
    pub(super) fn behind(self, count: u64) -> Self {
        let offset = self.offset.saturating_add(count);
        self.offset(offset)
    }
}

impl From<List> for Call<StreamsResponse> {
    fn from(list: List) -> Self {
        let call = Self::new(Method::GET, &[Literal("streams")])
            .query("limit", &list.limit.to_string())
            .query("offset", &list.offset.to_string());
        list.more.iter().fold(call, |call, (name, value)| call.query(name, value))
    }
}

/// Creates a stream: see [`create`].
#[derive(Clone)]
#[must_use = "a call is a value: give it to a client"]
pub struct Create {
    body: Body,
}

/// Changes a stream: see [`update`].
#[derive(Clone)]
#[must_use = "a call is a value: give it to a client"]
pub struct Update {
    id: String,
    body: Body,
}

body_builder!(Create);
body_builder!(Update);

/// What a stream can be given when it is created and when it is changed.
macro_rules! stream_fields {
    ($name:ident) => {
        impl $name {
            /// Sets what the stream is for.
            pub fn description(mut self, description: impl Into<String>) -> Self {
                self.body.set("description", description.into());
                self
            }

            /// Sets whether the stream polls.
            pub fn status(mut self, status: impl Into<StreamStatus>) -> Self {
                self.body.set("status", status.into());
                self
            }

            /// Sets the method with which the service asks the API: a token (RFC 9110 §5.6.2), sent
            /// as it is.
            pub fn method(mut self, method: impl Into<HttpMethod>) -> Self {
                checked::set(&mut self.body, "method", checked::method(method.into()));
                self
            }

            /// Sets fields for the API: anything that is a JSON object, sent as it is.
            pub fn headers(mut self, headers: impl Serialize) -> Self {
                checked::set(&mut self.body, "headers", checked::object("headers", headers));
                self
            }

            /// Sets content for the API: anything that is a JSON object, which is all that the
            /// service takes, sent as it is.
            pub fn body(mut self, body: impl Serialize) -> Self {
                checked::set(&mut self.body, "body", checked::object("body", body));
                self
            }

            /// Sets what the stream's updates hold.
            pub fn payload_mode(mut self, mode: impl Into<PayloadMode>) -> Self {
                self.body.set("payloadMode", mode.into());
                self
            }

            /// Sets a jq filter over the API's answers.
            pub fn jq_filter(mut self, filter: impl Into<String>) -> Self {
                self.body.set("jqFilter", filter.into());
                self
            }

            /// Sets whether the stream's updates are signed.
            pub fn hmac_signature_enabled(mut self, enabled: bool) -> Self {
                self.body.set("hmacSignatureEnabled", enabled);
                self
            }

            /// Sets the seconds between two questions.
            pub fn polling_interval(mut self, seconds: u64) -> Self {
                self.body.set("pollingInterval", seconds);
                self
            }

            /// Sets other intervals at other times of day.
            pub fn polling_strategies(
                mut self,
                strategies: impl IntoIterator<Item = PollingStrategy>,
            ) -> Self {
                self.body.set("pollingStrategies", Vec::from_iter(strategies));
                self
            }

            /// Sets the key that the stream is billed to. Default: the client's own, which an empty
            /// key stands for, too.
            pub fn api_key(mut self, key: impl Into<ApiKey>) -> Self {
                let key = key.into();
                if !key.is_empty() {
                    self.body.set("apiKey", key.expose());
                }
                self
            }
        }
    };
}

stream_fields!(Create);
stream_fields!(Update);

impl Update {
    /// Sets the stream's name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.body.set("name", name.into());
        self
    }

    /// Sets the API's URL.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.body.set("url", url.into());
        self
    }

    /// Takes the description away.
    pub fn clear_description(self) -> Self {
        self.clear("description")
    }

    /// Takes the fields for the API away.
    pub fn clear_headers(self) -> Self {
        self.clear("headers")
    }

    /// Takes the content for the API away.
    pub fn clear_body(self) -> Self {
        self.clear("body")
    }

    /// Takes the filter away.
    pub fn clear_jq_filter(self) -> Self {
        self.clear("jqFilter")
    }

    /// Takes the other intervals away.
    pub fn clear_polling_strategies(self) -> Self {
        self.clear("pollingStrategies")
    }

    fn clear(mut self, field: &'static str) -> Self {
        self.body.set(field, ());
        self
    }
}

impl From<Create> for Call<Stream> {
    fn from(create: Create) -> Self {
        Self::new(Method::POST, &[Literal("streams")]).body(create.body, KeyInBody::Added)
    }
}

impl From<Update> for Call<Stream> {
    fn from(update: Update) -> Self {
        Self::new(Method::PATCH, &[Literal("streams"), Id(&update.id)])
            .body(update.body, KeyInBody::Added)
    }
}

/// Asks whether a key is good: see [`validate_api_key`].
#[derive(Clone)]
#[must_use = "a call is a value: give it to a client"]
pub struct ValidateApiKey {
    body: Body,
}

body_builder!(ValidateApiKey);

impl ValidateApiKey {
    /// Sets the key to ask about; an empty key means the client's own.
    pub fn key(mut self, key: impl Into<ApiKey>) -> Self {
        let key = key.into();
        if !key.is_empty() {
            self.body.set("apiKey", key.expose());
        }
        self
    }
}

impl From<ValidateApiKey> for Call<BaseActionResponse> {
    fn from(validate: ValidateApiKey) -> Self {
        Self::new(Method::POST, &[Literal("streams"), Literal("validate-api-key")])
            .body(validate.body, KeyInBody::Required)
    }
}
