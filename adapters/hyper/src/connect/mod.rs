//! From a URI to a connection that speaks HTTP/1.1.

mod failure;
mod head;
mod race;
mod suspects;

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use restless_proto::{
    ConfigError, TimeoutError, Timer, TransportError, TransportErrorKind, is_loopback, machine::End,
};

use head::{Bounded, HeadLimit};
use suspects::Suspects;

use crate::Runtime;
use crate::io::{AsHyper, AsTokio};
use crate::proxy::{Proxies, Proxy};
use crate::tls::Tls;

pub(crate) use failure::failure;

/// Makes connections, and keeps the idle ones of REST calls for the next call.
pub(crate) struct Connector<R> {
    runtime: R,
    tls: Tls,
    timeouts: Timeouts,
    /// The proxies, settled when the client was built. Each connect tells what is wrong with them:
    /// a way past the proxy would be one that nobody allowed.
    proxies: Result<Proxies, ConfigError>,
    /// Whether credentials may go over plain http to any host, and so by way of any.
    plain_http: bool,
    idle: Mutex<Vec<Idle>>,
    suspects: Suspects,
}

/// The way to an origin.
#[derive(Clone, Copy)]
pub(crate) enum Route<'a> {
    Direct,
    /// The proxy takes the request whole, and sends it on (RFC 9112 §3.2.2).
    Forward(&'a Proxy),
    /// The proxy connects, and passes bytes.
    Tunnel(&'a Proxy),
}

impl Route<'_> {
    /// Names the proxy in an error that came by this way, where a proxy is on the way.
    pub(crate) fn name(self, error: TransportError) -> TransportError {
        match self {
            Self::Direct => error,
            Self::Forward(proxy) | Self::Tunnel(proxy) => proxy.behind(error),
        }
    }
}

/// What a new connection may take.
#[derive(Clone, Copy)]
pub(crate) struct Timeouts {
    /// The time for the name, the socket, and the way through a proxy.
    pub(crate) connect: Duration,
    pub(crate) tls_handshake: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), tls_handshake: Duration::from_secs(10) }
    }
}

/// The most idle connections that are kept: enough for calls side by side, few enough to find one
/// by looking.
const MOST_IDLE: usize = 8;

/// The longest time for which a connection is kept: a path that forgets quiet connections forgets
/// them after minutes, and tells nobody.
const MOST_IDLE_TIME: Duration = Duration::from_secs(60);

/// The most fields in the head of a response: as many as Node takes. Each parse of a head takes
/// memory for so many, so the number is no larger.
const MOST_FIELDS: usize = 2000;

struct Idle {
    origin: Origin,
    connection: Connection,
    since: std::time::Instant,
}

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    tls: bool,
    host: String,
    port: u16,
}

/// What a request wants of its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// A response, which a proxy may forward.
    Response,
    /// Another protocol (RFC 9110 §7.8), for which a proxy has to tunnel.
    Upgrade,
}

impl Wants {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        if request.headers().contains_key(header::UPGRADE) { Self::Upgrade } else { Self::Response }
    }
}

/// A connection to an origin, TLS and proxies behind it.
pub(crate) type Socket = Box<dyn Transport>;

pub(crate) trait Transport: hyper::rt::Read + hyper::rt::Write + Send + Unpin {}

impl<S: hyper::rt::Read + hyper::rt::Write + Send + Unpin> Transport for S {}

/// One HTTP/1.1 connection of hyper's, for calls: the handle that takes requests, and the future
/// that moves the bytes, polled by whoever holds it.
pub(crate) struct Connection {
    pub(crate) sender: http1::SendRequest<Full<Bytes>>,
    task: Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>,
    /// The limit on what comes before the head of a response.
    pub(crate) head: HeadLimit,
    /// Whether the heads so far allow another exchange, as [`http1::persists`] says: hyper allows
    /// more.
    ///
    /// [`http1::persists`]: restless_proto::http1::persists
    pub(crate) persists: bool,
    /// The [`Runtime::id`] of the runtime that made the connection.
    runtime: u64,
}

impl Origin {
    /// # Errors
    ///
    /// When the URI is relative, or of another scheme than http and https.
    pub(crate) fn of(uri: &Uri) -> Result<Self, TransportError> {
        let refuse = |why: &str| TransportError::new(TransportErrorKind::Request, why);
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refuse("neither http nor https")),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refuse("no host"))?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { tls, host: host.to_owned(), port })
    }
}

impl Connection {
    /// Moves bytes for as long as the connection has any to move.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(task) = &mut self.task {
            if task.as_mut().poll(cx).is_ready() {
                // An error is told to whoever waits for the response or its content.
                self.task = None;
            }
        }
    }

    /// Whether the connection can take another exchange, as far as is known here.
    fn stands(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        self.task.is_some() && self.sender.is_ready()
    }
}

