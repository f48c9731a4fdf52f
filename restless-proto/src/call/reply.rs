//! What a call is answered with, and the head that it came with.

use std::fmt;
use std::ops::Deref;

use http::response::Parts;
use http::{HeaderMap, StatusCode};

use crate::semantics::request_id;

/// The answer to a call that was made [with its head](crate::Call::with_head). A reply derefs to
/// the `T` in it.
#[derive(Clone)]
pub struct Reply<T> {
    head: Parts,
    content: T,
}

impl<T> Reply<T> {
    pub(super) fn new(head: Parts, content: T) -> Self {
        Self { head, content }
    }

    /// What was asked for.
    pub fn into_inner(self) -> T {
        self.content
    }

    /// The status: one of 2xx.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The header fields, such as those for rate limits.
    pub fn fields(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The id that the service gave this request (`x-request-id` or `request-id`), for a support
    /// ticket: at most 256 characters of it.
    pub fn request_id(&self) -> Option<String> {
        request_id(&self.head.headers)
    }
}

impl<T> Deref for Reply<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.content
    }
}

/// Of the fields the names: a service may say again in one what it was told.
impl<T: fmt::Debug> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.head.status)
            .field(
                "fields",
                &self.head.headers.keys().map(|name| name.as_str()).collect::<Vec<_>>(),
            )
            .field("content", &self.content)
            .finish()
    }
}
