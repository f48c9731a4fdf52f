//! From a URI to a connection that speaks HTTP/1.1.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper::client::conn::http1;
use restless_proto::{TimeoutError, Timer, TransportError, TransportErrorKind, machine::End};

use crate::Runtime;
use crate::io::AsHyper;
use crate::tls::Tls;

/// Makes connections, and keeps the idle ones of REST calls for the next call.
pub(crate) struct Connector<R> {
    runtime: R,
    tls: Tls,
    timeout: Duration,
    idle: Mutex<Vec<Idle>>,
}

/// Idle connections kept: enough for calls side by side, few enough to find by looking.
const MOST_IDLE: usize = 8;

/// Longest time for a connection to be kept: a path that forgets quiet connections forgets them
/// after minutes, and tells nobody.
const MOST_IDLE_TIME: Duration = Duration::from_secs(60);

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

/// One HTTP/1.1 connection: the handle that takes requests, and the future that moves the bytes,
/// polled by whoever holds it.
pub(crate) struct Connection {
    pub(crate) sender: http1::SendRequest<Full<Bytes>>,
    task: Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>,
}

impl Origin {
    /// # Errors
    ///
    /// When the URI is not absolute, or neither http nor https.
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
                // What went wrong is told to whoever waits for the response or its content.
                self.task = None;
            }
        }
    }
}

impl<R: Runtime> Connector<R> {
    pub(crate) fn new(runtime: R, tls: Tls, timeout: Duration) -> Self {
        Self { runtime, tls, timeout, idle: Mutex::new(Vec::new()) }
    }

    pub(crate) fn runtime(&self) -> &R {
        &self.runtime
    }

    /// A connection that an earlier call has left, if there is one that still stands.
    pub(crate) async fn reuse(&self, origin: &Origin) -> Option<Connection> {
        while let Some(mut connection) = self.take_idle(origin) {
            // Nobody polled it meanwhile: this is when a close by the peer is seen. On one thread,
            // the reactor that knows of it gets its turn only when we make way.
            turn().await;
            poll_fn(|cx| {
                connection.drive(cx);
                Poll::Ready(())
            })
            .await;
            if connection.task.is_some() && connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn take_idle(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        idle.retain(|idle| idle.since.elapsed() < MOST_IDLE_TIME);
        let at = idle.iter().rposition(|idle| idle.origin == *origin)?;
        Some(idle.remove(at).connection)
    }

    /// Keeps a connection whose exchange is complete, if it can take another one.
    pub(crate) fn keep(&self, origin: Origin, mut connection: Connection, cx: &mut Context<'_>) {
        connection.drive(cx);
        if connection.task.is_none() || !connection.sender.is_ready() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if idle.len() == MOST_IDLE {
            idle.remove(0);
        }
        idle.push(Idle { origin, connection, since: std::time::Instant::now() });
    }

    /// A new connection, within the connect timeout.
    pub(crate) async fn connect(&self, origin: &Origin) -> Result<Connection, End> {
        match self.within(self.timeout, self.connect_untimed(origin)).await {
            Some(done) => done.map_err(End::Failed),
            None => Err(End::TimedOut(TimeoutError::new(Timer::Connect, self.timeout))),
        }
    }

    /// What comes of a future in this time.
    async fn within<T>(&self, span: Duration, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut sleep = pin!(self.runtime.sleep(span));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    async fn connect_untimed(&self, origin: &Origin) -> Result<Connection, TransportError> {
        let socket = self.socket(origin).await?;
        if origin.tls {
            let stream = self.tls.connect(&origin.host, socket).await?;
            handshake(AsHyper::new(stream)).await
        } else {
            handshake(socket).await
        }
    }

    async fn socket(&self, origin: &Origin) -> Result<R::Socket, TransportError> {
        let addresses = match origin.host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, origin.port)],
            Err(_) => self
                .runtime
                .resolve(&origin.host, origin.port)
                .await
                .map_err(|error| TransportError::new(TransportErrorKind::Resolve, error))?,
        };
        let mut last = TransportError::new(TransportErrorKind::Resolve, "the name has no address");
        // One that never answers, such as by a broken IPv6, must not use up the others' time.
        let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let share = self.timeout / count.max(1);
        let last_address = addresses.last().copied();
        for address in addresses {
            let connecting = self.runtime.connect(address);
            let connected = if Some(address) == last_address {
                // The time over all of it bounds this one.
                Some(connecting.await)
            } else {
                self.within(share, connecting).await
            };
            match connected {
                Some(Ok(socket)) => return Ok(socket),
                Some(Err(error)) => last = TransportError::new(TransportErrorKind::Connect, error),
                None => {
                    let late = TimeoutError::new(Timer::Connect, share);
                    last = TransportError::new(TransportErrorKind::Connect, late);
                }
            }
        }
        Err(last)
    }
}

async fn handshake<S>(socket: S) -> Result<Connection, TransportError>
where
    S: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(socket).await.map_err(failure)?;
    Ok(Connection { sender, task: Some(Box::pin(connection.with_upgrades())) })
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

/// What an error of hyper's means to the protocol.
pub(crate) fn failure(error: hyper::Error) -> TransportError {
    let kind = if error.is_user() {
        TransportErrorKind::Request
    } else if error.is_parse() {
        TransportErrorKind::Protocol
    } else {
        TransportErrorKind::Broken
    };
    TransportError::new(kind, error)
}
