//! The closing handshake (RFC 6455 §7), and other ends.

use super::*;

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
