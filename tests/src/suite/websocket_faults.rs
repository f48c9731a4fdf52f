//! WebSocket where something goes wrong: whatever it is, the sequence of events is that of the
//! server's log, each event once; and the loss, or the end, says what it was.

use std::time::Duration;

use restless_emulator::Fault;
use restless_hyper::proto::subscription::{Disposition, Ended, Event, LossReason, Lost};
use restless_hyper::proto::{Error, Instant, Timer, TransportErrorKind, streams, ws};
use restless_hyper::{Events, Runtime};

use super::support::{
    Either, Stage, builder, ended, envelope, failure, lost, move_until, race, take, take_ids, web,
    ws_frame, yield_now,
};

/// The next loss or the end, with what came before it.
async fn interrupted<R: Runtime>(events: &mut Events<R>) -> Result<Lost, Ended> {
    loop {
        match events.next_event().await.expect("it goes on") {
            Event::Lost(lost) => return Ok(lost),
            Event::Ended(ended) => return Err(ended),
            _ => {}
        }
    }
}

fn error(lost: &Lost) -> &Error {
    match &lost.reason {
        LossReason::Error(error) => error,
        reason => panic!("expected an error, got {reason:?}"),
    }
}

// Cuts

/// Cut inside a frame's header, inside its payload, or between the fragments of a message: at the
/// first event, and at later ones.
pub async fn a_cut_in_any_part_of_a_frame_loses_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 4);
    for (cut, name) in [
        (Fault::cut_in_header(), "header"),
        (Fault::cut_in_payload(), "payload"),
        (Fault::cut_between_fragments(), "between two fragments"),
        (Fault::cut_between_fragments().in_fragments(9), "between nine fragments"),
        (Fault::cut_in_payload().padded_to(100_000), "a large payload"),
    ] {
        for after in 0..4 {
            stage.emulator.inject(cut.clone().after_events(after));
            let mut events = stage.subscribe(web(&id));
            let received = take_ids(&mut events, 4).await;
            assert_eq!(received, stage.log(&id), "{name}, after {after}");
            assert_eq!(stage.emulator.pending_faults(), 0, "{name}, after {after}");
        }
    }
}

/// Cut after each byte of the frames of a session, in turn; the handshake is whole.
pub async fn a_cut_after_any_byte_of_the_frames_loses_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    let log = stage.log(&id);
    let mut cuts = 0;
    for bytes in 0.. {
        stage.emulator.inject(Fault::cut_after(bytes).in_fragments(2));
        let mut events = stage.subscribe(web(&id));
        assert_eq!(take_ids(&mut events, 3).await, log, "cut after {bytes} bytes");
        // Once nothing was cut, the session is shorter than that.
        if events.status().reconnects == 0 && stage.emulator.requests().len() == 1 {
            break;
        }
        stage.emulator.clear_requests();
        cuts += 1;
    }
    assert!(cuts > 400, "{cuts} cuts");
}

/// A cut without a Close frame is a broken connection, however good the order it ended in.
pub async fn an_end_without_a_close_frame_is_a_broken_connection<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    for fault in [Fault::cut_after_events(1), Fault::cut_in_header(), Fault::reset_after(40)] {
        stage.emulator.inject(fault.on_websocket());
        let mut events = stage.subscribe(web(&id));
        let lost = interrupted(&mut events).await.expect("it goes on");
        let Error::Transport(transport) = error(&lost) else { panic!("{lost:?}") };
        assert_eq!(transport.kind(), TransportErrorKind::Broken);
    }
}

// Silence

