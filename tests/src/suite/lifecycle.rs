//! Dropping, closing, watching, and reading slowly.

use std::time::Duration;

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::subscription::{Ended, Event, State, Status};
use restless_hyper::proto::{LimitError, Subscription};
use restless_hyper::{Client, Events, Runtime};

use super::probe::Probe;
use super::support::{
    Either, Stage, all_of, both, builder, event, lost, move_until, opened, race, take, take_ids,
    yield_now,
};

/// Lets a subscription move until it has a socket, a connect or a timer; nothing may come of it
/// meanwhile.
async fn move_until_live<R: Runtime>(events: &mut Events<Probe<R>>, probe: &Probe<R>) {
    while probe.live() == 0 {
        move_until(events, yield_now()).await;
    }
}

// Dropping

/// A subscription that is dropped closes its socket.
pub async fn a_dropped_subscription_closes_its_socket<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    let mut events = stage.subscribe(all_of(&id));
    event(&mut events).await;
    assert_eq!((stage.emulator.subscribers(), stage.emulator.connections()), (1, 1));
    drop(events);
    stage.emulator.until_subscribers(0).await;
    stage.emulator.until_connections(0).await;
}

/// One that has ended in good order keeps no connection for later.
pub async fn a_subscription_that_has_ended_keeps_no_connection<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.emulator.inject(Fault::end_after(0));
    let mut events = stage.subscribe(all_of(&id).reconnect(false));
    assert!(events.next().await.is_none());
    stage.emulator.until_connections(0).await;
}

/// One that is dropped while it waits for an answer does, too.
pub async fn a_subscription_dropped_before_the_answer_closes_its_socket<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::stall_head());
    let mut events = stage.subscribe(all_of("any"));
    move_until(&mut events, stage.emulator.until_requests(1)).await;
    drop(events);
    stage.emulator.until_connections(0).await;
}

/// One that is dropped while it connects drops the connect, and the timers beside it.
pub async fn a_subscription_dropped_while_connecting_leaves_nothing<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let deaf = Probe::deaf(rt.clone());
    let client = builder(&deaf, &emulator).build().expect("a client");
    let mut events = client.subscribe(all_of("any")).expect("a subscription");
    move_until_live(&mut events, &deaf).await;
    drop(events);
    assert_eq!(deaf.live(), 0);
}

/// One that is dropped while it waits to connect again drops its timer, and connects no more.
pub async fn a_subscription_dropped_in_its_back_off_leaves_nothing<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt.clone());
    let client = builder(&probe, &emulator).build().expect("a client");
    emulator.inject(Fault::refuse());
    let mut events = client
        .subscribe(Subscription::stream("any").retry(Duration::from_secs(3600)))
        .expect("a subscription");
    lost(&mut events).await;
    move_until_live(&mut events, &probe).await;
    drop(events);
    assert_eq!((probe.live(), probe.connects()), (0, 1));
}

/// Subscribing and dropping, a hundred times, leaves every socket and timer closed.
pub async fn subscribing_and_dropping_leaves_nothing<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt);
    let client = builder(&probe, &emulator).build().expect("a client");
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).expect("a stream");
    emulator.publish(&id, "1").expect("an event");
    for _ in 0..100 {
        let mut events = client.subscribe(all_of(&id)).expect("a subscription");
        event(&mut events).await;
        drop(events);
        assert_eq!(probe.live(), 0);
    }
    assert_eq!(probe.connects(), 100);
    emulator.until_connections(0).await;
}

/// Only a subscription that is polled connects.
pub async fn a_subscription_that_is_not_polled_does_not_connect<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt);
    let client = builder(&probe, &emulator).build().expect("a client");
    drop(client.subscribe(all_of("any")).expect("a subscription"));
    assert_eq!((probe.connects(), probe.live()), (0, 0));
}

/// A subscription outlives the client that it came from.
pub async fn a_subscription_outlives_its_client<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let mut events = stage.subscribe(all_of(&id));
    let Stage { emulator, client, .. } = stage;
    drop(client);
    let due = emulator.publish(&id, "1").expect("an event");
    assert_eq!(take_ids(&mut events, 1).await, [due]);
}

