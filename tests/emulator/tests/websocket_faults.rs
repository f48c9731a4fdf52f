//! Faults of a WebSocket: those of every transport, and those that only it can have.

mod common;

use std::time::Duration;

use async_tungstenite::tungstenite::error::ProtocolError;
use async_tungstenite::tungstenite::{Error, Message};
use common::websocket::{Client, HANDSHAKE, healthy, publish, raw, refused, start};
use common::{Ending, Wire, quiet_stream};
use restless_emulator::{Emulator, Fault};
use serde_json::Value;

// Faults of every transport

#[test]
fn status_refuses_the_upgrade() {
    let (emulator, id) = start(0);
    emulator.inject(Fault::status(503).header("retry-after", "7").body("busy"));
    let response = refused(&emulator, &format!("streamId={id}"), HANDSHAKE);
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), Some("7"));
    assert_eq!(response.text(), "busy");
}

#[test]
fn redirect_names_its_location() {
    let (emulator, id) = start(0);
    emulator.inject(Fault::redirect(307, "ws://127.0.0.1:9/ws"));
    let response = refused(&emulator, &format!("streamId={id}"), HANDSHAKE);
    assert_eq!(response.status, 307);
    assert_eq!(response.header("location"), Some("ws://127.0.0.1:9/ws"));
}

#[test]
fn refuse_reset_and_stall_head_give_no_answer() {
    let (emulator, id) = start(0);
    let headers = format!("authorization: Bearer {}\r\n{HANDSHAKE}", emulator.api_key());
    for (fault, ending) in [
        (Fault::refuse(), Ending::Cut),
        (Fault::reset(), Ending::Reset),
        (Fault::stall_head(), Ending::Silence),
    ] {
        emulator.inject(fault);
        let target = format!("/ws?streamId={id}");
        let wire = Wire::send(&emulator, "GET", &target, &headers, "").expect("a connection");
        let mut wire = if ending == Ending::Silence { wire.impatient() } else { wire };
        assert_eq!(wire.silence(), ending);
    }
}

#[test]
fn cut_after_cuts_at_every_byte() {
    let (emulator, id) = start(2);
    let healthy = healthy(&emulator, &id);
    for bytes in 0..=healthy.len() {
        emulator.inject(Fault::cut_after(bytes as u64));
        let (got, ending) = raw(&emulator, &id).raw_rest();
        assert_eq!(ending, Ending::Cut, "{bytes}");
        assert_eq!(got, healthy[..bytes], "{bytes}");
    }
}

#[test]
fn cut_after_events_sends_no_close() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::cut_after_events(2));
    let healthy = healthy(&emulator, &id);
    assert_eq!(raw(&emulator, &id).raw_rest(), (healthy, Ending::Cut));
}

#[test]
fn reset_after_resets() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::reset_after(10));
    assert_eq!(raw(&emulator, &id).raw_rest().1, Ending::Reset);
}

#[test]
fn stall_after_goes_silent_and_answers_nothing() {
    let heartbeat = Duration::from_millis(5);
    let emulator = Emulator::builder().heartbeat(heartbeat).start().expect("an emulator");
    let id = quiet_stream(&emulator);
    publish(&emulator, &id, 1);
    let healthy = healthy(&emulator, &id);
    emulator.inject(Fault::stall_after(10));
    let mut wire = raw(&emulator, &id).impatient();
    wire.put(&[0x89, 0x80, 0, 0, 0, 0]);
    assert_eq!(wire.raw_rest(), (healthy[..10].to_vec(), Ending::Silence));
    drop(wire);
    emulator.until_connections(0).wait().expect("none");
}

#[test]
fn end_after_events_ends_with_1000() {
    let (emulator, id) = start(5);
    emulator.inject(Fault::end_after_events(2));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!([client.data(), client.data()], [0, 1]);
    assert_eq!(client.close(), Some((1000, String::new())));
    assert!(client.next().is_none());
}

#[test]
fn raw_sends_its_bytes_after_the_handshake() {
    let (emulator, _) = start(0);
    emulator.inject(Fault::raw([&b"\x81\x02{"[..], b"}\xff"]));
    assert_eq!(raw(&emulator, "none").raw_rest(), (b"\x81\x02{}\xff".to_vec(), Ending::Cut));
}

#[test]
fn pieces_are_frames_all_the_same() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::none().in_pieces_of(1));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!([client.data(), client.data()], [0, 1]);
}

// Faults of WebSockets

#[test]
fn fault_of_websockets_lets_event_streams_pass() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::close(1012, "later"));
    assert_eq!(common::subscribe(&emulator, &format!("streamId={id}&since=0")).event().data(), 0);
    assert_eq!(Client::connect(&emulator, &id).close(), Some((1012, "later".to_owned())));
}

#[test]
fn close_comes_after_its_events() {
    let (emulator, id) = start(3);
    emulator.inject(Fault::close(4321, "because").after_events(2));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!([client.data(), client.data()], [0, 1]);
    assert_eq!(client.close(), Some((4321, "because".to_owned())));
    assert!(client.next().is_none());
}

#[test]
fn close_has_any_code_or_none() {
    let (emulator, id) = start(0);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 5000, 65_535] {
        emulator.inject(Fault::close(code, "").then_cut());
        let expected = [&[0x88, 2][..], &code.to_be_bytes()].concat();
        assert_eq!(raw(&emulator, &id).raw_rest(), (expected, Ending::Cut));
    }
    emulator.inject(Fault::close_without_code().then_cut());
    assert_eq!(raw(&emulator, &id).raw_rest(), (vec![0x88, 0], Ending::Cut));
}

