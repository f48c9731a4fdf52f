//! Events of a stream: an update or an error, around data that stays as it arrived.
//!
//! The service sends one JSON object for each event, as the data of an SSE event or as one
//! WebSocket message:
//!
//! ```json
//! {"type":"update","meta":{"timestamp":"2026-06-07T00:49:36.562+00:00","attempt_id":"a59d80d4",
//!  "status":200,"latency_ms":43,"payload_mode_fallback":null},"data":{"any":"json"},
//!  "error":null,"signature":null,"event_id":null}
//! ```
//!
//! [`StreamEvent`] owns the text that arrived, [`Envelope`] borrows the text. Both read the text
//! once, check all of it, and remember where things are. The data is parsed on demand, into the
//! caller's own type: [`RawJson::parse`].
//!
//! Fields that the service adds later are kept, at every level: see the `extra` methods.

mod data;
mod envelope;
mod error;
mod fields;
mod kind;
mod parts;
mod stream_event;
pub mod timestamp;

pub use data::{DATA_LEVELS, RawJson};
pub use envelope::{Envelope, ErrorDetail, Meta};
pub use error::{Error, JsonType};
pub use fields::ExtraFields;
pub use kind::Kind;
pub(crate) use stream_event::Place;
pub use stream_event::{SseId, StreamEvent};
