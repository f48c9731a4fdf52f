//! The one driver for [`restless-proto`](restless_proto), over hyper and rustls.
//!
//! A [`Runtime`] resolves names, connects sockets and sleeps; everything else happens while a call
//! or a subscription is polled, without spawned tasks. Most users want an adapter, such as
//! `restless-tokio`. A program with another runtime implements [`Runtime`], and has the same
//! [`Client`].
//!
//! [`how_to`] answers what most programs ask next, from pausing to testing without a network.
//! [`known_limits`] lists what other clients read and this one does not.
//!
//! # Features
//!
//! - `zstd` (off): the content coding of that name; its decoder is in C.
//! - `webpki-roots` (off): `ClientBuilder::webpki_roots`, by which a client trusts Mozilla's roots
//!   in the place of the platform's.
//! - `aws-lc-rs` (off): `ClientBuilder::aws_lc_rs`, by which a client takes that provider in the
//!   place of ring. With this feature rustls lacks a process default (see
//!   `ClientBuilder::tls_config`).
//! - `futures-io` (off): `FuturesIo`, for runtimes whose sockets speak those traits.
//! - `tracing` (off): spans and events of what the client does.
//!
//! | level | what | fields |
//! | --- | --- | --- |
//! | span `INFO` | `subscription`, `websocket`: from the first poll to the drop | |
//! | span `DEBUG` | `call` | |
//! | span `DEBUG` | `exchange`, one for each request, in one of those | `http.request.method`, `url.scheme`, `server.address`, `server.port`, `url.path`, `http.response.status_code`, `error.type` |
//! | `INFO` | `opened`, `ended` | `cursor`, `request_id`, `error` |
//! | `WARN` | `lost`, `rejected` | `attempt`, `retry_in`, `error`, `event_id` |
//! | `DEBUG` | how an exchange ended | `error` |
//! | `TRACE` | `event`: one was handed out | `event_id`, `bytes` |
//!
//! The names with a dot are those of OpenTelemetry's conventions for HTTP. Spans and events leave
//! out queries, fields, content and the data of events, and so every key in there. Errors, ids and
//! cursors are told after words that look like a key were taken out; in errors, the keys that went
//! out are hidden as well.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod connect;
mod credentials;
mod date;
mod driver;
mod duplex;
mod events;
mod exchange;
pub mod how_to;
mod io;
pub mod known_limits;
mod pages;
pub mod proxy;
mod runtime;
mod tls;
mod trace;
mod tune;
mod watch;
mod websocket;

pub use client::{Client, ClientBuilder};
pub use events::Events;
#[cfg(feature = "futures-io")]
pub use io::FuturesIo;
pub use pages::Pages;
pub use runtime::Runtime;
pub use tune::tune;
pub use watch::Watch;
pub use websocket::WebSocket;

/// WebSocket: the protocol's parts, and what happens on a [`WebSocket`].
pub mod ws {
    #[doc(inline)]
    pub use restless_proto::websocket::{Event, WebSocketMachine};
    #[doc(inline)]
    pub use restless_proto::ws::{
        Accepted, Close, CloseCode, Closed, Connection, Deflate, DeflateParameters, Error,
        FrameHeader, Handshake, HandshakeError, Message, Opcode, Options, Output, Payload,
        SendError, Side, Text,
    };
}

pub use restless_proto as proto;
pub use rustls;
