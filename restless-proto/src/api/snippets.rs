//! Code that follows a stream.

use http::Method;

use super::body_builder;
use crate::call::Call;
use crate::call::Segment::Literal;
use crate::call::{Body, KeyInBody};
use crate::model::ConnectionSnippetsResponse;

/// Asks for URLs and code for a stream.
///
/// ```
/// use restless_proto::{Call, Service, model::ConnectionSnippetsResponse, snippets};
///
/// let call: Call<ConnectionSnippetsResponse> =
///     snippets::connection_snippets().stream_id("stream_1").language("python").into();
/// let request = call.request(&Service::default())?;
/// assert_eq!(request.body(), r#"{"streamId":"stream_1","language":"python"}"#);
/// # Ok::<(), restless_proto::ConfigError>(())
/// ```
pub fn connection_snippets() -> ConnectionSnippets {
    ConnectionSnippets { body: Body::default() }
}

/// Asks for URLs and code: see [`connection_snippets`].
#[derive(Clone)]
#[must_use = "a call is a value: give it to a client"]
pub struct ConnectionSnippets {
    body: Body,
}

body_builder!(ConnectionSnippets);

impl ConnectionSnippets {
    /// Sets the stream.
    pub fn stream_id(mut self, id: impl Into<String>) -> Self {
        self.body.set("streamId", id.into());
        self
    }

    /// Sets the language to select.
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.body.set("language", language.into());
        self
    }
}

impl From<ConnectionSnippets> for Call<ConnectionSnippetsResponse> {
    fn from(snippets: ConnectionSnippets) -> Self {
        Self::new(Method::POST, &[Literal("streams"), Literal("connection-snippets")])
            .body(snippets.body, KeyInBody::Omitted)
    }
}
