//! The loop between a subscription and a store.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use restless_hyper::{Client, Events, Runtime};
use restless_proto::subscription::{self, Continuity, Event, GapReason, Item, LossReason};
use restless_proto::{Backoff, ConfigError, Entropy};
use tokio::sync::watch;

use crate::{
    Batch, Content, DeadLetter, Feed, Handle, Options, Position, Progress, Record, Sink, SinkError,
    Stored,
};

/// One feed on its way into one store.
///
/// A relay reads one batch ahead while storing another: a slow store slows the server down.
#[must_use = "a relay does nothing until it is run"]
pub struct Relay<R: Runtime, S> {
    client: Client<R>,
    feed: Feed,
    sink: S,
    progress: watch::Sender<Progress>,
    stop: watch::Sender<bool>,
    gone: Gone,
}

/// Why a relay has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// [`Handle::stop`] was called. All that was read is stored, unless the store was in trouble
    /// just then: what is missing comes again with the next relay.
    Stopped,
    /// The stream is over, in good order. All that was read is stored.
    Stream,
}

/// Why a relay can't go on. All that was stored stays stored, and the position with it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The subscription has a value that can't work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store can't go on.
    #[error("the store failed")]
    Sink(#[from] SinkError),
    /// The subscription can't go on.
    #[error("the subscription failed")]
    Stream(#[source] restless_proto::Error),
}

/// Tells of a relay that is dropped, or that a panic of its store ends: such a relay must not look
/// alive, though nobody has polled it yet.
struct Gone(Option<watch::Sender<Progress>>);

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            progress.send_modify(|progress| {
                progress.connected = false;
                progress.trouble = Some("the relay was dropped before its end".to_owned());
            });
        }
    }
}

impl<R: Runtime, S: Sink> Relay<R, S> {
    /// Makes a relay of this feed into this store. The work begins with [`run`](Self::run).
    pub fn new(client: Client<R>, feed: Feed, sink: S) -> Self {
        let (progress, _) = watch::channel(Progress::default());
        let (stop, _) = watch::channel(false);
        let gone = Gone(Some(progress.clone()));
        Self { client, feed, sink, progress, stop, gone }
    }

    /// Returns a handle that watches the relay and ends it from elsewhere.
    pub fn handle(&self) -> Handle {
        Handle { progress: self.progress.subscribe(), stop: self.stop.clone() }
    }

    /// Relays until the stream is over, or until it is [stopped](Handle::stop).
    ///
    /// # Errors
    ///
    /// Where the subscription or the store can't go on. A store's failure that may pass is waited
    /// out.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves what is stored as it is. A batch that is on its way to the store
    /// may be stored or not: the store knows, and the next relay asks it. [`Progress::trouble`]
    /// says that the relay is gone.
    pub async fn run(mut self) -> Result<Ended, RelayError> {
        let ended = self.relay().await;
        self.gone.0 = None;
        self.progress.send_modify(|progress| {
            progress.connected = false;
            match &ended {
                Ok(Ended::Stopped) => {}
                // Whatever the connection was like just before: nothing more comes.
                Ok(Ended::Stream) => progress.trouble = Some("the stream is over".to_owned()),
                Err(error) => progress.trouble = Some(chain(error)),
            }
        });
        ended
    }

    async fn relay(&mut self) -> Result<Ended, RelayError> {
        let mut backoff = self.backoff();
        while let Some(position) = self.position().await? {
            let mut subscription = self.feed.subscription.clone();
            if let Some(cursor) = &position.cursor {
                subscription = subscription.cursor(cursor);
            }
            let events = self.client.subscribe(subscription)?;
            let before = position.sequence;
            match self.follow(events, position).await? {
                Turn::Ended(ended) => return Ok(ended),
                Turn::Moved { from } => {
                    self.progress.send_modify(|progress| progress.moved += 1);
                    if from > before {
                        backoff.reset();
                    }
                    // Two workers on one feed do no harm, and must not spin.
                    if self.pause(&mut backoff).await {
                        break;
                    }
                }
            }
        }
        Ok(Ended::Stopped)
    }

    /// Follows one subscription from the position that the store has named.
    async fn follow(
        &mut self,
        mut events: Events<R>,
        mut position: Position,
    ) -> Result<Turn, RelayError> {
        let mut gathered = Gathered::new(self.feed.options, self.sink.most_record_bytes());
        loop {
            self.gather(&mut events, &mut gathered).await;
            let records = gathered.take();
            if records.is_empty() {
                match gathered.over.take() {
                    Some(Over::Stopped) => return Ok(Turn::Ended(Ended::Stopped)),
                    Some(Over::Ended) => return Ok(Turn::Ended(Ended::Stream)),
                    Some(Over::Failed(error)) => return Err(RelayError::Stream(error)),
                    None => continue,
                }
            }
            let batch = Arc::new(Batch::new(Arc::clone(&self.feed.name), position, records));
            match self.store(batch, &mut events, &mut gathered).await? {
                Outcome::Stored(reached) => position = reached,
                Outcome::Moved { from } => return Ok(Turn::Moved { from }),
                Outcome::Stopped => return Ok(Turn::Ended(Ended::Stopped)),
            }
        }
    }

