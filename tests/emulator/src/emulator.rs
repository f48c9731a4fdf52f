//! The emulator as a test holds it.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use restless_proto::signature::Signer;
use tokio::sync::{mpsc, oneshot};

use crate::fault::Fault;
use crate::fields::Fields;
use crate::filter::Engine;
use crate::filter::jq::Jq;
use crate::hub::{Config, Hub};
use crate::json::JsonError;
use crate::log::{LoggedEvent, RecordedRequest};
use crate::server::{self, Command};
use crate::signal::Until;
use crate::urls;

/// The key an emulator takes unless it is told another.
pub const DEFAULT_API_KEY: &str = "rs_0123456789abcdef";
/// The secret an emulator signs with unless it is told another.
pub const DEFAULT_HMAC_SECRET: &str = "emulator-secret";

/// How long a dropped emulator waits for a jq filter, which ends by itself at its next step.
const SHUTDOWN: Duration = Duration::from_millis(100);

/// A running Restless Stream server on 127.0.0.1, on a thread of its own.
///
/// Every method can be called from any thread, inside an async runtime too; none waits for the
/// network. Dropping the emulator closes every socket and joins the thread; a WebSocket gets Close
/// 1001, and a moment to answer.
///
/// ```
/// use restless_emulator::Emulator;
///
/// let emulator = Emulator::start()?;
/// let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
/// let id = emulator.add_stream(stream)?;
/// emulator.publish(&id, r#"{"total":42}"#)?;
/// assert_eq!(emulator.log(&id)[0].data.as_deref(), Some(r#"{"total":42}"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Emulator {
    pub(crate) hub: Arc<Hub>,
    commands: mpsc::UnboundedSender<Command>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

/// The settings of an [`Emulator`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing before `start`"]
pub struct Builder {
    port: u16,
    api_key: String,
    hmac_secret: String,
    heartbeat: Duration,
    ring: usize,
    second: Duration,
    direct_linger: Duration,
    session_lifetime: Duration,
    jq: Option<PathBuf>,
    log: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            port: 0,
            api_key: DEFAULT_API_KEY.to_owned(),
            hmac_secret: DEFAULT_HMAC_SECRET.to_owned(),
            heartbeat: Duration::from_secs(15),
            ring: 1_000,
            second: Duration::from_secs(1),
            direct_linger: Duration::from_secs(60),
            session_lifetime: Duration::from_secs(3600),
            jq: None,
            log: false,
        }
    }
}

impl Builder {
    /// Sets the port on 127.0.0.1; 0, the default, lets the operating system choose.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the only API key that is accepted. Default: [`DEFAULT_API_KEY`].
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = key.into();
        self
    }

    /// Sets the secret that events are signed with. Default: [`DEFAULT_HMAC_SECRET`].
    pub fn hmac_secret(mut self, secret: impl Into<String>) -> Self {
        self.hmac_secret = secret.into();
        self
    }

    /// Sets the silence after which an event stream gets a comment, a WebSocket a Ping. Default: 15
    /// s; at least 1 ms.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every.max(Duration::from_millis(1));
        self
    }

    /// Sets how many past events a stream keeps for replaying. Default: 1,000; at least 1.
    pub fn ring(mut self, events: usize) -> Self {
        self.ring = events.max(1);
        self
    }

    /// Sets how long one second of a polling interval lasts, so that a test can poll every few
    /// milliseconds with an interval of 1. Default: 1 s; at least 1 ms.
    pub fn seconds_are(mut self, second: Duration) -> Self {
        self.second = second.max(Duration::from_millis(1));
        self
    }

    /// Sets how long a direct stream goes on, with its past events, after its last subscriber left.
    /// Default: 60 s.
    pub fn direct_linger(mut self, linger: Duration) -> Self {
        self.direct_linger = linger;
        self
    }

    /// Sets how long a direct session lives. Default: one hour.
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_lifetime = lifetime;
        self
    }

    /// Sets a jq to run filters in: a path, or a name to look for in `PATH`. Each run is a process
    /// of its own, without the environment of this one, and is killed after 5 s. Default: none.
    /// Filters then run in jaq, a jq in Rust, which differs in some things. The crate's `README.md`
    /// lists these; a field `x-emulator-warning` of the reply warns of a filter that uses one.
    pub fn jq(mut self, program: impl Into<PathBuf>) -> Self {
        self.jq = Some(program.into());
        self
    }

    /// Sets whether each request, and each warning of a filter, is told in a line on standard
    /// error, without any key. Default: no.
    pub fn log_requests(mut self, log: bool) -> Self {
        self.log = log;
        self
    }

    /// Starts the emulator. When the call returns, connections are accepted.
    ///
    /// # Errors
    /// [`StartError`], if the port can't be bound, the thread can't be started, or the jq
    /// is another program.
    pub fn start(self) -> Result<Emulator, StartError> {
        let engine = match self.jq {
            Some(program) => {
                let found = Jq::find(&program);
                Engine::Jq(found.map_err(|why| StartError::Jq { program, why })?)
            }
            None => Engine::Jaq,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let (runtime, listener) = crate::listen(
            address,
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .thread_name("restless-worker")
                // jq filters are recursive, and run on the runtime's blocking threads.
                .thread_stack_size(crate::filter::STACK),
        )?;
        let address = listener.address();
        let config = Config {
            api_key: self.api_key,
            signer: Arc::new(Signer::new(&self.hmac_secret)),
            hmac_secret: self.hmac_secret,
            heartbeat: self.heartbeat,
            ring: self.ring,
            second: self.second,
            direct_linger: self.direct_linger,
            session_lifetime: self.session_lifetime,
            engine,
            log: self.log,
        };
        let hub = Hub::new(config, address, runtime.handle().clone());
        let (commands, command_queue) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let serving = server::serve(Arc::clone(&hub), listener, command_queue, stopped);
        let thread = std::thread::Builder::new()
            .name("restless-emulator".to_owned())
            .spawn(move || {
                runtime.block_on(serving);
                // Every task goes, and with it every socket.
                runtime.shutdown_timeout(SHUTDOWN);
            })
            .map_err(StartError::Thread)?;
        Ok(Emulator { hub, commands, stop: Some(stop), thread: Some(thread) })
    }
}

