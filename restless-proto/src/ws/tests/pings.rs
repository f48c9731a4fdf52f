//! Pings and pongs (RFC 6455 §5.5.2), and our own keep-alive.

use super::*;

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