    /// Waits for a first record, and for others behind it until the batch is full or time is up.
    async fn gather(&self, events: &mut Events<R>, gathered: &mut Gathered) {
        let mut stop = self.stop.subscribe();
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        let mut linger: Option<Pin<Box<R::Sleep>>> = None;
        poll_fn(|cx| {
            if gathered.over.is_none() && stopped.as_mut().poll(cx).is_ready() {
                gathered.over = Some(Over::Stopped);
            }
            read(&self.progress, events, gathered, cx);
            if gathered.over.is_some() || gathered.is_full() {
                return Poll::Ready(());
            }
            if gathered.records.is_empty() {
                return Poll::Pending;
            }
            let span = self.feed.options.linger;
            if span.is_zero() {
                return Poll::Ready(());
            }
            let sleep = || Box::pin(self.client.runtime().sleep(span));
            linger.get_or_insert_with(sleep).as_mut().poll(cx)
        })
        .await;
    }

    /// Stores a batch, however long the store needs for it.
    async fn store(
        &mut self,
        mut batch: Arc<Batch>,
        events: &mut Events<R>,
        next: &mut Gathered,
    ) -> Result<Outcome, RelayError> {
        let mut backoff = self.backoff();
        let from = batch.expected.sequence;
        loop {
            let error = match self.store_once(Arc::clone(&batch), events, next).await {
                None => return Ok(Outcome::Stopped),
                Some(Ok(Stored::Stored)) => break,
                Some(Ok(Stored::Moved)) => return Ok(Outcome::Moved { from }),
                Some(Err(error)) => error,
            };
            if let Some(index) = error.record_index() {
                batch = Arc::new(bury(&batch, index, error)?);
                continue;
            }
            if !error.is_transient() {
                return Err(error.into());
            }
            self.trouble(&error);
            if self.pause(&mut backoff).await {
                return Ok(Outcome::Stopped);
            }
            // Whether the batch was stored is unknown: the store is asked.
            match self.position().await? {
                None => return Ok(Outcome::Stopped),
                Some(position) if position == batch.position() => break,
                Some(position) if position == batch.expected => {}
                Some(_) => return Ok(Outcome::Moved { from }),
            }
        }
        self.count(&batch);
        Ok(Outcome::Stored(batch.position()))
    }

