//! Restless Stream on async-std.
//!
//! async-std itself is discontinued (RUSTSEC-2025-0052), and its maintainers advise to move to
//! smol: this crate is for programs that have not yet.
//!
//! ```no_run
//! use restless_async_std::{Client, Subscription, streams};
//!
//! # async fn run() -> Result<(), restless_async_std::Error> {
//! let client = Client::new("rs_0123456789abcdef");
//! let stream = client
//!     .send(streams::create("Orders", "https://api.example.com/orders").polling_interval(30))
//!     .await?;
//! let mut events = client.subscribe(Subscription::stream(stream.id))?;
//! while let Some(item) = events.next().await {
//!     if let Some(event) = item?.event() {
//!         println!("{}", event.raw());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # How do I …
//!
//! | … | answer |
//! | --- | --- |
//! | pause, and resume | [`how_to`](how_to#pause-and-resume) |
//! | keep the cursor in a database, in one transaction with the event | [`how_to`](how_to#the-cursor-in-a-database) |
//! | hold the present document | [`how_to`](how_to#the-present-document) |
//! | know what lies between two events, drop what comes twice | [`how_to`](how_to#what-lies-between-two-events) |
//! | follow 1,000 streams | [`how_to`](how_to#a-thousand-subscriptions) |
//! | shut down gracefully | [`how_to`](how_to#shut-down-gracefully) |
//! | serve a stream on, with axum | [`how_to`](how_to#serve-it-on) |
//! | see what happens: tracing | [`how_to`](how_to#see-what-happens) |
//! | test without a network | [`how_to`](how_to#test-without-a-network) |
//! | take key and service from the environment | [`Client::from_env`](client::Client::from_env) |
//! | set timeouts, retries, a proxy, TLS, fields, the user agent | [`ClientBuilder`](client::ClientBuilder) |
//! | read data as a type of my own | [`RawJson::parse`](event::RawJson::parse) |
//! | read the fields of a good reply: request id, rate limits | [`Call::with_head`] |
//!
//! # Features
//!
//! All are off by default.
//!
//! - `zstd`: the content coding of that name; its decoder is in C.
//! - `webpki-roots`: `ClientBuilder::webpki_roots`, by which a client trusts Mozilla's roots in the
//!   place of the platform's.
//! - `aws-lc-rs`: `ClientBuilder::aws_lc_rs`, by which a client takes that TLS provider in the
//!   place of ring.
//! - `tracing`: spans and events of what the client does; the front page of [`restless_hyper`] has
//!   a table of the spans and events.
//!
//! [Known limits](restless_hyper::known_limits) lists what other clients read and this one does
//! not.

#![cfg_attr(docsrs, feature(doc_cfg))]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use async_std::net::{TcpStream, ToSocketAddrs};
use restless_hyper::{FuturesIo, Runtime};

/// The types behind the aliases: [`Client`] is one of these, on this runtime.
pub mod client {
    #[doc(inline)]
    pub use restless_hyper::{Client, ClientBuilder, Events, Pages, Runtime, WebSocket};
}

pub use restless_hyper::rustls;
#[doc(inline)]
pub use restless_hyper::{Watch, how_to, ws};
#[doc(inline)]
pub use restless_proto::{
    API_BASE_URL, ApiKey, Call, CallOptions, ConfigError, ContentError, CredentialsError, Entropy,
    Error, Excerpt, GaveUp, Instant, JsonError, JsonProblem, LimitError, Limits, Misuse,
    PeerClosed, RedirectError, Refused, Reply, STREAM_BASE_URL, Service, StreamEvent, Subscription,
    TimeoutError, Timer, TransportError, TransportErrorKind, USER_AGENT, api, coding, direct,
    event, is_loopback, model, redacted, signature, snippets, sse, streams, subscription, timing,
    url, usage, websocket,
};

/// A client on async-std.
pub type Client = restless_hyper::Client<AsyncStd>;
/// Settings of a [`Client`].
pub type ClientBuilder = restless_hyper::ClientBuilder<AsyncStd>;
/// A running subscription on async-std.
pub type Events = restless_hyper::Events<AsyncStd>;
/// A list of streams on async-std, walked page by page.
pub type Pages = restless_hyper::Pages<AsyncStd>;
/// Any WebSocket on async-std.
pub type WebSocket = restless_hyper::WebSocket<AsyncStd>;

/// async-std's sockets, resolver and clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    type Socket = FuturesIo<TcpStream>;
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok((host, port).to_socket_addrs().await?.collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Self::Socket> {
        let socket = TcpStream::connect(address).await?;
        restless_hyper::tune(&socket)?;
        Ok(FuturesIo::new(socket))
    }

    fn sleep(&self, span: Duration) -> Self::Sleep {
        Box::pin(async_std::task::sleep(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_tuned() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = async_std::task::block_on(AsyncStd.connect(address)).unwrap();
        let options = socket2::SockRef::from(socket.get_ref());
        assert!(options.tcp_nodelay().unwrap() && options.keepalive().unwrap());
    }
}

/// The README's example, compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
