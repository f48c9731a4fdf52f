//! Event streams, decoded as their bytes come (WHATWG HTML §9.2.5 and §9.2.6).
//!
//! A [`Decoder`] knows neither HTTP nor time. It takes the content of a response in whatever
//! chunks it comes, and lends out its [`Block`]s, one at a time:
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
//! What it promises:
//!
//! - **Any cut gives the same blocks.** Each byte is looked at twice at most, so the time is linear
//!   in their number, even for one huge line that comes byte by byte.
//! - **Nothing waits.** A CR ends its line at once; an LF that follows, be it in the next chunk,
//!   belongs to it.
//! - **Nothing is copied that lies in one chunk.** The data of an event with one `data` line is lent
//!   out of the chunk that the line is in, without an allocation where the event ends there too.
//! - **Memory is bounded**, and what passes a limit costs one block, never the stream: see
//!   [`Decoder::poll`].
//! - **Bad UTF-8 becomes U+FFFD** where the Encoding standard puts it, and is never cut differently
//!   because of a chunk's end.
//!
//! When the stream ends, whatever stands after the last blank line is dropped: the standard
//! dispatches nothing for a block that is not complete.

mod block;
mod buffers;
mod decoder;
mod field;
mod interpreter;
mod last_event_id;
mod lines;
mod plain;

pub use block::{Block, Event};
pub use decoder::Decoder;
