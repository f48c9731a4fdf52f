//! Subscriptions where something goes wrong: whatever it is, the sequence of events is that of the
//! server's log, each event once.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::subscription::{Ended, LossReason, Lost};
use restless_hyper::proto::{Error, Subscription, Timer, TransportErrorKind, direct, streams};
use restless_hyper::{ClientBuilder, Runtime};

use super::probe::Probe;
use super::relay::{read_head, serving};
use super::support::{
    Either, Stage, all_of, builder, ended, failure, lost, opened, race, take, take_ids,
};

fn error(lost: &Lost) -> &Error {
    match &lost.reason {
        LossReason::Error(error) => error,
        reason => panic!("expected an error, got {reason:?}"),
    }
}

fn is_broken(lost: &Lost) -> bool {
    matches!(error(lost), Error::Transport(error) if error.kind() == TransportErrorKind::Broken)
}

fn timer(lost: &Lost) -> Timer {
    match error(lost) {
        Error::Timeout(timeout) => timeout.timer(),
        error => panic!("expected a timeout, got {error:?}"),
    }
}

// No answer

/// A connection that closes, or is reset, without an answer is a loss, and another one comes.
pub async fn a_connection_without_an_answer_is_replaced<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    for fault in [Fault::refuse(), Fault::reset()] {
        stage.emulator.inject(fault);
        let mut events = stage.subscribe(all_of(&id));
        let lost = lost(&mut events).await;
        assert!(is_broken(&lost), "{lost:?}");
        assert_eq!(lost.attempt, 1);
        assert_eq!(take_ids(&mut events, 1).await, stage.log(&id));
    }
}

/// A server that says "in a moment" (1xx) for ever gives no answer: a call ends in an error, a
/// subscription in a loss, and the thread stays free meanwhile.
pub async fn interim_responses_without_end_are_no_answer<R: Runtime>(rt: R) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    // It ends with the last of its connections, and whoever is left to accept with the test.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                // The request first: what comes before it is no answer, either.
                if !matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                    return;
                }
                let moments = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(100);
                while stream.write_all(&moments).is_ok() {}
            });
        }
    });
    let client = ClientBuilder::new(rt).no_proxy().base_url(&url).stream_base_url(&url);
    let client = client.max_retries(0).build().expect("a client");
    let is_protocol = |error: &Error| match error {
        Error::Transport(why) => why.kind() == TransportErrorKind::Protocol,
        _ => false,
    };
    let error = client.send(streams::get("any")).await.expect_err("no answer");
    assert!(is_protocol(&error), "{error:?}");
    for subscription in [all_of("any"), all_of("any").websocket()] {
        let mut events = client.subscribe(subscription).expect("a subscription");
        let lost = lost(&mut events).await;
        assert!(is_protocol(self::error(&lost)), "{lost:?}");
    }
}

/// No head of an answer within the time for it is a loss.
pub async fn an_answer_that_does_not_come_is_a_loss<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    stage.emulator.inject(Fault::stall_head());
    let subscription = all_of(&id).response_head_timeout(Duration::from_millis(200));
    let mut events = stage.subscribe(subscription);
    assert_eq!(timer(&lost(&mut events).await), Timer::ResponseHead);
    assert_eq!(take_ids(&mut events, 1).await, stage.log(&id));
}

/// Something in between may hold back the head of an event stream. Such a wait counts as silence
/// from where the connection stands. The loss says what helps, and is apart from failed connects.
pub async fn a_head_that_is_held_back_is_silence<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    stage.emulator.inject(Fault::stall_head().times(2));
    let subscription = all_of(&id).idle_timeout(Duration::from_millis(600)).max_reconnects(0);
    let mut events = stage.subscribe(subscription);
    for _ in 0..2 {
        let lost = lost(&mut events).await;
        assert_eq!((timer(&lost), lost.attempt), (Timer::Idle, 0));
        let told = error(&lost).to_string();
        assert!(told.contains("X-Accel-Buffering: no"), "{told}");
        assert!(told.contains("proxy_buffering off"), "{told}");
    }
    assert_eq!(take_ids(&mut events, 1).await, stage.log(&id));
}