// Closing

/// `close()` ends it with `None`, closes the socket at once, and leaves the cursor to store: what
/// had arrived and was not handed out comes after it.
pub async fn close_ends_it_and_leaves_the_cursor<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 5);
    let mut events = stage.subscribe(all_of(&id));
    let mut received = take_ids(&mut events, 2).await;
    events.close();
    stage.emulator.until_connections(0).await;
    assert!(events.next().await.is_none());
    assert!(events.next_event().await.is_none());
    let cursor = events.cursor().expect("a cursor").to_owned();
    assert_eq!(received.last(), Some(&cursor));
    received.extend(take_ids(&mut stage.subscribe(all_of(&id).cursor(cursor)), 3).await);
    assert_eq!(received, stage.log(&id));
}

/// `close()` ends it in any state, and a second time changes nothing.
pub async fn close_ends_it_in_any_state<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    // Not polled yet.
    let mut events = stage.subscribe(all_of("any"));
    events.close();
    assert!(events.next().await.is_none());
    events.close();
    assert!(events.next().await.is_none());
    // Waiting for an answer.
    stage.emulator.inject(Fault::stall_head());
    let mut events = stage.subscribe(all_of("any"));
    move_until(&mut events, stage.emulator.until_requests(1)).await;
    events.close();
    assert!(events.next().await.is_none());
    stage.emulator.until_connections(0).await;
    // Waiting to connect again.
    stage.emulator.inject(Fault::refuse());
    let mut events = stage.subscribe(all_of("any").retry(Duration::from_secs(3600)));
    lost(&mut events).await;
    events.close();
    assert!(events.next().await.is_none());
    assert_eq!(stage.emulator.requests().len(), 2);
    assert!(matches!(events.status().state, State::Ended(Ended::Closed)));
}

// Watching

fn name(status: &Status) -> &'static str {
    match status.state {
        State::Connecting => "connecting",
        State::Open => "open",
        State::Waiting(_) => "waiting",
        State::Ended(_) => "ended",
        _ => "unknown",
    }
}

/// A watch sees each state as the subscription reaches it, with attempts and cursor, and does not
/// disturb the events.
pub async fn a_watch_sees_each_state<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    let due = stage.log(&id);
    stage.emulator.inject(Fault::end_after_events(1));
    let mut events = stage.subscribe(all_of(&id));
    let watch = events.watch();
    assert_eq!(name(&watch.status()), "connecting");
    opened(&mut events).await;
    assert_eq!(name(&watch.status()), "open");
    assert!(watch.status().last_heard.is_some());
    assert_eq!(take_ids(&mut events, 1).await, due);
    assert_eq!(watch.status().cursor.as_ref(), due.first());
    lost(&mut events).await;
    assert_eq!((name(&watch.status()), watch.status().reconnects), ("waiting", 1));
    opened(&mut events).await;
    assert_eq!(name(&watch.status()), "open");
    events.close();
    assert_eq!(name(&watch.status()), "ended");
}

/// `changed()` wakes for each turn, connecting again included, and not for events; once the
/// subscription is dropped it is `None`.
pub async fn a_watch_is_woken_by_each_turn<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    stage.emulator.inject(Fault::end_after_events(3));
    let mut events = stage.subscribe(all_of(&id));
    let mut watch = events.watch();
    // The second connection has no answer until the watcher has seen it coming.
    stage.emulator.inject(Fault::stall_head());
    let follow = async {
        let mut received = 0;
        while received < 3 || stage.emulator.requests().len() < 2 {
            let asked = stage.emulator.until_requests(2);
            match race(events.next_event(), asked).await {
                Either::First(Some(Event::Item(_))) => received += 1,
                Either::First(Some(_)) | Either::Second(()) => {}
                Either::First(None) => panic!("it ended"),
            }
            // A watcher that gets no turn in between sees only the last state.
            yield_now().await;
        }
        drop(events);
    };
    let look = async {
        let mut seen = Vec::new();
        while let Some(status) = watch.changed().await {
            seen.push(name(&status));
        }
        seen
    };
    let ((), seen) = both(follow, look).await;
    assert_eq!(seen, ["open", "waiting", "connecting"]);
    assert!(watch.changed().await.is_none());
}

