//! What is bounded.

use super::*;

fn too_large(maximum: usize, seen: usize) -> Seen {
    Seen::TooLarge(LimitError::new(error::MESSAGE, maximum, seen))
}

/// A session in which the second message is over a limit, in this form, and another comes behind
/// it.
fn session(over: &[Vec<u8>]) -> Vec<u8> {
    [&frame(TEXT, b"before")[..], &over.concat(), &frame(TEXT, b"behind")].concat()
}

/// What these bytes give, whole and cut anywhere, which has to be the same.
fn receive_cut(connect: impl Fn() -> Connection, bytes: &[u8]) -> Vec<Seen> {
    let whole = receive(&mut connect(), bytes);
    for size in [1, 7, bytes.len().div_ceil(2)] {
        let mut connection = connect();
        let cut: Vec<Seen> =
            bytes.chunks(size).flat_map(|chunk| receive(&mut connection, chunk)).collect();
        assert_eq!(cut, whole, "pieces of {size} bytes");
    }
    whole
}

#[test]
fn a_message_over_the_limit_is_told_by_its_head_and_passed_over() {
    let options = Options::default().message_bytes(1000);
    let mut head = BytesMut::new();
    FrameHeader::new(Opcode::Binary, 1001).encode(&mut head);
    assert_eq!(receive(&mut connect(options), &head), [too_large(1000, 1001)]);
    assert_eq!(receive(&mut connect(options), &frame(BINARY, &[0; 1000])).len(), 1);
    let bytes = session(&[frame(BINARY, &[0; 1001])]);
    let seen = receive_cut(|| connect(options), &bytes);
    assert_eq!(seen, [text("before"), too_large(1000, 1001), text("behind")]);
}

#[test]
fn fragments_count_together_against_the_limit_and_are_passed_over() {
    let options = Options::default().message_bytes(1000);
    let bytes = session(&[
        frame(FIRST_TEXT, &[b'a'; 600]),
        frame(MORE, &[b'a'; 401]),
        frame(PING, b"p"),
        frame(MORE, b""),
        frame(LAST, &[b'a'; 2000]),
    ]);
    let ping = Seen::Ping(Bytes::from_static(b"p"));
    let mut seen = receive_cut_without_pongs(|| connect(options), &bytes);
    assert_eq!(seen.remove(2), ping);
    assert_eq!(seen, [text("before"), too_large(1000, 1001), text("behind")]);
}

/// The same as [`receive_cut`]; a pong comes out earlier where more came at once.
fn receive_cut_without_pongs(connect: impl Fn() -> Connection, bytes: &[u8]) -> Vec<Seen> {
    let receive = |size: usize| {
        let mut connection = connect();
        let mut seen: Vec<Seen> =
            bytes.chunks(size).flat_map(|chunk| receive(&mut connection, chunk)).collect();
        seen.retain(|seen| !matches!(seen, Seen::Sent { opcode: Opcode::Pong, .. }));
        seen
    };
    let whole = receive(bytes.len());
    for size in [1, 7, bytes.len().div_ceil(2)] {
        assert_eq!(receive(size), whole, "pieces of {size} bytes");
    }
    whole
}

#[test]
fn what_is_passed_over_need_not_be_utf8() {
    let options = Options::default().message_bytes(10);
    for over in
        [vec![frame(TEXT, &[0xff; 11])], vec![frame(FIRST_TEXT, b"ok"), frame(LAST, &[0xff; 9])]]
    {
        let seen = receive_cut(|| connect(options), &session(&over));
        assert_eq!(seen, [text("before"), too_large(10, 11), text("behind")]);
    }
    // What came before the limit was passed is text, or the connection fails.
    let bytes = session(&[frame(FIRST_TEXT, b"\xff"), frame(LAST, &[b'a'; 10])]);
    assert_eq!(failure(connect(options), &bytes), Error::NotUtf8 { at: 0 });
}

