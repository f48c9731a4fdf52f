//! The connection as a whole: a scripted peer, scripted time.

use crate::Instant;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::Entropy;
use crate::ws::deflate::Deflater;

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
    Message(Message),
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
            Output::Message(message) => Seen::Message(message),
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

// Messages

#[test]
fn a_message_in_one_chunk_is_a_slice_of_it() {
    for (first, size) in [(TEXT, 0), (TEXT, 5), (BINARY, 200), (TEXT, 70_000)] {
        let chunk = Bytes::from(frame(first, &vec![b'a'; size]));
        let mut connection = connect(Options::default());
        connection.handle_data(chunk.clone(), at(0.0));
        let Output::Message(message) = connection.poll() else { panic!("no message") };
        assert_eq!(message.as_bytes().len(), size);
        let offset = message.as_bytes().as_ptr() as usize - chunk.as_ptr() as usize;
        assert!(size == 0 || offset == chunk.len() - size);
    }
}

#[test]
fn fragments_are_joined_and_control_frames_between_them_are_dealt_with() {
    let bytes = [
        frame(FIRST_TEXT, "é".as_bytes()),
        frame(PING, b"p"),
        frame(MORE, b""),
        frame(PONG, b"q"),
        frame(LAST, b"b"),
    ]
    .concat();
    assert_eq!(
        receive(&mut connect(Options::default()), &bytes),
        [
            sent(Opcode::Pong, b"p"),
            Seen::Ping(Bytes::from_static(b"p")),
            Seen::Pong(Bytes::from_static(b"q")),
            text("éb"),
        ]
    );
}

#[test]
fn a_character_may_lie_across_fragments() {
    let bytes = [frame(FIRST_TEXT, b"\xf0\x9f"), frame(LAST, b"\x98\x80")].concat();
    assert_eq!(receive(&mut connect(Options::default()), &bytes), [text("😀")]);
}

#[test]
fn text_fails_at_the_first_byte_that_cannot_be_right() {
    let whole = frame(TEXT, b"abc\xe0\x80\x80 and more");
    let before = whole.len() - 11;
    let mut connection = connect(Options::default());
    assert_eq!(receive(&mut connection, &whole[..before]), []);
    assert_eq!(failure(connection, &whole[before..=before]), Error::NotUtf8 { at: 3 });
    assert_eq!(failure(connect(Options::default()), &whole), Error::NotUtf8 { at: 3 });
}

#[test]
fn binary_need_not_be_utf8() {
    let seen = receive(&mut connect(Options::default()), &frame(BINARY, b"\xff"));
    assert_eq!(seen, [Seen::Message(Message::Binary(Bytes::from_static(b"\xff")))]);
}

#[test]
fn chunks_given_before_a_poll_are_read_in_order() {
    let mut connection = connect(Options::default());
    for byte in [frame(TEXT, b"a"), frame(TEXT, b"b")].concat() {
        connection.handle_data(Bytes::copy_from_slice(&[byte]), at(0.0));
    }
    assert_eq!(drain(&mut connection)[..2], [text("a"), text("b")]);
}

// Broken rules

#[test]
fn reserved_bits_without_an_extension_are_refused() {
    for (bits, first) in [(4, 0x40), (2, 0x20), (1, 0x10), (7, 0x70)] {
        let seen = failure(connect(Options::default()), &frame(TEXT | first, b"a"));
        assert_eq!(seen, Error::ReservedBits { bits, opcode: Opcode::Text });
    }
}

#[test]
fn the_compressed_bit_stands_only_on_the_first_frame_of_a_message() {
    for (bytes, opcode) in [
        (frame(PING | RSV1, b""), Opcode::Ping),
        ([frame(FIRST_TEXT, b"a"), frame(LAST | RSV1, b"b")].concat(), Opcode::Continuation),
    ] {
        let seen = failure(compressing(Options::default()), &bytes);
        assert_eq!(seen, Error::ReservedBits { bits: 4, opcode });
    }
}

#[test]
fn a_masked_frame_of_a_server_is_refused() {
    assert_eq!(failure(connect(Options::default()), b"\x81\x81\0\0\0\0a"), Error::Masked);
}

