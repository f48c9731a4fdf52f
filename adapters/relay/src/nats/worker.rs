//! One of several workers that share a list of feeds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use restless_hyper::{Client, Runtime};
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::lease::Leases;
use super::names;
use crate::{Ended, Feed, Handle, Relay, RelayError, Sink, SinkError};

/// One of any number of workers, on any number of machines, that share a list of feeds: each feed
/// is relayed by one of them.
///
/// Leases in a bucket of NATS say who works on what; they are created, renewed, and run out. Feeds
/// are spread evenly, and move when a worker joins, leaves or dies: within two lease times after
/// that each feed has its relay. A worker that can't renew its leases stops at their end.
///
/// # When a lease ends
///
/// A lease ends a lease's time after its last renewal. A worker that is killed renews nothing; a
/// worker whose machine sleeps, or that is cut off from NATS, can't.
///
/// - The worker looks at its leases at each turn, four times in a lease's time, by a clock of its
///   own. A relay whose lease has ended, or is another worker's, is dropped there: no later than
///   half a lease's time after the end, for a renewal without an answer takes a turn. What that
///   relay had read and not stored is dropped with it. The feed leaves
///   [`feeds`](WorkerHandle::feeds), and the worker asks for the lease again once the server is
///   there.
/// - The server takes the lease away at its end. Another worker takes it within two turns, begins
///   at the store's position, and goes on publishing from there.
/// - Until the first worker has noticed, both publish; and a batch of a relay that was dropped may
///   still be on its way. The fence is the store's, and knows no leases: each batch names the
///   position that it stands behind. Of two batches behind one position the store takes one, and
///   answers the other with [`Moved`](crate::Stored::Moved). The relay that is told so reads the
///   position, and goes on behind it.
///
/// Leases therefore only save work. Two workers on one feed, by a clock that stands still or a
/// network that is cut, store each event once, in any [`Sink`].
///
/// ```no_run
/// use restless_relay::nats::{Nats, Worker, async_nats};
/// use restless_relay::Feed;
/// # use restless_hyper::{Client, Runtime};
/// # async fn run<R: Runtime>(client: Client<R>) -> Result<(), Box<dyn std::error::Error>> {
/// use restless_hyper::proto::Subscription;
///
/// let nats = async_nats::connect("nats://127.0.0.1:4222").await?;
/// let feeds = ["stream_1", "stream_2"];
/// let feeds = feeds.map(|id| Feed::new(id, Subscription::stream(id).since("0")));
/// let store = Nats::new(nats.clone());
/// // The same list on each machine, and an id that no other worker has.
/// Worker::new(client, nats, "host-17", feeds, move |_| store.clone()).run().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a worker does nothing until it is run"]
pub struct Worker<R: Runtime, S> {
    client: Client<R>,
    nats: async_nats::Client,
    id: String,
    feeds: BTreeMap<Arc<str>, Feed>,
    sink: Box<dyn Fn(&Feed) -> S + Send + Sync>,
    lease: Duration,
    bucket: String,
    held: watch::Sender<BTreeMap<Arc<str>, Handle>>,
    stop: watch::Sender<bool>,
}

/// A handle to a worker that runs elsewhere: what the worker works on, and how to end the worker.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    held: watch::Receiver<BTreeMap<Arc<str>, Handle>>,
    stop: watch::Sender<bool>,
}

impl WorkerHandle {
    /// Returns the feeds that the worker works on now, each with the handle of its relay.
    pub fn feeds(&self) -> BTreeMap<Arc<str>, Handle> {
        self.held.borrow().clone()
    }

    /// Waits until the worker works on other feeds, or runs a feed's relay again, which has a
    /// handle of its own; `None` once the worker is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future misses nothing.
    pub async fn changed(&mut self) -> Option<BTreeMap<Arc<str>, Handle>> {
        self.held.changed().await.ok()?;
        Some(self.held.borrow_and_update().clone())
    }