// Reading slowly

/// A reader may pause for longer than the silence that is accepted: events that are there meanwhile
/// all come, and the pause is told as no loss, for the silence was the reader's.
pub async fn a_slow_reader_is_no_silent_server<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    // More than the sockets hold, so that the server has to wait for the reader.
    let text = format!("\"{}\"", "x".repeat(32 << 10));
    for _ in 0..400 {
        stage.emulator.publish(&id, &text).expect("an event");
    }
    // A busy machine's server may well be silent for a part of that.
    let idle = Duration::from_secs(1);
    let mut events = stage.subscribe(all_of(&id).idle_timeout(idle));
    opened(&mut events).await;
    let mut received = Vec::new();
    while received.len() < 400 {
        if received.len() % 200 == 1 {
            stage.rt.sleep(idle * 3 / 2).await;
        }
        match events.next_event().await {
            Some(Event::Item(item)) => {
                let event = item.into_event().expect("an event");
                received.push(event.event_id().expect("an id").to_owned());
            }
            other => panic!("expected an event, got {other:?}"),
        }
    }
    assert_eq!(received, stage.log(&id));
    assert_eq!(stage.emulator.requests().len(), 1);
}

/// A deadline that was noticed late, because the reader paused, is void where bytes have come
/// meanwhile: heartbeats that wait in the socket are sound.
pub async fn sound_that_waits_in_the_socket_is_no_silence<R: Runtime>(rt: R) {
    let emulator = Emulator::builder().heartbeat(Duration::from_millis(50));
    let stage = Stage::with(rt, emulator);
    let id = stage.stream();
    stage.publish(&id, 3);
    let idle = Duration::from_millis(800);
    let mut events = stage.subscribe(all_of(&id).idle_timeout(idle));
    opened(&mut events).await;
    for _ in 0..3 {
        take(&mut events, 1).await;
        // What is done with an event blocks its thread, so nobody has looked at the socket.
        std::thread::sleep(idle * 2);
    }
    // Nothing comes of it but that it goes on.
    move_until(&mut events, stage.rt.sleep(Duration::from_millis(60))).await;
    assert_eq!(stage.emulator.requests().len(), 1);
}

/// What the reader has not asked for stays with the operating system: between two events, about one
/// event at most has been read ahead.
pub async fn nothing_piles_up_before_a_slow_reader<R: Runtime>(rt: R) {
    const EVENT: usize = 64 << 10;
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt);
    let client = builder(&probe, &emulator).build().expect("a client");
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).expect("a stream");
    let text = format!("\"{}\"", "x".repeat(EVENT));
    for _ in 0..100 {
        emulator.publish(&id, &text).expect("an event");
    }
    let mut events = client.subscribe(all_of(&id)).expect("a subscription");
    for n in 1..=100 {
        event(&mut events).await;
        // hyper reads up to 400 KiB at a time.
        let ahead = probe.read() - n * EVENT;
        assert!(ahead < EVENT + (600 << 10), "{ahead} bytes were read ahead after {n} events");
    }
}

// What they are

/// A client can be cloned, sent and shared; a subscription can be sent; so can what they return.
pub async fn clients_and_subscriptions_can_be_sent<R: Runtime>(rt: R) {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn sent<T: Send>(_: &T) {}
    let stage = Stage::new(rt);
    let id = stage.stream();
    shared(&stage.client);
    sent(&stage.client.send(restless_hyper::proto::streams::get(&id)));
    let mut events = stage.subscribe(all_of(&id));
    sent(&events);
    shared(&events.watch());
    sent(&events.next());
    sent(&events.next_event());
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    error::<restless_hyper::proto::Error>();
    error::<LimitError>();
    fn is_static<T: 'static>() {}
    is_static::<(Client<R>, Events<R>)>();
}
