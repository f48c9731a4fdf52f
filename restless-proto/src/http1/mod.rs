//! HTTP/1.1 without I/O (RFC 9112): one exchange on one connection, for who has a socket and no
//! HTTP stack.
//!
//! A request goes out as bytes ([`request_bytes`]), and what comes back becomes a machine's inputs
//! ([`Exchange`]): the response's head; its content by length, in chunks or until the end of the
//! connection; after 101 whatever comes. Interim responses are passed over, trailers are dropped.
//!
//! ```
//! # use bytes::Bytes;
//! # use restless_proto::machine::{Input, Machine, Output};
//! # use restless_proto::{Entropy, Instant, Service, Subscription};
//! use restless_proto::http1::{Exchange, StreamEnd, TargetForm, request_bytes};
//! # let service = Service::default();
//! # let mut machine = Subscription::stream("stream_123")
//! #     .start(&service, Entropy::from_seed(7), Instant::ORIGIN)?;
//! # let Output::Open { exchange, request } = machine.poll() else { panic!() };
//!
//! // At `Output::Open`: connect, and write this.
//! let to_write = request_bytes(&request, TargetForm::Origin)?;
//! assert!(to_write.starts_with(b"GET /?streamId=stream_123 HTTP/1.1\r\nhost: stream."));
//! let mut open = Exchange::new(exchange, &request);
//!
//! // Whenever something was read; at the end `open.handle_end(StreamEnd::Closed)`.
//! let read = Bytes::from_static(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno");
//! open.handle_data(read);
//! while let Some(input) = open.poll() {
//!     machine.handle(input, Instant::ORIGIN);
//! }
//! # let _ = StreamEnd::Closed;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An [`Exchange`] is made for responses that last for months: content comes out as slices of what
//! was read, and between two reads nothing is kept of it. So one [`ReadBuffer`](crate::ReadBuffer)
//! does for all the connections of a thread. What is the driver's: sockets, TLS, proxies, time, and
//! which connections are kept ([`Exchange::is_reusable`]).
//!
//! What it holds to:
//!
//! | limit | default | set by |
//! | --- | --- | --- |
//! | head of a response, with interim ones | 64 KiB | [`Exchange::with_head_limit`] |
//! | trailer section | as the head | the same |
//! | line before a chunk, extensions included | 4 KiB | fixed |
//! | a length, a chunk's size | 63 bits | fixed |
//! | fields, content, number of chunks | none | |

// Heads are parsed by httparse, as hyper and ureq do. Framing is our own and not ureq-proto
// 0.7.1's, which was the first choice. It copies content into a buffer of the caller's, and wants a
// line again from its beginning when the line was cut. It refuses a line before a chunk that has
// more than 20 bytes, chunks that end with a lone LF, folded fields, other versions than 1.0 and
// 1.1, and more fields than a constant. It takes the chunks off `gzip, chunked` and passes on what
// is still coded, and reads HTTP/1.0 in chunks as if the chunks were the content.

mod chunked;
mod error;
mod exchange;
mod framing;
mod head;
mod request;

pub use error::{RequestError, ResponseError};
pub use exchange::{Exchange, StreamEnd};
pub use request::{TargetForm, request_bytes};

pub use crate::http::target::{host, origin_form};