/// A server that never answers a ping is left: our own keep-alive finds it, and says so.
pub async fn a_server_that_answers_no_ping_is_left<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    stage.emulator.inject(Fault::stall_after_events(1).on_websocket());
    let options = ws::Options::default()
        .ping_every(Some(Duration::from_millis(500)))
        .pong_within(Some(Duration::from_millis(500)));
    let mut events = stage.subscribe(web(&id).websocket_options(options));
    let mut received = take_ids(&mut events, 1).await;
    let lost = lost(&mut events).await;
    let Error::Timeout(timeout) = error(&lost) else { panic!("{lost:?}") };
    assert_eq!(timeout.timer(), Timer::Pong);
    received.extend(take_ids(&mut events, 1).await);
    assert_eq!(received, stage.log(&id));
    // One that sends all that it has, and no pong.
    stage.emulator.inject(Fault::deaf());
    let mut events = stage.subscribe(web(&id).websocket_options(options));
    assert_eq!(take_ids(&mut events, 2).await, stage.log(&id));
    let lost = self::lost(&mut events).await;
    assert!(
        matches!(error(&lost), Error::Timeout(late) if late.timer() == Timer::Pong),
        "{lost:?}"
    );
}

/// A peer that answers is alive, though all else is silent.
pub async fn a_quiet_server_that_answers_pings_is_kept<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let options = ws::Options::default()
        .ping_every(Some(Duration::from_millis(100)))
        .pong_within(Some(Duration::from_secs(10)));
    let idle = Duration::from_secs(1);
    let mut events = stage.subscribe(web(&id).websocket_options(options).idle_timeout(idle));
    super::support::opened(&mut events).await;
    move_until(&mut events, stage.rt.sleep(idle * 2)).await;
    stage.publish(&id, 1);
    assert_eq!(take_ids(&mut events, 1).await, stage.log(&id));
    assert_eq!(stage.emulator.requests().len(), 1);
}

/// Without pings of our own, silence is a loss by the idle timer.
pub async fn silence_over_websocket_is_a_loss<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    stage.emulator.inject(Fault::stall_after_events(1).on_websocket());
    let quiet = ws::Options::default().ping_every(None);
    let subscription = web(&id).websocket_options(quiet).idle_timeout(Duration::from_millis(600));
    let mut events = stage.subscribe(subscription);
    let mut received = take_ids(&mut events, 1).await;
    let lost = lost(&mut events).await;
    let Error::Timeout(timeout) = error(&lost) else { panic!("{lost:?}") };
    assert_eq!(timeout.timer(), Timer::Idle);
    received.extend(take_ids(&mut events, 1).await);
    assert_eq!(received, stage.log(&id));
}

/// A server that is gone takes no pong any more. All that the server said before is read all the
/// same, the last word too, which may say that clients shall stay away.
pub async fn what_came_before_a_failed_write_is_read<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for _ in 0..10 {
        let mut wire = Vec::new();
        for n in 0..200 {
            let id = format!(r#"{{"event_id":"{n}","#);
            wire.extend(ws_frame(0x81, envelope("1").replacen('{', &id, 1).as_bytes()));
            wire.extend(ws_frame(0x89, b"there?"));
        }
        wire.extend(ws_frame(0x88, b"\x03\xf0"));
        stage.emulator.inject(Fault::raw([wire]).on_websocket());
        let mut events = stage.subscribe(web("any"));
        assert_eq!(take(&mut events, 200).await.len(), 200);
        let Error::Closed(closed) = failure(&mut events).await else { panic!("no Close frame") };
        assert_eq!(closed.code().get(), 1008);
    }
}

/// In a flood of pings, events come on time and the connection stays.
pub async fn a_flood_of_pings_does_not_hold_events_back<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    stage.emulator.inject(Fault::pings(20_000).after_events(1));
    let mut events = stage.subscribe(web(&id));
    assert_eq!(take_ids(&mut events, 3).await, stage.log(&id));
    assert_eq!(stage.emulator.requests().len(), 1, "the connection was lost");
}

// No

