//! Restless Stream into a store that is already there, each event exactly once.
//!
//! One rule carries the crate: **the store is the cursor**. Storing events and moving the feed's
//! position is one atomic step of the store. After a crash, a restart, or with a second worker on
//! the same feed by mistake, the store alone says what has been stored, and what comes next.
//!
//! ```no_run
//! use restless_relay::{Feed, Relay, Sqlite};
//! # use restless_hyper::{Client, Runtime};
//! # async fn run<R: Runtime>(client: Client<R>) -> Result<(), Box<dyn std::error::Error>> {
//! use restless_hyper::proto::Subscription;
//!
//! let feed = Feed::new("orders", Subscription::stream("stream_123").since("0"));
//! let relay = Relay::new(client, feed, Sqlite::open("feeds.db")?);
//! let handle = relay.handle();
//! // From another task: handle.progress(), handle.stop().
//! let ended = relay.run().await?;
//! # let _ = (handle, ended);
//! # Ok(())
//! # }
//! ```
//!
//! # Sinks
//!
//! | sink | the atomic step | feature |
//! | --- | --- | --- |
//! | [`Sqlite`] | one transaction, `synchronous=FULL` in WAL mode | `sqlite` (on) |
//! | `Postgres` | one transaction, and a compare-and-set of the position | `postgres` |
//! | `Nats` | a message at an expected sequence of its subject, in JetStream, or an atomic batch of such | `nats` |
//! | [`Ndjson`] | a whole line; a torn one is cut off at the next start | `ndjson` (on) |
//!
//! Any other store is a [`Sink`]: two methods.
//!
//! # What goes where
//!
//! - A [`Feed`] is a name in the store and a [`Subscription`](restless_proto::Subscription).
//! - A [`Record`] is an event with the cursor behind it, or a [`DeadLetter`]: what was rejected, or
//!   is larger than the sink takes. Dead letters are stored by the same step, in another table, so
//!   that a feed goes on behind each of them.
//! - A [`Position`] is the number of records stored so far, and the cursor behind the last one. The
//!   number is the fence: a worker that is behind stores nothing.
//!
//! # What it promises, and what it leaves to others
//!
//! What the service sends from the subscription's start on is stored once, in order. What the
//! service has dropped by the time when the relay comes back is lost: choose a store and a
//! supervisor that come back sooner. Where two events share a cursor (both lack an id, and are of
//! the same millisecond), the service can't resume between the two: the limit is the contract's.
//! What was rejected and has no id comes again with each connect, and is stored once by one relay;
//! after a restart it may be stored again, among the dead letters.
//!
//! The relay waits for a store that is away: meanwhile it reads nothing, and [`Progress::trouble`]
//! tells.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod feed;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "ndjson")]
pub mod ndjson;
#[cfg(feature = "postgres")]
pub mod postgres;
mod progress;
mod record;
mod relay;
mod sink;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use feed::{Feed, Options};
#[cfg(feature = "nats")]
pub use nats::Nats;
#[cfg(feature = "ndjson")]
pub use ndjson::Ndjson;
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
pub use progress::{Handle, Progress};
pub use record::{Batch, Content, DeadLetter, Position, Record};
pub use relay::{Ended, Relay, RelayError};
pub use sink::{Sink, SinkError, Stored};
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;

pub use restless_hyper as hyper;
pub use restless_proto as proto;

/// The README's example, compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
