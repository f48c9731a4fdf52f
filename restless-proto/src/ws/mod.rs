//! WebSocket without I/O: RFC 6455 and permessage-deflate (RFC 7692), the client's side.
//!
//! [`Handshake`] is the opening handshake: a request for any HTTP/1.1 client, and the check of the
//! response; a program without such a client has [`http1`](crate::http1). [`Connection`] is what
//! follows: bytes and time go in, bytes and messages come out.
//! [`WebSocketMachine`](crate::websocket::WebSocketMachine) is both in one, for any driver of this
//! crate's machines. All of them are for any WebSocket, since they know nothing of this crate's
//! service.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use restless_proto::Entropy;
//! use restless_proto::Instant;
//! use restless_proto::ws::{Accepted, CloseCode, Closed, Connection, Message, Options, Output};
//!
//! // What the socket gives, one read after another: "Hel" + "lo", then the peer's Close frame.
//! let mut reads = [&b"\x01\x03Hel"[..], b"\x80\x02lo", b"\x88\x02\x03\xe8", b""].into_iter();
//! let mut written = Vec::new();
//! let mut now = Instant::ORIGIN;
//!
//! let accepted = Accepted::default(); // of `Handshake::check`
//! let mut connection =
//!     Connection::new(&accepted, Options::default(), Entropy::from_seed(7), now);
//! connection.send_text("hello?")?;
//! let closed = loop {
//!     match connection.poll() {
//!         Output::Send(bytes) => written.extend_from_slice(&bytes),
//!         Output::Message(Message::Text(text)) => {
//!             assert_eq!(text, "Hello");
//!             connection.close(CloseCode::NORMAL, "that is all", now)?;
//!         }
//!         Output::Message(Message::Binary(_)) | Output::TooLarge(_) => {}
//!         Output::Ping(_) | Output::Pong(_) => {}
//!         // A real driver waits for the socket or for the deadline, and in the latter case says
//!         // `connection.elapsed(now)`.
//!         Output::Wait(_deadline) => {
//!             now = now + Duration::from_millis(1);
//!             match reads.next() {
//!                 Some(bytes) if !bytes.is_empty() => {
//!                     connection.handle_data(Bytes::from_static(bytes), now);
//!                 }
//!                 _ => connection.ended(now),
//!             }
//!         }
//!         Output::Closed(closed) => break closed,
//!     }
//! };
//! assert!(closed.is_clean());
//! assert_eq!(closed.code(), CloseCode::NORMAL);
//! # Ok::<(), restless_proto::ws::SendError>(())
//! ```
//!
//! The limits and timers of a connection, and where each is set:
//!
//! | limit or timer | default | set by |
//! | --- | --- | --- |
//! | size of a message, decompressed; a larger one is passed over | 16 MiB | [`Options::message_bytes`] |
//! | fragments of a message; one with more is passed over | 131,072 | [`Options::fragments`] |
//! | input that was not polled for | 16 MiB and one piece | [`Options::unread_bytes`] |
//! | compressed bytes that bring nothing | 64 KiB, and 16 for each that they bring | fixed |
//! | frames that wait to be sent | 32 MiB | [`Options::unsent_bytes`] |
//! | pongs that wait to be sent | 1 | fixed |
//! | a ping of ours | every 20 s | [`Options::ping_every`] |
//! | silence after a ping of ours | 20 s | [`Options::pong_within`] |
//! | the answer to our Close frame | 10 s | [`Options::close_within`] |
//! | the end of the transport after both Close frames, or a failure | 1 s | fixed |
//! | memory for compression | see [`Deflate`] | [`Deflate`] |

mod close;
mod close_code;
mod connection;
mod deflate;
mod error;
mod extension;
mod frame;
mod handshake;
mod incoming;
mod keepalive;
mod lookahead;
mod mask;
mod message;
mod opcode;
mod options;
mod outgoing;
mod promise;
mod sequence;
mod utf8;
mod walk;

#[cfg(test)]
mod tests;

use crate::semantics::scheme;

pub use close::{Close, Closed, Side};
pub use close_code::CloseCode;
pub use connection::{Connection, Output};
pub use deflate::{Deflate, DeflateParameters};
pub use error::Error;
pub(crate) use error::UNREAD;
pub use frame::FrameHeader;
pub use handshake::{Accepted, Handshake, HandshakeError};
pub use message::{Message, Payload, Text};
pub use opcode::Opcode;
pub use options::Options;
pub use outgoing::SendError;
pub(crate) use walk::FrameWalk;

/// Makes of the URI of a request over HTTP the URI of a WebSocket (RFC 6455 §3).
pub(crate) fn websocket_uri(uri: &http::Uri) -> http::Uri {
    let scheme = uri.scheme_str().and_then(scheme::over_websocket);
    let mut parts = uri.clone().into_parts();
    parts.scheme = scheme.and_then(|scheme| scheme.parse().ok());
    // The three parts were one URI, so that another URI can be made of them.
    http::Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}