#[test]
fn a_continuation_continues_something_and_nothing_else_does() {
    let seen = failure(connect(Options::default()), &frame(LAST, b"a"));
    assert_eq!(seen, Error::UnexpectedContinuation);
    let bytes = [frame(FIRST_TEXT, b"a"), frame(BINARY, b"b")].concat();
    let seen = failure(connect(Options::default()), &bytes);
    assert_eq!(seen, Error::ExpectedContinuation { opcode: Opcode::Binary });
}

#[test]
fn nothing_is_read_after_a_failure() {
    let mut connection = connect(Options::default());
    let bytes = [frame(LAST, b"a"), frame(TEXT, b"b"), frame(PING, b"")].concat();
    assert_eq!(receive(&mut connection, &bytes), [sent(Opcode::Close, b"\x03\xea")]);
    assert_eq!(receive(&mut connection, &frame(TEXT, b"c")), []);
    assert_eq!(connection.closing(), Some(Closed::Failed(Error::UnexpectedContinuation)));
    assert_eq!(drain(&mut connection), [Seen::Wait(Some(at(1.0)))]);
    connection.elapsed(at(1.0));
    let end = Seen::Closed(Closed::Failed(Error::UnexpectedContinuation));
    assert_eq!(drain(&mut connection), [end]);
}

// Limits

#[test]
fn a_message_over_the_limit_is_refused_by_its_head() {
    let options = Options::default().message_bytes(1000);
    let mut head = BytesMut::new();
    FrameHeader::new(Opcode::Binary, 1001).encode(&mut head);
    let Error::TooLarge(error) = failure(connect(options), &head) else { panic!("no limit") };
    assert_eq!((error.maximum(), error.seen()), (1000, 1001));
    assert_eq!(receive(&mut connect(options), &frame(BINARY, &[0; 1000])).len(), 1);
}

#[test]
fn fragments_count_together_against_the_limit() {
    let options = Options::default().message_bytes(1000);
    let bytes = [frame(FIRST_TEXT, &[b'a'; 600]), frame(LAST, &[b'a'; 401])].concat();
    assert!(matches!(failure(connect(options), &bytes), Error::TooLarge(_)));
}

#[test]
fn a_declared_length_takes_no_memory_before_its_bytes_come() {
    let mut connection = connect(Options::default().message_bytes(usize::MAX));
    let mut head = BytesMut::new();
    FrameHeader::new(Opcode::Binary, 1 << 62).encode(&mut head);
    head.extend_from_slice(b"and some");
    // Reserving what is declared would abort.
    assert_eq!(receive(&mut connection, &head), []);
}

#[test]
fn empty_fragments_count_too() {
    let options = Options::default().fragments(3);
    let three = [frame(FIRST_TEXT, b""), frame(MORE, b""), frame(LAST, b"")].concat();
    assert_eq!(receive(&mut connect(options), &three), [text("")]);
    let four = [frame(FIRST_TEXT, b""), frame(MORE, b""), frame(MORE, b""), frame(MORE, b"")];
    let seen = failure(connect(options), &four.concat());
    assert!(matches!(&seen, Error::TooManyFragments(over) if over.maximum() == 3), "{seen:?}");
}

#[test]
fn the_default_takes_a_message_in_65537_fragments() {
    let mut bytes = frame(FIRST_TEXT, b"a");
    bytes.extend(frame(MORE, b"a").repeat(65_535));
    bytes.extend(frame(LAST, b"a"));
    let seen = receive(&mut connect(Options::default()), &bytes);
    assert_eq!(seen, [text(&"a".repeat(65_537))]);
}

#[test]
fn the_queue_of_unsent_frames_is_bounded_and_empties_by_polling() {
    let mut connection = connect(Options::default().unsent_bytes(1000));
    let mut queued = 0;
    let error = loop {
        match connection.send_binary(&[0; 100]) {
            Ok(()) => queued += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SendError::Full(_)), "{error:?}");
    assert!(connection.unsent_bytes() <= 1000);
    let seen = drain(&mut connection);
    assert_eq!(seen.len(), queued + 1, "nothing of the refused one: {seen:?}");
    assert_eq!(connection.send_binary(&[0; 100]), Ok(()));
}

// Pings and pongs

#[test]
fn pongs_come_out_before_any_event_of_the_same_input() {
    let mut connection = connect(Options::default());
    let bytes = [frame(TEXT, b"a"), frame(PING, b"1"), frame(PING, b"2"), frame(TEXT, b"b")];
    assert_eq!(
        receive(&mut connection, &bytes.concat()),
        [
            sent(Opcode::Pong, b"1"),
            sent(Opcode::Pong, b"2"),
            text("a"),
            Seen::Ping(Bytes::from_static(b"1")),
            Seen::Ping(Bytes::from_static(b"2")),
            text("b"),
        ]
    );
}

