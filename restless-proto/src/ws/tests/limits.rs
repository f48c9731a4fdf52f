//! What is bounded.

use super::*;

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
