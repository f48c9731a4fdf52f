//! Cancelling: a future that is dropped, however often and wherever it stood, loses nothing and
//! repeats nothing.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use restless_emulator::Fault;
use restless_hyper::proto::subscription::Item;
use restless_hyper::{Events, Runtime};

use super::support::{Either, Stage, all_of, race, take_ids, yield_now};

/// Events of a whole session.
const COUNT: usize = 12;

/// What a session meets on its way: each way for a connection to come and to go.
fn session_faults(id: &str) -> Vec<Fault> {
    vec![
        Fault::cut_after_events(2),
        Fault::refuse(),
        Fault::redirect(307, format!("/?streamId={id}")).body("over there"),
        Fault::cut_after(500),
        Fault::status(503).body("not now"),
        Fault::end_after_events(3),
        Fault::reset(),
        Fault::none().in_pieces_of(50),
    ]
}

/// Polls `next()` up to `polls` times, then drops the future; `None` where it was dropped.
async fn next_within<R: Runtime>(events: &mut Events<R>, polls: usize) -> Option<Item> {
    let mut next = pin!(events.next());
    let mut polled = 0;
    poll_fn(|cx| {
        if let Poll::Ready(item) = next.as_mut().poll(cx) {
            return Poll::Ready(Some(item.expect("it goes on").expect("it goes on")));
        }
        polled += 1;
        if polled == polls { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

fn id_of(item: &Item) -> String {
    let event = item.event().expect("an event");
    event.event_id().expect("an id").to_owned()
}

/// `next()` is dropped after each number of polls, again and again, through a whole session.
pub async fn next_that_is_dropped_at_any_poll_loses_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for polls in 1..=12 {
        let id = stage.stream();
        stage.publish(&id, COUNT);
        session_faults(&id).into_iter().for_each(|fault| stage.emulator.inject(fault));
        let mut events = stage.subscribe(all_of(&id));
        let mut received = Vec::new();
        let mut dropped = 0;
        while received.len() < COUNT {
            match next_within(&mut events, polls).await {
                Some(item) => received.push(id_of(&item)),
                None => {
                    dropped += 1;
                    // The runtime gets its turn, as it does in a real `select!`.
                    yield_now().await;
                }
            }
        }
        assert_eq!(received, stage.log(&id), "dropped after {polls} polls");
        assert!(polls > 1 || dropped > 10, "nothing was dropped");
        assert_eq!(stage.emulator.pending_faults(), 0);
    }
}

/// `next()` loses to a timer every 200 microseconds, as in a `select!`, through a whole session.
pub async fn next_that_loses_to_a_timer_loses_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, COUNT);
    session_faults(&id).into_iter().for_each(|fault| stage.emulator.inject(fault));
    let mut events = stage.subscribe(all_of(&id));
    let (mut received, mut dropped) = (Vec::new(), 0);
    while received.len() < COUNT {
        let tick = stage.rt.sleep(Duration::from_micros(200));
        match race(tick, events.next()).await {
            Either::First(()) => dropped += 1,
            Either::Second(item) => {
                received.push(id_of(&item.expect("it goes on").expect("it goes on")));
            }
        }
    }
    assert_eq!(received, stage.log(&id));
    assert!(dropped > 0, "the timer never won");
}

/// A future that was polled and dropped leaves its wake-up behind with the subscription: the next
/// one, polled once, is woken by what comes.
pub async fn a_new_next_is_woken_by_what_comes<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let mut events = stage.subscribe(all_of(&id));
    // Connected, and nothing there.
    while stage.emulator.subscribers() == 0 {
        assert!(next_within(&mut events, 1).await.is_none());
        yield_now().await;
    }
    for _ in 0..5 {
        assert!(next_within(&mut events, 1).await.is_none());
        let due = stage.emulator.publish(&id, "1").expect("an event");
        assert_eq!(take_ids(&mut events, 1).await, [due]);
    }
}

/// As a `Stream`, it is the same sequence; each `poll_next` stands alone.
pub async fn poll_next_is_the_same_sequence<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, COUNT);
    session_faults(&id).into_iter().for_each(|fault| stage.emulator.inject(fault));
    let mut events = stage.subscribe(all_of(&id));
    let mut received = Vec::new();
    while received.len() < COUNT {
        let item = poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await;
        received.push(id_of(&item.expect("it goes on").expect("it goes on")));
        // By turns with the other way to ask.
        if received.len() < COUNT {
            received.extend(take_ids(&mut events, 1).await);
        }
    }
    assert_eq!(received, stage.log(&id));
}

/// As a `Stream`, it ends with `None`, once more each time it is asked.
pub async fn a_stream_that_is_over_stays_over<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    stage.emulator.inject(Fault::end_after_events(1));
    let mut events = stage.subscribe(all_of(&id).reconnect(false));
    let mut items = Vec::new();
    for _ in 0..4 {
        items.push(poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await.is_some());
    }
    assert_eq!(items, [true, false, false, false]);
}
