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
    /// How much of [`START`] has come, or the place behind it.
    place: AtomicUsize,
    http_1_0: AtomicBool,
}

/// The count while no head is waited for.
const NO_LIMIT: usize = 0;

impl HeadLimit {
    /// Starts the count: a request goes out.
    pub(crate) fn start(&self) {
        // The count is one more than what is left, so that zero can stand for no limit.
        self.0.left.store(MOST_BYTES + 1, Ordering::Relaxed);
        self.0.place.store(0, Ordering::Relaxed);
    }

    /// Stops the count: the head of the response is here.
    pub(crate) fn stop(&self) {
        self.0.left.store(NO_LIMIT, Ordering::Relaxed);
    }

    /// Whether the last response was of HTTP/1.0.
    pub(crate) fn is_http_1_0(&self) -> bool {
        self.0.http_1_0.load(Ordering::Relaxed)
    }

    /// Hands bytes of a response on to `put`, with two changes until the final head has begun.
    ///
    /// The version becomes 1.1 where it is another 1.x. A higher minor version is to be read as the
    /// highest known one (RFC 9110 §2.5), and hyper refuses it. Hyper also refuses chunks in
    /// HTTP/1.0; such chunks are to be read, and the connection is to be closed after them
    /// (RFC 9112 §6.1).
    ///
    /// Empty lines before a head, which are passed over (RFC 9112 §2.2), are left out: hyper would
    /// keep them, and look at all of them again with each read.
    fn pass(&self, mut bytes: &mut [u8], mut put: impl FnMut(&[u8])) {
        let mut place = self.0.place.load(Ordering::Relaxed);
        while place != FINAL {
            let Some((byte, rest)) = std::mem::take(&mut bytes).split_first_mut() else { break };
            bytes = rest;
            if place == 0 && matches!(byte, b'\r' | b'\n') {
                continue;
            }
            place = match (place, *byte) {
                (MINOR, minor) => {
                    self.0.http_1_0.store(minor == b'0', Ordering::Relaxed);
                    if minor.is_ascii_digit() {
                        *byte = b'1';
                    }
                    SPACE
                }
                (SPACE, b' ') => STATUS,
                (STATUS, b'1') => IN_LINE,
                (IN_LINE, b'\n') => AFTER_LINE,
                (IN_LINE, _) => IN_LINE,
                // An empty line is the end of an interim response, and another head follows.
                (AFTER_LINE | AFTER_CR, b'\n') => 0,
                (AFTER_LINE, b'\r') => AFTER_CR,
                (AFTER_LINE | AFTER_CR, _) => IN_LINE,
                (started, byte) if START.get(started) == Some(&byte) => started + 1,
                // The response is final, or is no response, as hyper will say.
                _ => FINAL,
            };
            put(&[*byte]);
        }
        self.0.place.store(place, Ordering::Relaxed);
        if !bytes.is_empty() {
            put(bytes);
        }
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
/// The places behind that: before the minor version, the space, and the first digit of the status;
/// in a line of an interim response, behind its end, and behind a CR there; all of the rest.
const MINOR: usize = START.len();
const SPACE: usize = MINOR + 1;
const STATUS: usize = MINOR + 2;
const IN_LINE: usize = MINOR + 3;
const AFTER_LINE: usize = MINOR + 4;
const AFTER_CR: usize = MINOR + 5;
const FINAL: usize = MINOR + 6;

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
        loop {
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
            self.limit.take(length);
            let before = out.remaining();
            self.limit.pass(space.get_mut(..length).unwrap_or_default(), |bytes| {
                out.put_slice(bytes);
            });
            // No bytes at all would be the end of the connection.
            if length == 0 || out.remaining() < before {
                return Poll::Ready(Ok(()));
            }
        }
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

    fn passed(pieces: &[&str]) -> (String, bool) {
        let limit = HeadLimit::default();
        limit.start();
        let mut all = String::new();
        for piece in pieces {
            let mut piece = piece.as_bytes().to_vec();
            limit.pass(&mut piece, |bytes| all += std::str::from_utf8(bytes).unwrap());
        }
        (all, limit.is_http_1_0())
    }

    fn assert_passed(cases: &[(&str, &str, bool)]) {
        for (came, due, old) in cases {
            assert_eq!(passed(&[came]), ((*due).to_owned(), *old), "{came:?}");
            let bytes: Vec<_> = came.split_inclusive(|_: char| true).collect();
            assert_eq!(passed(&bytes), ((*due).to_owned(), *old), "{came:?}");
        }
    }

    #[test]
    fn a_minor_version_is_1_and_0_is_remembered() {
        assert_passed(&[
            ("HTTP/1.1 200 HTTP/1.0", "HTTP/1.1 200 HTTP/1.0", false),
            ("HTTP/1.0 200 HTTP/1.0", "HTTP/1.1 200 HTTP/1.0", true),
            ("HTTP/1.2 103\r\n\r\nHTTP/1.0 200", "HTTP/1.1 103\r\n\r\nHTTP/1.1 200", true),
            ("HTTP/1.1 200\r\n\r\nHTTP/1.0 200", "HTTP/1.1 200\r\n\r\nHTTP/1.0 200", false),
            ("HTTP/1.9", "HTTP/1.1", false),
            ("HTTP/1.x HTTP/1.0", "HTTP/1.x HTTP/1.0", false),
            ("HTTP/2.0 200", "HTTP/2.0 200", false),
            ("x HTTP/1.0", "x HTTP/1.0", false),
        ]);
    }

    #[test]
    fn empty_lines_before_a_head_are_left_out_and_no_others_are() {
        assert_passed(&[
            ("\r\n\nHTTP/1.2 200 OK\r\n\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n\r\n", false),
            (
                "\r\nHTTP/1.1 103 E\r\na: b\r\n\r\n\r\n\r\nHTTP/1.1 200\n\n\n",
                "HTTP/1.1 103 E\r\na: b\r\n\r\nHTTP/1.1 200\n\n\n",
                false,
            ),
            ("HTTP/1.1 103\n\n\n\nHTTP/1.1 200", "HTTP/1.1 103\n\nHTTP/1.1 200", false),
            ("\n\nSSH-2.0\n\n", "SSH-2.0\n\n", false),
            ("\r\n\r\n", "", false),
        ]);
    }

    /// A socket that has this to read, a few bytes at a time, and then the end.
    struct Has(&'static [u8]);

    impl Read for Has {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            mut out: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            let (now, later) = self.0.split_at(self.0.len().min(out.remaining()).min(64));
            out.put_slice(now);
            self.0 = later;
            Poll::Ready(Ok(()))
        }
    }

    fn read(has: &'static [u8]) -> io::Result<Vec<u8>> {
        let limit = HeadLimit::default();
        limit.start();
        let mut bounded = Bounded { socket: Has(has), limit };
        let mut space = [0; 100];
        let mut read = ReadBuf::new(&mut space);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match Pin::new(&mut bounded).poll_read(&mut cx, read.unfilled()) {
            Poll::Ready(ended) => ended.map(|()| read.filled().to_vec()),
            Poll::Pending => panic!("the socket never waits"),
        }
    }

    #[test]
    fn empty_lines_are_read_over_at_once_and_count() {
        let lines = |count: usize| b"\r\n".repeat(count);
        let then = [&lines(1000)[..], b"HTTP/1.1 200 OK\r\n"].concat();
        assert_eq!(read(then.leak()).unwrap()[..5], *b"HTTP/");
        let error = read(lines(MOST_BYTES).leak()).unwrap_err();
        assert!(error.get_ref().is_some_and(|error| error.is::<HeadTooLong>()), "{error:?}");
        assert!(read(lines(1000).leak()).unwrap().is_empty(), "the end of the connection");
    }
}
