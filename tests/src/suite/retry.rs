//! Calls that are made again, and those that are not. Which is which is in scripts, without
//! sockets; here is what only a socket can show.

use std::time::{Duration, Instant};

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::{Error, GaveUp, Timer, TransportErrorKind, direct, streams};
use restless_hyper::{Client, Runtime};

use super::probe::Probe;
use super::support::{Either, Stage, both, builder, race, yield_now};

fn gave_up(error: &Error) -> &GaveUp {
    match error {
        Error::GaveUp(gave_up) => gave_up,
        error => panic!("expected to give up, got {error:?}"),
    }
}

fn refused_with(error: &Error) -> u16 {
    match error {
        Error::Refused(refused) => refused.status().as_u16(),
        error => panic!("expected a refusal, got {error:?}"),
    }
}

/// 429, 502, 503 and 504 pass: the second or third try is answered.
pub async fn a_busy_service_is_asked_again<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for statuses in [[429, 502], [503, 504]] {
        stage.emulator.clear_requests();
        for status in statuses {
            stage.emulator.inject(Fault::status(status).on_rest());
        }
        stage.client.send(streams::list()).await.expect("a page");
        assert_eq!(stage.emulator.requests().len(), 3);
    }
}

/// A POST or a PATCH that was answered is made once, whatever the answer; and so is one that was
/// not answered, for it may have been received.
pub async fn a_post_that_may_have_been_received_is_made_once<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    for status in [429, 502, 503, 504] {
        for patch in [false, true] {
            stage.emulator.clear_requests();
            stage.emulator.inject(Fault::status(status).on_rest());
            let sent = if patch {
                stage.client.send(streams::update(&id).name("n")).await
            } else {
                stage.client.send(streams::start(&id)).await
            };
            assert_eq!(refused_with(&sent.expect_err("a refusal")), status);
            assert_eq!(stage.emulator.requests().len(), 1);
        }
    }
    for fault in [Fault::refuse(), Fault::reset()] {
        stage.emulator.clear_requests();
        stage.emulator.inject(fault.on_rest());
        stage.client.send(streams::start(&id)).await.expect_err("no answer");
        assert_eq!(stage.emulator.requests().len(), 1);
    }
}

/// Where no connection stood, the request is still here, and any call is made again.
pub async fn a_post_that_was_not_sent_is_made_again<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt);
    let client = builder(&probe, &emulator).build().expect("a client");
    emulator.stop_listening().expect("the emulator stands");
    let listen = async {
        while probe.connects() == 0 {
            yield_now().await;
        }
        emulator.listen_again().expect("the port is free");
    };
    let create = streams::create("Orders", "http://127.0.0.1:9/").status("INACTIVE");
    let (created, ()) = both(client.send(create), listen).await;
    assert_eq!(created.expect("a stream").name, "Orders");
    assert_eq!((probe.connects(), emulator.requests().len()), (2, 1));
}

/// A session with a dedupe key is one session, however often it is asked for; without one, each
/// call may make another.
pub async fn a_session_is_made_again_where_it_has_a_dedupe_key<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let session = || direct::session("http://127.0.0.1:9/");
    stage.emulator.inject(Fault::status(503).on_rest());
    stage.client.send(session().dedupe_key("orders")).await.expect("a session");
    assert_eq!(stage.emulator.requests().len(), 2);
    for plain in [session(), session().dedupe_key("")] {
        stage.emulator.clear_requests();
        stage.emulator.inject(Fault::status(503).on_rest());
        assert_eq!(refused_with(&stage.client.send(plain).await.expect_err("503")), 503);
        assert_eq!(stage.emulator.requests().len(), 1);
    }
}