    /// Tries once to store a batch, while the next batch is read; `None` where the relay was
    /// stopped meanwhile and the store took too long.
    async fn store_once(
        &mut self,
        batch: Arc<Batch>,
        events: &mut Events<R>,
        next: &mut Gathered,
    ) -> Option<Result<Stored, SinkError>> {
        let mut late = pin!(late(self.client.runtime(), &self.stop));
        let mut silent = pin!(silent(self.client.runtime(), &self.progress));
        let mut store = pin!(self.sink.store(batch));
        let progress = &self.progress;
        poll_fn(|cx| {
            if let Poll::Ready(stored) = store.as_mut().poll(cx) {
                return Poll::Ready(Some(stored));
            }
            let Poll::Pending = silent.as_mut().poll(cx);
            read(progress, events, next, cx);
            late.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Asks where the store has the feed, however long the store needs to answer; `None` where the
    /// relay was stopped meanwhile.
    async fn position(&mut self) -> Result<Option<Position>, RelayError> {
        let mut backoff = self.backoff();
        loop {
            let Some(answer) = self.ask().await else { return Ok(None) };
            match answer {
                Ok(position) => {
                    let told = Some(position.clone());
                    self.progress.send_modify(|progress| {
                        progress.position = told;
                        progress.of_store = None;
                        progress.tell_trouble();
                    });
                    return Ok(Some(position));
                }
                Err(error) if error.is_transient() => self.trouble(&error),
                Err(error) => return Err(error.into()),
            }
            if self.pause(&mut backoff).await {
                return Ok(None);
            }
        }
    }

    /// Asks once; `None` where the relay was stopped meanwhile and the store took too long.
    async fn ask(&mut self) -> Option<Result<Position, SinkError>> {
        let mut late = pin!(late(self.client.runtime(), &self.stop));
        let mut silent = pin!(silent(self.client.runtime(), &self.progress));
        let mut asked = pin!(self.sink.position(&self.feed.name));
        poll_fn(|cx| {
            if let Poll::Ready(answer) = asked.as_mut().poll(cx) {
                return Poll::Ready(Some(answer));
            }
            let Poll::Pending = silent.as_mut().poll(cx);
            late.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Waits before the store is asked again; `true` where the relay was stopped meanwhile.
    async fn pause(&self, backoff: &mut Backoff) -> bool {
        let delay = backoff.next_delay(None, Duration::ZERO);
        let mut sleep = pin!(self.client.runtime().sleep(delay));
        let mut stop = self.stop.subscribe();
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        poll_fn(|cx| {
            if stopped.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            sleep.as_mut().poll(cx).map(|()| false)
        })
        .await
    }

    fn backoff(&self) -> Backoff {
        let mut seed = [0; 32];
        // Jitter keeps workers apart. Without jitter they only meet more often.
        let _ = getrandom::fill(&mut seed);
        let Options { retry, max_retry, .. } = self.feed.options;
        Backoff::new(retry, max_retry, Entropy::from_bytes(seed))
    }

    fn trouble(&self, error: &SinkError) {
        tell_of_store(&self.progress, chain(error));
    }

    /// Counts a batch that is stored.
    fn count(&self, batch: &Batch) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let last = batch.records.iter().rev().find_map(Record::unix_ms);
        let then = last.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        let events = batch.records.iter().filter(|record| record.event().is_some()).count() as u64;
        self.progress.send_modify(|progress| {
            progress.position = Some(batch.position());
            progress.events += events;
            progress.dead_letters += batch.records.len() as u64 - events;
            progress.bytes += batch.records.iter().map(|record| record.bytes() as u64).sum::<u64>();
            progress.batches += 1;
            progress.lag = then.map(|then| now.saturating_sub(then)).or(progress.lag);
            progress.of_store = None;
            progress.tell_trouble();
        });
    }
}

/// Ends [`GRACE`] after the relay was stopped.
async fn late<R: Runtime>(runtime: &R, stop: &watch::Sender<bool>) {
    // The sender is here, so that this waits until there is a `true`.
    let _ = stop.subscribe().wait_for(|stop| *stop).await;
    runtime.sleep(GRACE).await;
}

/// Tells of a store that has not answered for [`SILENCE`], and leaves the waiting to others: a disk
/// that hangs gives no error, and what the disk was given may be stored all the same.
async fn silent<R: Runtime>(runtime: &R, progress: &watch::Sender<Progress>) -> Infallible {
    runtime.sleep(SILENCE).await;
    tell_of_store(progress, format!("the store has not answered for {} s", SILENCE.as_secs()));
    std::future::pending().await
}

fn tell_of_store(progress: &watch::Sender<Progress>, trouble: String) {
    progress.send_modify(|progress| {
        progress.of_store = Some(trouble);
        progress.tell_trouble();
    });
}

/// How long a store may take for what it was asked before the relay was stopped.
const GRACE: Duration = Duration::from_secs(10);
/// How long a store may take for an answer before that counts as trouble.
const SILENCE: Duration = Duration::from_secs(30);

/// How following one subscription came to its end.
enum Turn {
    Ended(Ended),
    /// Another worker has moved the feed, from where this worker had stored it.
    Moved {
        from: u64,
    },
}

/// What became of a batch, once the store has said so.
enum Outcome {
    Stored(Position),
    Moved { from: u64 },
    Stopped,
}

/// Why no more is read.
enum Over {
    Stopped,
    Ended,
    Failed(restless_proto::Error),
}

impl From<subscription::Ended> for Over {
    fn from(ended: subscription::Ended) -> Self {
        ended.into_error().map_or(Self::Ended, Self::Failed)
    }
}

/// What was read and is not yet handed to the store.
struct Gathered {
    options: Options,
    most_record_bytes: Option<usize>,
    records: Vec<Record>,
    bytes: usize,
    over: Option<Over>,
    buried: Buried,
    /// The service's last refusal, which may be one of the position.
    refusal: Option<restless_proto::Error>,
}

/// What was rejected since the cursor moved last. What has no id of its own comes again with each
/// connect, in the same order, until another event has moved the cursor.
#[derive(Default)]
struct Buried {
    cursor: Option<String>,
    /// Marks of what was rejected, in order: the thing itself may be 16 MiB and stay for days.
    letters: Vec<u64>,
    /// How many of them have come again since the last connect.
    come_again: usize,
}

impl Buried {
    /// Whether this is the first time at this cursor. Beyond [`MOST_BURIED`], each counts as new.
    fn is_new(&mut self, cursor: Option<&str>, letter: &DeadLetter) -> bool {
        if self.cursor.as_deref() != cursor {
            *self = Self { cursor: cursor.map(str::to_owned), ..Self::default() };
        }
        let mut mark = DefaultHasher::new();
        (&letter.data, &letter.reason).hash(&mut mark);
        let mark = mark.finish();
        let behind = self.letters.get(self.come_again..).unwrap_or_default();
        if let Some(ahead) = behind.iter().position(|seen| *seen == mark) {
            self.come_again += ahead + 1;
            return false;
        }
        if self.letters.len() < MOST_BURIED {
            self.letters.push(mark);
            self.come_again = self.letters.len();
        }
        true
    }
}

impl Gathered {
    fn new(options: Options, most_record_bytes: Option<usize>) -> Self {
        let (records, buried) = (Vec::new(), Buried::default());
        Self { options, most_record_bytes, records, bytes: 0, over: None, buried, refusal: None }
    }

    fn is_full(&self) -> bool {
        self.records.len() >= self.options.most_records || self.bytes >= self.options.most_bytes
    }

    fn push(&mut self, item: Item, cursor: Option<&str>) {
        let content = match item.into_event() {
            Ok(event) => match self.most_record_bytes {
                Some(most) if event.raw().len() > most => Content::Dead(DeadLetter {
                    data: event.raw().as_bytes().iter().copied().take(KEPT_OF_TOO_LARGE).collect(),
                    reason: format!("{} bytes, and the store takes {most}", event.raw().len()),
                }),
                _ => Content::Event(event),
            },
            Err(rejected) => {
                let reason = chain(&rejected.reason);
                let letter = DeadLetter { data: rejected.data, reason };
                if rejected.id.is_none() && !self.buried.is_new(cursor, &letter) {
                    return;
                }
                Content::Dead(letter)
            }
        };
        let record = Record::new(cursor.map(str::to_owned), content);
        self.bytes = self.bytes.saturating_add(record.bytes());
        self.records.push(record);
    }

    fn take(&mut self) -> Vec<Record> {
        self.bytes = 0;
        std::mem::take(&mut self.records)
    }
}

/// How many dead letters without an id are remembered at a cursor.
const MOST_BURIED: usize = 64;
/// How much a dead letter keeps of an event that is too large for the store.
const KEPT_OF_TOO_LARGE: usize = 4096;

/// Takes what is there, as far as there is room.
fn read<R: Runtime>(
    progress: &watch::Sender<Progress>,
    events: &mut Events<R>,
    gathered: &mut Gathered,
    cx: &mut Context<'_>,
) {
    while gathered.over.is_none() && !gathered.is_full() {
        let Poll::Ready(event) = pin!(events.next_event()).poll(cx) else { return };
        match event {
            Some(Event::Item(item)) => gathered.push(item, events.cursor()),
            Some(Event::Opened(_)) => {
                gathered.buried.come_again = 0;
                progress.send_modify(|progress| {
                    progress.connected = true;
                    progress.of_connection = None;
                    progress.tell_trouble();
                });
            }
            Some(Event::Lost(lost)) => {
                progress.send_modify(|progress| {
                    progress.connected = false;
                    progress.losses += 1;
                    progress.of_connection = Some(chain(&lost.reason));
                    progress.tell_trouble();
                });
                match lost.reason {
                    LossReason::Error(error) if may_refuse_position(&error) => {
                        gathered.refusal = Some(error)
                    }
                    _ => {}
                }
            }
            // What follows begins at the present. Behind the position that is stored, it would
            // leave out what lies between, for good.
            Some(Event::Continuity(Continuity::Gap { why: GapReason::Refused, .. })) => {
                let refusal = gathered.refusal.take().unwrap_or_else(|| {
                    ConfigError::new("cursor", "…", "a position that the service takes").into()
                });
                gathered.over = Some(Over::Failed(refusal));
            }
            Some(Event::Ended(ended)) => gathered.over = Some(ended.into()),
            // Later versions may tell more, which plays no part here.
            Some(_) => {}
            None => gathered.over = Some(Over::Ended),
        }
    }
}

/// Whether this may be the refusal of a position: 400, 410, 416 or 422, over WebSocket plus 4000.
fn may_refuse_position(error: &restless_proto::Error) -> bool {
    let status = match error {
        restless_proto::Error::Closed(closed) => closed.code().get().checked_sub(4000),
        error => error.status().map(|status| status.as_u16()),
    };
    matches!(status, Some(400 | 410 | 416 | 422))
}

/// Makes the same batch with a dead letter in the place of one record.
fn bury(batch: &Batch, index: usize, error: SinkError) -> Result<Batch, SinkError> {
    let mut batch = batch.clone();
    let record = batch.records.get_mut(index);
    let event = record.as_ref().and_then(|record| record.event()).cloned();
    // A store that refuses a dead letter, too, can't go on: the relay would ask for ever.
    let (Some(record), Some(event)) = (record, event) else {
        return Err(SinkError::will_not_pass("the store refuses a dead letter").with_source(error));
    };
    let data = event.raw().as_bytes().to_vec().into();
    record.content = Content::Dead(DeadLetter { data, reason: chain(&error) });
    Ok(batch)
}

/// Prints an error and its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