    /// Ends the worker: each relay stores what it has read, and the leases are given back.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl<R, S> Worker<R, S>
where
    R: Runtime,
    S: Sink + Sync + 'static,
    Relay<R, S>: Send + Sync,
{
    /// Makes a worker on these feeds; all workers have the same list. `id` is the worker's own,
    /// such as the host's name and the process's number. `sink` makes the store for a feed's relay.
    pub fn new(
        client: Client<R>,
        nats: async_nats::Client,
        id: impl Into<String>,
        feeds: impl IntoIterator<Item = Feed>,
        sink: impl Fn(&Feed) -> S + Send + Sync + 'static,
    ) -> Self {
        let feeds = feeds.into_iter().map(|feed| (Arc::clone(&feed.name), feed)).collect();
        Self {
            client,
            nats,
            id: id.into(),
            feeds,
            sink: Box::new(sink),
            lease: Duration::from_secs(10),
            bucket: "restless-leases".to_owned(),
            held: watch::Sender::default(),
            stop: watch::Sender::default(),
        }
    }

    /// Sets how long a lease holds that is not renewed; the same for all workers. Default: 10 s, at
    /// least 1 s. Each lease is renewed four times in that span.
    pub fn lease(mut self, span: Duration) -> Self {
        self.lease = span.max(Duration::from_secs(1));
        self
    }

    /// Keeps leases in the bucket of this name. Default: `restless-leases`. The bucket is made in
    /// memory: the leases go with the server, and are taken anew.
    pub fn bucket(mut self, name: impl Into<String>) -> Self {
        self.bucket = name.into();
        self
    }

    /// Returns a handle that watches the worker and ends it from elsewhere.
    pub fn handle(&self) -> WorkerHandle {
        WorkerHandle { held: self.held.subscribe(), stop: self.stop.clone() }
    }

    /// Works until it is [stopped](WorkerHandle::stop). The worker waits for a server that goes
    /// away. A relay that ends with an error is run again after a lease's time, and says why in its
    /// [progress](crate::Progress) until then.
    ///
    /// # Errors
    ///
    /// Where the bucket's leases last another time, or a name is empty or over 1,000 bytes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops all relays, and the leases run out.
    pub async fn run(self) -> Result<(), SinkError> {
        // A name that makes no key could never be leased.
        self.feeds.keys().try_for_each(|name| names::token(name).map(drop))?;
        names::token(&self.id)?;
        let mut stop = self.stop.subscribe();
        let opened = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            opened = self.open() => opened,
        };
        let mut leases = opened?;
        let names: Vec<Arc<str>> = self.feeds.keys().cloned().collect();
        let mut relays = Relays::default();
        // The first turn only says that this worker is here, and waits for the others to be known.
        let mut is_known = false;
        let mut turn = tokio::time::interval(leases.pause());
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let ended = loop {
            let happened = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break Ok(()),
                concerns = leases.changed() => Happened::Seen(concerns),
                ended = relays.next() => Happened::Ended(ended),
                _ = turn.tick() => Happened::Turn,
            };
            let plans = match happened {
                Happened::Seen(concerns) => concerns && is_known,
                Happened::Ended(feed) => {
                    if let Some(feed) = relays.over(feed, Instant::now() + self.lease) {
                        leases.release(&feed).await;
                    }
                    false
                }
                Happened::Turn => match leases.renew().await {
                    Ok(lost) => {
                        lost.iter().for_each(|feed| relays.drop(feed));
                        std::mem::replace(&mut is_known, true)
                    }
                    Err(error) => break Err(error),
                },
            };
            if plans {
                for feed in leases.surplus(names.len(), Instant::now()) {
                    if let Some(feed) = relays.stop(&feed) {
                        leases.release(&feed).await;
                    }
                }
                for feed in leases.acquire(&names).await {
                    self.start(&feed, &mut relays);
                }
                for feed in relays.due(Instant::now()) {
                    self.start(&feed, &mut relays);
                }
            }
            self.tell(&mut relays);
        };
        self.end(relays, leases).await;
        ended
    }

    /// Opens the leases, however long the server needs.
    async fn open(&self) -> Result<Leases, SinkError> {
        loop {
            match Leases::open(&self.nats, &self.bucket, &self.id, self.lease).await {
                Err(error) if error.is_transient() => tokio::time::sleep(self.lease / 4).await,
                opened => return opened,
            }
        }
    }

    fn start(&self, name: &Arc<str>, relays: &mut Relays) {
        if let Some(feed) = self.feeds.get(name) {
            let relay = Relay::new(self.client.clone(), feed.clone(), (self.sink)(feed));
            relays.start(Arc::clone(name), relay.handle(), relay.run());
        }
    }

    /// Tells the handles, where there are others than before: to look for that would take a look at
    /// each feed.
    fn tell(&self, relays: &mut Relays) {
        if std::mem::take(&mut relays.are_others) {
            self.held.send_replace(relays.handles());
        }
    }

    /// Lets each relay store what it has read, and gives the leases back.
    async fn end(self, mut relays: Relays, mut leases: Leases) {
        leases.leave().await;
        let names: Vec<Arc<str>> = relays.running.keys().cloned().collect();
        for feed in &names {
            if let Some(feed) = relays.stop(feed) {
                leases.release(&feed).await;
            }
        }
        let mut turn = tokio::time::interval(leases.pause());
        while !relays.tasks.is_empty() {
            tokio::select! {
                ended = relays.next() => {
                    if let Some(feed) = relays.over(ended, Instant::now()) {
                        leases.release(&feed).await;
                    }
                }
                // The last batches may take a while.
                _ = turn.tick() => {
                    // Whatever leases last from now on, this worker takes none.
                    for feed in leases.renew().await.unwrap_or_default() {
                        relays.drop(&feed);
                    }
                }
            }
        }
        leases.leave().await;
        self.tell(&mut relays);
    }
}

enum Happened {
    /// Another lease, and whether it concerns this worker.
    Seen(bool),
    Ended((Id, Option<Result<Ended, RelayError>>)),
    Turn,
}

