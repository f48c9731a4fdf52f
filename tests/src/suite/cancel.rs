//! Cancelling: a future may be dropped as often as is wanted and wherever it stood, and each item
//! still comes once.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::{Subscription, streams};
use restless_hyper::{ClientBuilder, Runtime};

use super::front::Front;
use super::relay::Relay;
use super::support::{Stage, all_of, builder, id_of, take_ids, yield_now};

/// Events of a whole session.
const COUNT: usize = 12;

type Over = fn(Subscription) -> Subscription;

/// Over both transports, with the path of each.
const TRANSPORTS: [(&str, Over); 2] = [("/", |it| it), ("/ws", Subscription::websocket)];

/// What a session meets on its way: each way for a connection to come and to go.
fn session_faults(path: &str, id: &str) -> Vec<Fault> {
    let [cut, redirect, cut_within, end, pieces] = brief_session_faults(path, id);
    let (refuse, busy) = (Fault::refuse(), Fault::status(503).body("not now"));
    vec![cut, refuse, redirect, cut_within, busy, end, Fault::reset(), pieces]
}

/// Those that it need not wait after.
fn brief_session_faults(path: &str, id: &str) -> [Fault; 5] {
    [
        Fault::cut_after_events(2),
        Fault::redirect(307, format!("{path}?streamId={id}")).body("over there"),
        Fault::cut_after(500),
        Fault::end_after_events(3),
        Fault::none().in_pieces_of(50),
    ]
}

/// Ways to the emulator, each with more to wait for.
struct Ways {
    front: Front,
    relay: Relay,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Plain,
    Tls,
    Tunnel,
}

impl Ways {
    const ALL: [Way; 3] = [Way::Plain, Way::Tls, Way::Tunnel];

    fn to(emulator: &Emulator) -> Self {
        let front = Front::start(emulator.address());
        let relay = Relay::start(front.address());
        Self { front, relay }
    }

    /// The settings of a client that goes this way.
    fn builder<R: Runtime>(&self, way: Way, rt: &R, emulator: &Emulator) -> ClientBuilder<R> {
        let plain = builder(rt, emulator);
        let url = self.front.url("localhost");
        let tls = |plain: ClientBuilder<R>| {
            plain.base_url(&url).stream_base_url(&url).tls_config(self.front.trusted())
        };
        match way {
            Way::Plain => plain,
            Way::Tls => tls(plain),
            Way::Tunnel => tls(plain).proxy(format!("http://{}", self.relay.address())),
        }
    }
}

/// Polls a future up to `polls` times, then drops it; `None` where it was not ready.
async fn polled<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|cx| {
        if polled == polls {
            return Poll::Ready(None);
        }
        if let Poll::Ready(done) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        polled += 1;
        if polled == polls { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

/// `next()` is dropped after each number of polls, again and again, through a whole session: over
/// both transports, straight, through TLS, and through TLS in a proxy's tunnel.
pub async fn next_that_is_dropped_at_any_poll_loses_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let ways = Ways::to(&stage.emulator);
    for (way, (path, over)) in Ways::ALL.into_iter().flat_map(|way| TRANSPORTS.map(|t| (way, t))) {
        let client = ways.builder(way, &stage.rt, &stage.emulator).build().expect("a client");
        for polls in 1..=6 {
            let id = stage.stream();
            stage.publish(&id, COUNT);
            let faults = match way {
                Way::Plain => session_faults(path, &id),
                Way::Tls | Way::Tunnel => brief_session_faults(path, &id).into(),
            };
            faults.into_iter().for_each(|fault| stage.emulator.inject(fault));
            let mut events = client.subscribe(over(all_of(&id))).expect("a subscription");
            let mut received = Vec::new();
            let mut dropped = 0;
            while received.len() < COUNT {
                match polled(polls, events.next()).await {
                    Some(item) => {
                        let item = item.expect("it goes on").expect("it goes on");
                        received.push(id_of(&item));
                    }
                    None => {
                        dropped += 1;
                        // The runtime gets its turn, as it does in a real `select!`.
                        yield_now().await;
                    }
                }
            }
            assert_eq!(received, stage.log(&id), "{way:?} {path}, dropped after {polls} polls");
            assert!(polls > 1 || dropped > 10, "nothing was dropped");
            assert_eq!(stage.emulator.pending_faults(), 0);
        }
    }
}

/// `next()` is dropped every 200 microseconds, as in a `select!`, hundreds of times through a whole
/// session.
pub async fn next_that_loses_to_a_timer_loses_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    session_faults("/", &id).into_iter().for_each(|fault| stage.emulator.inject(fault));
    let mut events = stage.subscribe(all_of(&id));
    assert_eq!(stage.take_impatiently(&mut events, &id, COUNT).await, stage.log(&id));
    assert_eq!(stage.emulator.pending_faults(), 0);
}

/// A call is dropped after each number of polls, until there are enough for it, on a new connection
/// and on one that was kept: the next call is whole, and no connection is left behind.
pub async fn a_call_that_is_dropped_at_any_poll_harms_no_other<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let ways = Ways::to(&stage.emulator);
    let id = stage.stream();
    for (way, kept) in Ways::ALL.into_iter().flat_map(|way| [(way, false), (way, true)]) {
        for polls in 0.. {
            let client = ways.builder(way, &stage.rt, &stage.emulator).build().expect("a client");
            if kept {
                client.send(streams::get(&id)).await.expect("a stream");
            }
            let call = polled(polls, client.send(streams::get(&id))).await;
            let next = client.send(streams::get(&id)).await.expect("a stream");
            assert_eq!(next.id, id, "{way:?}, kept: {kept}, dropped after {polls} polls");
            if let Some(call) = call {
                assert_eq!(call.expect("a stream").id, id);
                assert!(polls > 1, "{way:?}, kept: {kept}: it was never dropped");
                break;
            }
        }
    }
    stage.emulator.until_connections(0).await;
}

/// A future that was polled and dropped leaves no wake-up of its own behind: what comes wakes the
/// next future, which was polled before.
pub async fn a_new_next_is_woken_by_what_comes<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for (_, over) in TRANSPORTS {
        let id = stage.stream();
        let mut events = stage.subscribe(over(all_of(&id)));
        // Connected, and nothing there.
        while stage.emulator.subscribers() == 0 {
            assert!(polled(1, events.next()).await.is_none());
            yield_now().await;
        }
        for _ in 0..5 {
            // Nobody can be woken by this one.
            let mut nobody = Context::from_waker(Waker::noop());
            assert!(pin!(events.next()).poll(&mut nobody).is_pending());
            let mut next = pin!(events.next());
            let mut due = None;
            let item = poll_fn(|cx| {
                let polled = next.as_mut().poll(cx);
                if due.is_none() {
                    assert!(polled.is_pending());
                    due = Some(stage.emulator.publish(&id, "1").expect("an event"));
                }
                polled
            });
            let item = item.await.expect("it goes on").expect("it goes on");
            assert_eq!(Some(id_of(&item)), due);
        }
        drop(events);
        stage.emulator.until_subscribers(0).await;
    }
}

/// As a `Stream`, it is the same sequence; each `poll_next` stands alone.
pub async fn poll_next_is_the_same_sequence<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, COUNT);
    session_faults("/", &id).into_iter().for_each(|fault| stage.emulator.inject(fault));
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
