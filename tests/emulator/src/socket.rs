//! A connection's socket, and what a fault needs of it that HTTP doesn't offer: to know when
//! everything written is out, to close with a reset, and to treat the bytes beneath HTTP.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::treatment::{Treated, Treatment};

/// A socket under hyper.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TokioIo<TcpStream>,
    control: Arc<Control>,
    treated: Option<Treated>,
}

/// The handle that a response keeps of its connection's socket.
#[derive(Debug, Default)]
pub(crate) struct Control {
    reset: AtomicBool,
    flushes: AtomicU64,
    waker: Mutex<Option<Waker>>,
    /// What the next response's bytes are to go through.
    treatment: Mutex<Option<Treatment>>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> (Self, Arc<Control>) {
        let control = Arc::new(Control::default());
        (
            Self { stream: TokioIo::new(stream), control: Arc::clone(&control), treated: None },
            control,
        )
    }
}

impl Control {
    /// Makes the socket close with a TCP reset instead of a FIN.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Release);
    }

    /// Makes everything that is written from now on go through this treatment.
    pub(crate) fn treat(&self, treatment: Treatment) {
        *self.treatment.lock().unwrap_or_else(PoisonError::into_inner) = Some(treatment);
    }

    /// Completes when everything handed to hyper so far is with the operating system.
    ///
    /// hyper flushes its socket only after it has written all it holds, whenever the response has
    /// nothing more to say for now. Awaited inside a response's body, the next flush is that one.
    pub(crate) async fn flushed(&self) {
        let before = self.flushes.load(Ordering::Acquire);
        std::future::poll_fn(|cx| {
            *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            if self.flushes.load(Ordering::Acquire) == before {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

impl Socket {
    /// Writes what has been treated.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(treated) = &mut self.treated else { return Poll::Ready(Ok(())) };
        while !treated.next().is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, treated.next()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            treated.written(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what was ordered for this response, once what the last one left is written.
    fn poll_order(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_ordered =
            self.control.treatment.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if is_ordered {
            ready!(self.poll_drain(cx))?;
            let order =
                self.control.treatment.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.treated = order.and_then(Treated::new);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.control.reset.load(Ordering::Acquire) {
            // Lingering for no time at all is what makes the close a reset. Should it fail, the
            // connection closes all the same.
            let _ = self.stream.inner().set_zero_linger();
        }
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_order(cx))?;
        if self.treated.is_none() {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        }
        ready!(self.poll_drain(cx))?;
        if let Some(treated) = &mut self.treated {
            treated.take(buf);
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.control.flushes.fetch_add(1, Ordering::AcqRel);
        let waker = self.control.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.control.reset.load(Ordering::Acquire) {
            // A FIN first would spoil the reset.
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_order(cx))?;
        if self.treated.is_some() {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
