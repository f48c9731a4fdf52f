//! The store that was asked for, as far as this build has it.

use std::convert::Infallible;
use std::sync::Arc;

#[cfg(feature = "nats")]
use restless_relay::nats::async_nats;
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
    Sqlite(Arc<Mutex<Late<restless_relay::Sqlite>>>),
    #[cfg(feature = "ndjson")]
    Ndjson(Arc<Mutex<Late<restless_relay::Ndjson>>>),
    #[cfg(feature = "postgres")]
    Postgres(Arc<Mutex<restless_relay::Postgres>>),
    #[cfg(feature = "nats")]
    Nats(Box<restless_relay::Nats>),
    /// Stands for the stores in a build that has none.
    #[allow(dead_code, reason = "other builds have stores")]
    NotBuiltIn(Infallible),
}

/// A store that is opened by a later step where it can't be opened yet: its disk is full, or
/// somebody else has it. The relays tell of that, and try again.
#[cfg(any(feature = "sqlite", feature = "ndjson"))]
pub(super) struct Late<S> {
    store: Option<S>,
    open: Arc<Open<S>>,
}

#[cfg(any(feature = "sqlite", feature = "ndjson"))]
type Open<S> = dyn Fn() -> Result<S, SinkError> + Send + Sync;

#[cfg(any(feature = "sqlite", feature = "ndjson"))]
impl<S: Send + 'static> Late<S> {
    /// Opens it now, unless that fails for now. The error is one that stays.
    async fn new(
        open: impl Fn() -> Result<S, SinkError> + Send + Sync + 'static,
    ) -> Result<Self, SinkError> {
        let mut late = Self { store: None, open: Arc::new(open) };
        match late.get().await {
            Err(error) if !error.is_transient() => Err(error),
            Err(_) | Ok(_) => Ok(late),
        }
    }

    async fn get(&mut self) -> Result<&mut S, SinkError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => {
                let open = Arc::clone(&self.open);
                let opened = tokio::task::spawn_blocking(move || open()).await;
                opened.map_err(|error| {
                    SinkError::will_not_pass("opening the store").with_source(error)
                })??
            }
        };
        Ok(self.store.insert(store))
    }
}

impl Store {
    #[allow(unused_variables, reason = "builds without these stores")]
    pub(super) async fn open(to: &Destination, context: &Context) -> Result<Self, Failure> {
        let failed = |error: SinkError| Failure::new(5, "the store", error);
        match to {
            #[cfg(feature = "sqlite")]
            Destination::Sqlite(path) => {
                let path = path.clone();
                let late = Late::new(move || restless_relay::Sqlite::open(&path)).await;
                Ok(Self::Sqlite(Arc::new(Mutex::new(late.map_err(failed)?))))
            }
            #[cfg(feature = "ndjson")]
            Destination::Ndjson(folder) => {
                let folder = folder.clone();
                let late = Late::new(move || restless_relay::Ndjson::open(&folder)).await;
                Ok(Self::Ndjson(Arc::new(Mutex::new(late.map_err(failed)?))))
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
                let client = connect(server).await;
                let client = client.map_err(|error| Failure::new(5, "the store", error))?;
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

/// Whether TLS is what failed, such as a certificate: that does not pass by itself.
#[cfg(feature = "nats")]
fn is_of_tls(error: &async_nats::ConnectError) -> bool {
    use tokio_rustls::rustls;
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Connects to a server of NATS, or leaves that to the client where the server is away.
#[cfg(feature = "nats")]
async fn connect(server: &str) -> Result<async_nats::Client, async_nats::ConnectError> {
    use async_nats::ConnectErrorKind as Kind;
    match async_nats::connect(server).await {
        Err(error) if matches!(error.kind(), Kind::Io | Kind::Dns | Kind::TimedOut) => {
            if is_of_tls(&error) {
                return Err(error);
            }
            // The client tries again by itself, and keeps to itself why that fails.
            let causes = crate::failure::causes(&error).join(": ");
            crate::output::note(&format!("the store is away, and waited for: {causes}"));
            let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
            options.connect(server).await
        }
        connected => connected,
    }
}

impl Sink for Store {
    async fn position(&mut self, feed: &str) -> Result<Position, SinkError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(store) => store.lock().await.get().await?.position(feed).await,
            #[cfg(feature = "ndjson")]
            Self::Ndjson(store) => store.lock().await.get().await?.position(feed).await,
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
            Self::Sqlite(store) => store.lock().await.get().await?.store(batch).await,
            #[cfg(feature = "ndjson")]
            Self::Ndjson(store) => store.lock().await.get().await?.store(batch).await,
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

#[cfg(all(test, any(feature = "sqlite", feature = "ndjson")))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_store_that_cannot_be_opened_yet_is_opened_by_a_later_step() {
        let tries = AtomicUsize::new(0);
        let open = move || match tries.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Err(SinkError::may_pass("the disk is full")),
            tries => Ok(tries),
        };
        let mut late = Late::new(open).await.expect("it is waited for");
        assert!(late.get().await.is_err_and(|error| error.is_transient()));
        for _ in 0..2 {
            assert_eq!(late.get().await.ok().copied(), Some(2), "it is opened once");
        }
        let never = || Err::<(), _>(SinkError::will_not_pass("no database"));
        assert!(Late::new(never).await.is_err());
    }
}
