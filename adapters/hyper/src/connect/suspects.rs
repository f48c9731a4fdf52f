//! Addresses that take a connection, and then say nothing good.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The addresses of a name on which no handshake was done, which are tried last for a while. A race
/// for sockets alone (RFC 8305) would be won by the same address each time, as Happy Eyeballs v3 is
/// to mend (draft-ietf-happy-happyeyeballs-v3). An address that is alone is tried all the same.
#[derive(Default)]
pub(super) struct Suspects(Mutex<VecDeque<(SocketAddr, Instant)>>);

/// The time for which an address is tried last, in which a server may come back.
const SPAN: Duration = Duration::from_secs(600);
/// The most addresses that are known; the oldest is forgotten first.
const MOST: usize = 16;

impl Suspects {
    /// Notes an address that took a connection, and got no further.
    pub(super) fn add(&self, address: SocketAddr) {
        let mut known = self.lock();
        known.retain(|(known, _)| *known != address);
        if known.len() == MOST {
            known.pop_front();
        }
        known.push_back((address, Instant::now()));
    }

    /// Notes an address that is as good as any.
    pub(super) fn remove(&self, address: SocketAddr) {
        self.lock().retain(|(known, _)| *known != address);
    }

    /// Returns the same addresses, suspects last, each part in its order.
    pub(super) fn last(&self, addresses: VecDeque<SocketAddr>) -> VecDeque<SocketAddr> {
        let mut known = self.lock();
        known.retain(|(_, since)| since.elapsed() < SPAN);
        let is_suspect = |address: &SocketAddr| known.iter().any(|(known, _)| known == address);
        let (suspects, others): (Vec<_>, Vec<_>) = addresses.into_iter().partition(is_suspect);
        others.into_iter().chain(suspects).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(SocketAddr, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u16) -> SocketAddr {
        ([192, 0, 2, 1], n).into()
    }

    fn order(suspects: &Suspects, ports: impl IntoIterator<Item = u16>) -> Vec<u16> {
        let last = suspects.last(ports.into_iter().map(address).collect());
        last.iter().map(SocketAddr::port).collect()
    }

    #[test]
    fn a_suspect_is_last_until_it_has_done_better() {
        let suspects = Suspects::default();
        suspects.add(address(1));
        assert_eq!(order(&suspects, [1, 2, 3]), [2, 3, 1]);
        assert_eq!(order(&suspects, [1]), [1]);
        suspects.add(address(2));
        assert_eq!(order(&suspects, [1, 2, 3]), [3, 1, 2]);
        suspects.remove(address(1));
        assert_eq!(order(&suspects, [1, 2, 3]), [1, 3, 2]);
    }

    #[test]
    fn the_oldest_of_many_is_forgotten() {
        let suspects = Suspects::default();
        for n in 0..=16 {
            suspects.add(address(n));
        }
        assert_eq!(order(&suspects, [0, 1, 99]), [0, 99, 1]);
    }
}