impl<R: Runtime> Connector<R> {
    pub(crate) fn new(
        runtime: R,
        tls: Tls,
        timeouts: Timeouts,
        proxies: Result<Proxies, ConfigError>,
        plain_http: bool,
    ) -> Self {
        Self {
            runtime,
            tls,
            timeouts,
            proxies,
            plain_http,
            idle: Mutex::new(Vec::new()),
            suspects: Suspects::default(),
        }
    }

    pub(crate) fn runtime(&self) -> &R {
        &self.runtime
    }

    /// Returns a connection that an earlier call has left, if one still stands.
    pub(crate) async fn reuse(&self, origin: &Origin) -> Option<Connection> {
        while let Some(mut connection) = self.take_idle(origin) {
            // Nobody polled the connection meanwhile: a close by the peer is seen only now. On one
            // thread, the reactor that knows of it gets its turn only when we make way.
            turn().await;
            if poll_fn(|cx| Poll::Ready(connection.stands(cx))).await {
                return Some(connection);
            }
        }
        None
    }

    fn take_idle(&self, origin: &Origin) -> Option<Connection> {
        let (mut idle, runtime) = (self.idle(), self.runtime.id());
        let fits = |idle: &Idle| idle.origin == *origin && idle.connection.runtime == runtime;
        let at = idle.iter().rposition(fits)?;
        Some(idle.remove(at).connection)
    }

