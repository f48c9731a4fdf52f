//! Between hyper's I/O traits and tokio's, which tokio-rustls speaks. Traits only: no runtime.

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

/// Gives a tokio transport hyper's traits, by way of a buffer: filling hyper's own without a copy
/// takes `unsafe` code.
pub(crate) struct AsHyper<T> {
    transport: T,
    buffer: Box<[u8]>,
}

/// One TLS record holds up to 16 KiB (RFC 8446 §5.1).
const BUFFER: usize = 16 << 10;

impl<T> AsHyper<T> {
    pub(crate) fn new(transport: T) -> Self {
        Self { transport, buffer: vec![0; BUFFER].into_boxed_slice() }
    }
}

impl<T: tokio::io::AsyncRead + Unpin> Read for AsHyper<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { transport, buffer } = &mut *self;
        let space = buffer.len().min(out.remaining());
        let mut read = tokio::io::ReadBuf::new(&mut buffer[..space]);
        ready!(Pin::new(transport).poll_read(cx, &mut read))?;
        out.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl<T: tokio::io::AsyncWrite + Unpin> Write for AsHyper<T> {
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
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
