//! A connection that speaks another protocol than HTTP: bytes in, bytes out.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBuf, Write};

/// The two directions, and what waits to go out.
pub(crate) struct Upgraded {
    io: hyper::upgrade::Upgraded,
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    buffer: Box<[u8]>,
}

/// With more than this waiting to go out, nothing is read: a peer that makes us talk and does not
/// listen is slowed down, not obeyed.
const MOST_UNSENT: usize = 64 << 10;
const READ_BUFFER: usize = 16 << 10;

impl Upgraded {
    pub(crate) fn new(io: hyper::upgrade::Upgraded, unsent: Vec<Bytes>) -> Self {
        let unsent_bytes = unsent.iter().map(Bytes::len).sum();
        let buffer = vec![0; READ_BUFFER].into_boxed_slice();
        Self { io, unsent: unsent.into(), unsent_bytes, buffer }
    }

    pub(crate) fn send(&mut self, bytes: Bytes) {
        self.unsent_bytes += bytes.len();
        self.unsent.push_back(bytes);
    }

    /// Ready once everything is with the operating system.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(bytes) = self.unsent.front_mut() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes.advance(written);
            self.unsent_bytes -= written;
            if bytes.is_empty() {
                self.unsent.pop_front();
            }
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Writes first, then reads: what the protocol owes the peer never waits for the peer. No
    /// bytes: its end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let written = self.poll_write(cx);
        if let Poll::Ready(Err(error)) = written {
            return Poll::Ready(Err(error));
        }
        if self.unsent_bytes > MOST_UNSENT {
            return Poll::Pending;
        }
        let mut space = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(&mut self.io).poll_read(cx, space.unfilled()))?;
        Poll::Ready(Ok(Bytes::copy_from_slice(space.filled())))
    }
}
