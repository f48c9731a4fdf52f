//! Event streams, decoded as their bytes come (WHATWG HTML §9.2.5 and §9.2.6).
//!
//! A [`Decoder`] takes the content of a response in whatever chunks the content comes, and lends
//! out [`Block`]s, one at a time. HTTP and time are left to others.
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
//! A decoder promises:
//!
//! - **Any cut gives the same blocks.** Each byte is looked at twice at most, so that the time is
//!   linear in the number of bytes, even for one huge line that comes byte by byte.
//! - **Nothing waits.** A CR ends its line at once; an LF that follows the CR, be it in the next
//!   chunk, belongs to the CR.
//! - **Data that lies in one chunk is lent, not copied.** The data of an event with one `data` line
//!   is lent out of the chunk that the line is in, without an allocation where the event ends there
//!   too.
//! - **Memory is bounded**, and a block over a limit leaves the rest of the stream readable: see
//!   [`Decoder::poll`].
//! - **Bad UTF-8 becomes U+FFFD** where the Encoding standard puts it, wherever chunks end.
//!
//! When the stream ends, lines after the last blank line are dropped: the standard dispatches
//! complete blocks only.

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