#[test]
fn a_ping_between_fragments_is_answered_before_its_message_is_whole() {
    let mut connection = connect(Options::default());
    let bytes = [frame(FIRST_TEXT, b"a"), frame(PING, b"1"), frame(MORE, b"b")].concat();
    let seen = receive(&mut connection, &bytes);
    assert_eq!(seen, [sent(Opcode::Pong, b"1"), Seen::Ping(Bytes::from_static(b"1"))]);
}

#[test]
fn a_flood_of_pings_that_nobody_polls_for_leaves_one_pong_at_most() {
    let mut connection = connect(Options::default());
    for _ in 0..10_000 {
        connection.handle_data(Bytes::from(frame(PING, b"0123456789")), at(0.0));
    }
    assert!(matches!(connection.poll(), Output::Send(_)));
    assert_eq!(connection.unsent_bytes(), 0);
}

#[test]
fn a_pong_is_sent_before_messages_that_wait() {
    let mut connection = connect(Options::default());
    connection.handle_data(Bytes::from(frame(PING, b"1")), at(0.0));
    connection.send_text("later").expect("open");
    let seen = drain(&mut connection);
    assert_eq!(seen[0], sent(Opcode::Pong, b"1"));
    assert_eq!(seen[1], sent(Opcode::Text, b"later"));
}

#[test]
fn our_own_ping_comes_at_its_time_and_its_pong_is_no_event() {
    let mut connection = connect(Options::default());
    assert_eq!(drain(&mut connection), [Seen::Wait(Some(at(20.0)))]);
    connection.elapsed(at(20.0));
    let seen = drain(&mut connection);
    let [Seen::Sent { opcode: Opcode::Ping, payload, .. }, Seen::Wait(Some(due))] = &seen[..]
    else {
        panic!("no ping: {seen:?}")
    };
    assert_eq!(*due, at(40.0));
    connection.handle_data(Bytes::from(frame(PONG, payload)), at(20.1));
    assert_eq!(drain(&mut connection), [Seen::Wait(Some(at(40.0)))]);
    let stray = Seen::Pong(Bytes::copy_from_slice(payload));
    assert_eq!(receive(&mut connection, &frame(PONG, payload)), [stray], "a second one is");
}

#[test]
fn a_peer_that_is_silent_after_a_ping_is_lost() {
    let within = Duration::from_secs(5);
    let mut connection = connect(Options::default().pong_within(Some(within)));
    connection.elapsed(at(20.0));
    assert_eq!(drain(&mut connection).pop(), Some(Seen::Wait(Some(at(25.0)))));
    connection.elapsed(at(25.0));
    assert_eq!(drain(&mut connection), [Seen::Closed(Closed::Unresponsive { within })]);
}

#[test]
fn any_byte_is_an_answer_to_our_ping() {
    let mut connection = connect(Options::default());
    connection.elapsed(at(20.0));
    drain(&mut connection);
    connection.handle_data(Bytes::from_static(&[TEXT]), at(39.0));
    connection.elapsed(at(40.0));
    let seen = drain(&mut connection);
    assert!(matches!(seen[..], [Seen::Sent { opcode: Opcode::Ping, .. }, _]), "{seen:?}");
}

#[test]
fn without_keep_alive_there_is_no_deadline() {
    let mut connection = connect(Options::default().ping_every(None));
    connection.elapsed(at(1e6));
    assert_eq!(drain(&mut connection), [Seen::Wait(None)]);
}

// Closing

#[test]
fn a_close_frame_is_answered_with_its_code_and_the_server_ends_the_transport() {
    let mut connection = connect(Options::default());
    let bytes = [frame(CLOSE, b"\x03\xe9bye"), frame(TEXT, b"ignored")].concat();
    assert_eq!(receive(&mut connection, &bytes), [sent(Opcode::Close, b"\x03\xe9")]);
    assert!(!connection.is_open());
    connection.ended(at(0.5));
    let Some(Seen::Closed(closed)) = drain(&mut connection).pop() else { panic!("not closed") };
    assert!(matches!(closed, Closed::Clean { first: Side::Peer, .. }));
    assert_eq!((closed.code(), closed.reason()), (CloseCode::GOING_AWAY, "bye"));
    assert_eq!(closed.to_string(), "closed by the peer with 1001 (going away): bye");
}