/// What each close code means: connect again, or end with the code and the reason. The table
/// stands in `subscription/policy.rs`.
pub async fn each_close_code_means_what_the_table_says<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    for (code, goes_on) in [
        (1000, true),
        (1001, true),
        (1011, true),
        (1012, true),
        (1013, true),
        (1014, true),
        (4000, true),
        (4408, true),
        (4429, true),
        (1002, false),
        (1003, false),
        (1007, false),
        (1008, false),
        (1009, false),
        (1010, false),
        (3000, false),
        (3003, false),
        (4401, false),
        (4404, false),
    ] {
        stage.emulator.clear_requests();
        stage.emulator.inject(Fault::close(code, "the reason").after_events(1));
        let mut events = stage.subscribe(web(&id));
        let received = take_ids(&mut events, 1).await;
        match interrupted(&mut events).await {
            Ok(lost) => {
                assert!(goes_on, "{code}: {lost:?}");
                match &lost.reason {
                    LossReason::Complete => assert!(matches!(code, 1000 | 1001), "{code}"),
                    LossReason::Error(Error::Closed(closed)) => {
                        let said = (closed.code().get(), closed.reason());
                        assert_eq!(said, (code, "the reason"));
                    }
                    reason => panic!("{code}: {reason:?}"),
                }
                let waits = lost.retry_at >= Instant::ORIGIN + Duration::from_secs(5);
                assert_eq!(waits, matches!(code, 1012 | 1013), "{code}: {lost:?}");
                if waits {
                    continue;
                }
                let rest = take_ids(&mut events, 1).await;
                assert_eq!([received, rest].concat(), stage.log(&id), "{code}");
            }
            Err(ended) => {
                assert!(!goes_on, "{code}: {ended:?}");
                let Ended::Failed(Error::Closed(closed)) = &ended else { panic!("{ended:?}") };
                assert_eq!((closed.code().get(), closed.reason()), (code, "the reason"));
                assert_eq!(stage.emulator.requests().len(), 1, "{code}");
            }
        }
    }
}

/// A Close frame without a code is the end of the stream in good order.
pub async fn a_close_without_a_code_is_an_end_in_good_order<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    stage.emulator.inject(Fault::close_without_code().after_events(1));
    let mut events = stage.subscribe(web(&id));
    let lost = interrupted(&mut events).await.expect("it goes on");
    assert!(matches!(lost.reason, LossReason::Complete), "{lost:?}");
    assert_eq!(take_ids(&mut events, 1).await, stage.log(&id)[1..]);
}

/// The caller's own row comes before the table, both ways.
pub async fn the_caller_decides_on_close_codes<R: Runtime>(rt: R) {
    fn decide(code: ws::CloseCode) -> Option<Disposition> {
        match code.get() {
            1008 | 1012 => Some(Disposition::Retry),
            1000 | 1005 | 1011 => Some(Disposition::Stop),
            _ => None,
        }
    }
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    for (code, goes_on) in
        [(1000, false), (1001, true), (1008, true), (1011, false), (1012, true), (1003, false)]
    {
        stage.emulator.inject(Fault::close(code, "").after_events(1));
        let mut events = stage.subscribe(web(&id).on_close(decide));
        let outcome = interrupted(&mut events).await;
        assert_eq!(outcome.is_ok(), goes_on, "{code}");
        assert_eq!(matches!(outcome, Err(Ended::Complete)), code == 1000, "{code}");
        if goes_on {
            assert_eq!(take_ids(&mut events, 1).await, stage.log(&id)[1..], "{code}");
        }
    }
    stage.emulator.inject(Fault::close_without_code().after_events(1));
    let mut events = stage.subscribe(web(&id).on_close(decide));
    assert!(matches!(interrupted(&mut events).await, Err(Ended::Complete)));
}

/// A server that breaks the protocol is told 1002, or 1007, and left; the next connection goes on
/// at the cursor.
pub async fn a_server_that_breaks_the_protocol_is_left<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    for fault in [
        Fault::masked(),
        Fault::reserved_bits(2),
        Fault::reserved_bits(1),
        Fault::close(999, ""),
        Fault::close(1005, ""),
        Fault::close(1000, "x".repeat(124)),
        // No such opcode; a fragment that goes on with nothing; bytes that are no text.
        Fault::raw([&b"\x83\x01x"[..]]).on_websocket(),
        Fault::raw([&b"\x80\x01x"[..]]).on_websocket(),
        Fault::raw([&b"\x81\x02\xC3\x28"[..]]).on_websocket(),
    ] {
        let name = format!("{fault:?}");
        stage.emulator.inject(fault);
        let mut events = stage.subscribe(web(&id));
        let lost = interrupted(&mut events).await.expect("it goes on");
        assert!(matches!(error(&lost), Error::Protocol(_)), "{name}: {lost:?}");
        assert_eq!(take_ids(&mut events, 3).await, stage.log(&id), "{name}");
    }
}

