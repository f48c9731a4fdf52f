//! A connection of a stream: bytes in, bytes out.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use hyper::rt::{Read, ReadBuf, Write};
use restless_proto::ReadBuffer;

use crate::connect::Socket;

/// The two directions, and what waits to go out.
pub(crate) struct Duplex {
    socket: Socket,
    /// What waits to go out, and who sends it.
    unsent: VecDeque<(BytesMut, Sender)>,
    owed_bytes: usize,
    unsent_bytes: usize,
    buffer: ReadBuffer,
    /// Bytes that were read already, with the head of the response, and are to be read as frames.
    rest: Bytes,
    /// An error that came after bytes that were handed over first: the socket may not say it again.
    read_failed: Option<io::Error>,
    /// The error after which nothing more can be sent.
    write_failed: Option<io::Error>,
}

/// Who sends bytes on a WebSocket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The protocol, which owes the bytes to the peer for what the peer sent.
    Protocol,
    /// The user.
    User,
}

/// The amount owed above which reading pauses: a peer that makes us talk, and does not listen, is
/// slowed down. Bytes of the user's leave reading alone: the peer may be waiting for us to read.
const MOST_OWED: usize = 64 << 10;
/// How much is read on the stack, where that is likely to be enough.
const FIRST_READ_BYTES: usize = 4 << 10;
/// The size up to which several pieces go out together.
const JOINED_BYTES: usize = 4 << 10;

impl Duplex {
    /// Starts with a request that waits to go out.
    pub(crate) fn new(socket: Socket, request: Bytes) -> Self {
        Self {
            socket,
            unsent_bytes: request.len(),
            unsent: VecDeque::from([(owned(request), Sender::User)]),
            owed_bytes: 0,
            buffer: ReadBuffer::new(),
            rest: Bytes::new(),
            read_failed: None,
            write_failed: None,
        }
    }

    /// Takes frames from here on, of which these bytes were read already.
    pub(crate) fn upgrade(&mut self, rest: Bytes) {
        self.buffer = ReadBuffer::for_websocket();
        self.rest = rest;
    }

    pub(crate) fn send(&mut self, bytes: Bytes, sender: Sender) {
        if self.write_failed.is_some() {
            return;
        }
        self.unsent_bytes += bytes.len();
        if sender == Sender::Protocol {
            self.owed_bytes += bytes.len();
        }
        // One write for many: a peer can make us send thousands of pongs, of a few bytes each.
        match self.unsent.back_mut() {
            Some((last, same)) if *same == sender && last.len() + bytes.len() <= JOINED_BYTES => {
                last.extend_from_slice(&bytes);
            }
            _ => self.unsent.push_back((owned(bytes), sender)),
        }
    }

    pub(crate) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// Writes as far as the socket takes it.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            self.stop_writing(error);
        }
    }

    fn stop_writing(&mut self, error: io::Error) {
        self.write_failed.get_or_insert(error);
        self.unsent.clear();
        (self.unsent_bytes, self.owed_bytes) = (0, 0);
    }

    /// Ready once everything is with the operating system.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((bytes, sender)) = self.unsent.front_mut() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes.advance(written);
            self.unsent_bytes -= written;
            if *sender == Sender::Protocol {
                self.owed_bytes -= written;
            }
            if bytes.is_empty() {
                self.unsent.pop_front();
            }
        }
        // The queue may have grown in a flood.
        self.unsent.shrink_to(16);
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Writes first, then reads: what the protocol owes the peer never waits for the peer. Returns
    /// no bytes at the peer's end.
    ///
    /// A peer that takes nothing more may have said something before: that is read to its end, and
    /// only then the failure is told.
    ///
    /// A connection at rest takes no memory for reading: what comes first, and mostly alone, is
    /// read on the stack.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            self.stop_writing(error);
        }
        if self.read_failed.is_some() && !self.rest.is_empty() {
            return Poll::Ready(Ok(std::mem::take(&mut self.rest)));
        }
        if let Some(error) = self.read_failed.take() {
            return Poll::Ready(Err(error));
        }
        if self.owed_bytes > MOST_OWED {
            return Poll::Pending;
        }
        loop {
            match self.poll_read_once(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => {
                    let read = self.buffer.take();
                    return Poll::Ready(match self.write_failed.take() {
                        Some(error) if read.is_empty() => Err(error),
                        error => {
                            self.write_failed = error;
                            Ok(read)
                        }
                    });
                }
                Poll::Ready(Err(error)) if self.buffer.is_empty() => {
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(Err(error)) => {
                    self.read_failed = Some(error);
                    return Poll::Ready(Ok(self.buffer.take()));
                }
                Poll::Pending if self.buffer.is_empty() => {
                    self.buffer.rest();
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Ready(Ok(self.buffer.take())),
            }
        }
    }

    /// Whether it pays to read on at once.
    fn poll_read_once(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Ok(self.buffer.put(&rest)));
        }
        if self.buffer.is_at_rest() {
            let mut memory = [MaybeUninit::uninit(); FIRST_READ_BYTES];
            let mut first = ReadBuf::uninit(&mut memory);
            ready!(Pin::new(&mut self.socket).poll_read(cx, first.unfilled()))?;
            return Poll::Ready(Ok(self.buffer.put(first.filled())));
        }
        let mut space = ReadBuf::new(self.buffer.space());
        ready!(Pin::new(&mut self.socket).poll_read(cx, space.unfilled()))?;
        let length = space.filled().len();
        Poll::Ready(Ok(self.buffer.advance(length)))
    }
}

/// Returns the bytes, copied only where somebody else has them: a machine keeps none of its output.
fn owned(bytes: Bytes) -> BytesMut {
    bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]))
}

#[cfg(test)]
mod tests {
    use hyper::rt::ReadBufCursor;

    use super::*;

    /// A socket that reads so many bytes each time, then fails once, and then is silent.
    struct Fails(VecDeque<io::Result<usize>>);

    impl Read for Fails {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            mut out: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            let Some(next) = self.0.pop_front() else { return Poll::Pending };
            out.put_slice(&vec![b'x'; next?]);
            Poll::Ready(Ok(()))
        }
    }

    impl Write for Fails {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_came_behind_the_head_is_read_before_an_error_that_came_with_it() {
        let reset = Err(io::ErrorKind::ConnectionReset.into());
        let socket = Fails([Ok(4096), Ok(8192), reset].into());
        let mut duplex = Duplex::new(Box::new(socket), Bytes::new());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let Poll::Ready(Ok(mut came)) = duplex.poll_read(&mut cx) else { panic!("bytes came") };
        assert_eq!(came.len(), 4096 + 8192);
        let behind = came.split_off(200);
        duplex.upgrade(behind.clone());
        let Poll::Ready(Ok(read)) = duplex.poll_read(&mut cx) else { panic!("bytes are left") };
        assert_eq!(read, behind);
        let Poll::Ready(Err(error)) = duplex.poll_read(&mut cx) else { panic!("it failed") };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
