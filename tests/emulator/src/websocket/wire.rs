//! The upgraded connection under tungstenite, with a fault's hand on what goes out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant};

use crate::fault::{End, Limit, Plan};
use crate::socket::Control;

/// The longest wait for a peer that has been told of the end.
pub(crate) const CLOSING: Duration = Duration::from_secs(2);

/// Takes every byte that is written at once, and lets the bytes go when it is flushed.
///
/// Tungstenite is therefore never left with half a frame, and a frame that is put in by hand stands
/// between whole ones. The back-pressure is in the flush.
#[derive(Debug)]
pub(crate) struct Wire {
    io: TokioIo<Upgraded>,
    control: Arc<Control>,
    pending: BytesMut,
    /// The bytes that went out since the opening handshake.
    sent: u64,
    limit: Option<u64>,
    /// The most bytes in one write.
    piece: usize,
}

impl Wire {
    pub(crate) fn new(upgraded: Upgraded, plan: &Plan, control: Arc<Control>) -> Self {
        Self {
            io: TokioIo::new(upgraded),
            control,
            pending: BytesMut::new(),
            sent: 0,
            limit: match plan.limit {
                Some(Limit::Bytes(bytes)) => Some(bytes),
                Some(Limit::Events(_)) | None => None,
            },
            piece: plan.piece.unwrap_or(usize::MAX),
        }
    }

    /// Puts bytes in line, as they are.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Whether everything has gone out.
    pub(crate) fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether nothing more may go out.
    pub(crate) fn is_at_limit(&self) -> bool {
        self.limit.is_some_and(|limit| self.sent >= limit)
    }

    /// Reads and forgets; completes when the peer has left.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Sends what is in line, and ends the connection like this.
    pub(crate) async fn finish(mut self, end: End) {
        // A peer that has gone, or that doesn't read, gets no more; nor does one at the limit.
        let late = Instant::now() + CLOSING;
        let _ = tokio::time::timeout_at(late, self.flush()).await;
        match end {
            End::Clean => {
                self.shut_down(late).await;
                // A close with bytes of the peer's unread would be a reset.
                let _ = tokio::time::timeout(CLOSING, self.discard()).await;
            }
            End::Cut => self.shut_down(late).await,
            End::Reset => self.control.reset(),
            End::Stall => self.discard().await,
        }
    }

    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)).await
    }

    async fn shut_down(&mut self, late: Instant) {
        let shut_down = std::future::poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx));
        // What can't be shut down is closed anyway, when it is dropped.
        let _ = tokio::time::timeout_at(late, shut_down).await;
    }

    async fn discard(&mut self) {
        std::future::poll_fn(|cx| self.poll_discard(cx)).await;
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.put(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while !this.pending.is_empty() {
            let mut size = this.pending.len().min(this.piece);
            if let Some(limit) = this.limit {
                let left = limit.saturating_sub(this.sent);
                size = size.min(usize::try_from(left).unwrap_or(usize::MAX));
                if size == 0 {
                    return Poll::Ready(Err(io::Error::other("no more, on purpose")));
                }
            }
            let piece = this.pending.get(..size).unwrap_or_default();
            let written = ready!(Pin::new(&mut this.io).poll_write(cx, piece))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.pending.advance(written);
            this.sent += written as u64;
        }
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
