//! Everything that the parts of a running emulator share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use restless_proto::signature::Signer;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::due::Due;
use crate::emulator::PublishError;
use crate::fault::Faults;
use crate::feed::{Attempt, Feed, Form, Start, Subscription};
use crate::fields::{Fields, Given, Invalid};
use crate::filter::Engine;
use crate::log::{RecordedRequest, Requests};
use crate::poll::{self, Life};
use crate::signal::Signal;
use crate::source::Source;
use crate::{fields, time};

/// What the builder was told.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) api_key: String,
    pub(crate) hmac_secret: String,
    pub(crate) signer: Arc<Signer>,
    pub(crate) heartbeat: Duration,
    pub(crate) ring: usize,
    /// How long one second of a polling interval lasts.
    pub(crate) second: Duration,
    /// How long a direct stream is kept after its last subscriber left.
    pub(crate) direct_linger: Duration,
    pub(crate) session_lifetime: Duration,
    /// What runs the filters.
    pub(crate) engine: Engine,
    /// Whether each request is told on standard error.
    pub(crate) log: bool,
}

pub(crate) struct Hub {
    pub(crate) config: Config,
    pub(crate) address: SocketAddr,
    pub(crate) faults: Faults,
    pub(crate) signal: Arc<Signal>,
    pub(crate) connections: AtomicUsize,
    pub(crate) listening: AtomicBool,
    /// Closes every open connection when it changes.
    pub(crate) hang_up: watch::Sender<()>,
    /// Whether the emulator stops; a task that receives this has something to say before that.
    pub(crate) stopping: watch::Sender<bool>,
    requests: Mutex<Requests>,
    streams: Mutex<Streams>,
    /// The lock that is held over a change that awaits something between reading and writing.
    change: tokio::sync::Mutex<()>,
    runtime: tokio::runtime::Handle,
}

#[derive(Default)]
struct Streams {
    managed: BTreeMap<String, Managed>,
    /// Ids in the order of creation.
    order: Vec<String>,
    sessions: BTreeMap<String, Session>,
    /// Direct streams by what they poll.
    direct: BTreeMap<String, Arc<Feed>>,
}

struct Managed {
    record: Record,
    feed: Arc<Feed>,
    poller: Option<AbortHandle>,
}

impl Drop for Managed {
    fn drop(&mut self) {
        self.stop_polling();
    }
}

impl Managed {
    fn stop_polling(&mut self) {
        if let Some(poller) = self.poller.take() {
            poller.abort();
        }
    }
}

/// A managed stream's own fields; serialised, the `Stream` model without its URLs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) business_id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) status: Status,
    #[serde(flatten)]
    pub(crate) source: Source,
    pub(crate) hmac_signature_enabled: bool,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    /// Fields that the emulator doesn't know, kept as they came.
    #[serde(flatten)]
    pub(crate) rest: BTreeMap<String, Box<RawValue>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Status {
    #[serde(rename = "ACTIVE")]
    Active,
    #[serde(rename = "INACTIVE")]
    Inactive,
}

impl Status {
    fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "ACTIVE" => Ok(Self::Active),
            "INACTIVE" => Ok(Self::Inactive),
            _ => Err(Invalid::new("status must be ACTIVE or INACTIVE")),
        }
    }
}

/// A direct session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) dedupe_key: String,
    pub(crate) expires_at_ms: i64,
    feed: Arc<Feed>,
}

