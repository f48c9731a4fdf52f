//! The one driver for [`restless-proto`](restless_proto), over hyper and rustls.
//!
//! It knows no runtime and spawns nothing: a [`Runtime`] resolves names, connects sockets and
//! sleeps, and everything else happens while a call or a subscription is polled. Most users want
//! an adapter, such as `restless-tokio`; who has a runtime of their own implements [`Runtime`] and
//! has the same [`Client`].

mod client;
mod connect;
mod credentials;
mod driver;
mod events;
mod exchange;
mod io;
mod pages;
mod runtime;
mod tls;
mod upgraded;
mod watch;
mod websocket;

pub use client::{Client, ClientBuilder};
pub use events::Events;
pub use pages::Pages;
pub use runtime::Runtime;
pub use watch::Watch;
pub use websocket::WebSocket;

pub use restless_proto as proto;
pub use rustls;
