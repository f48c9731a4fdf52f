//! What a runtime is to this crate.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Three things that only a runtime can do: resolve a name, connect a socket, sleep. Where a
/// process can have several runtimes, a fourth: say [which](Self::id).
///
/// An adapter is an implementation of this trait and little else. The client spawns no task:
/// whatever these futures do, they do while a call or a subscription is polled.
pub trait Runtime: Clone + Send + Sync + Unpin + 'static {
    /// A connected socket. `TCP_NODELAY` and keep-alive are the implementation's to set, by
    /// [`tune`](crate::tune) where it is one of the system's.
    type Socket: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static;
    /// Wakes its task once a span is over. Dropping the sleep takes the wake-up back.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// Resolves the addresses of a host name, best first. The client asks anew for each connection,
    /// and never for a literal address.
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects to one address. Several such futures may run side by side; the caller bounds their
    /// time, and drops them.
    fn connect(&self, address: SocketAddr)
    -> impl Future<Output = io::Result<Self::Socket>> + Send;

    /// Sleeps from the first poll, or from now, whichever the runtime does.
    fn sleep(&self, span: Duration) -> Self::Sleep;

    /// Returns the number of this runtime, where a process may have several runtimes, and a socket
    /// moves only while its runtime is driven: an idle connection is used again only on the runtime
    /// that made the connection, a sleep is polled only on its own, and a connect that has begun
    /// fails on another. The client asks where a call or a subscription is polled. Default:
    /// 0, for one reactor that serves the whole process.
    fn id(&self) -> u64 {
        0
    }
}
