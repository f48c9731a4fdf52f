//! What is sent, and permessage-deflate (RFC 7692).

use super::*;

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
fn a_bomb_is_told_at_the_limit_and_passed_over() {
    let mut deflater = Deflater::new(&Deflate::default());
    let bomb = deflater.compress(&vec![b'a'; 4 << 20]).expect("pays");
    assert!(bomb.len() < 1 << 16);
    let mut connection = compressing(Options::default().message_bytes(1 << 20));
    let bytes = [frame(BINARY | RSV1, &bomb), frame(TEXT, b"behind")].concat();
    let seen = receive(&mut connection, &bytes);
    let [Seen::TooLarge(error), behind] = &seen[..] else { panic!("no limit: {seen:?}") };
    assert_eq!((error.seen(), behind), ((1 << 20) + 1, &text("behind")));
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