/// A box in between that takes no URL of this length may say so by a reset alone. Over both
/// transports the second reset in a row is the end, and the error says how long the URL was and
/// what helps.
pub async fn resets_under_a_long_url_end_it<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for websocket in [false, true] {
        stage.emulator.inject(Fault::reset().times(2));
        let target = direct::target(format!("http://127.0.0.1:9/?{}", "x".repeat(5000)));
        let subscription = Subscription::direct(target).retry(Duration::ZERO);
        let subscription = if websocket { subscription.websocket() } else { subscription };
        let mut events = stage.subscribe(subscription);
        assert!(is_broken(&lost(&mut events).await));
        let Ended::Failed(error) = ended(&mut events).await else { panic!("no failure") };
        let told = error.to_string();
        assert!(told.contains("direct::session") && told.contains("the URL has 5"), "{told}");
    }
}

/// A connect that does not come to an end is a loss, by the client's connect timeout.
pub async fn a_connect_that_never_ends_is_a_loss<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let deaf = Probe::deaf(rt);
    let client = builder(&deaf, &emulator).connect_timeout(Duration::from_millis(50));
    let client = client.build().expect("a client");
    let mut events = client.subscribe(all_of("any")).expect("a subscription");
    assert_eq!(timer(&lost(&mut events).await), Timer::Connect);
    drop(events);
    assert_eq!(deaf.live(), 0);
}

/// A server that is gone is waited for, and found again.
pub async fn a_server_that_is_gone_is_found_again<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    let mut events = stage.subscribe(all_of(&id));
    let mut received = take_ids(&mut events, 2).await;
    stage.emulator.stop_listening().expect("the emulator stands");
    stage.emulator.disconnect_all();
    assert!(is_broken(&lost(&mut events).await));
    for attempt in 2..=3 {
        let lost = lost(&mut events).await;
        let Error::Transport(transport) = error(&lost) else { panic!("{lost:?}") };
        assert_eq!(transport.kind(), TransportErrorKind::Connect);
        assert_eq!(lost.attempt, attempt);
    }
    stage.publish(&id, 2);
    stage.emulator.listen_again().expect("the port is free");
    received.extend(take_ids(&mut events, 2).await);
    assert_eq!(received, stage.log(&id));
}

// No

/// 429 and 5xx may pass: another connection comes, never before `Retry-After`.
pub async fn a_busy_or_broken_server_is_asked_again<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    for status in [429, 500, 502, 503, 504] {
        stage.emulator.inject(Fault::status(status).body(r#"{"message":"not now"}"#));
        let mut events = stage.subscribe(all_of(&id));
        let lost = lost(&mut events).await;
        let Error::Refused(refused) = error(&lost) else { panic!("{lost:?}") };
        assert_eq!((refused.status().as_u16(), refused.message()), (status, "not now"));
        assert_eq!(take_ids(&mut events, 1).await, stage.log(&id));
    }
}

/// The next connect is never before `Retry-After`.
pub async fn retry_after_is_waited_for<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    for status in [429, 503] {
        stage.emulator.inject(Fault::status(status).header("retry-after", "1"));
    }
    let mut events = stage.subscribe(all_of(&id));
    let watch = events.watch();
    let began = std::time::Instant::now();
    for _ in 0..2 {
        let before = std::time::Instant::now();
        let lost = lost(&mut events).await;
        assert!(watch.time(lost.retry_at) - before >= Duration::from_secs(1), "{lost:?}");
    }
    // The second loss is of the second request.
    assert!(began.elapsed() >= Duration::from_secs(1));
}

