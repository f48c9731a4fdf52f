//! What a server says before it has answered: a bound on those bytes, and their version.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

/// The most bytes that may come between a request and the end of its response's head, interim
/// responses included. One head alone may take some 400 KiB, by hyper's own limit; interim
/// responses could come for ever, and hyper reads over them without a pause.
const MOST_BYTES: usize = 512 << 10;

/// How many bytes may still come before the head is there, and what is known of it.
#[derive(Clone, Default)]
pub(crate) struct HeadLimit(Arc<Shared>);

#[derive(Default)]
struct Shared {
    left: AtomicUsize,
    /// How much of [`START`] has come, the minor version after it included.
    started: AtomicUsize,
    http_1_0: AtomicBool,
}

/// The count while no head is waited for.
const NO_LIMIT: usize = 0;

impl HeadLimit {
    /// Starts the count: a request goes out.
    pub(crate) fn start(&self) {
        // The count is one more than what is left, so that zero can stand for no limit.
        self.0.left.store(MOST_BYTES + 1, Ordering::Relaxed);
        self.0.started.store(0, Ordering::Relaxed);
    }

    /// Stops the count: the head of the response is here.
    pub(crate) fn stop(&self) {
        self.0.left.store(NO_LIMIT, Ordering::Relaxed);
    }

    /// Whether the last response was of HTTP/1.0.
    pub(crate) fn is_http_1_0(&self) -> bool {
        self.0.http_1_0.load(Ordering::Relaxed)
    }

    /// Makes the version at the beginning of a response 1.1 where it is another 1.x. A higher minor
    /// version is to be read as the highest known one (RFC 9110 §2.5), and hyper refuses it. Hyper
    /// also refuses chunks in HTTP/1.0; such chunks are to be read, and the connection is to be
    /// closed after them (RFC 9112 §6.1).
    fn normalize(&self, bytes: &mut [u8]) {
        let mut started = self.0.started.load(Ordering::Relaxed);
        for byte in bytes {
            match START.get(started) {
                Some(due) if due == byte => started += 1,
                // Empty lines before it are passed over (RFC 9112 §2.2).
                Some(_) if started == 0 && matches!(byte, b'\r' | b'\n') => {}
                // These bytes are no response, as hyper will say.
                Some(_) => started = PAST,
                None if started == START.len() => {
                    self.0.http_1_0.store(*byte == b'0', Ordering::Relaxed);
                    if byte.is_ascii_digit() {
                        *byte = b'1';
                    }
                    started = PAST;
                }
                None => break,
            }
        }
        self.0.started.store(started, Ordering::Relaxed);
    }

    /// Returns how many bytes may be read now; `None` for any number.
    fn left(&self) -> Option<usize> {
        self.0.left.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Takes bytes off the count, at most what [`left`](Self::left) said: a connection has one
    /// reader.
    fn take(&self, bytes: usize) {
        self.0.left.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// How a response begins; its minor version follows.
const START: &[u8] = b"HTTP/1.";
/// The place behind the minor version.
const PAST: usize = START.len() + 1;

/// A server sent more than 512 KiB and no head.
#[derive(Debug, thiserror::Error)]
#[error("more than {MOST_BYTES} bytes came and no response")]
pub(super) struct HeadTooLong;

/// A socket that keeps to the limit.
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
        // The number of bytes put into `out` is only known by way of memory of our own.
        let mut space = [0; 4 << 10];
        let most = space.len().min(out.remaining()).min(left);
        let mut read = ReadBuf::new(space.get_mut(..most).unwrap_or_default());
        ready!(Pin::new(&mut self.socket).poll_read(cx, read.unfilled()))?;
        let length = read.filled().len();
        let read = space.get_mut(..length).unwrap_or_default();
        self.limit.take(length);
        self.limit.normalize(read);
        out.put_slice(read);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(pieces: &[&str]) -> (String, bool) {
        let limit = HeadLimit::default();
        limit.start();
        let mut all = String::new();
        for piece in pieces {
            let mut piece = piece.as_bytes().to_vec();
            limit.normalize(&mut piece);
            all += std::str::from_utf8(&piece).unwrap();
        }
        (all, limit.is_http_1_0())
    }

    #[test]
    fn a_minor_version_is_1_and_0_is_remembered() {
        for (came, due, old) in [
            ("HTTP/1.1 200 HTTP/1.0", "HTTP/1.1 200 HTTP/1.0", false),
            ("HTTP/1.0 200 HTTP/1.0", "HTTP/1.1 200 HTTP/1.0", true),
            ("\r\nHTTP/1.2 200", "\r\nHTTP/1.1 200", false),
            ("HTTP/1.9", "HTTP/1.1", false),
            ("HTTP/1.x HTTP/1.0", "HTTP/1.x HTTP/1.0", false),
            ("HTTP/2.0 200", "HTTP/2.0 200", false),
            ("x HTTP/1.0", "x HTTP/1.0", false),
        ] {
            assert_eq!(normalized(&[came]), (due.to_owned(), old));
            let bytes: Vec<_> = came.split_inclusive(|_: char| true).collect();
            assert_eq!(normalized(&bytes), (due.to_owned(), old));
        }
    }
}
