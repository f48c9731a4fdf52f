//! Leases of feeds in a bucket of NATS: who works on what, until when.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::kv::{CreateErrorKind, Entry, Operation, Store, Watch};
use async_nats::jetstream::stream::StorageType;
use tokio::task::JoinSet;

use super::bucket::Bucket;
use super::{away, is_behind, names};
use crate::SinkError;

/// The bucket of leases, and what one worker knows of it and holds in it.
///
/// | key | value | goes |
/// | --- | --- | --- |
/// | `worker.ID` | none | when the worker leaves, or has not renewed it for a lease's time |
/// | `feed.NAME` | the holder's id | the same |
///
/// The server takes away what has grown too old. A lease is renewed at its revision, so a lease
/// that somebody else has taken meanwhile can't be renewed.
pub(super) struct Leases {
    store: Store,
    worker: String,
    span: Duration,
    held: HashMap<Arc<str>, Held>,
    /// The other workers, and when each was heard.
    workers: HashMap<String, Instant>,
    /// The feeds of other workers, and when each was heard of.
    taken: HashMap<String, Instant>,
}

struct Held {
    revision: u64,
    /// Until when nobody else can have the lease.
    until: Instant,
}

/// How often a lease is renewed within its time.
const RENEWALS: u32 = 4;

impl Leases {
    /// Opens the bucket of this name, and makes it where it is missing.
    pub(super) async fn open(
        client: &async_nats::Client,
        bucket: &str,
        worker: &str,
        span: Duration,
    ) -> Result<(Self, Watch), SinkError> {
        let context = jetstream::new(client.clone());
        let made =
            Bucket { name: bucket, max_age: span, storage: StorageType::Memory, replicas: 1 };
        let store = made.open(&context).await?;
        let max_age = store.stream.cached_info().config.max_age;
        if max_age != span {
            let what = format!("the leases in NATS last {max_age:?}, and not {span:?}");
            return Err(SinkError::will_not_pass(what));
        }
        // A question that is not answered by the next turn is asked again there.
        let wait = span / RENEWALS;
        let prompt = ContextBuilder::new().timeout(wait).ack_timeout(wait).build(client.clone());
        let prompt = prompt.get_key_value(bucket).await;
        let prompt = prompt.map_err(|e| away("the leases in", e))?;
        let watch = store.watch_with_history(">").await;
        let watch = watch.map_err(|e| away("watching the leases in", e))?;
        let leases = Self {
            store: prompt,
            worker: worker.to_owned(),
            span,
            held: HashMap::new(),
            workers: HashMap::new(),
            taken: HashMap::new(),
        };
        Ok((leases, watch))
    }

    /// Returns how long it is until the next turn.
    pub(super) fn pause(&self) -> Duration {
        self.span / RENEWALS
    }

    /// Starts another watch, where the first one broke off.
    pub(super) async fn watch(&self) -> Result<Watch, SinkError> {
        let watch = self.store.watch_with_history(">").await;
        watch.map_err(|e| away("watching the leases in", e))
    }

    /// Takes note of a change. Returns `true` where this worker may have to take or to give up
    /// feeds.
    pub(super) fn note(&mut self, entry: &Entry, now: Instant) -> bool {
        let put = entry.operation == Operation::Put;
        if let Some(id) = entry.key.strip_prefix("worker.") {
            if id == names::token(&self.worker).unwrap_or_default() {
                return false;
            }
            return if put {
                self.workers.insert(id.to_owned(), now).is_none()
            } else {
                self.workers.remove(id).is_some()
            };
        }
        let Some(feed) = entry.key.strip_prefix("feed.").and_then(names::name) else {
            return false;
        };
        if !put {
            return self.taken.remove(&feed).is_some();
        }
        if entry.value != self.worker.as_bytes() {
            self.taken.insert(feed, now);
        }
        false
    }