/// `Retry-After` is waited for; where it lies beyond the deadline, the refusal is told at once.
pub async fn a_busy_service_says_when_to_come_back<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let client = builder(&rt, &emulator).timeout(Duration::from_secs(5));
    let client = client.build().expect("a client");
    let start = Instant::now();
    emulator.inject(Fault::status(429).header("retry-after", "1").on_rest());
    client.send(streams::list()).await.expect("a page");
    assert!(start.elapsed() >= Duration::from_secs(1));

    emulator.clear_requests();
    let start = Instant::now();
    emulator.inject(Fault::status(429).header("retry-after", "7").on_rest());
    let error = client.send(streams::list()).await.expect_err("429");
    let Error::Refused(refused) = &error else { panic!("{error:?}") };
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(emulator.requests().len(), 1);
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// When the tries are spent, the error says how many they were, and how the last one went.
pub async fn giving_up_says_how_often_it_was_tried<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let client = |most| builder(&rt, &emulator).max_retries(most).build().expect("a client");
    emulator.inject(Fault::status(502).on_rest());
    emulator.inject(Fault::status(503).on_rest());
    let error = client(1).send(streams::list()).await.expect_err("503");
    assert_eq!((gave_up(&error).retries(), refused_with(gave_up(&error).last())), (1, 503));
    assert_eq!(error.status().map(|status| status.as_u16()), Some(503));
    assert_eq!(emulator.requests().len(), 2);

    emulator.clear_requests();
    emulator.inject(Fault::status(503).on_rest());
    assert_eq!(refused_with(&client(0).send(streams::list()).await.expect_err("503")), 503);
    assert_eq!(emulator.requests().len(), 1);

    emulator.stop_listening().expect("the emulator stands");
    let error = client(1).send(streams::start("s")).await.expect_err("nobody listens");
    let Error::Transport(error) = gave_up(&error).last() else { panic!("{error:?}") };
    assert_eq!(error.kind(), TransportErrorKind::Connect);
}

/// One deadline is over all tries: the last one is cut by it. (To the millisecond, in a script.)
pub async fn one_deadline_is_over_all_tries<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let client = builder(&rt, &emulator).timeout(Duration::from_secs(2));
    let client = client.build().expect("a client");
    let start = Instant::now();
    emulator.inject(Fault::status(503).on_rest());
    emulator.inject(Fault::stall_head().on_rest());
    let error = client.send(streams::list()).await.expect_err("silence");
    let Error::Timeout(timeout) = gave_up(&error).last() else { panic!("{error:?}") };
    assert_eq!((timeout.timer(), timeout.after()), (Timer::Total, Duration::from_secs(2)));
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    emulator.until_connections(0).await;
}

/// A try that moves from a dead connection to a new one is one try: together with the further
/// tries, a call is sent no more often than they and the dead connections are.
pub async fn a_dead_connection_is_no_try<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.client.send(streams::list()).await.expect("a page");
    for fault in [Fault::refuse(), Fault::status(503), Fault::status(503)] {
        stage.emulator.inject(fault.on_rest());
    }
    stage.client.send(streams::list()).await.expect("a page");
    assert_eq!(stage.emulator.requests().len(), 5);
    // And on a new connection no answer is an answer, of a kind: it is not asked for again.
    stage.emulator.disconnect_all();
    stage.emulator.until_connections(0).await;
    stage.emulator.inject(Fault::refuse().on_rest());
    stage.client.send(streams::list()).await.expect_err("no answer");
    assert_eq!(stage.emulator.requests().len(), 6);
}

/// A call that is dropped while it waits for its next try leaves nothing behind.
pub async fn a_call_dropped_in_its_back_off_leaves_nothing<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt);
    let client: Client<_> = builder(&probe, &emulator).build().expect("a client");
    emulator.stop_listening().expect("the emulator stands");
    let asleep = async {
        // The connect has failed, and something sleeps.
        while probe.connects() == 0 || probe.live() == 0 {
            yield_now().await;
        }
    };
    let sent = race(client.send(streams::list()), asleep).await;
    assert!(matches!(sent, Either::Second(())));
    assert_eq!((probe.live(), probe.connects()), (0, 1));
}
