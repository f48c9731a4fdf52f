//! What scenarios share: a stage to play on, and ways to wait for what happens.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use restless_emulator::{Builder, Emulator};
use restless_hyper::proto::subscription::{Ended, Event, Item, Lost, Opened, Rejected};
use restless_hyper::proto::{StreamEvent, Subscription};
use restless_hyper::{Client, ClientBuilder, Events, Runtime};

use crate::run::within;

/// An emulator, and a client of it on the runtime under test.
pub(crate) struct Stage<R: Runtime> {
    pub(crate) rt: R,
    pub(crate) emulator: Emulator,
    pub(crate) client: Client<R>,
}

impl<R: Runtime> Stage<R> {
    pub(crate) fn new(rt: R) -> Self {
        Self::with(rt, Emulator::builder())
    }

    pub(crate) fn with(rt: R, emulator: Builder) -> Self {
        let emulator = emulator.start().expect("an emulator");
        let client = builder(&rt, &emulator).build().expect("a client");
        Self { rt, emulator, client }
    }

    /// A stream that polls nothing: its events are those that the scenario publishes.
    pub(crate) fn stream(&self) -> String {
        self.emulator
            .add_stream(r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#)
            .expect("a stream")
    }

    /// The same, with its updates signed.
    pub(crate) fn signed_stream(&self) -> String {
        let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE",
            "hmacSignatureEnabled":true}"#;
        self.emulator.add_stream(stream).expect("a stream")
    }

    pub(crate) fn publish(&self, id: &str, count: usize) {
        for n in 0..count {
            self.emulator.publish(id, &n.to_string()).expect("an event");
        }
    }

    pub(crate) fn subscribe(&self, subscription: Subscription) -> Events<R> {
        self.client.subscribe(subscription).expect("a subscription")
    }

    /// The ids of so many events, each published only once `next()` was dropped a number of times,
    /// every 200 microseconds.
    pub(crate) async fn take_impatiently(
        &self,
        events: &mut Events<R>,
        id: &str,
        count: usize,
    ) -> Vec<String> {
        const DROPS: usize = 25;
        let (mut taken, mut dropped) = (Vec::new(), 0);
        while taken.len() < count {
            let published = self.emulator.log(id).len();
            if published < count && dropped >= DROPS * published {
                self.publish(id, 1);
            }
            match within(Duration::from_micros(200), events.next()).await {
                Some(item) => {
                    let item = item.expect("it goes on").expect("it goes on");
                    taken.push(id_of(&item));
                }
                None => dropped += 1,
            }
        }
        assert!(dropped >= DROPS * (count - 1), "it was dropped {dropped} times");
        taken
    }

    /// The ids of all events of a stream, as the server knows them.
    pub(crate) fn log(&self, id: &str) -> Vec<String> {
        self.emulator.log(id).into_iter().map(|event| event.id).collect()
    }

    /// The values of a field over all requests so far, oldest first; `None` where it was absent.
    pub(crate) fn sent(&self, field: &str) -> Vec<Option<String>> {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into();
        self.emulator
            .requests()
            .iter()
            .map(|request| request.headers.get(field).map(text))
            .collect()
    }

    /// The values of a query parameter over all requests so far, oldest first.
    pub(crate) fn queried(&self, name: &str) -> Vec<Option<String>> {
        self.emulator.requests().iter().map(|request| query(&request.uri, name)).collect()
    }
}

/// The settings of a client of this emulator.
pub(crate) fn builder<R: Runtime>(rt: &R, emulator: &Emulator) -> ClientBuilder<R> {
    ClientBuilder::new(rt.clone())
        .no_proxy()
        .api_key(emulator.api_key())
        .base_url(emulator.api_base_url())
        .stream_base_url(emulator.stream_base_url())
}

/// Follows a stream from its first event on, and connects again without a delay.
pub(crate) fn all_of(id: &str) -> Subscription {
    Subscription::stream(id).since("0").retry(Duration::ZERO)
}

