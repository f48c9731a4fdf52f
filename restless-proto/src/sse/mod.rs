//! Event streams, decoded as their bytes come (WHATWG HTML §9.2.5 and §9.2.6).
//!
//! A [`Decoder`] knows neither HTTP nor time. Feed it the content of one response, chunk by chunk,
//! and take [`Block`]s out of it. However the bytes are cut, the blocks are the same, and the time
//! that it takes is linear in their number.
//!
//! ```
//! use restless_proto::Limits;
//! use restless_proto::sse::{Block, Decoder};
//!
//! let mut decoder = Decoder::new(Limits::default());
//! let mut seen = Vec::new();
//! for chunk in ["id: 7\nda", "ta: hello\n\n"] {
//!     decoder.feed(chunk.into());
//!     while let Some(block) = decoder.poll()? {
//!         if let Block::Event(event) = block {
//!             seen.push((event.last_event_id().to_owned(), event.data().to_owned()));
//!         }
//!     }
//! }
//! assert_eq!(seen, [("7".to_owned(), "hello".to_owned())]);
//! # Ok::<(), restless_proto::LimitError>(())
//! ```
//!
//! An event whose data is one line, inside one chunk, is lent out of that chunk: nothing is copied,
//! and nothing is allocated.

mod decoder;
mod field;

pub use decoder::{Block, Decoder, Event};
