//! Which address to take: Happy Eyeballs (RFC 8305), in one future and without a task.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use restless_proto::{TransportError, TransportErrorKind};

use crate::Runtime;

/// How long one attempt is alone before the next begins beside it (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

type Attempt<'a, R> = Pin<Box<dyn Future<Output = io::Result<<R as Runtime>::Socket>> + Send + 'a>>;

/// Returns the first socket that stands, and where it leads; the other attempts are dropped with
/// the future.
///
/// An attempt that fails makes the next one begin at once. The caller bounds the time of all of it.
pub(super) async fn connect<R: Runtime>(
    runtime: &R,
    mut waiting: VecDeque<SocketAddr>,
) -> Result<(SocketAddr, R::Socket), TransportError> {
    let mut attempts: Vec<(SocketAddr, Attempt<'_, R>)> = Vec::new();
    let mut delay: Option<Pin<Box<R::Sleep>>> = None;
    let mut last = TransportError::new(TransportErrorKind::Resolve, "the name has no address");
    poll_fn(|cx| {
        loop {
            let mut at = 0;
            while let Some((address, attempt)) = attempts.get_mut(at) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(socket)) => return Poll::Ready(Ok((*address, socket))),
                    Poll::Ready(Err(error)) => {
                        let why = Unreachable { address: *address, source: error };
                        last = TransportError::new(TransportErrorKind::Connect, why);
                        drop(attempts.swap_remove(at));
                        delay = None;
                    }
                    Poll::Pending => at += 1,
                }
            }
            if let Some(sleep) = &mut delay {
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                delay = None;
            }
            match waiting.pop_front() {
                Some(address) => attempts.push((address, Box::pin(runtime.connect(address)))),
                None if attempts.is_empty() => return Poll::Ready(Err(last.clone())),
                None => return Poll::Pending,
            }
            if !waiting.is_empty() {
                delay = Some(Box::pin(runtime.sleep(ATTEMPT_DELAY)));
            }
        }
    })
    .await
}

/// Takes the families by turns, the first address's first, and each in its order (RFC 8305 §4).
pub(super) fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (ours, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut ours, mut others) = (ours.into_iter(), others.into_iter());
    let mut order = VecDeque::new();
    loop {
        let (one, other) = (ours.next(), others.next());
        if one.is_none() && other.is_none() {
            return order;
        }
        order.extend(one.into_iter().chain(other));
    }
}

/// Why the last attempt failed, and where it went.
#[derive(Debug, thiserror::Error)]
#[error("{address} can't be reached")]
struct Unreachable {
    address: SocketAddr,
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(addresses: &[&str]) -> Vec<String> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        interleave(addresses).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn families_take_turns_and_the_first_one_stays_first() {
        let (a, b, c) = ("[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1");
        let (x, y) = ("192.0.2.1:1", "192.0.2.2:1");
        assert_eq!(order(&[a, b, c, x, y]), [a, x, b, y, c]);
        assert_eq!(order(&[x, y, a]), [x, a, y]);
    }

    #[test]
    fn one_family_keeps_its_order() {
        assert_eq!(order(&["192.0.2.2:1", "192.0.2.1:1"]), ["192.0.2.2:1", "192.0.2.1:1"]);
        assert!(order(&[]).is_empty());
    }
}
