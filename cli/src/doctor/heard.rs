//! What the other side of a connection said first, kept while somebody else reads it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes both ways, the first that come kept: a proxy that refuses a tunnel names itself in them.
pub(super) struct Heard<W> {
    wire: W,
    kept: Vec<u8>,
}

/// As much as a head with its fields has.
const MOST: usize = 16 << 10;

impl<W> Heard<W> {
    pub(super) fn new(wire: W) -> Self {
        Self { wire, kept: Vec::new() }
    }

    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    pub(super) fn into_inner(self) -> W {
        self.wire
    }
}

impl<W: AsyncRead + Unpin> AsyncRead for Heard<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.wire).poll_read(context, buffer))?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        let room = MOST.saturating_sub(self.kept.len()).min(came.len());
        self.kept.extend_from_slice(came.get(..room).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Heard<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(context)
    }
}
