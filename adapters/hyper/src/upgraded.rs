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
    /// What waits to go out, and whether it is owed for something that was read.
    unsent: VecDeque<(Bytes, bool)>,
    owed_bytes: usize,
    unsent_bytes: usize,
    buffer: Box<[u8]>,
}

/// With more owed than this, nothing is read: a peer that makes us talk and does not listen is
/// slowed down, not obeyed. What the user sends is no reason not to read: the peer may be waiting
/// for us to.
const MOST_OWED: usize = 64 << 10;
const READ_BUFFER: usize = 16 << 10;

impl Upgraded {
    pub(crate) fn new(io: hyper::upgrade::Upgraded, unsent: Vec<Bytes>) -> Self {
        let unsent_bytes = unsent.iter().map(Bytes::len).sum();
        let buffer = vec![0; READ_BUFFER].into_boxed_slice();
        let unsent = unsent.into_iter().map(|bytes| (bytes, false)).collect();
        Self { io, unsent, owed_bytes: 0, unsent_bytes, buffer }
    }

    pub(crate) fn send(&mut self, bytes: Bytes, owed: bool) {
        self.unsent_bytes += bytes.len();
        if owed {
            self.owed_bytes += bytes.len();
        }
        self.unsent.push_back((bytes, owed));
    }

    pub(crate) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// Ready once everything is with the operating system.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((bytes, owed)) = self.unsent.front_mut() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes.advance(written);
            self.unsent_bytes -= written;
            if *owed {
                self.owed_bytes -= written;
            }
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
        if self.owed_bytes > MOST_OWED {
            return Poll::Pending;
        }
        let mut space = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(&mut self.io).poll_read(cx, space.unfilled()))?;
        Poll::Ready(Ok(Bytes::copy_from_slice(space.filled())))
    }
}
