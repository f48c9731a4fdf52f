//! Messages and fragments, and the rules that a server may break (RFC 6455 §5).

use super::*;

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
    assert_eq!(seen, [Seen::Message(Message::Binary(Bytes::from_static(b"\xff").into()))]);
}

#[test]
fn chunks_given_before_a_poll_are_read_in_order() {
    let mut connection = connect(Options::default());
    for byte in [frame(TEXT, b"a"), frame(TEXT, b"b")].concat() {
        connection.handle_data(Bytes::copy_from_slice(&[byte]), at(0.0));
    }
    assert_eq!(drain(&mut connection)[..2], [text("a"), text("b")]);
}

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
