//! The store that was asked for, as far as this build has it.

use std::convert::Infallible;
use std::sync::Arc;

use restless_relay::{Batch, Position, Sink, SinkError, Stored};
#[cfg(any(feature = "sqlite", feature = "ndjson", feature = "postgres"))]
use tokio::sync::Mutex;

use crate::context::Context;
use crate::failure::Failure;
use crate::relay::Destination;

/// One store for all feeds. A step of one feed waits for a step of another, but for NATS, whose
/// client sends for many at once.
#[derive(Clone)]
pub(super) enum Store {
    #[cfg(feature = "sqlite")]
    Sqlite(Arc<Mutex<restless_relay::Sqlite>>),
    #[cfg(feature = "ndjson")]
    Ndjson(Arc<Mutex<restless_relay::Ndjson>>),
    #[cfg(feature = "postgres")]
    Postgres(Arc<Mutex<restless_relay::Postgres>>),
    #[cfg(feature = "nats")]
    Nats(Box<restless_relay::Nats>),
    /// Stands for the stores in a build that has none.
    #[allow(dead_code, reason = "other builds have stores")]
    NotBuiltIn(Infallible),
}

impl Store {
    #[allow(unused_variables, reason = "builds without these stores")]
    pub(super) async fn open(to: &Destination, context: &Context) -> Result<Self, Failure> {
        let failed = |error: SinkError| Failure::new(5, "the store", error);
        match to {
            #[cfg(feature = "sqlite")]
            Destination::Sqlite(path) => {
                let opened = restless_relay::Sqlite::open(path).map_err(failed)?;
                Ok(Self::Sqlite(Arc::new(Mutex::new(opened))))
            }
            #[cfg(feature = "ndjson")]
            Destination::Ndjson(folder) => {
                let opened = restless_relay::Ndjson::open(folder).map_err(failed)?;
                Ok(Self::Ndjson(Arc::new(Mutex::new(opened))))
            }
            #[cfg(feature = "postgres")]
            Destination::Postgres(database) => {
                let mut made = restless_relay::Postgres::new(database).map_err(failed)?;
                if made.wants_tls() {
                    let trusted = context.authorities()?;
                    let tls = crate::exchange::tls(trusted.as_deref());
                    let (config, _) = tls.map_err(|error| Failure::new(5, "TLS", error))?;
                    made = made.tls(config);
                }
                Ok(Self::Postgres(Arc::new(Mutex::new(made))))
            }
            #[cfg(feature = "nats")]
            Destination::Nats(server) => {
                let connected = restless_relay::nats::async_nats::connect(server).await;
                let client = connected.map_err(|error| Failure::new(5, "the store", error))?;
                Ok(Self::Nats(Box::new(restless_relay::Nats::new(client))))
            }
            #[cfg(not(all(
                feature = "sqlite",
                feature = "ndjson",
                feature = "postgres",
                feature = "nats"
            )))]
            other => {
                let kind = other.kind();
                let hint =
                    format!("not built in: {kind} (a feature of restless-cli: --features {kind})");
                Err(Failure::message(2, hint))
            }
        }
    }
}

impl Sink for Store {
    async fn position(&mut self, feed: &str) -> Result<Position, SinkError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(store) => store.lock().await.position(feed).await,
            #[cfg(feature = "ndjson")]
            Self::Ndjson(store) => store.lock().await.position(feed).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.lock().await.position(feed).await,
            #[cfg(feature = "nats")]
            Self::Nats(store) => store.position(feed).await,
            Self::NotBuiltIn(never) => match *never {},
        }
    }

    async fn store(&mut self, batch: Arc<Batch>) -> Result<Stored, SinkError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(store) => store.lock().await.store(batch).await,
            #[cfg(feature = "ndjson")]
            Self::Ndjson(store) => store.lock().await.store(batch).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.lock().await.store(batch).await,
            #[cfg(feature = "nats")]
            Self::Nats(store) => store.store(batch).await,
            Self::NotBuiltIn(never) => match *never {},
        }
    }

    fn most_record_bytes(&self) -> Option<usize> {
        match self {
            #[cfg(feature = "nats")]
            Self::Nats(store) => store.most_record_bytes(),
            // The limit is the same for each database, and asked for without a lock.
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Some(restless_relay::Postgres::MOST_RECORD_BYTES),
            _ => None,
        }
    }
}
