//! Every scenario of the suite on tokio, on one thread; and what takes several.

use std::sync::mpsc;
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::Duration;

use restless_emulator::{Emulator, Fault};
use restless_tests::run::on_a_thread;
use restless_tokio::subscription::Event;
use restless_tokio::{Client, Events, Subscription, Tokio, streams};
use tokio::sync::oneshot;

fn run<F>(scenario: fn(Tokio) -> F)
where
    F: Future<Output = ()> + 'static,
{
    on_a_thread(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(scenario(Tokio));
    });
}

restless_tests::scenarios!(crate::run);

/// An idle connection moves only while the runtime that made it is driven, so a call on another one
/// does not wait for it. Each keeps its own.
#[test]
fn a_call_does_not_wait_for_another_runtime() {
    on_a_thread(|| {
        let (emulator, client) = emulator_and_client();
        let [one, other] = [(), ()].map(|()| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime")
        });
        for runtime in [&one, &other, &one, &other] {
            runtime.block_on(client.send(streams::list())).expect("a page");
        }
        assert_eq!(emulator.connections(), 2);
    });
}

/// A subscription that waits to connect again goes on in another runtime once its own is gone, as
/// where a blocking program makes a runtime for each call.
#[test]
fn a_subscription_that_waits_outlives_its_runtime() {
    on_a_thread(|| {
        let (emulator, client) = emulator_and_client();
        let id = stream_with_an_event(&emulator);
        for subscription in [Subscription::stream(&id), Subscription::stream(&id).websocket()] {
            emulator.inject(Fault::status(503));
            let subscription = subscription.since("0").retry(Duration::from_millis(100));
            let mut events = client.subscribe(subscription).expect("a subscription");
            in_a_runtime_of_its_own(async {
                let event = events.next_event().await;
                assert!(matches!(event, Some(Event::Lost(_))), "{event:?}");
                assert!(is_pending_once(&mut events).await, "it waits");
            });
            let (ids, _) = in_a_runtime_of_its_own(take(&mut events, 1));
            assert_eq!(ids, [emulator.log(&id)[0].id.clone()]);
        }
    });
}

/// The same, where its runtime is gone while the subscription connects: that connect has failed.
#[test]
fn a_subscription_that_connects_outlives_its_runtime() {
    on_a_thread(|| {
        let (emulator, _) = emulator_and_client();
        // Two addresses, and the time after which the second is tried as well.
        let url = format!("http://localhost:{}", emulator.address().port());
        let client = Client::builder().no_proxy().stream_base_url(&url);
        let client = client.api_key(emulator.api_key()).build().expect("a client");
        let id = stream_with_an_event(&emulator);
        for subscription in [Subscription::stream(&id), Subscription::stream(&id).websocket()] {
            let subscription = subscription.since("0").retry(Duration::ZERO);
            let mut events = client.subscribe(subscription).expect("a subscription");
            in_a_runtime_of_its_own(async {
                assert!(is_pending_once(&mut events).await, "a connect takes a turn");
            });
            let event = in_a_runtime_of_its_own(events.next_event());
            assert!(matches!(event, Some(Event::Lost(_))), "{event:?}");
            in_a_runtime_of_its_own(take(&mut events, 1));
        }
    });
}

/// The runtime is gone afterwards.
fn in_a_runtime_of_its_own<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(what)
}

/// Polls it once.
async fn is_pending_once(events: &mut Events) -> bool {
    let mut next = std::pin::pin!(events.next_event());
    std::future::poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending())).await
}

fn emulator_and_client() -> (Emulator, Client) {
    let emulator = Emulator::start().expect("an emulator");
    let client = Client::builder()
        .no_proxy()
        .api_key(emulator.api_key())
        .base_url(emulator.api_base_url())
        .stream_base_url(emulator.stream_base_url())
        .build()
        .expect("a client");
    (emulator, client)
}

fn stream_with_an_event(emulator: &Emulator) -> String {
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).expect("a stream");
    emulator.publish(&id, "1").expect("an event");
    id
}

/// The ids of the next so many events, and the thread that they came to.
async fn take(events: &mut Events, count: usize) -> (Vec<String>, ThreadId) {
    let mut ids = Vec::new();
    while ids.len() < count {
        let item = events.next().await.expect("it goes on").expect("it goes on");
        let event = item.into_event().expect("an event");
        ids.push(event.event_id().expect("an id").to_owned());
    }
    (ids, thread::current().id())
}

/// Over both transports a subscription can move to another worker in the middle of its stream,
/// while the one it waited on has no time for it.
#[test]
fn a_subscription_can_move_to_another_worker() {
    on_a_thread(|| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
        let (emulator, client) = emulator_and_client();
        for websocket in [false, true] {
            let id = stream_with_an_event(&emulator);
            let subscription = Subscription::stream(&id).since("0").retry(Duration::ZERO);
            let subscription = if websocket { subscription.websocket() } else { subscription };
            let mut events = client.subscribe(subscription).expect("a subscription");

            let (hand_over, handed_over) = oneshot::channel();
            let (release, released) = mpsc::channel();
            let first = runtime.spawn(async move {
                let (ids, _) = take(&mut events, 1).await;
                // It has waited here for the next one, too.
                let next = tokio::time::timeout(Duration::from_millis(1), events.next());
                assert!(next.await.is_err(), "nothing was published");
                // Its last thread, which is kept from here on: it may have moved before, too.
                let handed = (events, ids, thread::current().id());
                assert!(hand_over.send(handed).is_ok());
                released.recv().expect("the test goes on");
            });
            let (mut events, mut ids, here) = runtime.block_on(handed_over).expect("no panic");
            let second = runtime.spawn(async move { take(&mut events, 1).await });
            emulator.publish(&id, "2").expect("an event");
            let (rest, there) = runtime.block_on(second).expect("no panic");
            release.send(()).expect("it waits");
            runtime.block_on(first).expect("no panic");

            ids.extend(rest);
            assert_ne!(here, there);
            assert_eq!(
                ids,
                emulator.log(&id).into_iter().map(|event| event.id).collect::<Vec<_>>()
            );
        }
    });
}

/// A subscription can be closed where no runtime is around, as in a `Drop` or a signal's handler:
/// over WebSocket, too, where the peer's answer is waited for.
#[test]
fn a_subscription_can_be_closed_outside_a_runtime() {
    on_a_thread(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (emulator, client) = emulator_and_client();
        let id = stream_with_an_event(&emulator);
        let subscription = Subscription::stream(&id).since("0");
        for subscription in [subscription.clone(), subscription.websocket()] {
            let mut events = client.subscribe(subscription).expect("a subscription");
            runtime.block_on(take(&mut events, 1));
            events.close();
            assert!(runtime.block_on(events.next()).is_none());
        }
    });
}