#[test]
fn what_is_passed_over_is_not_kept() {
    let mut connection = connect(Options::default().message_bytes(1000));
    let mut head = BytesMut::new();
    FrameHeader::new(Opcode::Text, 1 << 40).encode(&mut head);
    assert_eq!(receive(&mut connection, &head).len(), 1);
    for _ in 0..100 {
        let chunk = Bytes::from(vec![b'a'; 10_000]);
        connection.handle_data(chunk.clone(), at(0.0));
        assert!(matches!(drain(&mut connection)[..], [Seen::Wait(_)]));
        assert!(chunk.is_unique());
    }
    connection.ended(at(0.0));
    let cut = Closed::Cut { within_message: true };
    assert_eq!(drain(&mut connection), [Seen::Closed(cut)]);
}

#[test]
fn rules_hold_within_what_is_passed_over() {
    let options = Options::default().message_bytes(10);
    let over = [frame(FIRST_TEXT, &[b'a'; 11]), frame(TEXT, b"b")].concat();
    let mut connection = connect(options);
    assert_eq!(receive(&mut connection, &over)[0], too_large(10, 11));
    let error = Error::ExpectedContinuation { opcode: Opcode::Text };
    assert_eq!(connection.closing(), Some(Closed::Failed(error)));
}

#[test]
fn a_compressed_message_over_the_limit_is_passed_over_and_the_next_may_refer_to_it() {
    let mut noise = Entropy::from_seed(3);
    let mut words = |count: usize| -> String {
        (0..count).map(|_| format!("{:08x} ", noise.next_u64() as u32)).collect()
    };
    for server_keeps in [true, false] {
        let parameters = if server_keeps { "" } else { "; server_no_context_takeover" };
        let agreed = format!("permessage-deflate{parameters}");
        let accepted = Accepted::by_extensions(&Deflate::default(), &agreed).expect("offered");
        let options = Options::default().message_bytes(5000);
        let connect = || Connection::new(&accepted, options, Entropy::from_seed(1), at(0.0));
        let mut deflater = Deflater::new(
            &Deflate::default().min_bytes(0).client_no_context_takeover(!server_keeps),
        );
        let mut compress =
            |text: &str| deflater.compress(text.as_bytes()).expect("it gets smaller");
        // Larger than the window, and than what is read at once.
        let over = words(20_000);
        let tail = &over[over.len() - 900..];
        let bytes = [
            frame(TEXT | RSV1, &compress(&over[..900])),
            frame(TEXT | RSV1, &compress(&over)),
            frame(TEXT | RSV1, &compress(tail)),
            {
                let compressed = compress(&over);
                let (first, rest) = compressed.split_at(compressed.len() / 3);
                let (second, third) = rest.split_at(rest.len() / 2);
                [frame(FIRST_TEXT | RSV1, first), frame(MORE, second), frame(LAST, third)].concat()
            },
            frame(TEXT | RSV1, &compress(tail)),
            frame(TEXT, b"plain"),
        ]
        .concat();
        let too_large = || too_large(5000, 5001);
        let due = [text(&over[..900]), too_large(), text(tail), too_large(), text(tail)];
        for size in [1, 100, 20_000, bytes.len()] {
            let mut connection = connect();
            let mut seen: Vec<Seen> =
                bytes.chunks(size).flat_map(|chunk| receive(&mut connection, chunk)).collect();
            assert_eq!(seen.pop(), Some(text("plain")));
            assert!(seen == due, "context takeover: {server_keeps}, pieces of {size} bytes");
        }
    }
}

