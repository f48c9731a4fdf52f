//! A port of loopback, which stays its owner's while nobody listens on it.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Longest queue of connections that nobody has accepted yet.
const BACKLOG: u32 = 1024;
/// How long to wait after a failure to accept: the process may be out of file descriptors.
const NAP: Duration = Duration::from_millis(10);

/// A port that is listened on, or kept.
pub(crate) struct Listener {
    address: SocketAddr,
    listening: Option<TcpListener>,
    /// A socket that is bound to the port and never listens: the system gives the port to nobody
    /// else who lets the system choose. Only Linux binds two sockets to one address.
    _keeper: Option<TcpSocket>,
}

impl Listener {
    /// Binds a port and listens on it; port 0 lets the system choose. Wants to be called inside the
    /// runtime that accepts.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let first = bound(address)?;
        let address = first.local_addr()?;
        let (listening, keeper) = if cfg!(target_os = "linux") {
            (bound(address)?.listen(BACKLOG)?, Some(first))
        } else {
            (first.listen(BACKLOG)?, None)
        };
        Ok(Self { address, listening: Some(listening), _keeper: keeper })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.listening.is_some()
    }

    /// Closes the listening socket, so that TCP refuses new connections.
    pub(crate) fn stop(&mut self) {
        self.listening = None;
    }

    /// Listens again, where [`stop`](Self::stop) has ended that.
    pub(crate) fn listen_again(&mut self) -> io::Result<()> {
        if self.listening.is_none() {
            self.listening = Some(bound(self.address)?.listen(BACKLOG)?);
        }
        Ok(())
    }

    /// Waits for a connection; while nobody listens, for ever.
    pub(crate) async fn accept(&self) -> TcpStream {
        let Some(listener) = &self.listening else { return future::pending().await };
        loop {
            match listener.accept().await {
                Ok((stream, _peer)) => return stream,
                // The peer may be gone already; the next one is accepted.
                Err(_) => tokio::time::sleep(NAP).await,
            }
        }
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // As the standard library does. On Windows the option lets two programs share a port.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    Ok(socket)
}