#[test]
fn a_close_frame_without_a_code_is_answered_without_one() {
    let mut connection = connect(Options::default());
    assert_eq!(receive(&mut connection, &frame(CLOSE, b"")), [sent(Opcode::Close, b"")]);
    assert_eq!(connection.closing().map(|closed| closed.code()), Some(CloseCode::NO_STATUS));
}

#[test]
fn a_server_that_does_not_end_the_transport_has_a_second() {
    let mut connection = connect(Options::default());
    connection.handle_data(Bytes::from(frame(CLOSE, b"")), at(3.0));
    assert_eq!(drain(&mut connection).pop(), Some(Seen::Wait(Some(at(4.0)))));
    connection.elapsed(at(4.0));
    assert!(matches!(drain(&mut connection)[..], [Seen::Closed(Closed::Clean { .. })]));
}

#[test]
fn after_our_close_frame_messages_and_pings_still_come_until_the_peer_s() {
    let mut connection = connect(Options::default());
    connection.send_text("first").expect("open");
    connection.close(CloseCode::NORMAL, "done", at(0.0)).expect("open");
    assert_eq!(
        drain(&mut connection),
        [
            sent(Opcode::Text, b"first"),
            sent(Opcode::Close, b"\x03\xe8done"),
            Seen::Wait(Some(at(10.0)))
        ]
    );
    let bytes = [frame(TEXT, b"late"), frame(PING, b""), frame(CLOSE, b"\x03\xe8")].concat();
    assert_eq!(
        receive(&mut connection, &bytes),
        [sent(Opcode::Pong, b""), text("late"), Seen::Ping(Bytes::new())]
    );
    connection.ended(at(0.0));
    let seen = drain(&mut connection);
    assert!(
        matches!(seen[..], [Seen::Closed(Closed::Clean { first: Side::Local, .. })]),
        "{seen:?}"
    );
}

#[test]
fn a_peer_that_never_answers_our_close_frame_is_dropped_in_time() {
    let mut connection = connect(Options::default());
    connection.close(CloseCode::NORMAL, "", at(5.0)).expect("open");
    assert_eq!(drain(&mut connection).pop(), Some(Seen::Wait(Some(at(15.0)))));
    connection.handle_data(Bytes::from(frame(TEXT, b"a")), at(14.0));
    assert_eq!(drain(&mut connection), [text("a"), Seen::Wait(Some(at(15.0)))]);
    connection.elapsed(at(15.0));
    let closed = Closed::CloseUnanswered { within: Duration::from_secs(10) };
    assert_eq!(drain(&mut connection), [Seen::Closed(closed)]);
}

#[test]
fn a_transport_that_ends_without_a_close_frame_is_a_cut() {
    for (bytes, within_message) in [
        (&b""[..], false),
        (b"\x81\x01a", false),
        (b"\x81", true),
        (b"\x81\x02a", true),
        (b"\x01\x01a", true),
        (b"\x89\x02a", true),
    ] {
        let mut connection = connect(Options::default());
        receive(&mut connection, bytes);
        connection.ended(at(0.0));
        let closed = Closed::Cut { within_message };
        assert_eq!(closed.code(), CloseCode::ABNORMAL);
        assert_eq!(drain(&mut connection), [Seen::Closed(closed)], "{bytes:?}");
    }
}

#[test]
fn what_came_before_the_transport_ended_is_still_given_out() {
    let mut connection = connect(Options::default());
    let bytes = [frame(TEXT, b"a"), frame(PING, b""), frame(CLOSE, b"\x03\xe8")].concat();
    connection.handle_data(Bytes::from(bytes), at(0.0));
    connection.ended(at(0.0));
    let seen = drain(&mut connection);
    assert!(
        matches!(&seen[..], [Seen::Message(_), Seen::Ping(_), Seen::Closed(Closed::Clean { .. })]),
        "{seen:?}"
    );
}