impl Emulator {
    /// Starts an emulator with the defaults, on a port that the operating system chooses.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// Starts an emulator with other settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    // Where it is, and who may use it

    /// Returns the base URL for REST calls: `http://127.0.0.1:PORT`.
    pub fn api_base_url(&self) -> String {
        self.hub.base_url()
    }

    /// Returns the base URL for runtime URLs. The URL is the same as
    /// [`api_base_url`](Self::api_base_url): the two sides differ by path. Start a second emulator
    /// where the sides must not share an origin.
    pub fn stream_base_url(&self) -> String {
        self.hub.base_url()
    }

    /// Returns the address that the emulator listens on.
    pub fn address(&self) -> SocketAddr {
        self.hub.address
    }

    /// Returns the API key that the emulator takes.
    pub fn api_key(&self) -> &str {
        &self.hub.config.api_key
    }

    /// Returns the secret that the emulator signs with.
    pub fn hmac_secret(&self) -> &str {
        &self.hub.config.hmac_secret
    }

    /// Returns what runs the emulator's filters, by name and version, such as `jq-1.6` or `jaq
    /// 3.1`.
    pub fn filters_run_in(&self) -> &str {
        self.hub.config.engine.name()
    }

    // Streams without REST calls and without an upstream

    /// Creates a managed stream from the body of a create call and returns its id. Polling begins
    /// at once unless its `status` is `INACTIVE`.
    ///
    /// # Errors
    /// [`AddStreamError`], with the message that the REST call would be answered with.
    pub fn add_stream(&self, body: &str) -> Result<String, AddStreamError> {
        self.create(None, body)
    }

    /// Does what [`add_stream`](Self::add_stream) does, under an id of the caller's, which a client
    /// then finds again after a restart.
    ///
    /// # Errors
    /// As `add_stream`, and if there is a stream of this id.
    pub fn add_stream_as(&self, id: impl Into<String>, body: &str) -> Result<(), AddStreamError> {
        self.create(Some(id.into()), body).map(drop)
    }

    fn create(&self, id: Option<String>, body: &str) -> Result<String, AddStreamError> {
        let fields = Fields::parse(body.as_bytes()).map_err(|error| AddStreamError(error.0))?;
        // Waits for the emulator's own thread (a jq filter is compiled there), not for the network.
        let (done, result) = std::sync::mpsc::channel();
        let hub = Arc::clone(&self.hub);
        self.hub.runtime().spawn(async move {
            // Nobody waits for the answer only if the caller is gone.
            let _ = done.send(hub.create(id, fields).await);
        });
        result
            .recv()
            .map_err(|_| AddStreamError("the emulator has stopped".to_owned()))?
            .map(|record| record.id)
            .map_err(|error| AddStreamError(error.0))
    }

    /// Returns the SSE URL of a managed stream.
    pub fn sse_url(&self, stream_id: &str) -> String {
        urls::sse(&self.hub.base_url(), &[("streamId", stream_id)])
    }

    /// Returns the WebSocket URL of a managed stream.
    pub fn websocket_url(&self, stream_id: &str) -> String {
        urls::websocket(&self.hub.base_url(), &[("streamId", stream_id)])
    }

    /// Emits an update of a stream, session or direct stream, as if its upstream had just said
    /// `data`. The upstream is left unasked, and data that did not change is emitted too. Returns
    /// the event's id.
    ///
    /// # Errors
    /// [`PublishError`], if the stream is unknown, or `data` is not JSON.
    pub fn publish(&self, id: &str, data: &str) -> Result<String, PublishError> {
        self.hub.publish(id, data)
    }

    /// Emits an error of a stream, session or direct stream. Returns the event's id.
    ///
    /// # Errors
    /// [`PublishError`], if there is no such stream.
    pub fn publish_error(
        &self,
        id: &str,
        code: &str,
        message: &str,
    ) -> Result<String, PublishError> {
        self.hub.publish_error(id, code, message)
    }

