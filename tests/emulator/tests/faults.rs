//! Faults on demand.

mod common;

use std::net::TcpStream;
use std::time::Duration;

use common::websocket::Client;
use common::{Ending, Wire, call, open, quiet_stream, subscribe};
use restless_emulator::{Emulator, Fault};

/// An emulator and a stream with ten events.
fn start() -> (Emulator, String) {
    let emulator = Emulator::start().expect("an emulator");
    let id = quiet_stream(&emulator);
    for n in 0..10 {
        emulator.publish(&id, &n.to_string()).expect("an event");
    }
    (emulator, id)
}

/// The bytes of the ten events, as a healthy stream has them.
fn healthy(emulator: &Emulator, id: &str) -> Vec<u8> {
    let mut wire = subscribe(emulator, &format!("streamId={id}&since=0"));
    (0..10).flat_map(|_| wire.block().into_bytes()).collect()
}

/// What a subscriber gets from the first event on, and how it ends.
fn content(emulator: &Emulator, id: &str) -> (Vec<u8>, Ending) {
    subscribe(emulator, &format!("streamId={id}&since=0")).rest()
}

#[test]
fn refuse_closes_without_a_byte() {
    let (emulator, id) = start();
    emulator.inject(Fault::refuse());
    assert_eq!(open(&emulator, &format!("streamId={id}")).silence(), Ending::Cut);
}

#[test]
fn reset_resets_without_a_byte() {
    let (emulator, id) = start();
    emulator.inject(Fault::reset());
    assert_eq!(open(&emulator, &format!("streamId={id}")).silence(), Ending::Reset);
}

#[test]
fn stall_head_never_answers() {
    let (emulator, id) = start();
    emulator.inject(Fault::stall_head());
    let mut wire = open(&emulator, &format!("streamId={id}")).impatient();
    assert_eq!(wire.silence(), Ending::Silence);
}

#[test]
fn status_comes_with_its_headers_and_body() {
    let (emulator, id) = start();
    emulator.inject(Fault::status(429).header("retry-after", "7").body("slow down"));
    let headers = format!("authorization: Bearer {}\r\n", emulator.api_key());
    let target = format!("/?streamId={id}");
    let response = common::exchange(&emulator, "GET", &target, &headers, "").expect("a response");
    assert_eq!(response.status, 429);
    assert_eq!(response.header("retry-after"), Some("7"));
    assert_eq!(response.text(), "slow down");
}

#[test]
fn status_204_has_no_content() {
    let (emulator, id) = start();
    emulator.inject(Fault::status(204));
    assert_eq!(open(&emulator, &format!("streamId={id}")).head().expect("a head").0, 204);
}

#[test]
fn redirect_names_its_location() {
    let (emulator, id) = start();
    emulator.inject(Fault::redirect(307, "http://127.0.0.1:9/elsewhere"));
    let (status, headers) = open(&emulator, &format!("streamId={id}")).head().expect("a head");
    assert_eq!(status, 307);
    assert!(headers.contains(&("location".into(), "http://127.0.0.1:9/elsewhere".into())));
}

#[test]
fn content_type_is_replaced_or_left_out() {
    let (emulator, id) = start();
    let content_type = |fault| {
        emulator.inject(fault);
        let (status, headers) = open(&emulator, &format!("streamId={id}")).head().expect("a head");
        assert_eq!(status, 200);
        headers.into_iter().find(|(name, _)| name == "content-type").map(|(_, value)| value)
    };
    assert_eq!(content_type(Fault::content_type("text/html")).as_deref(), Some("text/html"));
    assert_eq!(content_type(Fault::content_type("")), None);
}

#[test]
fn cut_after_cuts_at_every_byte() {
    let (emulator, id) = start();
    let healthy = healthy(&emulator, &id);
    for bytes in (0..100).chain([healthy.len() - 1, healthy.len()]) {
        emulator.inject(Fault::cut_after(bytes as u64));
        let (got, ending) = content(&emulator, &id);
        assert_eq!(ending, Ending::Cut, "{bytes}");
        assert_eq!(got, healthy[..bytes], "{bytes}");
    }
}

#[test]
fn cut_after_events_cuts_between_events() {
    let (emulator, id) = start();
    emulator.inject(Fault::cut_after_events(3));
    let (got, ending) = content(&emulator, &id);
    assert_eq!(ending, Ending::Cut);
    assert_eq!(String::from_utf8(got).expect("UTF-8").matches("\n\n").count(), 3);
}