#[test]
fn once_closed_it_stays_so() {
    let mut connection = connect(Options::default());
    connection.ended(at(0.0));
    let end = drain(&mut connection);
    assert_eq!(receive(&mut connection, &frame(TEXT, b"a")), end);
    assert!(matches!(connection.send_text("a"), Err(SendError::Closed(_))));
    assert!(matches!(connection.ping(b""), Err(SendError::Closed(_))));
    let again = connection.close(CloseCode::NORMAL, "", at(0.0));
    assert!(matches!(again, Err(SendError::Closed(_))));
    assert_eq!(drain(&mut connection), end);
}

#[test]
fn what_a_control_frame_cannot_carry_is_refused() {
    let mut connection = connect(Options::default());
    assert!(matches!(connection.ping(&[0; 126]), Err(SendError::Payload(_))));
    for (code, reason) in [
        (CloseCode::ABNORMAL, String::new()),
        (CloseCode::new(2000), String::new()),
        (CloseCode::NORMAL, "a".repeat(124)),
    ] {
        let seen = connection.close(code, &reason, at(0.0));
        assert!(matches!(seen, Err(SendError::Payload(_))));
    }
    assert!(connection.is_open());
    assert_eq!(connection.ping(&[0; 125]), Ok(()));
    assert_eq!(connection.close(CloseCode::new(3000), &"a".repeat(123), at(0.0)), Ok(()));
    drain(&mut connection);
}

#[test]
fn time_that_runs_backwards_changes_nothing() {
    let mut connection = connect(Options::default());
    connection.elapsed(at(19.0));
    connection.elapsed(at(1.0));
    connection.close(CloseCode::NORMAL, "", at(2.0)).expect("open");
    assert_eq!(drain(&mut connection).pop(), Some(Seen::Wait(Some(at(29.0)))));
}

// Sending

