//! The Restless Stream protocol without I/O.
//!
//! [Restless Stream](https://restlessapi.stream) turns REST APIs into live streams of events. The
//! crate builds the requests, reads the replies, decodes the event streams as their bytes come, and
//! drives reconnecting and cursors. The crate compiles for any target, because a *driver* opens the
//! sockets, reads the clock, starts the threads and draws the randomness. Ready-made drivers are
//! the adapters, `restless-tokio` and its siblings; [Writing a driver](guide) tells how to make
//! one, over any HTTP stack.
//!
//! # What is in it
//!
//! | for | see |
//! | --- | --- |
//! | REST calls as values | [`streams`], [`direct`], [`usage`], [`snippets`], [`Call`], [`model`] |
//! | subscriptions as values | [`Subscription`], [`subscription`] |
//! | the URLs of the runtime | [`mod@url`] |
//! | events and their data | [`event`] |
//! | signatures over events | [`signature`] |
//! | the decoder of event streams, alone | [`sse`] |
//! | WebSocket, alone | [`ws`]; as a machine [`websocket`] |
//! | HTTP/1.1, for who has a socket and no HTTP stack | [`http1`] |
//! | content codings, alone | [`coding`] |
//! | driving it all | [`machine`], [`guide`], [`timing`] |
//!
//! # What is not
//!
//! Sockets, TLS, name resolution, proxies, and the connections that are kept: the adapters have
//! these.
//!
//! # The loop
//!
//! ```no_run
//! # use restless_proto::{machine::*, subscription::*, *};
//! # fn network_or(_: Option<Instant>) -> Input { Input::Elapsed }
//! # fn now() -> Instant { Instant::ORIGIN }
//! # fn run() -> Result<(), ConfigError> {
//! let service = Service::new("rs_0123456789abcdef");
//! let mut machine =
//!     Subscription::stream("stream_123").start(&service, Entropy::from_seed(7), now())?;
//! loop {
//!     match machine.poll() {
//!         Output::Open { exchange, request } => { /* connect, send the request */ }
//!         Output::Send(bytes) => { /* write them to the connection */ }
//!         Output::Hangup => { /* close the connection */ }
//!         Output::Authorize { rejected } => { /* ask for a key, answer with it */ }
//!         Output::Event(event) => println!("{event:?}"),
//!         Output::Wait(deadline) => machine.handle(network_or(deadline), now()),
//!         Output::Done => break,
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Glossary
//!
//! - **call**: one REST request and what its reply becomes.
//! - **subscription**: a stream that is followed over as many connections as needed.
//! - **exchange**: one request and what follows from the request.
//! - **cursor**: a position in a stream, as the service understands it. A request sends a cursor to
//!   resume there.
//! - **continuity**: what is known of what lies between an event and the event before it.
//!   **snapshot**: full data in the place of patches.
//! - **machine**: the protocol of a call or a subscription, as inputs and outputs.
//! - **driver**: what moves bytes and time for a machine. **adapter**: a driver made for a runtime.
//! - **event stream**, **field**, **dispatch**, **last event ID**, **reconnection time**: as in
//!   WHATWG HTML §9.2. **content**, **field**, **origin**, **credentials**: as in RFC 9110.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod api;
mod call;
mod chunks;
mod entropy;
mod error;
pub mod event;
mod fields;
pub mod guide;
pub mod http1;
mod json;
mod kinds;
mod limits;
pub mod machine;
pub mod model;
mod query;
mod read_buffer;
mod redact;
mod road;
mod runtime_url;
mod secret;
mod semantics;
mod service;
pub mod signature;
pub mod sse;
pub mod subscription;
mod text;
pub mod timing;
pub mod websocket;
pub mod ws;

pub use crate::semantics::auth::is_loopback;
pub use crate::semantics::coding;
pub use crate::semantics::redirect::RedirectError;
pub use crate::semantics::retry_after::retry_after;
pub use api::{direct, snippets, streams, usage};
pub use call::{Call, CallMachine, CallOptions, Reply};
pub use entropy::Entropy;
pub use error::{ContentError, Error, Excerpt, GaveUp, PeerClosed, Refused};
pub use event::StreamEvent;
pub use fields::USER_AGENT;
pub use json::error::{JsonError, JsonProblem};
pub use kinds::{
    ConfigError, CredentialsError, LimitError, Misuse, TimeoutError, Timer, TransportError,
    TransportErrorKind,
};
pub use limits::Limits;
pub use read_buffer::ReadBuffer;
pub use redact::redacted;
pub use secret::ApiKey;
pub use service::{API_BASE_URL, STREAM_BASE_URL, Service};
pub use subscription::Subscription;
pub use timing::{Backoff, Instant};

pub mod url {
    //! The URLs of the runtime, where streams are followed.
    //!
    //! Subscriptions make their URLs themselves. The module is for a program that hands a URL to
    //! somebody else. A user and a password in a base URL stay where they are; a subscription that
    //! is given such a URL refuses it.
    //!
    //! ```
    //! let url = restless_proto::url::sse().stream_id("stream_123").cursor("42").build()?;
    //! assert_eq!(url.expose(), "https://stream.restlessapi.stream?streamId=stream_123&cursor=42");
    //! # Ok::<(), restless_proto::ConfigError>(())
    //! ```

    pub use crate::runtime_url::{
        DirectUrl, ManagedUrl, RuntimeUrl, direct_sse, direct_websocket, set_cursor, set_since,
        sse, to_websocket_url, websocket,
    };
}

/// The README's example, compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