#[test]
fn reset_after_resets() {
    let (emulator, id) = start();
    emulator.inject(Fault::reset_after(10));
    assert_eq!(content(&emulator, &id).1, Ending::Reset);
}

#[test]
fn stall_after_goes_silent_with_the_connection_open() {
    let emulator =
        Emulator::builder().heartbeat(Duration::from_millis(5)).start().expect("an emulator");
    let id = quiet_stream(&emulator);
    emulator.publish(&id, "1").expect("an event");
    emulator.inject(Fault::stall_after(10));
    let mut wire = subscribe(&emulator, &format!("streamId={id}&since=0")).impatient();
    let (got, ending) = wire.rest();
    assert_eq!((got.len(), ending), (10, Ending::Silence));
    assert_eq!(emulator.connections(), 1);
    drop(wire);
}

#[test]
fn stalled_connection_is_gone_when_the_client_leaves() {
    let (emulator, id) = start();
    emulator.inject(Fault::stall_head());
    emulator.inject(Fault::stall_after_events(1));
    let wires = [open(&emulator, "streamId=none"), open(&emulator, &format!("streamId={id}"))];
    emulator.until(|emulator| emulator.pending_faults() == 0).wait().expect("faults met");
    drop(wires);
    emulator.until_connections(0).wait().expect("closed");
}

#[test]
fn end_after_ends_cleanly() {
    let (emulator, id) = start();
    let healthy = healthy(&emulator, &id);
    emulator.inject(Fault::end_after(10));
    assert_eq!(content(&emulator, &id), (healthy[..10].to_vec(), Ending::Clean));
    emulator.inject(Fault::end_after_events(10));
    assert_eq!(content(&emulator, &id), (healthy, Ending::Clean));
}

#[test]
fn retry_field_comes_first() {
    let (emulator, id) = start();
    emulator.inject(Fault::retry(Duration::from_millis(1500)));
    let mut wire = subscribe(&emulator, &format!("streamId={id}&since=0"));
    assert_eq!(wire.block(), "retry: 1500\n\n");
    assert_eq!(wire.event().data(), 0);
}

#[test]
fn raw_sends_its_chunks_as_they_are() {
    let (emulator, _) = start();
    emulator.inject(Fault::raw([&b"id: 1\nda"[..], b"ta: x\r", b"\n\n\xff"]));
    let mut wire = subscribe(&emulator, "streamId=none");
    assert_eq!(wire.chunk().expect("a chunk").as_deref(), Some(&b"id: 1\nda"[..]));
    assert_eq!(wire.chunk().expect("a chunk").as_deref(), Some(&b"ta: x\r"[..]));
    assert_eq!(wire.rest(), (b"\n\n\xff".to_vec(), Ending::Clean));
}

#[test]
fn raw_ends_as_it_is_told() {
    let (emulator, _) = start();
    emulator.inject(Fault::raw(["x"]).then_cut());
    assert_eq!(subscribe(&emulator, "").rest(), (b"x".to_vec(), Ending::Cut));
    emulator.inject(Fault::raw(["x"]).then_stall());
    let mut wire = subscribe(&emulator, "").impatient();
    assert_eq!(wire.rest(), (b"x".to_vec(), Ending::Silence));
    emulator.inject(Fault::raw(["x"]).then_reset());
    assert_eq!(subscribe(&emulator, "").rest().1, Ending::Reset);
}

#[test]
fn pieces_are_as_small_as_they_are_told() {
    let (emulator, id) = start();
    let healthy = healthy(&emulator, &id);
    emulator.inject(Fault::end_after_events(10).in_pieces_of(1));
    let mut wire = subscribe(&emulator, &format!("streamId={id}&since=0"));
    assert_eq!(wire.chunk().expect("a chunk").map(|chunk| chunk.len()), Some(1));
    assert_eq!(wire.rest(), (healthy[1..].to_vec(), Ending::Clean));
}

#[test]
fn faults_are_met_in_order_and_then_all_is_well() {
    let (emulator, id) = start();
    emulator.inject(Fault::status(500));
    emulator.inject(Fault::none());
    emulator.inject(Fault::status(503).times(2));
    let statuses: Vec<_> = (0..5)
        .map(|_| open(&emulator, &format!("streamId={id}")).head().expect("a head").0)
        .collect();
    assert_eq!(statuses, [500, 200, 503, 503, 200]);
}

