//! A port for a server that is started by a test.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// A port that nobody has, and that the system gives to nobody who lets it choose: it chooses among
/// higher ones.
pub(crate) fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    loop {
        let asked = std::process::id() * 64 + ASKED.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(10_000 + asked % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
