//! The connection as a whole: a scripted peer, scripted time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::entropy::Entropy;
use crate::kinds::LimitError;
use crate::timing::Instant;
use crate::ws::deflate::Deflater;

mod closing;
mod compression;
mod cuts;
mod limits;
mod messages;
mod pings;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// Without the bit that says "last fragment".
const FIRST_TEXT: u8 = 0x01;
const MORE: u8 = 0x00;
const LAST: u8 = 0x80;
const RSV1: u8 = 0x40;

/// A frame of the server.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let opcode = Opcode::from_bits(first & 0x0f).expect("an opcode");
    let mut bytes = BytesMut::new();
    FrameHeader::new(opcode, payload.len() as u64).encode(&mut bytes);
    bytes[0] = first;
    bytes.extend_from_slice(payload);
    bytes.to_vec()
}

fn at(seconds: f64) -> Instant {
    Instant::from_origin(Duration::from_secs_f64(seconds))
}

fn connect(options: Options) -> Connection {
    Connection::new(&Accepted::default(), options, Entropy::from_seed(1), at(0.0))
}

fn compressing(options: Options) -> Connection {
    let accepted = Accepted::by_extensions(&Deflate::default(), "permessage-deflate");
    Connection::new(&accepted.expect("as offered"), options, Entropy::from_seed(1), at(0.0))
}

/// What a connection says until it waits or is closed, with what it sends as the frames in it.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Sent { opcode: Opcode, reserved: u8, payload: Vec<u8> },
    Message(Message<'static>),
    TooLarge(LimitError),
    Ping(Bytes),
    Pong(Bytes),
    Wait(Option<Instant>),
    Closed(Closed),
}

fn sent(opcode: Opcode, payload: &[u8]) -> Seen {
    Seen::Sent { opcode, reserved: 0, payload: payload.to_vec() }
}

fn text(text: &str) -> Seen {
    Seen::Message(Message::Text(text.into()))
}

fn drain(connection: &mut Connection) -> Vec<Seen> {
    let mut seen = Vec::new();
    loop {
        seen.push(match connection.poll() {
            Output::Send(bytes) => {
                seen.extend(frames(&bytes).into_iter().map(|(header, payload)| Seen::Sent {
                    opcode: header.opcode,
                    reserved: header.reserved,
                    payload,
                }));
                continue;
            }
            Output::Message(message) => Seen::Message(message.into_owned()),
            Output::TooLarge(error) => Seen::TooLarge(error),
            Output::Ping(payload) => Seen::Ping(payload),
            Output::Pong(payload) => Seen::Pong(payload),
            Output::Wait(deadline) => Seen::Wait(deadline),
            Output::Closed(closed) => Seen::Closed(closed),
        });
        if matches!(seen.last(), Some(Seen::Wait(_) | Seen::Closed(_))) {
            return seen;
        }
    }
}

/// Frames of the client, unmasked.
fn frames(mut bytes: &[u8]) -> Vec<(FrameHeader, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (header, used) = FrameHeader::decode(bytes).expect("a frame").expect("a whole one");
        let end = used + header.length as usize;
        let mut payload = bytes[used..end].to_vec();
        mask::apply(header.key.expect("clients mask"), &mut payload);
        frames.push((header, payload));
        bytes = &bytes[end..];
    }
    frames
}

/// What follows from these bytes, without the wait at the end.
fn receive(connection: &mut Connection, bytes: &[u8]) -> Vec<Seen> {
    connection.handle_data(Bytes::copy_from_slice(bytes), at(0.0));
    let mut seen = drain(connection);
    if matches!(seen.last(), Some(Seen::Wait(_))) {
        seen.pop();
    }
    seen
}

/// The error that these bytes fail a connection with.
fn failure(mut connection: Connection, bytes: &[u8]) -> Error {
    let seen = receive(&mut connection, bytes);
    connection.ended(at(0.0));
    let Some(Seen::Closed(Closed::Failed(error))) = drain(&mut connection).pop() else {
        panic!("no failure: {seen:?}")
    };
    let code = error.close_code().get().to_be_bytes();
    assert_eq!(seen.last(), Some(&sent(Opcode::Close, &code)), "the peer is told");
    error
}