#[test]
fn each_frame_has_a_masking_key_of_its_own() {
    let mut connection = connect(Options::default());
    let mut keys: Vec<[u8; 4]> = (0..1000)
        .flat_map(|_| {
            connection.send_text("a").expect("open");
            let Output::Send(bytes) = connection.poll() else { panic!("nothing sent") };
            frames(&bytes).into_iter().filter_map(|(header, _)| header.key).collect::<Vec<_>>()
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 1000);
}

#[test]
fn a_message_that_gets_smaller_is_sent_compressed() {
    let mut connection = compressing(Options::default());
    connection.send_text(&"a".repeat(200)).expect("open");
    connection.send_text("short").expect("open");
    let seen = drain(&mut connection);
    let [Seen::Sent { opcode: Opcode::Text, reserved: 4, payload }, short, _] = &seen[..] else {
        panic!("not compressed: {seen:?}")
    };
    assert!(payload.len() < 20);
    assert_eq!(short, &sent(Opcode::Text, b"short"));
}

// Compression

#[test]
fn compressed_messages_come_out_decompressed_whole_or_in_fragments() {
    let mut deflater = Deflater::new(&Deflate::default());
    let long = "{\"price\":1}".repeat(50);
    let first = deflater.compress(long.as_bytes()).expect("pays");
    let second = deflater.compress(long.as_bytes()).expect("pays");
    let bytes = [
        frame(TEXT | RSV1, &first),
        frame(FIRST_TEXT | RSV1, &second[..3]),
        frame(PING, b""),
        frame(MORE, b""),
        frame(LAST, &second[3..]),
        frame(TEXT, b"plain"),
    ]
    .concat();
    let seen = receive(&mut compressing(Options::default()), &bytes);
    let ping = Seen::Ping(Bytes::new());
    let due = [sent(Opcode::Pong, b""), text(&long), ping, text(&long), text("plain")];
    assert_eq!(seen, due);
}

#[test]
fn a_compressed_message_that_is_not_deflate_fails() {
    let seen = failure(compressing(Options::default()), &frame(TEXT | RSV1, &[0xff; 9]));
    assert_eq!(seen, Error::Deflate);
}

#[test]
fn text_is_checked_after_decompression() {
    let mut deflater = Deflater::new(&Deflate::default().min_bytes(0));
    let compressed = deflater.compress(&[0xc0; 100]).expect("pays");
    let seen = failure(compressing(Options::default()), &frame(TEXT | RSV1, &compressed));
    assert_eq!(seen, Error::NotUtf8 { at: 0 });
}

#[test]
fn a_bomb_fails_at_the_limit() {
    let mut deflater = Deflater::new(&Deflate::default());
    let bomb = deflater.compress(&vec![b'a'; 4 << 20]).expect("pays");
    assert!(bomb.len() < 1 << 16);
    let options = Options::default().message_bytes(1 << 20);
    let seen = failure(compressing(options), &frame(BINARY | RSV1, &bomb));
    let Error::TooLarge(error) = seen else { panic!("no limit: {seen:?}") };
    assert_eq!(error.seen(), (1 << 20) + 1);
}

#[test]
fn blocks_that_hold_nothing_do_not_come_for_ever() {
    let mut connection = compressing(Options::default().message_bytes(1000));
    let empty = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(20);
    connection.handle_data(Bytes::from(frame(0x02 | RSV1, &empty)), at(0.0));
    for _ in 0..1400 {
        connection.handle_data(Bytes::from(frame(MORE, &empty)), at(0.0));
    }
    drain(&mut connection);
    assert!(matches!(connection.closing(), Some(Closed::Failed(Error::TooLarge(_)))));
}

#[test]
fn a_message_that_its_sender_flushed_after_each_byte_is_read() {
    // Larger than its limit before it is decompressed.
    let text = "0123456789".repeat(20_000);
    let mut compress = flate2::Compress::new(flate2::Compression::fast(), false);
    let mut compressed = Vec::with_capacity(4 << 20);
    for byte in text.as_bytes().chunks(1) {
        let flush = flate2::FlushCompress::Sync;
        compress.compress_vec(byte, &mut compressed, flush).expect("there is room");
    }
    compressed.truncate(compressed.len() - 4);
    assert!(compressed.len() > 1 << 20);
    let mut connection = compressing(Options::default().message_bytes(1 << 20));
    let seen = receive(&mut connection, &frame(TEXT | RSV1, &compressed));
    assert_eq!(seen, [Seen::Message(Message::Text(text.into()))]);
}

#[test]
fn input_that_nobody_polls_for_is_bounded() {
    let mut connection = connect(Options::default().unread_bytes(1000));
    connection.handle_data(Bytes::from(frame(BINARY, &[0; 5000])), at(0.0));
    assert!(connection.is_open(), "one piece is there already");
    connection.handle_data(Bytes::from(frame(BINARY, &[0; 5000])), at(0.0));
    assert!(matches!(connection.closing(), Some(Closed::Failed(Error::TooLarge(_)))));
    let mut polled = connect(Options::default().unread_bytes(1000));
    for _ in 0..10 {
        assert_eq!(receive(&mut polled, &frame(BINARY, &[0; 5000])).len(), 1);
    }
}

// Any cut

/// A session with everything in it: each frame whole, as a server sends them.
fn session() -> Vec<u8> {
    let mut deflater = Deflater::new(&Deflate::default().min_bytes(0));
    let mut compressed = |text: &str| deflater.compress(text.as_bytes()).expect("pays");
    let (first, second) = (compressed(&"κόσμε".repeat(30)), compressed(&"κόσμε!".repeat(30)));
    [
        frame(TEXT, b"plain"),
        frame(FIRST_TEXT, "gr\u{fc}".as_bytes()),
        frame(PING, b"one"),
        frame(MORE, "\u{1f600}".as_bytes()),
        frame(LAST, b""),
        frame(TEXT | RSV1, &first),
        frame(BINARY, &[0xff; 300]),
        frame(FIRST_TEXT | RSV1, &second[..9]),
        frame(PONG, b"two"),
        frame(LAST, &second[9..]),
        frame(CLOSE, b"\x03\xe8over"),
    ]
    .concat()
}

/// What comes of these chunks and the end of the transport.
#[derive(Debug, PartialEq)]
struct Outcome {
    seen: Vec<Seen>,
    pongs: Vec<Vec<u8>>,
    /// The other frames that were sent.
    others: Vec<(Opcode, Vec<u8>)>,
}

fn outcome<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut connection = compressing(Options::default());
    let mut all = Vec::new();
    let mut take = |connection: &mut Connection| {
        all.extend(drain(connection));
        if matches!(all.last(), Some(Seen::Wait(_))) {
            all.pop();
        }
    };
    for chunk in chunks {
        connection.handle_data(Bytes::copy_from_slice(chunk), at(0.0));
        take(&mut connection);
    }
    connection.ended(at(0.0));
    take(&mut connection);
    let mut outcome = Outcome { seen: Vec::new(), pongs: Vec::new(), others: Vec::new() };
    for seen in all {
        match seen {
            Seen::Sent { opcode: Opcode::Pong, payload, .. } => outcome.pongs.push(payload),
            Seen::Sent { opcode, payload, .. } => outcome.others.push((opcode, payload)),
            seen => outcome.seen.push(seen),
        }
    }
    outcome
}