    // What happened

    /// Returns the events that a stream, session or direct stream keeps, oldest first; an unknown
    /// id has none.
    pub fn log(&self, id: &str) -> Vec<LoggedEvent> {
        self.hub.any_feed(id).map(|feed| feed.log()).unwrap_or_default()
    }

    /// Returns the ids of all streams: managed ones in the order of creation, sessions, direct
    /// streams.
    pub fn ids(&self) -> Vec<String> {
        self.hub.ids()
    }

    /// Returns the last requests, oldest first: at most 10,000, and at most 64 MiB together.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.hub.requests(|requests| requests.kept())
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        drop(self.hub.requests(std::mem::take));
    }

    /// Returns how many connections are open, of any kind.
    pub fn connections(&self) -> usize {
        self.hub.connections.load(Ordering::Acquire)
    }

    /// Returns how many event streams are being served, of any stream, over SSE and WebSocket.
    pub fn subscribers(&self) -> usize {
        self.hub.subscribers()
    }

    // What goes wrong

    /// Orders a fault; see [`Fault`] for whom it fits.
    pub fn inject(&self, fault: Fault) {
        self.hub.faults.push(fault);
    }

    /// Forgets the faults that no request has met yet.
    pub fn clear_faults(&self) {
        self.hub.faults.clear();
    }

    /// Returns how many requests will still meet a fault.
    pub fn pending_faults(&self) -> usize {
        self.hub.faults.pending()
    }

    /// Closes every open connection in the middle of whatever it was doing.
    pub fn disconnect_all(&self) {
        self.hub.hang_up.send_replace(());
    }

    /// Closes the listening socket, so that TCP refuses new connections. Open ones stay. On Linux
    /// the port is kept, so that the system gives it to nobody in the meantime.
    ///
    /// # Errors
    /// If the emulator's thread is gone.
    pub fn stop_listening(&self) -> io::Result<()> {
        self.listen(false)
    }

    /// Listens again, on the same port.
    ///
    /// # Errors
    /// If the port was taken in the meantime, or the emulator's thread is gone.
    pub fn listen_again(&self) -> io::Result<()> {
        self.listen(true)
    }

    // Waiting

    /// Waits until `condition` holds. The condition is looked at whenever something in the emulator
    /// changes: a connection, a subscriber, a request, an event.
    pub fn until<'a>(&'a self, condition: impl Fn(&Self) -> bool + Send + Sync + 'a) -> Until<'a> {
        self.until_named("a condition", condition)
    }

    /// Waits until exactly `count` connections are open.
    pub fn until_connections(&self, count: usize) -> Until<'_> {
        self.until_named(format!("{count} open connections"), move |emulator| {
            emulator.connections() == count
        })
    }

    /// Waits until exactly `count` event streams are being served.
    pub fn until_subscribers(&self, count: usize) -> Until<'_> {
        self.until_named(format!("{count} subscribers"), move |emulator| {
            emulator.subscribers() == count
        })
    }

    /// Waits until at least `count` requests have come since the start or
    /// [`clear_requests`](Self::clear_requests).
    pub fn until_requests(&self, count: usize) -> Until<'_> {
        self.until_named(format!("{count} requests"), move |emulator| {
            emulator.hub.requests(|requests| requests.count()) >= count
        })
    }

    /// Waits until the stream keeps at least `count` events.
    pub fn until_logged(&self, id: &str, count: usize) -> Until<'_> {
        let what = format!("{count} events of {id}");
        let id = id.to_owned();
        self.until_named(what, move |emulator| emulator.log(&id).len() >= count)
    }

    fn until_named<'a>(
        &'a self,
        what: impl Into<String>,
        condition: impl Fn(&Self) -> bool + Send + Sync + 'a,
    ) -> Until<'a> {
        Until::new(&self.hub.signal, what, move || condition(self))
    }

    fn listen(&self, on: bool) -> io::Result<()> {
        let gone = || io::Error::other("the emulator has stopped");
        let (done, result) = std::sync::mpsc::channel();
        self.commands.send(Command::Listen(on, done)).map_err(|_| gone())?;
        result.recv().map_err(|_| gone())?
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there has been reported over there; a second one in a drop would abort.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("address", &self.hub.address).finish_non_exhaustive()
    }
}

/// The emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port is taken, or the emulator may not take it.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The program that filters are to run in is another one than jq.
    #[error("cannot run filters in {}: {why}", program.display())]
    Jq {
        /// The program that was asked for.
        program: PathBuf,
        /// What the program is, or says.
        why: String,
    },
    /// The thread, or the runtime for it, could not be started.
    #[error("cannot start the emulator's thread")]
    Thread(#[source] io::Error),
}

/// A body to which a create call would answer 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddStreamError(String);

/// An event that can't be emitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// No stream, session or direct stream has this id.
    #[error("no such stream")]
    UnknownStream,
    /// The data is not JSON, or nests deeper than 256 levels.
    #[error("the data is not JSON")]
    Data(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<JsonError> for PublishError {
    fn from(error: JsonError) -> Self {
        Self::Data(Box::new(error))
    }
}