/// A response that opens no WebSocket ends it: the address is wrong, or something in between
/// forges answers.
pub async fn a_response_that_opens_no_websocket_is_an_error<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::wrong_accept());
    let error = failure(&mut stage.subscribe(web(&stage.stream()))).await;
    assert!(matches!(error, Error::Handshake(_)), "{error:?}");
    for status in [200, 204] {
        stage.emulator.inject(Fault::status(status).body("hello"));
        let error = failure(&mut stage.subscribe(web("any"))).await;
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status), "{error:?}");
    }
}

/// A refused upgrade: what may pass is asked again, after `Retry-After` at the earliest; anything
/// else ends the subscription, with status, message and the first bytes of the content.
pub async fn a_refused_upgrade_is_asked_again_where_it_may_pass<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    for status in [429, 500, 503] {
        let fault = Fault::status(status).body(r#"{"message":"not now"}"#);
        stage.emulator.inject(fault.header("retry-after", "1"));
        let mut events = stage.subscribe(web(&id));
        let watch = events.watch();
        let before = std::time::Instant::now();
        let lost = lost(&mut events).await;
        let Error::Refused(refused) = error(&lost) else { panic!("{lost:?}") };
        assert_eq!((refused.status().as_u16(), refused.message()), (status, "not now"));
        assert!(watch.time(lost.retry_at) - before >= Duration::from_secs(1), "{lost:?}");
    }
    for status in [400, 401, 403, 404, 410] {
        stage.emulator.clear_requests();
        stage.emulator.inject(Fault::status(status).body(vec![b'x'; 1 << 20]));
        let error = failure(&mut stage.subscribe(web("any"))).await;
        let Error::Refused(refused) = &error else { panic!("{error:?}") };
        assert_eq!((refused.status().as_u16(), refused.excerpt().len()), (status, 8 << 10));
        assert!(error.request_id().is_some());
        assert_eq!(stage.emulator.requests().len(), 1, "{status}");
    }
}

/// A missing answer, a reset, and a head that stays away are losses.
pub async fn a_handshake_without_an_answer_is_a_loss<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    for fault in [Fault::refuse(), Fault::reset(), Fault::stall_head()] {
        stage.emulator.inject(fault.on_websocket());
        let subscription = web(&id).response_head_timeout(Duration::from_millis(200));
        let mut events = stage.subscribe(subscription);
        lost(&mut events).await;
        assert_eq!(take_ids(&mut events, 1).await, stage.log(&id));
    }
}

/// A redirect of the handshake is followed, without a delay; a reconnection starts at the caller's
/// URL again.
pub async fn a_redirected_handshake_is_followed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    stage.emulator.inject(Fault::redirect(307, format!("/ws?streamId={id}&hop=1")));
    stage.emulator.inject(Fault::cut_after_events(1));
    let mut events = stage.subscribe(web(&id));
    assert_eq!(take_ids(&mut events, 2).await, stage.log(&id));
    let hops = stage.queried("hop");
    assert_eq!(hops, [None, Some("1".to_owned()), None]);
}

/// As many reconnects in a row without an event as are allowed, and it is given up.
pub async fn reconnecting_over_websocket_is_given_up<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::refuse().times(4));
    let mut events = stage.subscribe(web("any").max_reconnects(2));
    for attempt in 1..=2 {
        assert_eq!(lost(&mut events).await.attempt, attempt);
    }
    let Ended::GaveUp { reconnects, .. } = ended(&mut events).await else { panic!("no") };
    assert_eq!(reconnects, 2);
}

