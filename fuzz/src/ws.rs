//! WebSocket: the bytes of a server, cut and compressed anyhow.

use bytes::{Bytes, BytesMut};
use restless_proto::ws::{
    Accepted, Closed, Connection, Deflate, FrameHeader, Message, Opcode, Options, Output,
};
use restless_proto::{Entropy, Instant, LimitError, ReadBuffer};

/// What an application sees of a connection, and what its peer gets.
#[derive(Debug, PartialEq)]
enum Seen {
    Message(Message<'static>),
    TooLarge(LimitError),
    Ping(Bytes),
    Pong(Bytes),
    Closed(Closed),
}

/// Small, so that its passing is found.
const LIMIT: usize = 1 << 16;

/// A server's bytes give the same whole, in chunks, and by way of a read buffer. The first byte
/// says whether there is compression, and the size of the chunks.
pub fn split(data: &[u8]) {
    let Some((&plan, wire)) = data.split_first() else { return };
    let (sent, seen) = receive(plan, std::iter::once(Bytes::copy_from_slice(wire)));
    let (pongs, others) = sort(&sent);
    let failed = matches!(seen.last(), Some(Seen::Closed(Closed::Failed(_))));
    let size = usize::from(plan >> 1).max(1);
    let chunks = |size| wire.chunks(size).map(Bytes::copy_from_slice).collect();
    let cuts: [Vec<Bytes>; 3] = [chunks(size), chunks(1), read(wire, size << 7)];
    for cut in cuts {
        let (cut_sent, cut_seen) = receive(plan, cut.into_iter());
        assert_eq!(cut_seen, seen);
        let (cut_pongs, cut_others) = sort(&cut_sent);
        assert_eq!(cut_others, others);
        // A ping behind what fails is answered where it came before that was read.
        assert!(if failed { pongs.starts_with(&cut_pongs) } else { cut_pongs == pongs });
    }
}

/// The frames that were sent, unmasked: pongs, and others.
type Frames = Vec<(Opcode, Vec<u8>)>;

fn sort(mut sent: &[u8]) -> (Frames, Frames) {
    let mut frames = Frames::new();
    while let Some((header, used)) = FrameHeader::decode(sent).expect("our own frame") {
        let (payload, rest) = sent[used..].split_at(header.length as usize);
        let key = header.key.expect("a client masks");
        let unmasked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
        frames.push((header.opcode, unmasked.collect()));
        sent = rest;
    }
    frames.into_iter().partition(|(opcode, _)| *opcode == Opcode::Pong)
}

/// What a read buffer makes of reads of at most this many bytes.
fn read(mut wire: &[u8], most: usize) -> Vec<Bytes> {
    let (mut buffer, mut blocks) = (ReadBuffer::for_websocket(), Vec::new());
    while !wire.is_empty() {
        let space = buffer.space();
        let (now, later) = wire.split_at(space.len().min(most).min(wire.len()));
        space[..now.len()].copy_from_slice(now);
        wire = later;
        if !buffer.advance(now.len()) || wire.is_empty() {
            let block = buffer.take();
            assert!(!block.is_empty());
            blocks.push(block);
        }
    }
    blocks
}

fn receive(plan: u8, chunks: impl Iterator<Item = Bytes>) -> (Vec<u8>, Vec<Seen>) {
    let accepted = if plan & 1 == 0 { Accepted::default() } else { agree(0) };
    let options = Options::default().message_bytes(LIMIT).fragments(64);
    let now = Instant::ORIGIN;
    let mut connection = Connection::new(&accepted, options, Entropy::from_seed(1), now);
    let (mut sent, mut seen) = (Vec::new(), Vec::new());
    for chunk in chunks {
        connection.handle_data(chunk, now);
        drain(&mut connection, &mut sent, &mut seen);
    }
    connection.ended(now);
    drain(&mut connection, &mut sent, &mut seen);
    assert!(matches!(seen.last(), Some(Seen::Closed(_))), "the end of the transport is the end");
    (sent, seen)
}

fn drain(connection: &mut Connection, sent: &mut Vec<u8>, seen: &mut Vec<Seen>) {
    loop {
        match connection.poll() {
            Output::Send(bytes) => sent.extend_from_slice(&bytes),
            Output::Message(message) => {
                assert!(message.as_bytes().len() <= LIMIT);
                if let Message::Text(text) = &message {
                    assert_eq!(std::str::from_utf8(text.as_bytes()), Ok(text.as_str()));
                }
                seen.push(Seen::Message(message.into_owned()));
            }
            Output::TooLarge(error) => seen.push(Seen::TooLarge(error)),
            Output::Ping(payload) => seen.push(Seen::Ping(payload)),
            Output::Pong(payload) => seen.push(Seen::Pong(payload)),
            Output::Wait(_) => return,
            Output::Closed(closed) => return seen.push(Seen::Closed(closed)),
        }
    }
}

/// Compression with parameters that a number picks: bits 0 to 2 the window, 3 and 4 the takeovers.
fn agree(pick: u8) -> Accepted {
    let mut response =
        format!("permessage-deflate; client_max_window_bits={}", 15 - (pick & 7).min(6));
    response.push_str(&format!("; server_max_window_bits={}", 15 - (pick & 7).min(6)));
    if pick & 8 != 0 {
        response.push_str("; client_no_context_takeover");
    }
    if pick & 16 != 0 {
        response.push_str("; server_no_context_takeover");
    }
    let offer = Deflate::default().min_bytes(usize::from(pick >> 5));
    Accepted::by_extensions(&offer, &response).expect("the response answers the offer")
}

/// Arbitrary bytes as compressed messages do no harm; and what is compressed comes out as it was.
/// The first byte picks the parameters, the second where the rest is cut into messages.
pub fn deflate(data: &[u8]) {
    let [pick, cut, rest @ ..] = data else { return };
    let (messages, now) = (rest.chunks(usize::from(*cut).max(1) * 16), Instant::ORIGIN);

    let mut hostile = BytesMut::new();
    for message in messages.clone() {
        server_frame(&mut hostile, 4, message);
    }
    let (mut sent, mut seen) = (Vec::new(), Vec::new());
    let options = Options::default().message_bytes(LIMIT);
    let mut connection = Connection::new(&agree(*pick), options, Entropy::from_seed(1), now);
    connection.handle_data(hostile.freeze(), now);
    drain(&mut connection, &mut sent, &mut seen);

    // A compressor and a decompressor have the same parameters when both takeovers are the same.
    let same = agree(if pick & 8 == 0 { pick & !16 } else { pick | 16 });
    let mut sender = Connection::new(&same, Options::default(), Entropy::from_seed(1), now);
    let mut receiver = Connection::new(&same, options, Entropy::from_seed(1), now);
    for message in messages.filter(|message| message.len() <= LIMIT) {
        sender.send_binary(message).expect("the queue is empty");
        let Output::Send(bytes) = sender.poll() else { panic!("a message is sent at once") };
        let (header, used) = FrameHeader::decode(&bytes).expect("a frame").expect("a whole one");
        let key = header.key.expect("a client masks");
        let payload: Vec<u8> =
            bytes[used..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        assert!(payload.len() <= message.len(), "compressed only where it pays");
        let mut wire = BytesMut::new();
        server_frame(&mut wire, header.reserved, &payload);
        receiver.handle_data(wire.freeze(), now);
        assert_eq!(
            receiver.poll(),
            Output::Message(Message::Binary(Bytes::copy_from_slice(message).into()))
        );
        assert!(matches!(receiver.poll(), Output::Wait(_)));
    }
}

fn server_frame(to: &mut BytesMut, reserved: u8, payload: &[u8]) {
    let mut header = FrameHeader::new(Opcode::Binary, payload.len() as u64);
    header.reserved = reserved;
    header.encode(to);
    to.extend_from_slice(payload);
}