#[test]
fn close_can_leave_the_connection_open() {
    let (emulator, id) = start(0);
    emulator.inject(Fault::close(1000, "").then_stall());
    let mut wire = raw(&emulator, &id).impatient();
    wire.put(&[0x88, 0x80, 0, 0, 0, 0]);
    assert_eq!(wire.raw_rest(), (vec![0x88, 2, 0x03, 0xe8], Ending::Silence));
}

#[test]
fn cut_in_header_leaves_a_part_of_it() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::cut_in_header());
    let healthy = healthy(&emulator, &id);
    assert_eq!(raw(&emulator, &id).raw_rest(), (healthy[..3].to_vec(), Ending::Cut));
}

#[test]
fn cut_in_payload_leaves_a_part_of_it() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::cut_in_payload());
    let healthy = healthy(&emulator, &id);
    let half = 4 + (healthy.len() - 4) / 2;
    assert_eq!(raw(&emulator, &id).raw_rest(), (healthy[..half].to_vec(), Ending::Cut));
}

#[test]
fn cut_between_fragments_leaves_a_fragment() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::cut_between_fragments().after_events(1));
    let first = healthy(&emulator, &id).len() / 2;
    let mut wire = raw(&emulator, &id);
    wire.bytes(first);
    let (rest, ending) = wire.raw_rest();
    assert_eq!(ending, Ending::Cut);
    // A text frame that is not final, whole.
    assert_eq!(rest[0], 0x01);
    let header = if rest[1] == 126 { 4 } else { 2 };
    assert_eq!(rest.len() - header, (first - 4).div_ceil(2));
}

#[test]
fn cut_can_be_a_stall() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::cut_in_header().then_stall());
    let (got, ending) = raw(&emulator, &id).impatient().raw_rest();
    assert_eq!((got.len(), ending), (3, Ending::Silence));
}

#[test]
fn deaf_answers_neither_ping_nor_close() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::deaf());
    let mut wire = raw(&emulator, &id).impatient();
    wire.put(&[0x89, 0x80, 0, 0, 0, 0, 0x88, 0x80, 0, 0, 0, 0]);
    emulator.publish(&id, "1").expect("an event");
    assert_eq!(wire.raw_rest(), (healthy(&emulator, &id), Ending::Silence));
    drop(wire);
    emulator.until_subscribers(0).wait().expect("none");
}

/// Sixteen megabytes are more than the system takes for a client that reads nothing.
#[test]
fn connection_that_ends_is_left_though_its_client_reads_nothing() {
    let (emulator, id) = start(1);
    for ending in [Fault::cut_after_events(1), Fault::close(1000, "").after_events(1)] {
        emulator.inject(ending.padded_to(16 << 20).trickled());
        let wire = raw(&emulator, &id);
        emulator.until_connections(0).wait().expect("none");
        drop(wire);
    }
}

#[test]
fn pings_come_before_the_event() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::pings(100_000).after_events(1));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!(client.data(), 0);
    for number in 0..100_000 {
        assert_eq!(client.message(), Message::Ping(number.to_string().into()));
    }
    assert_eq!(client.data(), 1);
}

#[test]
fn wrong_accept_fails_the_handshake() {
    let (emulator, id) = start(0);
    emulator.inject(Fault::wrong_accept());
    match Client::open(&emulator, &format!("streamId={id}"), true) {
        Err(Error::Protocol(ProtocolError::SecWebSocketAcceptKeyMismatch)) => {}
        other => panic!("{:?}", other.map(|_| "a handshake")),
    }
}

#[test]
fn masked_event_is_a_protocol_error() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::masked().after_events(1));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!(client.data(), 0);
    match client.error() {
        Error::Protocol(ProtocolError::MaskedFrameFromServer) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn reserved_bits_are_a_protocol_error() {
    let (emulator, id) = start(1);
    for bits in 1..=7 {
        emulator.inject(Fault::reserved_bits(bits));
        match Client::connect(&emulator, &id).error() {
            Error::Protocol(ProtocolError::NonZeroReservedBits) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn as_binary_is_the_same_event() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::none().as_binary());
    let Message::Binary(content) = Client::connect(&emulator, &id).message() else {
        panic!("no binary message")
    };
    assert_eq!(content, healthy(&emulator, &id)[4..]);
}

#[test]
fn text_and_binary_are_messages_between_events() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::text(""));
    emulator.inject(Fault::binary(&b"\xff\x00"[..]));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!(client.message(), Message::text(""));
    assert_eq!(client.data(), 0);
    let mut client = Client::connect(&emulator, &id);
    assert_eq!(client.message(), Message::binary(&b"\xff\x00"[..]));
    assert_eq!(client.data(), 0);
}

#[test]
fn fragments_are_one_event() {
    let (emulator, id) = start(2);
    emulator.inject(Fault::none().in_fragments(3));
    let mut client = Client::connect(&emulator, &id);
    assert_eq!([client.data(), client.data()], [0, 1]);
    emulator.inject(Fault::none().in_fragments(3));
    // The first of them is not final.
    assert_eq!(raw(&emulator, &id).bytes(1), [0x01]);
}

#[test]
fn padded_event_is_as_long_as_ordered() {
    let (emulator, id) = start(1);
    emulator.inject(Fault::none().padded_to(1_000_000));
    let text = Client::connect(&emulator, &id).message().into_text().expect("text");
    assert_eq!(text.len(), 1_000_000);
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON")["data"], 0);
}
