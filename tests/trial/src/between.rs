//! Something in between, which passes a connection on, and does something to what comes back.

use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What happens to what comes back on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// The connection closes.
    Cut,
    /// TCP resets the connection.
    Reset,
    /// Nothing comes for so long; then the rest comes.
    Pause(Duration),
}

/// It takes no more connections once it is dropped.
pub(crate) struct Between {
    address: SocketAddr,
    passed: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Between {
    /// Stands before this address. Each of these happens behind so many bytes, those of the head
    /// included, to the first connection; each later one is passed on as it is.
    pub(crate) fn start(to: SocketAddr, first: Vec<(usize, Then)>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let passed = Arc::new(AtomicUsize::new(0));
        let is_over = Arc::new(AtomicBool::new(false));
        let between = Self { address, passed: passed.clone(), is_over: is_over.clone() };
        thread::spawn(move || {
            let mut plan = Some(first);
            for client in listener.incoming().flatten() {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let (plan, passed) = (plan.take().unwrap_or_default(), passed.clone());
                // Whoever hangs up first, the other side hears of it.
                thread::spawn(move || pass(&client, to, &plan, &passed));
            }
        });
        Ok(between)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many bytes have come back so far.
    pub(crate) fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes it; fails only where nobody listens any more.
        let _ = TcpStream::connect(self.address);
    }
}

fn pass(
    mut client: &TcpStream,
    to: SocketAddr,
    plan: &[(usize, Then)],
    passed: &AtomicUsize,
) -> Result<()> {
    let mut server = TcpStream::connect(to)?;
    let (mut asks, mut asked) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut asks, &mut asked);
        let _ = asked.shutdown(Shutdown::Write);
    });
    let (mut at, mut plan) = (0, plan.iter());
    let mut next = plan.next();
    let mut buffer = [0; 4096];
    loop {
        while let Some((_, then)) = next.filter(|(behind, _)| *behind == at) {
            match then {
                Then::Cut => return hang_up(client, &server),
                Then::Reset => {
                    // With no time to linger, what ends the connection is a reset.
                    socket2::SockRef::from(client).set_linger(Some(Duration::ZERO))?;
                    server.shutdown(Shutdown::Both)?;
                    return client.shutdown(Shutdown::Read);
                }
                Then::Pause(span) => thread::sleep(*span),
            }
            next = plan.next();
        }
        let most = next.map_or(buffer.len(), |(behind, _)| buffer.len().min(behind - at));
        match server.read(&mut buffer[..most]) {
            Ok(0) => return hang_up(client, &server),
            Ok(read) => {
                at += read;
                passed.fetch_add(read, Ordering::Relaxed);
                client.write_all(&buffer[..read])?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                hang_up(client, &server)?;
                return Err(error);
            }
        }
    }
}

fn hang_up(client: &TcpStream, server: &TcpStream) -> Result<()> {
    // One that is gone already has heard of it.
    let _ = server.shutdown(Shutdown::Both);
    client.shutdown(Shutdown::Both)
}