impl Hub {
    pub(crate) fn new(
        config: Config,
        address: SocketAddr,
        runtime: tokio::runtime::Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            config,
            address,
            faults: Faults::default(),
            signal: Arc::default(),
            connections: AtomicUsize::new(0),
            listening: AtomicBool::new(true),
            hang_up: watch::Sender::new(()),
            stopping: watch::Sender::new(false),
            requests: Mutex::default(),
            streams: Mutex::default(),
            change: tokio::sync::Mutex::default(),
            runtime,
        })
    }

    /// The base of both the REST API and the runtime: they differ by path.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    // Managed streams

    /// Creates a stream, under an id of its own where none is given.
    pub(crate) async fn create(
        self: &Arc<Self>,
        id: Option<String>,
        fields: Fields,
    ) -> Result<Record, Invalid> {
        let id = id.unwrap_or_else(|| format!("stream_{:016x}", crate::random()));
        let record = Record::create(&self.config.engine, id, fields).await?;
        let feed = self.feed(record.id.clone(), self.form(&record));
        let mut streams = self.streams();
        if streams.managed.contains_key(&record.id) {
            return Err(Invalid(format!("there is a stream {:?} already", record.id)));
        }
        let mut managed = Managed { record: record.clone(), feed, poller: None };
        self.restart_polling(&mut managed);
        streams.order.push(record.id.clone());
        streams.managed.insert(record.id.clone(), managed);
        Ok(record)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Record> {
        Some(self.streams().managed.get(id)?.record.clone())
    }

    /// A page of streams in the order of creation, and whether there are more after it.
    pub(crate) fn list(&self, limit: usize, offset: usize) -> (Vec<Record>, bool) {
        let streams = self.streams();
        let page: Vec<_> = streams
            .order
            .iter()
            .skip(offset)
            .take(limit)
            .filter_map(|id| Some(streams.managed.get(id)?.record.clone()))
            .collect();
        (page, streams.order.len() > offset.saturating_add(limit))
    }

    /// Applies an update whole or not at all. `None` for an unknown stream.
    pub(crate) async fn update(
        self: &Arc<Self>,
        id: &str,
        fields: Fields,
    ) -> Option<Result<Record, Invalid>> {
        let _changing = self.change.lock().await;
        let mut record = self.get(id)?;
        if let Err(invalid) = record.update(&self.config.engine, fields).await {
            return Some(Err(invalid));
        }
        self.change(id, |old| *old = record).map(Ok)
    }

    pub(crate) async fn set_status(self: &Arc<Self>, id: &str, status: Status) -> Option<Record> {
        let _changing = self.change.lock().await;
        self.change(id, |record| record.status = status)
    }

    /// Forgets a stream; its subscribers come to an end. Returns whether there was one.
    pub(crate) fn delete(&self, id: &str) -> bool {
        let mut streams = self.streams();
        let Some(managed) = streams.managed.remove(id) else { return false };
        streams.order.retain(|other| other != id);
        drop(streams);
        managed.feed.close();
        true
    }

    fn change(self: &Arc<Self>, id: &str, change: impl FnOnce(&mut Record)) -> Option<Record> {
        let mut streams = self.streams();
        let managed = streams.managed.get_mut(id)?;
        change(&mut managed.record);
        managed.record.updated_at = time::model_timestamp(time::now_ms());
        managed.feed.set_form(self.form(&managed.record));
        self.restart_polling(managed);
        Some(managed.record.clone())
    }

    /// Polls by the stream's present settings, from now, or not at all.
    fn restart_polling(self: &Arc<Self>, managed: &mut Managed) {
        managed.stop_polling();
        if managed.record.status == Status::Active {
            let source = managed.record.source.clone();
            managed.poller = Some(self.poll(&managed.feed, source, Life::UntilAborted));
        }
    }

    fn form(&self, record: &Record) -> Form {
        Form {
            mode: record.source.payload_mode,
            signer: record.hmac_signature_enabled.then(|| Arc::clone(&self.config.signer)),
        }
    }

    // Direct streams and sessions

    /// Subscribes to the direct stream of `source`; the same source is the same stream.
    pub(crate) fn subscribe_direct(self: &Arc<Self>, source: Source, start: Start) -> Subscription {
        let key = direct_key(&source);
        let mut streams = self.streams();
        if let Some(feed) = streams.direct.get(&key) {
            return feed.subscribe(start);
        }
        let feed = self.feed(direct_id(&source), unsigned(&source));
        let subscription = feed.subscribe(start);
        self.poll(&feed, source, Life::WhileSubscribed(self.config.direct_linger));
        streams.direct.insert(key, feed);
        subscription
    }

    /// The session for a dedupe key, and whether it is new.
    pub(crate) fn session(
        self: &Arc<Self>,
        dedupe_key: Option<String>,
        source: Source,
    ) -> (Session, bool) {
        let mut streams = self.streams();
        let reused = dedupe_key
            .as_ref()
            .and_then(|key| streams.sessions.values().find(|session| session.dedupe_key == *key));
        if let Some(session) = reused {
            return (session.clone(), false);
        }
        let id = format!("sess_{:016x}", crate::random());
        let feed = self.feed(id.clone(), unsigned(&source));
        let lifetime = self.config.session_lifetime;
        self.poll(&feed, source, Life::Until(Due::after(lifetime)));
        let session = Session {
            dedupe_key: dedupe_key.unwrap_or_else(|| id.clone()),
            expires_at_ms: time::now_ms()
                .saturating_add(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX)),
            feed,
            id: id.clone(),
        };
        streams.sessions.insert(id, session.clone());
        (session, true)
    }

    /// Drops a direct stream to which nobody has been subscribed for `linger`. Returns whether it
    /// did.
    pub(crate) fn drop_idle(&self, feed: &Arc<Feed>, linger: Duration) -> bool {
        // The lock is that of subscribing: nobody joins a feed that is about to go.
        let mut streams = self.streams();
        let idle = feed.subscribers() == 0 && feed.idle() >= linger;
        if idle {
            streams.direct.retain(|_, other| !Arc::ptr_eq(other, feed));
            self.signal.tell();
        }
        idle
    }

    /// Ends a session; its subscribers come to an end.
    pub(crate) fn expire(&self, feed: &Arc<Feed>) {
        self.streams().sessions.remove(feed.id());
        feed.close();
    }

    // All of them

    /// The feed of a managed stream.
    pub(crate) fn managed_feed(&self, id: &str) -> Option<Arc<Feed>> {
        Some(Arc::clone(&self.streams().managed.get(id)?.feed))
    }

    /// The feed of a session.
    pub(crate) fn session_feed(&self, id: &str) -> Option<Arc<Feed>> {
        Some(Arc::clone(&self.streams().sessions.get(id)?.feed))
    }

    /// The feed of a managed stream, a session or a direct stream.
    pub(crate) fn any_feed(&self, id: &str) -> Option<Arc<Feed>> {
        let streams = self.streams();
        let managed = streams.managed.get(id).map(|managed| &managed.feed);
        let session = || streams.sessions.get(id).map(|session| &session.feed);
        let direct = || streams.direct.values().find(|feed| feed.id() == id);
        managed.or_else(session).or_else(direct).cloned()
    }

    /// Emits an update as if an upstream had just said `data`, and returns its id.
    pub(crate) fn publish(&self, id: &str, data: &str) -> Result<String, PublishError> {
        let feed = self.any_feed(id).ok_or(PublishError::UnknownStream)?;
        let attempt = Attempt { status: Some(200), latency_ms: Some(0) };
        let id = feed.update(data, attempt, false)?;
        Ok(id.map_or_else(String::new, |id| id.to_string()))
    }

    /// Emits an error, and returns its id.
    pub(crate) fn publish_error(
        &self,
        id: &str,
        code: &str,
        message: &str,
    ) -> Result<String, PublishError> {
        let feed = self.any_feed(id).ok_or(PublishError::UnknownStream)?;
        let id = feed.error(code, message, Attempt::default(), false);
        Ok(id.map_or_else(String::new, |id| id.to_string()))
    }

    /// The ids of every feed: managed streams in the order of creation, sessions, direct streams.
    pub(crate) fn ids(&self) -> Vec<String> {
        let streams = self.streams();
        let direct = streams.direct.values().map(|feed| feed.id().to_owned());
        streams.order.iter().chain(streams.sessions.keys()).cloned().chain(direct).collect()
    }

    /// Everybody subscribed to anything.
    pub(crate) fn subscribers(&self) -> usize {
        let streams = self.streams();
        let managed = streams.managed.values().map(|managed| &managed.feed);
        let sessions = streams.sessions.values().map(|session| &session.feed);
        managed.chain(sessions).chain(streams.direct.values()).map(|feed| feed.subscribers()).sum()
    }

    pub(crate) fn record(&self, request: RecordedRequest) {
        self.requests(|requests| requests.push(request));
        self.signal.tell();
    }

    pub(crate) fn requests<T>(&self, read: impl FnOnce(&mut Requests) -> T) -> T {
        read(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn runtime(&self) -> &tokio::runtime::Handle {
        &self.runtime
    }

    fn feed(&self, id: String, form: Form) -> Arc<Feed> {
        Feed::new(id, self.config.ring, form, Arc::clone(&self.signal))
    }

    fn poll(self: &Arc<Self>, feed: &Arc<Feed>, source: Source, life: Life) -> AbortHandle {
        let task = poll::poll(Arc::clone(self), Arc::clone(feed), source, life);
        self.runtime.spawn(task).abort_handle()
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    async fn create(engine: &Engine, id: String, mut fields: Fields) -> Result<Self, Invalid> {
        let name =
            fields.take_text("name")?.value().ok_or_else(|| Invalid::new("name is required"))?;
        let now = time::model_timestamp(time::now_ms());
        let mut record = Self {
            id,
            business_id: "business_emulator".to_owned(),
            name,
            description: None,
            status: Status::Active,
            source: Source::create(engine, &mut fields).await?,
            hmac_signature_enabled: false,
            created_at: now.clone(),
            updated_at: now,
            rest: BTreeMap::new(),
        };
        // Null is as good as absent where there is nothing to clear yet.
        for name in ["status", "hmacSignatureEnabled"] {
            if let Given::Value(value) = fields.take_raw(name) {
                fields.put(name, value);
            }
        }
        record.update(engine, fields).await?;
        Ok(record)
    }

    /// Applies what a body says. On an error the record is not to be used.
    async fn update(&mut self, engine: &Engine, mut fields: Fields) -> Result<(), Invalid> {
        // The service's own fields, and the key, are not the caller's to set.
        for name in ["id", "businessId", "createdAt", "updatedAt", "wsUrl", "sseUrl", "apiKey"] {
            fields.ignore(name);
        }
        fields
            .take_text("name")?
            .map(|name| {
                if name.trim().is_empty() {
                    return Err(Invalid::new("name must not be empty"));
                }
                Ok(name)
            })?
            .store_required("name", &mut self.name)?;
        fields.take_text("description")?.store(&mut self.description);
        fields
            .take_text("status")?
            .map(|status| Status::parse(&status))?
            .store_required("status", &mut self.status)?;
        fields
            .take("hmacSignatureEnabled", "a boolean")?
            .store_required("hmacSignatureEnabled", &mut self.hmac_signature_enabled)?;
        self.source.update(engine, &mut fields).await?;
        self.rest.extend(fields.rest());
        Ok(())
    }
}

/// Direct streams have no setting for a signature.
fn unsigned(source: &Source) -> Form {
    Form { mode: source.payload_mode, signer: None }
}

/// The id of the direct stream of `source`: the same source has the same id.
pub(crate) fn direct_id(source: &Source) -> String {
    // FNV-1a: short, and the same in every run.
    let hash = direct_key(source).bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("direct_{hash:016x}")
}

fn direct_key(source: &Source) -> String {
    fields::to_json(source)
}
