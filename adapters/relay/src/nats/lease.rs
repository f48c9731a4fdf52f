//! Leases of feeds in a bucket of NATS: who works on what, until when.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::context::{Context, ContextBuilder, PublishError, PublishErrorKind};
use async_nats::jetstream::kv::{CreateErrorKind, Entry, Operation, Store, Watch};
use async_nats::jetstream::stream::StorageType;
use futures_core::Stream;
use tokio::task::JoinSet;

use super::bucket::Bucket;
use super::{away, is_behind, names, within};
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
///
/// The bucket is in the server's memory, and goes with the server: whoever finds it gone makes
/// another one, and all take their leases anew.
pub(super) struct Leases {
    context: Context,
    store: Store,
    /// What has changed; `None` where the watch has broken off, until the next turn.
    watch: Option<Watch>,
    worker: String,
    /// The worker's id, as it is in a key.
    token: String,
    span: Duration,
    held: HashMap<Arc<str>, Held>,
    others: Others,
    /// The revision at which this worker last said that it is here. A revision that is not behind
    /// it is another bucket's.
    told: u64,
    /// Whether the server did not take that at the last turn.
    is_away: bool,
}

/// What is known of the other workers.
#[derive(Default)]
struct Others {
    /// When each was heard.
    workers: HashMap<String, Instant>,
    /// Their feeds, and when each was heard of.
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
    ) -> Result<Self, SinkError> {
        let patient = made(&jetstream::new(client.clone()), bucket, span).await?;
        let watch = watched(&patient).await?;
        // A question that is not answered by the next turn is asked again there.
        let wait = span / RENEWALS;
        let context = ContextBuilder::new().timeout(wait).ack_timeout(wait).build(client.clone());
        let store = context.get_key_value(bucket).await;
        Ok(Self {
            store: store.map_err(|e| away("the leases in", e))?,
            context,
            watch: Some(watch),
            worker: worker.to_owned(),
            token: names::token(worker)?,
            span,
            held: HashMap::new(),
            others: Others::default(),
            told: 0,
            is_away: false,
        })
    }

    /// Returns how long it is until the next turn.
    pub(super) fn pause(&self) -> Duration {
        self.span / RENEWALS
    }

    /// Waits for the next change. Returns `true` where this worker may have to take or to give up
    /// feeds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future misses nothing.
    pub(super) async fn changed(&mut self) -> bool {
        let Some(watch) = &mut self.watch else { return pending().await };
        match poll_fn(|cx| Pin::new(&mut *watch).poll_next(cx)).await {
            Some(Ok(entry)) => self.note(&entry, Instant::now()),
            Some(Err(_)) | None => {
                self.watch = None;
                false
            }
        }
    }

    /// Takes note of a change.
    fn note(&mut self, entry: &Entry, now: Instant) -> bool {
        let put = entry.operation == Operation::Put;
        if let Some(id) = entry.key.strip_prefix("worker.") {
            if id == self.token {
                return false;
            }
            return if put {
                self.others.workers.insert(id.to_owned(), now).is_none()
            } else {
                self.others.workers.remove(id).is_some()
            };
        }
        let Some(feed) = entry.key.strip_prefix("feed.").and_then(names::name) else {
            return false;
        };
        if !put {
            return self.others.taken.remove(&feed).is_some();
        }
        if entry.value != self.worker.as_bytes() {
            self.others.taken.insert(feed, now);
        }
        false
    }

    /// Tells the others that this worker is here, and renews what the worker holds. Returns the
    /// feeds that are held no longer.
    ///
    /// # Errors
    ///
    /// Where another worker has made the bucket again, with leases that last another time.
    pub(super) async fn renew(&mut self) -> Result<Vec<Arc<str>>, SinkError> {
        let now = Instant::now();
        self.others.forget(now, self.span);
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
        let is_another = self.tell().await?;
        let mut lost = Vec::new();
        while let Some(renewed) = renewals.join_next().await {
            let Ok((feed, renewed)) = renewed else { continue };
            match renewed {
                Ok(revision) => {
                    self.held.insert(feed, Held { revision, until: now + self.span });
                }
                Err(_) if is_another => lost.push(feed),
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
        if self.watch.is_none() && !self.is_away {
            // Where that fails, the next turn tries again.
            self.watch = within(self.pause(), watched(&self.store)).await.ok();
        }
        Ok(lost)
    }

    /// Tells the others that this worker is here. Makes the bucket again where it is gone. Returns
    /// `true` where the bucket is another one than at the last turn, which has none of this
    /// worker's leases.
    async fn tell(&mut self) -> Result<bool, SinkError> {
        let key = format!("worker.{}", self.token);
        let mut told = self.store.put(&key, "".into()).await;
        if told.as_ref().is_err_and(|error| is_gone(error)) {
            let made = made(&self.context, &self.store.name, self.span);
            match within(self.pause(), made).await {
                Ok(store) => {
                    self.store = store;
                    told = self.store.put(&key, "".into()).await;
                }
                Err(error) if error.is_transient() => {}
                Err(error) => return Err(error),
            }
        }
        // Where the server is away, so are the leases: they run out, and are taken anew.
        let Ok(told) = told else {
            self.is_away = true;
            return Ok(false);
        };
        let is_another = told <= std::mem::replace(&mut self.told, told);
        if is_another {
            self.others.taken.clear();
        }
        if std::mem::take(&mut self.is_away) || is_another {
            // A watch asks for its stream ever more rarely, and for what comes behind the last
            // change that it saw, be the stream another one.
            self.watch = None;
        }
        Ok(is_another)
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
            let is_taken = self.others.taken.get(&**feed).is_some_and(|at| now < *at + self.span);
            if is_taken || self.held.contains_key(feed) {
                continue;
            }
            let asked = Instant::now();
            let created = self.store.create(key(feed), self.worker.clone().into());
            // The server is away: the next turn asks again.
            let Ok(created) = tokio::time::timeout(self.pause(), created).await else { break };
            match created {
                Ok(revision) => {
                    let until = asked + self.span;
                    self.held.insert(Arc::clone(feed), Held { revision, until });
                    self.others.taken.remove(&**feed);
                    got.push(Arc::clone(feed));
                    room -= 1;
                }
                Err(error)
                    if error.kind() == CreateErrorKind::AlreadyExists || is_behind(&error) => {}
                // So it is, or its bucket is gone.
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

    /// Tells the others that this worker is gone. The future has nothing of the leases, whose watch
    /// is no other thread's to see.
    pub(super) fn leave(&self) -> impl Future<Output = ()> + use<> {
        let (store, key) = (self.store.clone(), format!("worker.{}", self.token));
        async move {
            // Where that fails, the others miss it in a lease's time.
            let _ = store.delete(key).await;
        }
    }

    /// Returns the revision of this feed's lease, where the lease is this worker's. The future has
    /// nothing of the leases, either.
    fn own(&self, feed: &str) -> impl Future<Output = Result<Option<u64>, SinkError>> + use<> {
        let (store, key, worker) = (self.store.clone(), key(feed), self.worker.clone());
        let entry = async move { store.entry(key).await.map_err(|e| away("a lease in", e)) };
        let entry = within(self.pause(), entry);
        async move {
            let own = entry.await?.filter(|entry| {
                entry.operation == Operation::Put && entry.value == worker.as_bytes()
            });
            Ok(own.map(|entry| entry.revision))
        }
    }

    /// Returns how many of so many feeds are this worker's: as many as anybody's, and one more for
    /// the first workers by name where the division leaves a rest.
    fn share(&self, feeds: usize, now: Instant) -> usize {
        let (rank, workers) = self.rank(now);
        feeds / workers + usize::from(rank < feeds % workers)
    }

    /// Returns this worker's place among the workers that are here, and their number.
    fn rank(&self, now: Instant) -> (usize, usize) {
        let alive = self.others.workers.iter().filter(|(_, at)| now < **at + self.span);
        let others: BTreeSet<&str> = alive.map(|(id, _)| id.as_str()).collect();
        (others.range(..&*self.token).count(), others.len() + 1)
    }
}

impl Others {
    /// Forgets who was not heard of for a lease's time. A worker that is heard of later has come.
    fn forget(&mut self, now: Instant, span: Duration) {
        self.workers.retain(|_, at| now < *at + span);
        self.taken.retain(|_, at| now < *at + span);
    }
}

/// Opens a bucket of leases, and makes it where it is missing.
async fn made(context: &Context, name: &str, span: Duration) -> Result<Store, SinkError> {
    let bucket = Bucket { name, max_age: span, storage: StorageType::Memory, replicas: 1 };
    let store = bucket.open(context).await?;
    let max_age = store.stream.cached_info().config.max_age;
    if max_age != span {
        let what = format!("the leases in NATS last {max_age:?}, and not {span:?}");
        return Err(SinkError::will_not_pass(what));
    }
    Ok(store)
}

async fn watched(store: &Store) -> Result<Watch, SinkError> {
    store.watch_with_history(">").await.map_err(|e| away("watching the leases in", e))
}

/// Whether nobody has taken what was put: the bucket is gone, or its server is.
fn is_gone(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    let published = causes.find_map(|error| error.downcast_ref::<PublishError>());
    published.is_some_and(|error| error.kind() == PublishErrorKind::StreamNotFound)
}

fn key(feed: &str) -> String {
    // A name that makes no token makes no relay either.
    format!("feed.{}", names::token(feed).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_heard_of_for_a_lease_s_time_is_forgotten() {
        let (now, span) = (Instant::now(), Duration::from_secs(10));
        let mut others = Others::default();
        for (name, at) in [("old", now), ("new", now + span / 2)] {
            others.workers.insert(name.to_owned(), at);
            others.taken.insert(name.to_owned(), at);
        }
        others.forget(now + span, span);
        assert!(others.workers.keys().eq(["new"]), "{:?}", others.workers);
        assert!(others.taken.keys().eq(["new"]), "{:?}", others.taken);
    }
}
