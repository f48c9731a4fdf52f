//! Between hyper's I/O traits and those of others: tokio's, which tokio-rustls speaks, and
//! futures-io, which smol and async-std speak. The file has traits alone, and no runtime.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

/// Gives a hyper transport tokio's traits.
pub(crate) struct AsTokio<T>(pub(crate) T);

impl<T: Read + Unpin> tokio::io::AsyncRead for AsTokio<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = ReadBuf::new(out.initialize_unfilled());
        ready!(Pin::new(&mut self.0).poll_read(cx, space.unfilled()))?;
        let read = space.filled().len();
        out.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: Write + Unpin> tokio::io::AsyncWrite for AsTokio<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Gives a tokio transport hyper's traits.
pub(crate) struct AsHyper<T>(pub(crate) T);

thread_local! {
    /// The buffers that reading goes by, since to fill hyper's own buffer without a copy takes
    /// `unsafe` code. A thread has as many buffers as transports lie in each other, however many
    /// connections it has.
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// One TLS record holds up to 16 KiB (RFC 8446 §5.1).
const BUFFER: usize = 16 << 10;

/// Fills `out` with what `read` puts into a slice; `read` returns how much that was.
fn fill(
    mut out: ReadBufCursor<'_>,
    read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<()>> {
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
    let mut buffer = spare.unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice());
    let space = buffer.len().min(out.remaining());
    let space = buffer.get_mut(..space).unwrap_or_default();
    let filled = read(space).map_ok(|length| {
        out.put_slice(space.get(..length).unwrap_or_default());
    });
    // A thread that is about to end keeps no buffer.
    let _ = SPARE.try_with(|spare| spare.borrow_mut().push(buffer));
    filled
}

impl<T: tokio::io::AsyncRead + Unpin> Read for AsHyper<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        fill(out, |space| {
            let mut read = tokio::io::ReadBuf::new(space);
            ready!(Pin::new(&mut self.0).poll_read(cx, &mut read))?;
            Poll::Ready(Ok(read.filled().len()))
        })
    }
}

impl<T: tokio::io::AsyncWrite + Unpin> Write for AsHyper<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Gives a transport of futures-io hyper's traits, for a [`Runtime`](crate::Runtime) of such
/// sockets. What is read goes by way of a buffer of 16 KiB, which all transports of a thread share.
#[cfg(feature = "futures-io")]
pub struct FuturesIo<T> {
    transport: T,
}

#[cfg(feature = "futures-io")]
impl<T> FuturesIo<T> {
    /// Wraps a transport.
    pub fn new(transport: T) -> Self {
        Self { transport }
    }

    /// Returns the transport, such as to look at its options. Bytes that are read or written by way
    /// of it are missing from the connection.
    pub fn get_ref(&self) -> &T {
        &self.transport
    }
}

#[cfg(feature = "futures-io")]
impl<T: std::fmt::Debug> std::fmt::Debug for FuturesIo<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FuturesIo").field(&self.transport).finish()
    }
}

#[cfg(feature = "futures-io")]
impl<T: futures_io::AsyncRead + Unpin> Read for FuturesIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        fill(out, |space| Pin::new(&mut self.transport).poll_read(cx, space))
    }
}

#[cfg(feature = "futures-io")]
impl<T: futures_io::AsyncWrite + Unpin> Write for FuturesIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_close(cx)
    }
}
