//! The answer to a call, and the head that the answer came with.

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

    /// Returns what was asked for.
    pub fn into_inner(self) -> T {
        self.content
    }

    /// Returns the status, which is one of 2xx.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Returns the header fields, such as those for rate limits.
    pub fn fields(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Returns the id that the service gave this request (`x-request-id` or `request-id`), for a
    /// support ticket: at most 256 characters of the id.
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

/// Prints only the names of the fields: a service may repeat a secret in a value.
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