/// What would come back the same ends it, with status, message and request id, and no second
/// request.
pub async fn a_refusal_ends_the_subscription<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for status in [400, 401, 403, 404, 410] {
        stage.emulator.clear_requests();
        stage.emulator.inject(Fault::status(status).body(r#"{"message":"no"}"#));
        let error = failure(&mut stage.subscribe(all_of("any"))).await;
        let Error::Refused(refused) = &error else { panic!("{error:?}") };
        assert_eq!((refused.status().as_u16(), refused.message()), (status, "no"));
        assert!(error.request_id().is_some());
        assert_eq!(stage.emulator.requests().len(), 1);
    }
}

/// A wrong key and an unknown stream, as the service itself refuses them.
pub async fn a_wrong_key_and_an_unknown_stream_end_the_subscription<R: Runtime>(rt: R) {
    let stage = Stage::new(rt.clone());
    let id = stage.stream();
    let client = builder(&rt, &stage.emulator).api_key("rs_wrong").build().expect("a client");
    let mut events = client.subscribe(all_of(&id)).expect("a subscription");
    let status = failure(&mut events).await.status();
    assert_eq!(status.map(|status| status.as_u16()), Some(401));
    let status = failure(&mut stage.subscribe(all_of("none"))).await.status();
    assert_eq!(status.map(|status| status.as_u16()), Some(404));
}

/// A refusal whose content never ends is told all the same, over each transport, and its connection
/// is closed.
pub async fn a_refusal_that_goes_on_for_ever_is_told<R: Runtime>(rt: R) {
    let server = serving(|_, mut stream| {
        read_head(&mut stream, Vec::new())?;
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let chunk = format!("{:x}\r\n{}\r\n", 4096, "x".repeat(4096));
        loop {
            stream.write_all(chunk.as_bytes())?;
        }
    });
    let url = format!("http://{server}");
    for subscription in [all_of("any"), all_of("any").websocket()] {
        let probe = Probe::new(rt.clone());
        let client = ClientBuilder::new(probe.clone()).no_proxy().stream_base_url(&url).build();
        let mut events = client.expect("a client").subscribe(subscription).expect("one");
        let error = failure(&mut events).await;
        let Error::Refused(refused) = &error else { panic!("{error:?}") };
        assert_eq!((refused.status().as_u16(), refused.excerpt().len()), (404, 8 << 10));
        assert_eq!((probe.connects(), probe.live()), (1, 0));
        drop(events);
    }
}

/// As many reconnects in a row without an event as are allowed, and it is given up.
pub async fn reconnecting_is_given_up_after_as_many_as_allowed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::refuse().times(4));
    let mut events = stage.subscribe(all_of("any").max_reconnects(2));
    for attempt in 1..=2 {
        assert_eq!(lost(&mut events).await.attempt, attempt);
    }
    let Ended::GaveUp { reconnects, .. } = ended(&mut events).await else { panic!("no") };
    assert_eq!(reconnects, 2);
    assert_eq!(stage.emulator.requests().len(), 3);
}

// In the middle

/// The wire is cut after each byte of a stream in turn.
pub async fn a_cut_after_any_byte_loses_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    let log = stage.log(&id);
    for bytes in 0..=stream_bytes(&stage, &id) {
        stage.emulator.inject(Fault::cut_after(bytes));
        let mut events = stage.subscribe(all_of(&id));
        assert_eq!(take_ids(&mut events, 3).await, log, "cut after {bytes} bytes");
        assert_eq!(stage.emulator.pending_faults(), 0);
    }
}

/// The content ends as it should, after any byte.
pub async fn an_end_after_any_byte_loses_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    let log = stage.log(&id);
    for bytes in (0..=stream_bytes(&stage, &id)).step_by(3) {
        stage.emulator.inject(Fault::end_after(bytes));
        let mut events = stage.subscribe(all_of(&id));
        assert_eq!(take_ids(&mut events, 3).await, log, "end after {bytes} bytes");
    }
}

/// A reset may overtake bytes that were sent: they come again, and nothing twice.
pub async fn a_reset_after_any_byte_loses_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    let log = stage.log(&id);
    for bytes in (0..=stream_bytes(&stage, &id)).step_by(7) {
        stage.emulator.inject(Fault::reset_after(bytes));
        let mut events = stage.subscribe(all_of(&id));
        assert_eq!(take_ids(&mut events, 3).await, log, "reset after {bytes} bytes");
    }
}

/// How long the stream's events are on the wire.
fn stream_bytes<R: Runtime>(stage: &Stage<R>, id: &str) -> u64 {
    let frame = |event: restless_emulator::LoggedEvent| {
        "id: \ndata: \n\n".len() + event.id.len() + event.envelope.len()
    };
    stage.emulator.log(id).into_iter().map(frame).sum::<usize>() as u64
}

/// A loss in the middle says what it was: cut, reset, or an end in good order.
pub async fn a_loss_says_how_the_connection_ended<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    for fault in [Fault::cut_after_events(1), Fault::reset_after(400), Fault::end_after_events(1)] {
        stage.emulator.inject(fault);
    }
    let mut events = stage.subscribe(all_of(&id));
    let mut losses = Vec::new();
    while losses.len() < 3 {
        use restless_hyper::proto::subscription::Event;
        match events.next_event().await.expect("it goes on") {
            Event::Lost(lost) => losses.push(lost),
            Event::Opened(_) | Event::Item(_) => {}
            event => panic!("{event:?}"),
        }
    }
    assert!(is_broken(&losses[0]), "{:?}", losses[0]);
    assert!(is_broken(&losses[1]), "{:?}", losses[1]);
    assert!(matches!(losses[2].reason, LossReason::Complete), "{:?}", losses[2]);
}