#[test]
fn what_is_passed_over_is_inflated_within_the_memory_of_two_windows() {
    let mut deflater = Deflater::new(&Deflate::default());
    let bomb = deflater.compress(&vec![b'a'; 64 << 20]).expect("pays");
    let mut connection = compressing(Options::default().message_bytes(1000));
    let (first, rest) = bomb.split_at(100);
    assert_eq!(receive(&mut connection, &frame(FIRST_TEXT | RSV1, first)).len(), 1);
    assert_eq!(receive(&mut connection, &frame(MORE, &rest[..rest.len() / 2])), []);
    assert!(connection.kept_bytes() <= 64 << 10, "{} bytes", connection.kept_bytes());
    assert_eq!(receive(&mut connection, &frame(LAST, &rest[rest.len() / 2..])), []);
    assert_eq!(receive(&mut connection, &frame(TEXT, b"behind")), [text("behind")]);
}

#[test]
fn a_compressed_message_over_the_limit_that_never_ends_ends_the_connection() {
    let mut deflater = Deflater::new(&Deflate::default());
    let bomb = deflater.compress(&vec![b'a'; 8 << 20]).expect("pays");
    let mut connection = compressing(Options::default().message_bytes(1000));
    assert_eq!(receive(&mut connection, &frame(FIRST_TEXT | RSV1, &bomb)).len(), 1);
    // The end of the flush, which a sender cuts off, goes before what follows in the message.
    let more = frame(MORE, &[&[0, 0, 0xff, 0xff][..], &bomb].concat());
    let most = 256 << 20;
    let rounds = most / (8 << 20);
    for _ in 1..rounds {
        assert_eq!(receive(&mut connection, &more), []);
        assert_eq!(connection.closing(), None);
    }
    receive(&mut connection, &more);
    let what = "what is decompressed of a message over its limit";
    let error = Error::TooLarge(LimitError::new(what, most, most + 1));
    assert_eq!(connection.closing(), Some(Closed::Failed(error)));
}

#[test]
fn the_buffer_of_a_large_message_is_not_kept_at_rest() {
    let mut connection = connect(Options::default());
    let half = vec![b'a'; 200 << 10];
    let message = [frame(FIRST_TEXT, &half), frame(LAST, &half)].concat();
    assert_eq!(receive(&mut connection, &message).len(), 1);
    assert_eq!(connection.kept_bytes(), 0);
    let half = &half[..20 << 10];
    let message = [frame(FIRST_TEXT, half), frame(LAST, half)].concat();
    assert_eq!(receive(&mut connection, &message).len(), 1);
    assert!(connection.kept_bytes() > 0, "used for the next one");
    connection.elapsed(at(20.0));
    drain(&mut connection);
    assert_eq!(connection.kept_bytes(), 0, "nothing came until we had to ping");
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
fn a_control_payload_that_is_kept_does_not_keep_its_input() {
    let mut connection = connect(Options::default());
    let input = Bytes::from([frame(PING, b"kept"), frame(BINARY, &[0; 1000])].concat());
    connection.handle_data(input.clone(), at(0.0));
    let ping = drain(&mut connection).into_iter().find_map(|seen| match seen {
        Seen::Ping(payload) => Some(payload),
        _ => None,
    });
    // The only one who has it: a slice of the input, which is still here, is not.
    assert!(ping.expect("a ping").is_unique());
}

#[test]
fn empty_fragments_count_too() {
    let options = Options::default().fragments(3);
    let three = [frame(FIRST_TEXT, b""), frame(MORE, b""), frame(LAST, b"")].concat();
    assert_eq!(receive(&mut connect(options), &three), [text("")]);
    let four = [frame(FIRST_TEXT, b""), frame(MORE, b""), frame(MORE, b""), frame(MORE, b"")];
    let bytes = session(&[four.concat(), frame(LAST, b"")]);
    let seen = receive_cut(|| connect(options), &bytes);
    let error = LimitError::new(error::FRAGMENTS, 3, 4).counted_in("fragments");
    assert!(error.to_string().ends_with(": 4 fragments seen, at most 3 accepted"), "{error}");
    let over = Seen::TooLarge(error);
    assert_eq!(seen, [text("before"), over, text("behind")]);
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