/// The relays of a worker.
#[derive(Default)]
struct Relays {
    tasks: JoinSet<Result<Ended, RelayError>>,
    names: HashMap<Id, Arc<str>>,
    running: BTreeMap<Arc<str>, Running>,
    /// Whether there are other handles than were told.
    are_others: bool,
}

struct Running {
    handle: Handle,
    state: State,
}

enum State {
    Runs(AbortHandle),
    /// The relay was told to stop, for its feed goes to another worker.
    Stops(AbortHandle),
    /// The relay ended with an error, and is run again at this time.
    Rests(Instant),
    /// The stream is over.
    Over,
}

impl Relays {
    fn start(
        &mut self,
        name: Arc<str>,
        handle: Handle,
        relay: impl Future<Output = Result<Ended, RelayError>> + Send + 'static,
    ) {
        let task = self.tasks.spawn(relay);
        self.names.insert(task.id(), Arc::clone(&name));
        self.running.insert(name, Running { handle, state: State::Runs(task) });
        self.are_others = true;
    }

    /// Waits for the next relay that ends, and returns how; without an answer where the relay was
    /// dropped or has panicked.
    async fn next(&mut self) -> (Id, Option<Result<Ended, RelayError>>) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ended))) => (id, Some(ended)),
            Some(Err(error)) => (JoinError::id(&error), None),
            None => std::future::pending().await,
        }
    }

    /// Takes note of a relay's end. Returns the feed to give back, if any.
    fn over(
        &mut self,
        (id, ended): (Id, Option<Result<Ended, RelayError>>),
        again: Instant,
    ) -> Option<Arc<str>> {
        let name = self.names.remove(&id)?;
        let running = self.running.get_mut(&name)?;
        match &running.state {
            State::Runs(task) if task.id() == id => {
                running.state = match ended {
                    Some(Ok(_)) => State::Over,
                    Some(Err(_)) | None => State::Rests(again),
                };
                None
            }
            State::Stops(task) if task.id() == id => {
                self.remove(&name);
                Some(name)
            }
            // The relay is an earlier one of this feed's.
            State::Runs(_) | State::Stops(_) | State::Rests(_) | State::Over => None,
        }
    }

    /// Tells the relay of a feed to stop. Where the relay does not run, its feed is to be given
    /// back at once.
    fn stop(&mut self, name: &Arc<str>) -> Option<Arc<str>> {
        let Some(running) = self.running.get_mut(name) else { return Some(Arc::clone(name)) };
        match &running.state {
            State::Runs(task) | State::Stops(task) => {
                running.handle.stop();
                running.state = State::Stops(task.clone());
                None
            }
            State::Rests(_) | State::Over => {
                self.remove(name);
                Some(Arc::clone(name))
            }
        }
    }

    /// Drops the relay of a feed whose lease is gone.
    fn drop(&mut self, name: &str) {
        match self.remove(name).map(|running| running.state) {
            Some(State::Runs(task) | State::Stops(task)) => task.abort(),
            Some(State::Rests(_) | State::Over) | None => {}
        }
    }

    fn remove(&mut self, name: &str) -> Option<Running> {
        let removed = self.running.remove(name);
        self.are_others |= removed.is_some();
        removed
    }

    /// Returns the feeds whose relays are to be run again.
    fn due(&self, now: Instant) -> Vec<Arc<str>> {
        let rests = |running: &Running| matches!(running.state, State::Rests(at) if at <= now);
        let due = self.running.iter().filter(|(_, running)| rests(running));
        due.map(|(name, _)| Arc::clone(name)).collect()
    }

    fn handles(&self) -> BTreeMap<Arc<str>, Handle> {
        let handles = self.running.iter();
        handles.map(|(name, running)| (Arc::clone(name), running.handle.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use restless_hyper::proto::Subscription;

    use super::*;
    use crate::{Batch, Position, Stored};

    struct Nothing;

    impl Sink for Nothing {
        async fn position(&mut self, _: &str) -> Result<Position, SinkError> {
            Ok(Position::default())
        }

        async fn store(&mut self, _: Arc<Batch>) -> Result<Stored, SinkError> {
            Ok(Stored::Moved)
        }
    }

    #[tokio::test]
    async fn handles_are_told_where_they_are_others_and_only_there() {
        let client = restless_tokio::Client::builder().api_key("key").build().unwrap();
        let feed = Feed::new("orders", Subscription::stream("orders"));
        let name = Arc::clone(&feed.name);
        let relay = Relay::new(client, feed, Nothing);
        let mut relays = Relays::default();
        relays.start(Arc::clone(&name), relay.handle(), std::future::pending());
        assert!(std::mem::take(&mut relays.are_others), "a relay has begun");
        assert_eq!(relays.stop(&name), None);
        relays.drop("others");
        assert!(!relays.are_others, "the same relay runs");
        relays.drop(&name);
        assert!(std::mem::take(&mut relays.are_others), "it is gone");
        relays.start(name, relay.handle(), std::future::ready(Ok(Ended::Stopped)));
        assert!(std::mem::take(&mut relays.are_others), "it is run again");
    }
}
