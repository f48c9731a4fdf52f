//! The same by hyper, over a connection in memory.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::outcome::{self, Outcome};

/// What hyper makes of these reads, and of the end of the connection behind them.
pub(crate) fn hyper(reads: &[&[u8]]) -> Outcome {
    let reads = reads.iter().map(|read| read.to_vec()).collect();
    let exchange = async {
        let (mut sender, connection) = http1::handshake(Wire { reads, asked: false }).await.ok()?;
        let response = async {
            let response = sender.send_request(outcome::request().map(Full::new)).await.ok()?;
            let (head, content) = response.into_parts();
            let content = content.collect().await.ok()?.to_bytes().to_vec();
            Some(outcome::Read { status: head.status.as_u16(), fields: head.headers, content })
        };
        beside(response, connection).await
    };
    let mut exchange = pin!(exchange);
    let mut context = Context::from_waker(Waker::noop());
    // Nothing here ever waits for anything else.
    for _ in 0..1_000_000 {
        if let Poll::Ready(outcome) = exchange.as_mut().poll(&mut context) {
            return outcome;
        }
    }
    panic!("hyper does not come to an end")
}

/// Polls a connection beside what it is for.
async fn beside<T>(wanted: impl Future<Output = T>, connection: impl Future) -> T {
    let (mut wanted, mut connection, mut over) = (pin!(wanted), pin!(connection), false);
    std::future::poll_fn(|context| {
        over = over || connection.as_mut().poll(context).is_ready();
        wanted.as_mut().poll(context)
    })
    .await
}

/// Gives these reads once something was written, and then its end.
struct Wire {
    reads: VecDeque<Vec<u8>>,
    asked: bool,
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut space: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.asked {
            return Poll::Pending;
        }
        if let Some(mut read) = self.reads.pop_front() {
            let rest = read.split_off(space.remaining().min(read.len()));
            space.put_slice(&read);
            if !rest.is_empty() {
                self.reads.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