/// A server that opens and closes at once, again and again, is not asked in a tight loop.
pub async fn a_server_that_closes_at_once_is_not_asked_in_a_tight_loop<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.emulator.inject(Fault::close(1000, "").times(1000));
    let mut events = stage.subscribe(web(&id));
    let second = stage.rt.sleep(Duration::from_secs(1));
    let follow = async {
        loop {
            events.next_event().await.expect("it goes on");
        }
    };
    match race(second, follow).await {
        Either::First(()) => {}
        Either::Second(never) => never,
    }
    let asked = stage.emulator.requests().len();
    assert!((2..=20).contains(&asked), "asked {asked} times within a second");
}

// All of it

fn session_faults(id: &str) -> Vec<Fault> {
    vec![
        Fault::cut_in_header().after_events(2),
        Fault::refuse(),
        Fault::close(1011, "trouble").after_events(1),
        Fault::cut_between_fragments().in_fragments(3),
        Fault::redirect(307, format!("/ws?streamId={id}")),
        Fault::cut_in_payload().after_events(1),
        Fault::status(503).body("not now"),
        Fault::masked().after_events(2),
        Fault::reset_after(300).on_websocket(),
        Fault::text("").after_events(1),
        Fault::pings(50).after_events(1),
    ]
}

/// One subscription meets every fault there is, one after the other, while events keep coming.
pub async fn all_faults_of_websockets_in_a_row_lose_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    session_faults(&id).into_iter().for_each(|fault| stage.emulator.inject(fault));
    stage.publish(&id, 20);
    let mut events = stage.subscribe(web(&id));
    let mut received = Vec::new();
    while received.len() < 40 {
        received.extend(take_ids(&mut events, 1).await);
        if received.len() <= 20 {
            stage.publish(&id, 1);
        }
        // A message that is no event ends nothing, and the last fault wants another connection.
        if stage.emulator.pending_faults() == 1 {
            stage.emulator.disconnect_all();
            stage.emulator.until_connections(0).await;
        }
    }
    assert_eq!(received, stage.log(&id));
    assert_eq!(stage.emulator.pending_faults(), 0);
}

/// `next()` is dropped every 200 microseconds, as in a `select!`, hundreds of times through a whole
/// session.
pub async fn next_over_websocket_that_loses_to_a_timer_loses_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    session_faults(&id).into_iter().for_each(|fault| stage.emulator.inject(fault));
    let mut events = stage.subscribe(web(&id));
    assert_eq!(stage.take_impatiently(&mut events, &id, 20).await, stage.log(&id));
}

/// Before a reader that pauses, memory stays as it is: the server is slowed down, and all of it
/// comes once it is read.
pub async fn nothing_piles_up_before_a_slow_reader_of_a_websocket<R: Runtime>(rt: R) {
    let stage = Stage::new(rt.clone());
    let id = stage.stream();
    let probe = super::probe::Probe::new(rt);
    let client = builder(&probe, &stage.emulator).build().expect("a client");
    let text = format!("\"{}\"", "x".repeat(100_000));
    for _ in 0..100 {
        stage.emulator.publish(&id, &text).expect("an event");
    }
    let mut events = client.subscribe(web(&id)).expect("a subscription");
    let mut received = take_ids(&mut events, 1).await;
    for _ in 0..50 {
        yield_now().await;
    }
    assert!(probe.read() < 1 << 20, "{} bytes were read for one event", probe.read());
    received.extend(take_ids(&mut events, 99).await);
    assert_eq!(received, stage.log(&id));
}

/// A WebSocket subscription leaves the connections of calls alone, and keeps none for them.
pub async fn a_websocket_has_a_connection_of_its_own<R: Runtime>(rt: R) {
    let stage = Stage::new(rt.clone());
    let id = stage.stream();
    stage.publish(&id, 1);
    let probe = super::probe::Probe::new(rt);
    let client = builder(&probe, &stage.emulator).build().expect("a client");
    client.send(streams::list()).await.expect("a page");
    let mut events = client.subscribe(web(&id)).expect("a subscription");
    take(&mut events, 1).await;
    events.close();
    assert!(events.next().await.is_none());
    client.send(streams::list()).await.expect("a page");
    assert_eq!(probe.connects(), 2);
    assert!(events.status().last_heard > Some(Instant::ORIGIN));
}