    /// Tells the others that this worker is here, and renews what the worker holds. Returns the
    /// feeds that are held no longer.
    pub(super) async fn renew(&mut self) -> Vec<Arc<str>> {
        let now = Instant::now();
        let mut renewals = JoinSet::new();
        for (feed, held) in &self.held {
            let (store, value) = (self.store.clone(), self.worker.clone());
            let (feed, revision) = (Arc::clone(feed), held.revision);
            renewals.spawn(async move {
                let key = key(&feed);
                let renewed = store.update(key, value.into(), revision).await;
                (feed, renewed)
            });
        }
        if let Ok(worker) = names::token(&self.worker) {
            // Where the server is away, so are the leases: they run out, and are taken anew.
            let _ = self.store.put(format!("worker.{worker}"), "".into()).await;
        }
        let mut lost = Vec::new();
        while let Some(renewed) = renewals.join_next().await {
            let Ok((feed, renewed)) = renewed else { continue };
            match renewed {
                Ok(revision) => {
                    self.held.insert(feed, Held { revision, until: now + self.span });
                }
                Err(error) if is_behind(&error) => {
                    // The server's answer may have been lost: the lease is then this worker's all
                    // the same.
                    match self.own(&feed).await {
                        Ok(Some(revision)) => {
                            self.held.insert(feed, Held { revision, until: now + self.span });
                        }
                        Ok(None) => lost.push(feed),
                        Err(_) => {}
                    }
                }
                // The lease may be there or not, and holds as long as it would have.
                Err(_) => {}
            }
        }
        let now = Instant::now();
        lost.extend(
            self.held.iter().filter(|(_, it)| it.until <= now).map(|(it, _)| Arc::clone(it)),
        );
        for feed in &lost {
            self.held.remove(feed);
        }
        lost
    }

    /// Returns the feeds to give up now: as many as this worker has above its share.
    pub(super) fn surplus(&self, feeds: usize, now: Instant) -> Vec<Arc<str>> {
        let more = self.held.len().saturating_sub(self.share(feeds, now));
        let mut held: Vec<_> = self.held.keys().cloned().collect();
        held.sort_unstable();
        held.split_off(held.len() - more)
    }

    /// Takes free feeds of these, as far as this worker has fewer than its share. Returns the feeds
    /// that the worker got.
    pub(super) async fn acquire(&mut self, feeds: &[Arc<str>]) -> Vec<Arc<str>> {
        let now = Instant::now();
        let mut room = self.share(feeds.len(), now).saturating_sub(self.held.len());
        let mut got = Vec::new();
        // Each worker begins elsewhere, so that they don't all ask for the same feed.
        let (rank, workers) = self.rank(now);
        let (before, behind) = feeds.split_at(feeds.len() * rank / workers);
        for feed in behind.iter().chain(before) {
            if room == 0 {
                break;
            }
            let is_taken = self.taken.get(&**feed).is_some_and(|at| now < *at + self.span);
            if is_taken || self.held.contains_key(feed) {
                continue;
            }
            let asked = Instant::now();
            match self.store.create(key(feed), self.worker.clone().into()).await {
                Ok(revision) => {
                    let until = asked + self.span;
                    self.held.insert(Arc::clone(feed), Held { revision, until });
                    self.taken.remove(&**feed);
                    got.push(Arc::clone(feed));
                    room -= 1;
                }
                Err(error)
                    if error.kind() == CreateErrorKind::AlreadyExists || is_behind(&error) => {}
                // The server is away: the next turn asks again.
                Err(_) => break,
            }
        }
        got
    }

    /// Gives a feed back, so that another worker takes it at once.
    pub(super) async fn release(&mut self, feed: &str) {
        if let Some(held) = self.held.remove(feed) {
            // Where that fails, the lease runs out.
            let _ = self.store.delete_expect_revision(key(feed), Some(held.revision)).await;
        }
    }

    /// Tells the others that this worker is gone.
    pub(super) async fn leave(&self) {
        if let Ok(worker) = names::token(&self.worker) {
            let _ = self.store.delete(format!("worker.{worker}")).await;
        }
    }

    /// Returns the revision of this feed's lease, where the lease is this worker's.
    async fn own(&self, feed: &str) -> Result<Option<u64>, SinkError> {
        let entry = self.store.entry(key(feed)).await;
        let entry = entry.map_err(|e| away("the leases in", e))?;
        let own = entry.filter(|entry| {
            entry.operation == Operation::Put && entry.value == self.worker.as_bytes()
        });
        Ok(own.map(|entry| entry.revision))
    }

    /// Returns how many of so many feeds are this worker's: as many as anybody's, and one more for
    /// the first workers by name where the division leaves a rest.
    fn share(&self, feeds: usize, now: Instant) -> usize {
        let (rank, workers) = self.rank(now);
        feeds / workers + usize::from(rank < feeds % workers)
    }

    /// Returns this worker's place among the workers that are here, and their number.
    fn rank(&self, now: Instant) -> (usize, usize) {
        let alive = self.workers.iter().filter(|(_, at)| now < **at + self.span);
        let own = names::token(&self.worker).unwrap_or_default();
        let others: BTreeSet<&str> = alive.map(|(id, _)| id.as_str()).collect();
        (others.range(..&*own).count(), others.len() + 1)
    }
}

fn key(feed: &str) -> String {
    // A name that makes no token makes no relay either.
    format!("feed.{}", names::token(feed).unwrap_or_default())
}