    /// Returns the idle connections that still stand. The others are closed here: nothing is
    /// spawned, so the next caller closes them.
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody waits for what these connections do.
        let mut cx = Context::from_waker(Waker::noop());
        idle.retain_mut(|idle| {
            idle.since.elapsed() < MOST_IDLE_TIME && idle.connection.stands(&mut cx)
        });
        idle
    }

    /// Keeps a connection whose exchange is complete, if it can take another one.
    pub(crate) fn keep(&self, origin: Origin, mut connection: Connection, cx: &mut Context<'_>) {
        let mut idle = self.idle();
        // A peer of HTTP/1.0 closes the connection, whatever the peer said, and hyper was not told
        // of that version.
        let persists = connection.persists && !connection.head.is_http_1_0();
        if !persists || !connection.stands(cx) {
            return;
        }
        if idle.len() == MOST_IDLE {
            idle.remove(0);
        }
        idle.push(Idle { origin, connection, since: std::time::Instant::now() });
    }

    /// Returns the way to an origin. The way is the same each time, so that an idle connection of
    /// that origin has taken this way; connections of streams are never idle.
    ///
    /// # Errors
    ///
    /// When the settings of the proxies are malformed. When plain http to this machine would go by
    /// way of another machine: credentials may go to this machine because nobody is on the way.
    pub(crate) fn route(&self, origin: &Origin, wants: Wants) -> Result<Route<'_>, TransportError> {
        let proxies = self
            .proxies
            .as_ref()
            .map_err(|error| TransportError::new(TransportErrorKind::Request, error.clone()))?;
        let Some(proxy) = proxies.on_the_way(origin.tls, &origin.host) else {
            return Ok(Route::Direct);
        };
        let exposed = !origin.tls && is_loopback(&origin.host) && !is_loopback(proxy.host());
        if exposed && !self.plain_http {
            return Err(proxy.reads_along());
        }
        let forwards = proxy.forwards() && !origin.tls && wants == Wants::Response;
        Ok(if forwards { Route::Forward(proxy) } else { Route::Tunnel(proxy) })
    }

    /// Makes a new connection for calls.
    pub(crate) async fn connect(
        &self,
        origin: &Origin,
        route: Route<'_>,
        user_agent: &HeaderValue,
    ) -> Result<Connection, End> {
        let socket = self.open(origin, route, user_agent).await?;
        self.handshake(socket).await
    }

    /// Makes a new connection: the name is resolved anew, whatever an earlier connect has found. An
    /// HTTP proxy that is to tunnel is told the user agent.
    pub(crate) async fn open(
        &self,
        origin: &Origin,
        route: Route<'_>,
        user_agent: &HeaderValue,
    ) -> Result<Socket, End> {
        // Streams come by here too, and an idle connection may have been of the last call.
        drop(self.idle());
        let timeouts = &self.timeouts;
        let peer = OnceLock::new();
        let reaching = self.reach(origin, route, user_agent, &peer);
        let reached = self.within(Timer::Connect, timeouts.connect, reaching).await;
        self.judge(&peer, &reached);
        let socket = reached.map_err(|why| match (why, route) {
            // The proxy has not answered, and the service was not asked.
            (End::TimedOut(late), Route::Forward(proxy) | Route::Tunnel(proxy)) => {
                End::Failed(proxy.late(late))
            }
            (why, _) => why,
        })?;
        if !origin.tls {
            return Ok(Box::new(socket));
        }
        let greeting = self.tls.connect(&origin.host, socket);
        let greeted = self.within(Timer::TlsHandshake, timeouts.tls_handshake, greeting).await;
        if let Route::Direct = route {
            self.judge(&peer, &greeted);
        }
        let stream = greeted.map_err(|why| match (why, route) {
            // Some proxies say that a tunnel stands before they have tried to make it.
            (End::TimedOut(late), Route::Tunnel(proxy)) => End::Failed(proxy.late_behind(late)),
            (End::Failed(error), route) => End::Failed(route.name(error)),
            (why, _) => why,
        })?;
        Ok(Box::new(AsHyper(stream)))
    }

    /// Remembers whether the address that took a connection got through the handshake on it.
    fn judge<T, E>(&self, peer: &OnceLock<SocketAddr>, outcome: &Result<T, E>) {
        match peer.get() {
            Some(peer) if outcome.is_ok() => self.suspects.remove(*peer),
            Some(peer) => self.suspects.add(*peer),
            None => {}
        }
    }

    /// Does the handshake, of which HTTP/1.1 has none: from here on, requests can be sent.
    async fn handshake(&self, socket: Socket) -> Result<Connection, End> {
        let head = HeadLimit::default();
        let socket = Bounded { socket, limit: head.clone() };
        let made = http1::Builder::new()
            .max_headers(MOST_FIELDS)
            // A client must read folded lines (RFC 9112 §5.2).
            .allow_obsolete_multiline_headers_in_responses(true)
            .handshake(socket)
            .await;
        let (sender, connection) = made.map_err(|error| End::Failed(failure(error)))?;
        let task = Some(Box::pin(connection) as Pin<Box<_>>);
        Ok(Connection { sender, task, head, persists: true, runtime: self.runtime.id() })
    }

    /// Waits for a future, for this time at the most, and while the runtime is the same: sockets
    /// and sleeps that were begun on another one may have lost it, and are not polled again.
    async fn within<T>(
        &self,
        timer: Timer,
        span: Duration,
        future: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, End> {
        let mut future = pin!(future);
        let mut sleep = pin!(self.runtime.sleep(span));
        let runtime = self.runtime.id();
        poll_fn(|cx| {
            if self.runtime.id() != runtime {
                let why = "the runtime is another one than that which began to connect";
                let error = TransportError::new(TransportErrorKind::Broken, why);
                return Poll::Ready(Err(End::Failed(error)));
            }
            match future.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(done.map_err(End::Failed)),
                Poll::Pending => {
                    let late = |()| Err(End::TimedOut(TimeoutError::new(timer, span)));
                    sleep.as_mut().poll(cx).map(late)
                }
            }
        })
        .await
    }

    /// Connects to the origin, or to a proxy that speaks for it. `peer` is the address that took
    /// the connection, as soon as one has.
    async fn reach(
        &self,
        origin: &Origin,
        route: Route<'_>,
        user_agent: &HeaderValue,
        peer: &OnceLock<SocketAddr>,
    ) -> Result<R::Socket, TransportError> {
        match route {
            Route::Direct => self.socket(&origin.host, origin.port, peer).await,
            Route::Forward(proxy) => self.proxy_socket(proxy, peer).await,
            Route::Tunnel(proxy) => {
                let mut socket = AsTokio(self.proxy_socket(proxy, peer).await?);
                proxy.tunnel(&mut socket, &origin.host, origin.port, user_agent).await?;
                Ok(socket.0)
            }
        }
    }

    async fn proxy_socket(
        &self,
        proxy: &Proxy,
        peer: &OnceLock<SocketAddr>,
    ) -> Result<R::Socket, TransportError> {
        let socket = self.socket(proxy.host(), proxy.port(), peer).await;
        socket.map_err(|error| proxy.unreachable(error))
    }

    async fn socket(
        &self,
        host: &str,
        port: u16,
        peer: &OnceLock<SocketAddr>,
    ) -> Result<R::Socket, TransportError> {
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            // A name that is trusted to lead to this machine must not be asked about: a resolver
            // may say otherwise (RFC 6761 §6.3).
            Err(_) if is_loopback(host) => {
                let local: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                local.map(|address| SocketAddr::new(address, port)).to_vec()
            }
            Err(_) => self
                .runtime
                .resolve(host, port)
                .await
                .map_err(|error| TransportError::new(TransportErrorKind::Resolve, error))?,
        };
        let addresses = self.suspects.last(race::interleave(addresses));
        let (address, socket) = race::connect(&self.runtime, addresses).await?;
        // The address is set once: a connect has one name to resolve.
        let _ = peer.set(address);
        Ok(socket)
    }
}

/// Makes way for the runtime, once.
async fn turn() {
    let mut over = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut over, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_and_its_tls_handshake_have_ten_seconds_each() {
        let Timeouts { connect, tls_handshake } = Timeouts::default();
        assert_eq!([connect, tls_handshake], [Duration::from_secs(10); 2]);
    }
}
