//! HTTP/1.1 without I/O (RFC 9112): one exchange on one connection, for a driver that has a bare
//! socket.
//!
//! A request goes out as bytes ([`request_bytes`]), and what comes back becomes a machine's inputs
//! ([`Exchange`]): the response's head; its content by length, in chunks or until the end of the
//! connection; after 101 whatever comes. Interim responses are passed over, trailers are dropped.
//!
//! ```
//! # use bytes::Bytes;
//! # use restless_proto::machine::{Input, Machine, Output};
//! # use restless_proto::{Entropy, Instant, Service, Subscription};
//! use restless_proto::http1::{Exchange, TargetForm, request_bytes};
//! # let service = Service::default();
//! # let mut machine = Subscription::stream("stream_123")
//! #     .start(&service, Entropy::from_seed(7), Instant::ORIGIN)?;
//! # let Output::Open { exchange, request } = machine.poll() else { panic!() };
//!
//! // At `Output::Open`: connect, and write this.
//! let to_write = request_bytes(&request, TargetForm::Origin)?;
//! assert!(to_write.starts_with(b"GET /?streamId=stream_123 HTTP/1.1\r\nhost: stream."));
//! let mut open = Exchange::new(exchange, &request);
//! open.handle_connected();
//!
//! // Whenever something was read. Who reads into a `ReadBuffer` says `open.handle_read` instead,
//! // which knows the end of the stream too.
//! let read = Bytes::from_static(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno");
//! open.handle_data(read);
//! while let Some(input) = open.poll() {
//!     machine.handle(input, Instant::ORIGIN);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An [`Exchange`] is made for responses that last for months: content comes out as slices of what
//! was read, and between two reads the exchange keeps none of it. One
//! [`ReadBuffer`](crate::ReadBuffer) is therefore enough for all the connections of a thread. The
//! driver's are: sockets, TLS, proxies, time, and which connections are kept
//! ([`Exchange::is_reusable`]).
//!
//! The limits of the decoder:
//!
//! | limit | default | set by |
//! | --- | --- | --- |
//! | head of a response, with interim ones | 64 KiB | [`Exchange::with_head_limit`] |
//! | trailer section | as the head | the same |
//! | line before a chunk, extensions included | 4 KiB | fixed |
//! | a length, a chunk's size | 63 bits | fixed |
//! | fields, content, number of chunks | none | |
//!
//! # What is read, and what is refused
//!
//! A response that has one meaning is read, even where it breaks the grammar. A response that two
//! readers could take for two things is refused. Behind chunks in HTTP/1.0, chunks with a lone LF,
//! and chunks beside a length, a connection is not used again. The sections are of RFC 9112 where
//! no other is named; hyper is 1.12 as it is made by default, curl 7.88.1, Node 20.20 by its module
//! `http`, and Chromium 156 by `fetch`. A test reads all of the cases with each reader.
//!
//! | what comes | here | hyper | curl | Node | Chromium |
//! | --- | --- | --- | --- | --- | --- |
//! | a line of the head that ends with a lone LF (§2.2) | read | read | read | refused | read |
//! | a head whose lines all do (§2.2) | read | read | read | refused | read |
//! | a folded field (§5.2) | read | refused | read | refused | read |
//! | 151 fields | read | refused | read | read | read |
//! | HTTP/1.2 (RFC 9110 §2.5) | read | refused | refused | refused | read |
//! | chunks in HTTP/1.0 (§6.1) | read | refused | read | read | read as something else |
//! | chunk extensions (§7.1.1) | read | read | read | read | read |
//! | chunk extensions of 19 KiB in all, 3.8 KiB for each chunk (§7.1.1) | read | refused | read | read | read |
//! | white space behind a chunk's size | read | read | read | refused | read |
//! | a lone LF behind a chunk's size (§7.1) | read | refused | read | refused | read |
//! | a lone LF behind a chunk (§7.1) | read | refused | read | refused | read |
//! | 20 zeros before a chunk's size (§7.1) | read | read | refused | read | read |
//! | a trailer section (§7.1.2) | read | read | read | read | read |
//! | the end of the connection in place of the trailer section (§8) | read | refused | refused | refused | refused |
//! | one `Content-Length` in two fields (§6.3) | read | read | read | refused | read |
//! | one `Content-Length` twice in a list (§6.3) | read | read | read | refused | read |
//! | an empty line before the response | read | read | refused | read | read |
//! | no reason behind the status (§4) | read | read | read | read | read |
//! | interim responses (RFC 9110 §15.2) | read | read | read | read | read |
//! | chunks, and a `Content-Length` that agrees (§6.3) | read | read | read | refused | read |
//! | chunks, and a `Content-Length` that does not agree (§6.3) | refused | read | read | refused | read |
//! | two lengths (§6.3) | refused | refused | read | refused | refused |
//! | a length with a sign (RFC 9110 §8.6) | refused | refused | read | refused | read |
//! | a length with a space in it (RFC 9110 §8.6) | refused | refused | read | refused | read |
//! | an empty length (RFC 9110 §8.6) | refused | refused | refused | refused | read |
//! | a length over 63 bits (§6.3) | refused | refused | read | refused | read |
//! | `Transfer-Encoding: gzip, chunked` (§7.4) | refused | read | refused | read | read |
//! | `Transfer-Encoding: identity` (§7) | refused | read | read | read | read |
//! | `Transfer-Encoding: chunked, chunked` (§7.1) | refused | read | read | read | read |
//! | `Transfer-Encoding: chunked, x` (§6.3) | refused | read as something else | refused | read as something else | read |
//! | a chunk's size with a sign (§7.1) | refused | refused | refused | refused | refused |
//! | a chunk's size with `0x` (§7.1) | refused | refused | refused | refused | refused |
//! | a chunk's size over 63 bits (§7.1) | refused | refused | refused | refused | refused |
//! | a chunk longer than its size (§7.1) | refused | refused | refused | refused | refused |
//! | a bare CR in a chunk extension (§2.2) | refused | refused | read | refused | read |
//! | a bare CR in a field (§2.2) | refused | refused | read | refused | read |
//! | a NUL in a field (RFC 9110 §5.5) | refused | refused | refused | refused | refused |
//! | a space before a field's colon (§5.1) | refused | refused | read | refused | read |
//! | a fold before the first field (§2.2) | refused | refused | refused | refused | read |
//! | a field without a colon (§5) | refused | refused | refused | refused | read |
//! | no head at all, as in HTTP/0.9 | refused | refused | refused | refused | refused |
//! | a length that is not reached (§8) | refused | refused | refused | refused | refused |
//! | chunks without the last one (§8) | refused | refused | refused | refused | refused |

// Heads are parsed by httparse, as hyper and ureq do. Framing is our own; ureq-proto 0.7.1, which
// was the first choice, falls short in these points. It copies content into a buffer of the
// caller's, and wants a line again from its beginning when the line was cut. It refuses a line
// before a chunk that has more than 20 bytes, chunks that end with a lone LF, folded fields, other
// versions than 1.0 and 1.1, and more fields than a constant. It takes the chunks off `gzip,
// chunked` and passes on what is still coded, and reads HTTP/1.0 in chunks as if the chunks were
// the content.

mod chunked;
mod error;
mod exchange;
mod framing;
mod head;
mod request;

pub use error::{RequestError, ResponseError};
pub use exchange::{Exchange, StreamEnd};
pub use framing::persists;
pub use head::connect_response;
pub use request::{TargetForm, request_bytes};

pub use crate::semantics::target::{host, origin_form};