/// One query parameter of a request target, decoded.
pub(crate) fn query(uri: &str, name: &str) -> Option<String> {
    let (_, query) = uri.split_once('?')?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

/// An event's JSON text, as the service would send it.
pub(crate) fn envelope(data: &str) -> String {
    format!(
        r#"{{"type":"update","meta":{{"timestamp":"2026-06-07T00:49:36.562Z"}},"data":{data}}}"#
    )
}

/// A whole frame of an event stream with an id.
pub(crate) fn frame(id: &str, data: &str) -> String {
    format!("id: {id}\ndata: {}\n\n", envelope(data))
}

// What comes next

/// The next event; anything else of the stream's is a failure, connections come and go.
pub(crate) async fn event<R: Runtime>(events: &mut Events<R>) -> StreamEvent {
    match events.next().await {
        Some(Ok(Item::Event(event))) => event,
        other => panic!("expected an event, got {other:?}"),
    }
}

/// The next `count` events.
pub(crate) async fn take<R: Runtime>(events: &mut Events<R>, count: usize) -> Vec<StreamEvent> {
    let mut taken = Vec::with_capacity(count);
    while taken.len() < count {
        taken.push(event(events).await);
    }
    taken
}

/// The ids of the next `count` events.
pub(crate) async fn take_ids<R: Runtime>(events: &mut Events<R>, count: usize) -> Vec<String> {
    ids(&take(events, count).await)
}

pub(crate) fn id_of(item: &Item) -> String {
    let event = item.event().expect("an event");
    event.event_id().expect("an id").to_owned()
}

pub(crate) fn ids(events: &[StreamEvent]) -> Vec<String> {
    events.iter().map(|event| event.event_id().unwrap_or_default().to_owned()).collect()
}

/// The data of an update, as it came.
pub(crate) fn data(event: &StreamEvent) -> &str {
    event.data().expect("data").get()
}

pub(crate) async fn rejected<R: Runtime>(events: &mut Events<R>) -> Rejected {
    match events.next().await {
        Some(Ok(Item::Rejected(rejected))) => rejected,
        other => panic!("expected a rejected event, got {other:?}"),
    }
}

/// The next thing that happens is that a connection stands.
pub(crate) async fn opened<R: Runtime>(events: &mut Events<R>) -> Opened {
    match events.next_event().await {
        Some(Event::Opened(opened)) => opened,
        other => panic!("expected a connection, got {other:?}"),
    }
}

/// The next thing that happens is a loss.
pub(crate) async fn lost<R: Runtime>(events: &mut Events<R>) -> Lost {
    match events.next_event().await {
        Some(Event::Lost(lost)) => lost,
        other => panic!("expected a loss, got {other:?}"),
    }
}

/// The next thing that happens is the end.
pub(crate) async fn ended<R: Runtime>(events: &mut Events<R>) -> Ended {
    let ended = match events.next_event().await {
        Some(Event::Ended(ended)) => ended,
        other => panic!("expected the end, got {other:?}"),
    };
    assert!(events.next_event().await.is_none(), "something came after the end");
    ended
}

/// The error that a subscription ends with, as its first item.
pub(crate) async fn failure<R: Runtime>(events: &mut Events<R>) -> restless_hyper::proto::Error {
    let error = match events.next().await {
        Some(Err(error)) => error,
        other => panic!("expected an error, got {other:?}"),
    };
    assert!(events.next().await.is_none(), "something came after the error");
    error
}

// Waiting

pub(crate) enum Either<A, B> {
    First(A),
    Second(B),
}

/// Whichever of two is ready first; the first, where both are.
pub(crate) async fn race<A: Future, B: Future>(
    first: A,
    second: B,
) -> Either<A::Output, B::Output> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|cx| {
        if let Poll::Ready(done) = first.as_mut().poll(cx) {
            return Poll::Ready(Either::First(done));
        }
        second.as_mut().poll(cx).map(Either::Second)
    })
    .await
}

/// Both, side by side.
pub(crate) async fn both<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut one, mut other) = (None, None);
    poll_fn(|cx| {
        if one.is_none()
            && let Poll::Ready(done) = first.as_mut().poll(cx)
        {
            one = Some(done);
        }
        if other.is_none()
            && let Poll::Ready(done) = second.as_mut().poll(cx)
        {
            other = Some(done);
        }
        if one.is_some() && other.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (one.expect("the first"), other.expect("the second"))
}

/// Lets a subscription move until `until` is ready; nothing may come of it meanwhile.
pub(crate) async fn move_until<R: Runtime, T>(
    events: &mut Events<R>,
    until: impl Future<Output = T>,
) -> T {
    match race(until, events.next_event()).await {
        Either::First(done) => done,
        Either::Second(event) => panic!("nothing was to happen, but {event:?} did"),
    }
}

/// Makes way for whatever else there is to do, once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Follows a stream over WebSocket from its first event on.
pub(super) fn web(id: &str) -> Subscription {
    all_of(id).websocket()
}

/// A frame of a server's; in `first`, FIN is 0x80, and RSV1, which says compressed, 0x40.
pub(super) fn ws_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).expect("a short payload");
    let mut frame = if len < 126 { vec![first, len as u8] } else { vec![first, 126] };
    if len >= 126 {
        frame.extend(len.to_be_bytes());
    }
    [&frame, payload].concat()
}
