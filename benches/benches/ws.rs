//! Receiving WebSocket messages: ours beside the peers that are fastest at one size or another, and
//! beside the most usual one.
//!
//! All read the same bytes from memory, as a socket gives them: at most 16 KiB at a time, the
//! size of a TLS record. Each counts the messages and their bytes, and is checked.
//!
//! The peers read into buffers of their own, save web-socket, which is given one of 64 KiB, and
//! leaves the joining of fragments and the check for UTF-8 to its caller. Ours takes what a driver
//! has read: here by `ReadBuffer`, as the adapters do.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use futures_core::Stream;
use restless_benches::Contest;
use restless_proto::ws::{Accepted, Connection, Deflate, FrameHeader, Opcode, Options, Output};
use restless_proto::{Entropy, ReadBuffer};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};

fn main() {
    for size in [64, 600, 64 << 10] {
        let count = (16 << 20) / (size + 256);
        for fragments in [1, 4] {
            let wire = wire(size, fragments, count);
            let name = format!("{count} messages of {size} bytes in {fragments} frame(s)");
            Contest::new(name, wire.len(), (count, count * size))
                .contender("ours", || ours(&wire, &Accepted::default()))
                .contender("tungstenite", || tungstenite(&wire))
                .contender("tokio-websockets", || tokio_websockets(&wire))
                .contender("web-socket", || web_socket(&wire))
                .contender("sockudo-ws", || sockudo_ws(&wire))
                .run();
        }
    }
    let agreed = Accepted::by_extensions(&Deflate::default(), "permessage-deflate");
    let agreed = agreed.expect("as offered");
    for size in [64, 600, 64 << 10] {
        let count = (2 << 20) / size;
        let (wire, payloads) = compressed(size, count);
        let name = format!("{count} compressed messages of {size} bytes");
        Contest::new(name, count * size, (count, count * size))
            .contender("ours", || ours(&wire, &agreed))
            .contender("sockudo-ws", || sockudo_ws_compressed(&wire))
            .contender("inflating alone", || inflating(&payloads))
            .run();
    }
}

/// How many messages there are, and how many bytes they hold.
type Found = (usize, usize);

/// Text messages as a server sends them: JSON with some characters that take two bytes.
fn wire(size: usize, fragments: usize, count: usize) -> Vec<u8> {
    let text = text(size, 0);
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

/// The same, compressed with context takeover, and no two alike; and the payloads alone, as a flush
/// gives them.
fn compressed(size: usize, count: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut deflating = flate2::Compress::new(flate2::Compression::default(), false);
    let (mut wire, mut payloads) = (BytesMut::new(), Vec::new());
    for n in 0..count {
        let mut payload = Vec::with_capacity(size + 1024);
        let flush = flate2::FlushCompress::Sync;
        deflating.compress_vec(&text(size, n), &mut payload, flush).expect("there is room");
        let sent = payload.strip_suffix(b"\x00\x00\xff\xff").expect("a flush ends so");
        let mut header = FrameHeader::new(Opcode::Text, sent.len() as u64);
        header.reserved = 4;
        header.encode(&mut wire);
        wire.extend_from_slice(sent);
        payloads.push(payload);
    }
    (wire.to_vec(), payloads)
}

/// JSON of this size, with numbers that begin at one of one's own.
fn text(size: usize, seed: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut n = seed.wrapping_mul(2_654_435_761) % 100_000;
    while text.len() < size {
        n = (n * 31 + 7) % 100_000;
        text.push_str(&format!(
            "{{\"type\":\"update\",\"data\":{{\"price\":{n},\"note\":\"Größe\"}}}} "
        ));
    }
    let mut text = text.into_bytes();
    text.truncate(size);
    if std::str::from_utf8(&text).is_err() {
        *text.last_mut().expect("not empty") = b' ';
    }
    assert!(std::str::from_utf8(&text).is_ok());
    text
}

/// What one read of a socket gives at most.
const READ_BYTES: usize = 16 << 10;

fn ours(wire: &[u8], accepted: &Accepted) -> Found {
    let now = restless_proto::Instant::ORIGIN;
    let mut connection = Connection::new(accepted, Options::default(), Entropy::from_seed(1), now);
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
    let socket = tokio_websockets::ClientBuilder::new().take_over(Socket(wire));
    count(socket, |message| Some(message.ok()?.as_payload().len()))
}

fn sockudo_ws(wire: &[u8]) -> Found {
    let config = sockudo_ws::Config::default();
    let socket = sockudo_ws::WebSocketStream::client(Socket(wire), config);
    count(socket, |message| Some(text_length(message.ok()?)))
}

fn sockudo_ws_compressed(wire: &[u8]) -> Found {
    let (config, agreed) = (sockudo_ws::Config::default(), Default::default());
    let socket = sockudo_ws::CompressedWebSocketStream::client(Socket(wire), config, agreed);
    count(socket, |message| Some(text_length(message.ok()?)))
}

fn text_length(message: sockudo_ws::Message) -> usize {
    match message {
        sockudo_ws::Message::Text(text) => text.len(),
        _ => 0,
    }
}

/// Counts what comes out of a stream until it ends or gives an error.
fn count<S: Stream>(stream: S, length: impl Fn(S::Item) -> Option<usize>) -> Found {
    let mut stream = pin!(stream);
    let mut context = Context::from_waker(Waker::noop());
    let (mut count, mut bytes) = (0, 0);
    loop {
        match stream.as_mut().poll_next(&mut context) {
            Poll::Ready(item) => match item.and_then(&length) {
                Some(length) => {
                    count += 1;
                    bytes += length;
                }
                None => return (count, bytes),
            },
            Poll::Pending => {}
        }
    }
}

fn web_socket(wire: &[u8]) -> Found {
    use web_socket::{DataType, Event, WebSocket};
    let mut socket = WebSocket::client(BufReader::with_capacity(64 << 10, Socket(wire)));
    let mut context = Context::from_waker(Waker::noop());
    let (mut count, mut bytes, mut joined) = (0, 0, Vec::new());
    let mut found = |text: &[u8]| {
        count += 1;
        bytes += std::str::from_utf8(text).expect("text").len();
    };
    loop {
        // The socket is never pending.
        let Poll::Ready(event) = pin!(socket.recv()).poll(&mut context) else { continue };
        match event {
            Ok(Event::Data { ty: DataType::Complete(_), data }) => found(&data),
            Ok(Event::Data { ty: DataType::Stream(stream), data }) => {
                joined.extend_from_slice(&data);
                if matches!(stream, web_socket::Stream::End(_)) {
                    found(&joined);
                    joined.clear();
                }
            }
            Ok(_) => {}
            Err(_) => return (count, bytes),
        }
    }
}

/// The least that there is to do: into one buffer, without frames.
fn inflating(payloads: &[Vec<u8>]) -> Found {
    let mut inflating = flate2::Decompress::new(false);
    let (mut bytes, mut output) = (0, Vec::with_capacity(128 << 10));
    for payload in payloads {
        output.clear();
        let flush = flate2::FlushDecompress::Sync;
        inflating.decompress_vec(payload, &mut output, flush).expect("it was compressed");
        bytes += std::str::from_utf8(&output).expect("text").len();
    }
    (payloads.len(), bytes)
}
