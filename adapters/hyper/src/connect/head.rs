//! A bound on what a server says before it answers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

/// Most bytes that may come between a request and the end of its response's head, interim responses
/// included. One head alone may take some 400 KiB, by hyper's own limit; interim ones could come for
/// ever, and hyper reads over them without a pause.
const MOST_BYTES: usize = 512 << 10;

/// How many bytes may still come before the head is there.
#[derive(Clone, Default)]
pub(crate) struct HeadLimit(Arc<AtomicUsize>);

/// While no head is waited for.
const NO_LIMIT: usize = 0;

impl HeadLimit {
    /// A request goes out.
    pub(crate) fn start(&self) {
        // One more than are left, so that none is no limit.
        self.0.store(MOST_BYTES + 1, Ordering::Relaxed);
    }

    /// The head of its response is here.
    pub(crate) fn stop(&self) {
        self.0.store(NO_LIMIT, Ordering::Relaxed);
    }

    /// How many bytes may be read now; `None` for any number.
    fn left(&self) -> Option<usize> {
        self.0.load(Ordering::Relaxed).checked_sub(1)
    }

    /// No more than are [`left`](Self::left), by whoever was told so: a connection has one reader.
    fn take(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A server sent more than 512 KiB and no head.
#[derive(Debug, thiserror::Error)]
#[error("more than {MOST_BYTES} bytes came and no response")]
pub(super) struct HeadTooLong;

/// A socket that keeps to it.
pub(super) struct Bounded<S> {
    pub(super) socket: S,
    pub(super) limit: HeadLimit,
}

impl<S: Read + Unpin> Read for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(left) = self.limit.left() else {
            return Pin::new(&mut self.socket).poll_read(cx, out);
        };
        if left == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, HeadTooLong)));
        }
        // How much is put into `out` can only be told by way of memory of our own.
        let mut space = [0; 4 << 10];
        let most = space.len().min(out.remaining()).min(left);
        let mut read = ReadBuf::new(space.get_mut(..most).unwrap_or_default());
        ready!(Pin::new(&mut self.socket).poll_read(cx, read.unfilled()))?;
        self.limit.take(read.filled().len());
        out.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: Write + Unpin> Write for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
