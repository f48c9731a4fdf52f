//! Runtimes that count, or that fail in a way a real one rarely does.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use restless_hyper::Runtime;

/// Counts what it is asked for, and what of it is still there.
#[derive(Clone)]
pub(crate) struct Probe<R> {
    rt: R,
    mode: Mode,
    addresses: Option<Arc<[SocketAddr]>>,
    connects: Arc<AtomicUsize>,
    lookups: Arc<AtomicUsize>,
    live: Arc<AtomicUsize>,
    read: Arc<AtomicUsize>,
}

/// Counts itself while it is there.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(live: &Arc<AtomicUsize>) -> Self {
        live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(live))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Plain,
    Deaf,
    Nameless,
}

impl<R: Runtime> Probe<R> {
    /// Does what the runtime does.
    pub(crate) fn new(rt: R) -> Self {
        Self {
            rt,
            mode: Mode::Plain,
            addresses: None,
            connects: Arc::default(),
            lookups: Arc::default(),
            live: Arc::default(),
            read: Arc::default(),
        }
    }

    /// Connects of this runtime never end.
    pub(crate) fn deaf(rt: R) -> Self {
        Self { mode: Mode::Deaf, ..Self::new(rt) }
    }

    /// No name resolves.
    pub(crate) fn nameless(rt: R) -> Self {
        Self { mode: Mode::Nameless, ..Self::new(rt) }
    }

    /// Every name has these addresses. Addresses for documentation (RFC 5737, RFC 3849) are black
    /// holes: a connect to them never comes to an end.
    pub(crate) fn with_addresses(rt: R, addresses: &[SocketAddr]) -> Self {
        Self { addresses: Some(addresses.into()), ..Self::new(rt) }
    }

    /// How often a connection was asked for.
    pub(crate) fn connects(&self) -> usize {
        self.connects.load(Ordering::Relaxed)
    }

    /// How often a name was to be resolved.
    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }

    /// Bytes read from sockets so far.
    pub(crate) fn read(&self) -> usize {
        self.read.load(Ordering::Relaxed)
    }

    /// Sockets, connects and sleeps that are there now.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }
}

impl<R: Runtime> Runtime for Probe<R> {
    type Socket = Counted<R::Socket>;
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        if self.mode == Mode::Nameless {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no such name"));
        }
        match &self.addresses {
            Some(addresses) => Ok(addresses.to_vec()),
            None => self.rt.resolve(host, port).await,
        }
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Self::Socket> {
        self.connects.fetch_add(1, Ordering::Relaxed);
        let alive = Alive::new(&self.live);
        if self.mode == Mode::Deaf || is_black_hole(address) {
            std::future::pending::<()>().await;
        }
        let socket = self.rt.connect(address).await?;
        Ok(Counted { socket, read: Arc::clone(&self.read), _alive: alive })
    }

    fn sleep(&self, span: Duration) -> Self::Sleep {
        let (sleep, alive) = (self.rt.sleep(span), Alive::new(&self.live));
        Box::pin(async move {
            sleep.await;
            drop(alive);
        })
    }
}

fn is_black_hole(address: SocketAddr) -> bool {
    match address {
        SocketAddr::V4(address) => address.ip().is_documentation(),
        SocketAddr::V6(address) => address.ip().segments().starts_with(&[0x2001, 0xdb8]),
    }
}

/// A socket that counts what is read, and as there until it is dropped.
pub(crate) struct Counted<S> {
    socket: S,
    read: Arc<AtomicUsize>,
    _alive: Alive,
}

impl<S: hyper::rt::Read + Unpin> hyper::rt::Read for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = [0; 16 << 10];
        let room = space.len().min(buf.remaining());
        let mut space = hyper::rt::ReadBuf::new(&mut space[..room]);
        ready!(Pin::new(&mut self.socket).poll_read(cx, space.unfilled()))?;
        buf.put_slice(space.filled());
        self.read.fetch_add(space.filled().len(), Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: hyper::rt::Write + Unpin> hyper::rt::Write for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
