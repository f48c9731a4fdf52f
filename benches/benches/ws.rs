//! Receiving WebSocket messages: ours beside tungstenite and tokio-websockets.
//!
//! All three read the same bytes from memory, as a socket gives them: at most 16 KiB at a time, the
//! size of a TLS record. Each counts the messages and their bytes, and is checked.
//!
//! The peers read into buffers of their own. Ours takes what a driver has read: here by `ReadBuffer`, as
//! the adapters do.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use futures_core::Stream;
use restless_benches::Contest;
use restless_proto::ws::{Accepted, Connection, FrameHeader, Opcode, Options, Output};
use restless_proto::{Entropy, ReadBuffer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

fn main() {
    for size in [64, 600, 64 << 10] {
        for fragments in [1, 4] {
            let count = (16 << 20) / (size + 256);
            let wire = wire(size, fragments, count);
            let name = format!("{count} messages of {size} bytes in {fragments} frame(s)");
            Contest::new(name, wire.len(), (count, count * size))
                .contender("ours", || ours(&wire))
                .contender("tungstenite", || tungstenite(&wire))
                .contender("tokio-websockets", || tokio_websockets(&wire))
                .run();
        }
    }
}

/// How many messages there are, and how many bytes they hold.
type Found = (usize, usize);

/// Text messages as a server sends them: JSON with some characters that take two bytes.
fn wire(size: usize, fragments: usize, count: usize) -> Vec<u8> {
    let sample = "{\"type\":\"update\",\"data\":{\"price\":42.5,\"note\":\"Größe\"}} ";
    let mut text = sample.repeat(size / sample.len() + 1).into_bytes();
    text.truncate(size);
    if std::str::from_utf8(&text).is_err() {
        *text.last_mut().expect("not empty") = b' ';
    }
    assert!(std::str::from_utf8(&text).is_ok());
    let mut wire = BytesMut::new();
    for _ in 0..count {
        let pieces: Vec<&[u8]> = text.chunks(size.div_ceil(fragments)).collect();
        for (i, piece) in pieces.iter().enumerate() {
            let opcode = if i == 0 { Opcode::Text } else { Opcode::Continuation };
            let mut header = FrameHeader::new(opcode, piece.len() as u64);
            header.fin = i + 1 == pieces.len();
            header.encode(&mut wire);
            wire.extend_from_slice(piece);
        }
    }
    wire.to_vec()
}

/// What one read of a socket gives at most.
const READ_BYTES: usize = 16 << 10;

fn ours(wire: &[u8]) -> Found {
    let now = restless_proto::Instant::ORIGIN;
    let mut connection =
        Connection::new(&Accepted::default(), Options::default(), Entropy::from_seed(1), now);
    let mut socket = Socket(wire);
    let mut buffer = ReadBuffer::for_websocket();
    let (mut count, mut bytes) = (0, 0);
    loop {
        match connection.poll() {
            Output::Message(message) => {
                count += 1;
                bytes += message.as_bytes().len();
            }
            Output::Wait(_) => {
                let mut read_on = true;
                while read_on {
                    let length = io::Read::read(&mut socket, buffer.space()).expect("bytes");
                    read_on = buffer.advance(length);
                }
                if buffer.is_empty() {
                    return (count, bytes);
                }
                connection.handle_data(buffer.take(), now);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A socket that gives these bytes and takes any.
struct Socket<'a>(&'a [u8]);

impl io::Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(READ_BYTES).min(self.0.len());
        self.0.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl io::Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tungstenite(wire: &[u8]) -> Found {
    use tungstenite::protocol::{Role, WebSocket};
    let mut socket = WebSocket::from_raw_socket(Socket(wire), Role::Client, None);
    let (mut count, mut bytes) = (0, 0);
    while let Ok(message) = socket.read() {
        count += 1;
        bytes += message.len();
    }
    (count, bytes)
}

impl AsyncRead for Socket<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = buffer.remaining().min(READ_BYTES).min(self.0.len());
        let (read, rest) = self.0.split_at(length);
        buffer.put_slice(read);
        self.0 = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket<'_> {
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

fn tokio_websockets(wire: &[u8]) -> Found {
    let mut socket = pin!(tokio_websockets::ClientBuilder::new().take_over(Socket(wire)));
    let mut context = Context::from_waker(Waker::noop());
    let (mut count, mut bytes) = (0, 0);
    loop {
        match socket.as_mut().poll_next(&mut context) {
            Poll::Ready(Some(Ok(message))) => {
                count += 1;
                bytes += message.as_payload().len();
            }
            Poll::Ready(Some(Err(_)) | None) => return (count, bytes),
            Poll::Pending => {}
        }
    }
}