#[test]
fn fault_for_a_stream_leaves_others_alone() {
    let (emulator, id) = start();
    let other = quiet_stream(&emulator);
    emulator.inject(Fault::status(500).for_stream(&other));
    assert_eq!(open(&emulator, &format!("streamId={id}")).head().expect("a head").0, 200);
    assert_eq!(open(&emulator, &format!("streamId={other}")).head().expect("a head").0, 500);
}

#[test]
fn rest_call_meets_its_own_faults() {
    let (emulator, id) = start();
    emulator.inject(Fault::status(503).on_rest());
    assert_eq!(open(&emulator, &format!("streamId={id}")).head().expect("a head").0, 200);
    assert_eq!(call(&emulator, "GET", "/streams", "").status, 503);
    assert_eq!(call(&emulator, "GET", "/streams", "").status, 200);
}

#[test]
fn rest_reply_can_be_cut() {
    let (emulator, _) = start();
    emulator.inject(Fault::cut_after(5).on_rest());
    let key = format!("x-api-key: {}\r\n", emulator.api_key());
    let error = common::exchange(&emulator, "GET", "/streams", &key, "").expect_err("cut");
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn fault_comes_before_the_key_is_looked_at() {
    let (emulator, id) = start();
    emulator.inject(Fault::status(500));
    let target = format!("/?streamId={id}");
    let response = common::exchange(&emulator, "GET", &target, "", "").expect("a response");
    assert_eq!(response.status, 500);
}

#[test]
fn disconnect_all_cuts_what_is_open() {
    let (emulator, id) = start();
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    emulator.disconnect_all();
    assert_eq!(wire.rest().1, Ending::Cut);
    assert_eq!(open(&emulator, &format!("streamId={id}")).head().expect("a head").0, 200);
}

#[test]
fn stop_listening_refuses_and_listen_again_accepts() {
    let (emulator, id) = start();
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    emulator.stop_listening().expect("stopped");
    let error = TcpStream::connect(emulator.address()).expect_err("refused");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    emulator.publish(&id, "10").expect("an event");
    assert_eq!([wire.event(), wire.event()].map(|event| event.json["data"].clone()), [9, 10]);
    emulator.listen_again().expect("listening");
    assert_eq!(call(&emulator, "GET", "/streams", "").status, 200);
}

/// Else the system may give the port to a neighbour, who answers in the emulator's place.
#[test]
#[cfg(target_os = "linux")]
fn the_port_is_kept_while_nobody_listens() {
    let emulator = Emulator::start().expect("an emulator");
    emulator.stop_listening().expect("stopped");
    let neighbour = tokio::net::TcpSocket::new_v4().expect("a socket");
    let error = neighbour.bind(emulator.address()).expect_err("kept");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn late_head_comes_with_the_first_event() {
    let emulator = Emulator::start().expect("an emulator");
    let id = quiet_stream(&emulator);
    emulator.inject(Fault::none().late_head());
    let mut wire = open(&emulator, &format!("streamId={id}")).impatient();
    emulator.until_subscribers(1).wait().expect("a subscriber");
    assert_eq!(wire.silence(), Ending::Silence);
    let mut wire = wire.patient();
    let event = emulator.publish(&id, "1").expect("an event");
    assert_eq!(wire.head().expect("a head").0, 200);
    assert_eq!(wire.event().id, event);
}

#[test]
fn trickled_response_says_the_same() {
    let (emulator, id) = start();
    emulator.inject(Fault::end_after_events(10).trickled());
    assert_eq!(content(&emulator, &id), (healthy(&emulator, &id), Ending::Clean));
    emulator.inject(Fault::cut_after(100).trickled());
    let (cut, ending) = content(&emulator, &id);
    assert_eq!((cut, ending), (healthy(&emulator, &id)[..100].to_vec(), Ending::Cut));
}

#[test]
fn chunks_have_their_extensions() {
    let (emulator, id) = start();
    emulator.inject(Fault::end_after_events(10).chunk_extensions(80));
    let headers = format!("authorization: Bearer {}\r\nconnection: close\r\n", emulator.api_key());
    let target = format!("/?streamId={id}&since=0");
    let mut wire = Wire::send(&emulator, "GET", &target, &headers, "").expect("a connection");
    let (bytes, ending) = wire.raw_rest();
    assert_eq!(ending, Ending::Cut);
    let text = String::from_utf8(bytes).expect("UTF-8");
    let sizes: Vec<_> = text.lines().filter(|line| line.contains(";x=")).collect();
    assert!(sizes.iter().all(|line| line.split_once(';').is_some_and(|(_, x)| x.len() == 79)));
    assert_eq!(sizes.last(), Some(&&*format!("0;x={}", "a".repeat(77))));
    // The next response is a usual one.
    assert_eq!(subscribe(&emulator, &format!("streamId={id}")).event().data(), 9);
}

#[test]
fn fields_may_be_many() {
    let (emulator, id) = start();
    emulator.inject(Fault::none().many_fields(150));
    let (_, headers) = open(&emulator, &format!("streamId={id}")).head().expect("a head");
    assert_eq!(headers.iter().filter(|(name, _)| name.starts_with("x-filler-")).count(), 150);
}

#[test]
fn recording_keeps_its_pauses() {
    let (emulator, id) = start();
    let pause = Duration::from_millis(50);
    emulator.inject(Fault::recording([(Duration::ZERO, "id: 1\n"), (pause, "data: x\n\n")]));
    let started = std::time::Instant::now();
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    assert_eq!(wire.chunk().expect("a chunk").as_deref(), Some(&b"id: 1\n"[..]));
    assert_eq!(wire.rest(), (b"data: x\n\n".to_vec(), Ending::Clean));
    assert!(started.elapsed() >= pause);
}

#[test]
fn replay_goes_on_where_a_cursor_says_over_both_transports() {
    let (emulator, _) = start();
    let events =
        [(0, "id: 7\ndata: {}\n"), (1, "\nid: x\ndata: {}\n\n"), (1, "id: 9\ndata: {}\n\n")];
    let events = events.map(|(pause, piece)| (Duration::from_millis(pause), piece));
    emulator.inject(Fault::replay(events.into_iter().collect()).times(usize::MAX));
    for (query, content, messages) in [
        ("", "id: 7\ndata: {}\n\nid: x\ndata: {}\n\nid: 9\ndata: {}\n\n", &["7", "x", "9"][..]),
        ("&cursor=7", "id: x\ndata: {}\n\nid: 9\ndata: {}\n\n", &["x", "9"]),
        ("&cursor=x&since=0", "id: 9\ndata: {}\n\n", &["9"]),
        ("&since=8", "id: x\ndata: {}\n\nid: 9\ndata: {}\n\n", &["x", "9"]),
        ("&cursor=9", "", &[]),
    ] {
        let mut wire = open(&emulator, &format!("streamId=any{query}"));
        let (status, headers) = wire.head().expect("a head");
        assert_eq!(status, 200);
        // A client that takes the date for its position would miss all of the recording.
        assert!(!headers.iter().any(|(name, _)| name == "date"), "{headers:?}");
        assert_eq!(wire.rest(), (content.into(), Ending::Clean), "{query}");
        let mut client =
            Client::open(&emulator, &format!("streamId=any{query}"), false).expect("a handshake");
        for id in messages {
            assert_eq!(client.event()["event_id"], *id, "{query}");
        }
        assert!(client.message().is_close(), "{query}");
    }
    let mut wire = open(&emulator, "streamId=any&cursor=elsewhere");
    assert_eq!(wire.head().expect("a head").0, 400);
}

#[test]
fn every_answer_has_a_date_unless_it_is_taken_away() {
    let (emulator, id) = start();
    let date = |headers: &[(String, String)]| {
        headers.iter().find(|(name, _)| name == "date").map(|(_, value)| value.clone())
    };
    let head = || open(&emulator, &format!("streamId={id}")).head().expect("a head").1;
    assert!(date(&head()).is_some_and(|date| date.ends_with(" GMT")));
    emulator.inject(Fault::status(503));
    assert!(date(&head()).is_some());
    emulator.inject(Fault::status(503).header("date", ""));
    assert_eq!(date(&head()), None);
    assert!(date(&call(&emulator, "GET", "/streams", "").headers).is_some());
    assert!(date(&common::websocket::upgraded(&emulator, &id)).is_some());
}
