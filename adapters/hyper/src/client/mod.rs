//! The client: one method for calls, one for subscriptions.

mod builder;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use http::header::USER_AGENT;
use restless_proto::websocket::WebSocketMachine;
use restless_proto::{
    ApiKey, Call, CallMachine, CallOptions, ConfigError, Entropy, Instant, Service, Subscription,
    TransportErrorKind, streams, ws,
};

pub use builder::ClientBuilder;

use crate::connect::Connector;
use crate::credentials::Provider;
use crate::driver::Driver;
use crate::exchange::Purpose;
use crate::tls::Tls;
use crate::trace::Span;
use crate::{Events, Pages, Runtime, WebSocket};

/// A client of the service. A clone is cheap; clones share their idle connections.
///
/// Calls leave up to eight idle connections. A client works only while a clone is used, and spawns
/// no task. An idle connection that the server has closed, or that was idle for 60 s, therefore
/// stays open until the next call, or the next connect of a subscription or a WebSocket. The idle
/// connections are dropped with the last clone and its last subscription.
pub struct Client<R> {
    inner: Arc<Inner<R>>,
}

struct Inner<R> {
    service: Service,
    provider: Option<Provider>,
    options: CallOptions,
    connector: Arc<Connector<R>>,
}

impl<R: Runtime + Default> Client<R> {
    /// Makes a client of the public service, with this key.
    pub fn new(api_key: impl Into<ApiKey>) -> Self {
        let builder = Self::builder();
        let service = Service::new(api_key);
        Self::with(service, builder)
    }

    /// Makes a client of the service that the environment names: see
    /// [`ClientBuilder::environment`].
    ///
    /// # Errors
    ///
    /// When `RESTLESS_API_KEY` is missing, or a variable's value can't work. The check comes before
    /// the network.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::builder().environment()?.build()
    }

    /// Starts a client with other settings than [`new`](Self::new)'s.
    pub fn builder() -> ClientBuilder<R> {
        ClientBuilder::new(R::default())
    }
}

impl<R: Runtime> Client<R> {
    fn with<C>(service: Service, builder: ClientBuilder<R, C>) -> Self {
        let (tls, proxies) = (Tls::new(builder.trust), builder.way.proxies());
        let connector =
            Connector::new(builder.runtime, tls, builder.timeouts, proxies, builder.plain_http);
        Self {
            inner: Arc::new(Inner {
                service,
                provider: builder.provider,
                options: builder.options,
                connector: Arc::new(connector),
            }),
        }
    }

    /// Makes a call, and waits for its answer.
    ///
    /// A failure that may pass is tried again, twice at the most unless
    /// [set otherwise](ClientBuilder::max_retries): see
    /// [`CallMachine`](restless_proto::CallMachine).
    ///
    /// Each try goes over a connection that an earlier call has left, where there is one. A try may
    /// find that connection dead: it then moves to a new connection, once, if the request is still
    /// unsent, or if the call's method is idempotent (RFC 9112 §9.3.1). The move does not count as
    /// a further try, because the failure says little about the service.
    ///
    /// # Errors
    ///
    /// See [`Error`](restless_proto::Error): each variant names who must act.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the call's connection. Whether the service has acted on the
    /// call by then is not known.
    pub async fn send<T>(&self, call: impl Into<Call<T>>) -> Result<T, restless_proto::Error> {
        let mut driver = self.driver(call.into())?;
        let answer = poll_fn(|cx| driver.poll_event(cx)).await;
        answer.unwrap_or_else(|| Err(TransportErrorKind::Broken.into()))
    }

    pub(crate) fn driver<T>(
        &self,
        call: Call<T>,
    ) -> Result<Driver<R, CallMachine<T>>, ConfigError> {
        let inner = &self.inner;
        let origin = std::time::Instant::now();
        let machine = call.start(&inner.service, inner.options, entropy(), Instant::ORIGIN)?;
        let connector = Arc::clone(&inner.connector);
        Ok(Driver::new(
            machine,
            connector,
            inner.provider.clone(),
            Purpose::Call,
            origin,
            Span::call(),
        ))
    }

    /// Walks through a list to its end: all streams, from the list's offset on, with the list's
    /// limit as the size of a page. The first call is made when the walk is polled.
    pub fn pages(&self, list: streams::List) -> Pages<R> {
        Pages::new(self.clone(), list)
    }

    /// Starts a subscription. The first connect comes when the subscription's events are polled.
    ///
    /// # Errors
    ///
    /// When a value of the subscription can't work; see [`Subscription::start`].
    pub fn subscribe(&self, subscription: Subscription) -> Result<Events<R>, ConfigError> {
        let inner = &self.inner;
        let origin = std::time::Instant::now();
        let machine = subscription.start(&inner.service, entropy(), Instant::ORIGIN)?;
        let connector = Arc::clone(&inner.connector);
        let provider = inner.provider.clone();
        let driver = Driver::new(
            machine,
            connector,
            provider,
            Purpose::Stream,
            origin,
            Span::subscription(),
        );
        Ok(Events::new(driver, origin))
    }

    /// Opens any WebSocket, the service's or another: the handshake says where, and with which
    /// fields. The connect comes when the WebSocket is polled. Of the client's fields the
    /// `User-Agent` alone goes out, where the handshake lacks one.
    ///
    /// # Errors
    ///
    /// When the handshake bears credentials, and would go over plain http to another host than this
    /// machine without [leave](ClientBuilder::allow_credentials_over_plain_http); see
    /// [`Service::check`].
    pub fn websocket(
        &self,
        handshake: ws::Handshake,
        options: ws::Options,
    ) -> Result<WebSocket<R>, ConfigError> {
        let request = handshake.request();
        self.inner.service.check(&request)?;
        let handshake = match self.inner.service.user_agent() {
            Some(user_agent) if !request.headers().contains_key(USER_AGENT) => {
                handshake.header(USER_AGENT, user_agent.clone())?
            }
            Some(_) | None => handshake,
        };
        let origin = std::time::Instant::now();
        let machine = WebSocketMachine::new(handshake, options, entropy(), Instant::ORIGIN);
        let connector = Arc::clone(&self.inner.connector);
        let most_unsent = options.unsent();
        let driver =
            Driver::new(machine, connector, None, Purpose::Stream, origin, Span::websocket());
        Ok(WebSocket::new(driver, most_unsent))
    }

    /// Returns the runtime below: for a program that builds on a client, and has to sleep as the
    /// client does.
    pub fn runtime(&self) -> &R {
        self.inner.connector.runtime()
    }

    /// Returns which service the client calls, and with whose key.
    pub fn service(&self) -> &Service {
        &self.inner.service
    }
}

/// Draws a seed from the operating system. Where the system has none, the seed is drawn from what
/// the standard library has for its own tables, which differs between processes.
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