/// Content in pieces of one byte makes the same events.
pub async fn content_in_pieces_of_one_byte_makes_the_same_events<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    stage.emulator.inject(Fault::none().in_pieces_of(1));
    let mut events = stage.subscribe(all_of(&id));
    assert_eq!(take_ids(&mut events, 3).await, stage.log(&id));
}

/// Silence for longer than is accepted is a loss, and the next connection goes on at the cursor.
pub async fn silence_is_a_loss<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    stage.emulator.inject(Fault::stall_after_events(2));
    let idle = Duration::from_millis(600);
    let since = std::time::Instant::now();
    let mut events = stage.subscribe(all_of(&id).idle_timeout(idle));
    opened(&mut events).await;
    let mut received = take_ids(&mut events, 2).await;
    assert_eq!(timer(&lost(&mut events).await), Timer::Idle);
    // Counted from the last byte, which came after that.
    assert!(since.elapsed() >= idle, "{:?}", since.elapsed());
    received.extend(take_ids(&mut events, 1).await);
    assert_eq!(received, stage.log(&id));
}

/// Half an event and then silence is silence too.
pub async fn silence_in_the_middle_of_an_event_is_a_loss<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    stage.emulator.inject(Fault::stall_after(100));
    let subscription = all_of(&id).idle_timeout(Duration::from_millis(600));
    let mut events = stage.subscribe(subscription);
    opened(&mut events).await;
    assert_eq!(timer(&lost(&mut events).await), Timer::Idle);
    assert_eq!(take_ids(&mut events, 2).await, stage.log(&id));
}

/// One subscription meets every fault there is, one after the other, while events keep coming.
pub async fn all_faults_in_a_row_lose_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let faults = [
        Fault::cut_after_events(2),
        Fault::refuse(),
        Fault::end_after_events(1),
        Fault::reset(),
        Fault::cut_after(700),
        Fault::status(503),
        Fault::reset_after(500),
        Fault::stall_after_events(1),
        Fault::stall_head(),
        Fault::redirect(307, format!("/?streamId={id}")),
        Fault::cut_after_events(1),
        Fault::status(429),
        Fault::end_after(300),
        Fault::none().in_pieces_of(7),
    ];
    for fault in faults {
        stage.emulator.inject(fault);
    }
    stage.publish(&id, 20);
    let subscription = all_of(&id)
        .idle_timeout(Duration::from_millis(300))
        .response_head_timeout(Duration::from_millis(300));
    let mut events = stage.subscribe(subscription);
    let mut received = Vec::new();
    while received.len() < 40 {
        received.extend(take_ids(&mut events, 1).await);
        if received.len() <= 20 {
            stage.publish(&id, 1);
        }
    }
    assert_eq!(received, stage.log(&id));
    assert_eq!(stage.emulator.pending_faults(), 0);
}

/// A server that accepts and ends at once, again and again, is not asked in a tight loop.
pub async fn a_server_that_ends_at_once_is_not_asked_in_a_tight_loop<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.emulator.inject(Fault::end_after(0).times(1000));
    let mut events = stage.subscribe(all_of(&id));
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

/// Two subscriptions of one client do not disturb each other.
pub async fn subscriptions_of_one_client_are_apart<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let (first, second) = (stage.stream(), stage.stream());
    stage.publish(&first, 3);
    stage.publish(&second, 3);
    stage.emulator.inject(Fault::cut_after_events(1).for_stream(&first));
    let mut one = stage.subscribe(all_of(&first));
    let mut other = stage.subscribe(all_of(&second));
    let mut received = (Vec::new(), Vec::new());
    for _ in 0..3 {
        received.0.extend(take_ids(&mut one, 1).await);
        received.1.extend(take_ids(&mut other, 1).await);
    }
    assert_eq!(received, (stage.log(&first), stage.log(&second)));
    let asked = stage.emulator.requests();
    let of_second = asked.iter().filter(|request| request.uri.contains(&*second)).count();
    assert_eq!(of_second, 1);
}

/// Calls and subscriptions have connections of their own: a subscription leaves alone what calls
/// have left open, and closes its own.
pub async fn a_subscription_has_a_connection_of_its_own<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt);
    let client = builder(&probe, &emulator).build().expect("a client");
    let list = || client.send(streams::list());
    list().await.expect("a page");
    emulator.inject(Fault::raw([super::support::frame("1", "1")]));
    let mut events = client.subscribe(all_of("any").reconnect(false)).expect("a subscription");
    take(&mut events, 1).await;
    assert!(events.next().await.is_none());
    list().await.expect("a page");
    assert_eq!(probe.connects(), 2);
}