#[test]
fn a_session_cut_at_any_byte_gives_the_same() {
    let bytes = session();
    let whole = outcome(std::iter::once(&bytes[..]));
    assert_eq!(whole.seen.len(), 8, "{:?}", whole.seen);
    assert!(matches!(whole.seen.last(), Some(Seen::Closed(Closed::Clean { .. }))));
    assert_eq!(outcome(bytes.chunks(1)), whole);
    for cut in 1..bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(outcome([head, tail].into_iter()), whole, "cut at {cut}");
    }
}

#[test]
fn a_session_that_ends_at_any_byte_has_given_what_was_whole_and_nothing_twice() {
    let bytes = session();
    let whole = outcome(std::iter::once(&bytes[..])).seen;
    for end in 0..bytes.len() {
        let mut seen = outcome(std::iter::once(&bytes[..end])).seen;
        assert!(matches!(seen.pop(), Some(Seen::Closed(Closed::Cut { .. }))), "at {end}");
        assert_eq!(seen, whole[..seen.len()], "at {end}");
    }
}

/// Bytes that are mostly frames, some of them broken.
fn wire() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..140),
        "\\PC{0,40}".prop_map(String::into_bytes),
    ];
    let first = prop_oneof![
        4 => proptest::sample::select(vec![
            TEXT, BINARY, FIRST_TEXT, MORE, LAST, PING, PONG, TEXT | RSV1, FIRST_TEXT | RSV1,
        ]),
        1 => Just(CLOSE),
    ];
    let framed = (first, payload).prop_map(|(first, payload)| frame(first, &payload));
    let noise = proptest::collection::vec(any::<u8>(), 0..20);
    proptest::collection::vec(prop_oneof![8 => framed, 1 => noise], 0..12)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_bytes_cut_anyhow_give_what_they_give_whole(
        bytes in wire(), sizes in proptest::collection::vec(1usize..40, 1..20),
    ) {
        let whole = outcome(std::iter::once(&bytes[..]));
        let mut rest = &bytes[..];
        let mut sizes = sizes.into_iter().cycle();
        let chunks = std::iter::from_fn(|| {
            let size = sizes.next()?.min(rest.len());
            let (chunk, tail) = rest.split_at(size);
            rest = tail;
            (!chunk.is_empty()).then_some(chunk)
        });
        let cut = outcome(chunks);
        prop_assert_eq!(&cut.seen, &whole.seen);
        prop_assert_eq!(&cut.others, &whole.others);
        // A ping behind text that is no UTF-8 is answered where it came before that was read.
        if matches!(whole.seen.last(), Some(Seen::Closed(Closed::Failed(_)))) {
            prop_assert!(whole.pongs.starts_with(&cut.pongs));
        } else {
            prop_assert_eq!(&cut.pongs, &whole.pongs);
        }
    }

    #[test]
    fn any_inputs_at_any_time_come_to_an_end(
        steps in proptest::collection::vec((0u8..7, 0u64..30_000, wire()), 0..20),
    ) {
        let mut connection = compressing(Options::default().message_bytes(500).unsent_bytes(2000));
        let mut now = at(0.0);
        let mut closed = None;
        for (step, millis, bytes) in steps {
            now = now + Duration::from_millis(millis);
            connection.elapsed(now);
            match step {
                0 => {}
                1 => connection.ended(now),
                2 => drop(connection.send_binary(&bytes)),
                3 => drop(connection.ping(&bytes)),
                4 => drop(connection.close(CloseCode::NORMAL, "", now)),
                _ => connection.handle_data(Bytes::from(bytes), now),
            }
            let mut seen = drain(&mut connection);
            match seen.pop() {
                Some(Seen::Wait(Some(deadline))) => prop_assert!(deadline > now),
                last => {
                    prop_assert!(matches!(last, Some(Seen::Closed(_))), "{:?}", last);
                    if closed.is_some() {
                        prop_assert_eq!(&last, &closed);
                        prop_assert_eq!(seen.len(), 0);
                    }
                    closed = last;
                }
            }
        }
    }
}
