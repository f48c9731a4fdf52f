//! The REST calls, a file a resource: builders that end in a [`Call`](crate::Call).
//!
//! | the official SDK says | here |
//! | --- | --- |
//! | `list_streams(limit, offset)` | [`streams::list`] |
//! | `get_stream(id)` | [`streams::get`] |
//! | `create_stream(..)` | [`streams::create`], [`streams::create_from`] |
//! | `update_stream(id, ..)` | [`streams::update`] |
//! | `start_stream(id)`, `stop_stream(id)` | [`streams::start`], [`streams::stop`] |
//! | `delete_stream(id)` | [`streams::delete`] |
//! | `validate_stream_api_key(key)` | [`streams::validate_api_key`] |
//! | `credit_usage_stats(id)` | [`usage::credit_usage_stats`] |
//! | `connection_snippets(..)` | [`snippets::connection_snippets`] |
//! | `direct_setup(..)` | [`direct::setup`] |
//! | `direct_session(..)` | [`direct::session`] |
//! | `subscribe_sse(url)`, `subscribe_direct_sse(..)` | [`Subscription`](crate::Subscription) |
//!
//! What a builder is given can't fail there: a value that can't work is told by
//! [`Call::request`](crate::Call::request), and so by `client.send(..)`.

pub mod direct;
pub mod snippets;
pub mod streams;
pub mod usage;

/// Methods that several builders share. Each builder has a `body`, and a `Call` made of it.
macro_rules! body_builder {
    ($name:ident) => {
        impl $name {
            /// Sets a field that this version does not know. A name in snake_case goes out in
            /// camelCase; the value goes out as it is.
            pub fn field(mut self, name: &str, value: impl serde::Serialize) -> Self {
                self.body.set_other(name, value);
                self
            }

            /// Sets all fields of a JSON object, each as [`field`](Self::field) does.
            pub fn fields(mut self, object: impl serde::Serialize) -> Self {
                self.body.merge(object);
                self
            }
        }

        /// The names of the fields that are set.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("fields", &self.body).finish()
            }
        }
    };
}

pub(crate) use body_builder;
