//! The client: one method for calls, one for subscriptions.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use restless_proto::{
    ApiKey, Call, ConfigError, Entropy, Error, Instant, Limits, Service, Subscription,
    TransportErrorKind, ws,
};
use rustls::ClientConfig;

use crate::connect::Connector;
use crate::driver::Driver;
use crate::tls::Tls;
use crate::{Events, Runtime, WebSocket};

/// A client of the service. Cheap to clone; clones share their idle connections.
pub struct Client<R> {
    inner: Arc<Inner<R>>,
}

struct Inner<R> {
    service: Service,
    limits: Limits,
    timeout: Duration,
    connector: Arc<Connector<R>>,
}

impl<R: Runtime + Default> Client<R> {
    /// A client of the public service, with this key.
    pub fn new(api_key: impl Into<ApiKey>) -> Self {
        let builder = Self::builder();
        let service = Service::new(api_key);
        Self::with(service, builder)
    }

    /// A client with other settings than [`new`](Self::new)'s.
    pub fn builder() -> ClientBuilder<R> {
        ClientBuilder::new(R::default())
    }
}

impl<R: Runtime> Client<R> {
    fn with(service: Service, builder: ClientBuilder<R>) -> Self {
        let tls = Tls::new(builder.tls);
        let connector = Connector::new(builder.runtime, tls, builder.connect_timeout);
        Self {
            inner: Arc::new(Inner {
                service,
                limits: builder.limits,
                timeout: builder.timeout,
                connector: Arc::new(connector),
            }),
        }
    }

    /// Makes a call, and waits for its answer.
    ///
    /// It goes over a connection that an earlier call has left, where there is one. If that dies
    /// without an answer, a call whose method is idempotent (RFC 9110 §9.2.2) is sent once more,
    /// over a new one.
    ///
    /// # Errors
    ///
    /// See [`Error`]: each variant names who must act.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the call's connection. Whether the service has acted on the
    /// call by then is not known.
    pub async fn send<T>(&self, call: impl Into<Call<T>>) -> Result<T, Error> {
        let inner = &self.inner;
        let origin = std::time::Instant::now();
        let machine =
            call.into().start(&inner.service, inner.limits, inner.timeout, Instant::ORIGIN)?;
        let connector = Arc::clone(&inner.connector);
        let mut driver = Driver::new(machine, connector, None, true, origin);
        let answer = poll_fn(|cx| driver.poll_event(cx)).await;
        answer.unwrap_or_else(|| Err(Error::Transport(TransportErrorKind::Broken.into())))
    }

    /// Starts a subscription. Nothing is sent before its events are polled.
    ///
    /// # Errors
    ///
    /// When a value in it can't work; see [`Subscription::start`].
    pub fn subscribe(&self, subscription: Subscription) -> Result<Events<R>, ConfigError> {
        let inner = &self.inner;
        let origin = std::time::Instant::now();
        let machine = subscription.start(&inner.service, entropy(), Instant::ORIGIN)?;
        let key = inner.service.api_key().cloned();
        let connector = Arc::clone(&inner.connector);
        Ok(Events::new(Driver::new(machine, connector, key, false, origin), origin))
    }

    /// Opens any WebSocket, not only the service's: the handshake says where, and with which
    /// fields. Nothing is sent before it is polled. The client's key is not.
    pub fn websocket(&self, handshake: ws::Handshake, options: ws::Options) -> WebSocket<R> {
        let origin = std::time::Instant::now();
        let machine = ws::WebSocketMachine::new(handshake, options, entropy(), Instant::ORIGIN);
        let connector = Arc::clone(&self.inner.connector);
        let most_unsent = options.most_unsent_bytes();
        WebSocket::new(Driver::new(machine, connector, None, false, origin), most_unsent)
    }

    /// Which service, and as whom.
    pub fn service(&self) -> &Service {
        &self.inner.service
    }
}

/// From the operating system; where that has none, from what the standard library has for its own
/// tables, which differs between processes.
fn entropy() -> Entropy {
    let mut seed = [0; 32];
    if getrandom::fill(&mut seed).is_err() {
        use std::hash::{BuildHasher, RandomState};
        for part in seed.chunks_exact_mut(8) {
            let hash = RandomState::new().hash_one(std::time::SystemTime::now());
            part.copy_from_slice(&hash.to_ne_bytes());
        }
    }
    Entropy::from_bytes(seed)
}

impl<R> Clone for Client<R> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<R> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("service", &self.inner.service).finish_non_exhaustive()
    }
}

/// Settings of a [`Client`], in the words of the official SDK.
#[must_use]
pub struct ClientBuilder<R> {
    runtime: R,
    api_key: Option<ApiKey>,
    base_url: Option<String>,
    stream_base_url: Option<String>,
    timeout: Duration,
    connect_timeout: Duration,
    limits: Limits,
    tls: Option<Arc<ClientConfig>>,
    plain_http: bool,
}

impl<R: Runtime> ClientBuilder<R> {
    /// Starts from the defaults, on a runtime of the caller's own.
    pub fn new(runtime: R) -> Self {
        Self {
            runtime,
            api_key: None,
            base_url: None,
            stream_base_url: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            limits: Limits::default(),
            tls: None,
            plain_http: false,
        }
    }

    /// Goes out as `x-api-key` with REST calls, and as `Authorization: Bearer` with
    /// subscriptions. Default: none.
    pub fn api_key(mut self, key: impl Into<ApiKey>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Where REST calls go. Default: the public service.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Where subscriptions go. Default: the public service.
    pub fn stream_base_url(mut self, url: impl Into<String>) -> Self {
        self.stream_base_url = Some(url.into());
        self
    }

    /// Longest time for a REST call, redirects included. Default: 30 s. Subscriptions have timers
    /// of their own.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Longest time for a connection to stand: name, socket and TLS handshake. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// What the reply to a REST call may make us hold in memory.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A ready-made TLS configuration: own certificate authorities, a client certificate. Default:
    /// the platform's verifier, with the ring provider.
    pub fn tls_config(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Lets credentials go over plain http to any host, where everybody on the way can read and
    /// keep them. Without it they go over https or to this machine itself, and what would send
    /// them elsewhere is an error before anything is sent: see [`Service`].
    pub fn allow_credentials_over_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// When a base URL is not http or https.
    pub fn build(mut self) -> Result<Client<R>, ConfigError> {
        let mut service = Service::default();
        if let Some(key) = self.api_key.take() {
            service = service.with_api_key(key);
        }
        if let Some(url) = &self.base_url {
            service = service.with_api_base_url(url)?;
        }
        if let Some(url) = &self.stream_base_url {
            service = service.with_stream_base_url(url)?;
        }
        if self.plain_http {
            service = service.allow_credentials_over_plain_http();
        }
        Ok(Client::with(service, self))
    }
}

impl<R> fmt::Debug for ClientBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("api_key", &self.api_key).finish_non_exhaustive()
    }
}
