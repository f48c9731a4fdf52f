//! Credentials: where they may go, and a function that gives them.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderValue;
use http::header::{AUTHORIZATION, ORIGIN};
use restless_emulator::Emulator;
use restless_hyper::proto::subscription::{Ended, LossReason};
use restless_hyper::proto::{
    ApiKey, Entropy, Error, Subscription, Timer, TransportErrorKind, streams, websocket, ws,
};
use restless_hyper::{Client, Runtime};

use super::probe::Probe;
use super::support::{Either, builder, ended, failure, lost, opened, race, yield_now};

/// A key goes over plain http to this machine alone: to another host, calls and both transports end
/// in an error before anything is sent. A client that was told so by name goes there.
pub async fn a_key_does_not_go_over_plain_http<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::nameless(rt);
    let plain = || {
        let base = "http://service.invalid";
        builder(&probe, &emulator).base_url(base).stream_base_url(base)
    };
    let client = plain().build().expect("a client");
    let subscriptions = [Subscription::stream("s"), Subscription::stream("s").websocket()];
    let error = client.send(streams::list()).await.expect_err("plain http");
    assert!(matches!(&error, Error::Config(error) if error.field() == "base_url"), "{error:?}");
    for subscription in subscriptions.clone() {
        let error = client.subscribe(subscription).expect_err("plain http");
        assert_eq!(error.field(), "url");
    }
    assert_eq!(probe.lookups(), 0);

    let client =
        plain().allow_credentials_over_plain_http().max_retries(0).build().expect("a client");
    let mut errors = vec![client.send(streams::list()).await.expect_err("no such name")];
    for subscription in subscriptions {
        let mut events = client.subscribe(subscription.reconnect(false)).expect("a subscription");
        errors.push(failure(&mut events).await);
    }
    for error in errors {
        let Error::Transport(error) = &error else { panic!("{error:?}") };
        assert_eq!(error.kind(), TransportErrorKind::Resolve);
    }
    assert_eq!(probe.lookups(), 3);
}

/// Nor do credentials in the handshake of any other WebSocket: `Authorization`, a key in the URL, a
/// field that is marked as sensitive. A handshake without any goes there.
pub async fn a_websocket_s_credentials_do_not_go_over_plain_http<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::nameless(rt);
    let client = builder(&probe, &emulator).build().expect("a client");
    let told = builder(&probe, &emulator).allow_credentials_over_plain_http().build();
    let told = told.expect("a client");
    let mut marked = HeaderValue::from_static("canary");
    marked.set_sensitive(true);
    let plain = HeaderValue::from_static("canary");
    for (url, name, value, bears) in [
        ("ws://service.invalid/", AUTHORIZATION, plain.clone(), true),
        ("ws://service.invalid/", ORIGIN, marked, true),
        ("ws://service.invalid/?apiKey=canary", ORIGIN, plain.clone(), true),
        ("ws://service.invalid/", ORIGIN, plain, false),
    ] {
        let handshake = || {
            let url = url.parse().expect("a URL");
            let handshake = ws::Handshake::new(&url, &mut Entropy::from_seed(7)).expect("one");
            handshake.header(name.clone(), value.clone()).expect("a field")
        };
        let before = probe.lookups();
        match client.websocket(handshake(), ws::Options::default()) {
            Ok(_) => assert!(!bears, "{url} {name}"),
            Err(error) => {
                assert!(bears && error.field() == "url", "{url} {name}: {error}");
                assert!(!format!("{error} {error:?}").contains("canary"));
            }
        }
        assert_eq!(probe.lookups(), before);
        let socket = told.websocket(handshake(), ws::Options::default());
        let failed = socket.expect("a WebSocket").next().await;
        let Some(websocket::Event::Failed(Error::Transport(error))) = failed else {
            panic!("{failed:?}")
        };
        assert_eq!(error.kind(), TransportErrorKind::Resolve);
        assert_eq!(probe.lookups(), before + 1);
    }
}

/// What the function that gives keys was asked, in order.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<bool>>>);

impl Asked {
    fn note(&self, rejected: bool) {
        self.0.lock().expect("no panic").push(rejected);
    }

    fn take(&self) -> Vec<bool> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

/// A client whose keys are what `give` says: an error where it says none.
fn asking<R: Runtime>(
    rt: &R,
    emulator: &Emulator,
    asked: &Asked,
    give: impl Fn(bool) -> Option<String> + Clone + Send + Sync + 'static,
) -> Client<R> {
    let asked = asked.clone();
    let client = builder(rt, emulator).credentials(move |rejected| {
        asked.note(rejected);
        let give = give.clone();
        async move {
            // Whoever fetches a key takes a while.
            for _ in 0..3 {
                yield_now().await;
            }
            let key = give(rejected).ok_or("the vault is closed")?;
            Ok(ApiKey::new(key))
        }
    });
    client.build().expect("a client")
}

fn stream(emulator: &Emulator) -> String {
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    emulator.add_stream(stream).expect("a stream")
}

/// Over event streams and over WebSocket.
fn both_ways(id: &str) -> [Subscription; 2] {
    let subscription = Subscription::stream(id).retry(Duration::ZERO);
    [subscription.clone(), subscription.websocket()]
}

/// The keys that all requests so far bore.
fn keys(emulator: &Emulator) -> Vec<String> {
    let text = |value: &HeaderValue| value.to_str().expect("a key").replace("Bearer ", "");
    let requests = emulator.requests();
    let fields = requests.iter().map(|request| &request.headers);
    fields
        .filter_map(|fields| fields.get("x-api-key").or_else(|| fields.get("authorization")))
        .map(text)
        .collect()
}

/// The function is asked by each call and each connect, and not before it is polled.
pub async fn each_call_and_each_connect_asks_for_its_key<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let (asked, key) = (Asked::default(), emulator.api_key().to_owned());
    let given = key.clone();
    let client = asking(&rt, &emulator, &asked, move |_| Some(given.clone()));
    let create = streams::create("Orders", "http://127.0.0.1:9/").status("INACTIVE");
    let id = client.send(create).await.expect("a stream").id;
    let sent = String::from_utf8(emulator.requests()[0].body.to_vec()).expect("JSON");
    assert!(sent.contains(&format!(r#""apiKey":"{key}""#)), "{sent}");
    client.send(streams::get(&id)).await.expect("a stream");
    assert_eq!(asked.take(), [false, false]);
    for subscription in both_ways(&id) {
        let mut events = client.subscribe(subscription).expect("a subscription");
        assert_eq!(asked.take(), [false; 0]);
        opened(&mut events).await;
        emulator.disconnect_all();
        lost(&mut events).await;
        opened(&mut events).await;
        assert_eq!(asked.take(), [false, false]);
    }
    assert!(keys(&emulator).iter().all(|sent| *sent == key));
}

/// A key that is refused with 401 is renewed once, and the request is made again with the new one.
pub async fn a_refused_key_is_renewed<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let (asked, key, id) = (Asked::default(), emulator.api_key().to_owned(), stream(&emulator));
    let fresh = key.clone();
    let client = asking(&rt, &emulator, &asked, move |rejected| {
        Some(if rejected { fresh.clone() } else { "rs_old".to_owned() })
    });
    // Nothing was acted on, so a POST may be made again too.
    client.send(streams::start(&id)).await.expect("a stream");
    assert_eq!(
        (keys(&emulator), asked.take()),
        (vec!["rs_old".into(), key.clone()], vec![false, true])
    );
    for subscription in both_ways(&id) {
        emulator.clear_requests();
        let mut events = client.subscribe(subscription).expect("a subscription");
        opened(&mut events).await;
        assert_eq!(keys(&emulator), ["rs_old", &key]);
        assert_eq!(asked.take(), [false, true]);
    }
}

/// If the new one is refused too, that is the end.
pub async fn a_second_401_is_the_end<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let (asked, id) = (Asked::default(), stream(&emulator));
    let client = asking(&rt, &emulator, &asked, |_| Some("rs_old".to_owned()));
    let error = client.send(streams::get(&id)).await.expect_err("401");
    assert!(matches!(&error, Error::Refused(refused) if refused.status() == 401), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("rs_old"));
    assert_eq!((emulator.requests().len(), asked.take()), (2, vec![false, true]));
    for subscription in both_ways(&id) {
        emulator.clear_requests();
        let mut events = client.subscribe(subscription).expect("a subscription");
        let Ended::Failed(error) = ended(&mut events).await else { panic!("no error") };
        assert_eq!(error.status().map(|status| status.as_u16()), Some(401));
        assert_eq!((emulator.requests().len(), asked.take()), (2, vec![false, true]));
    }
}

/// Whoever gives keys may fail: a call fails with it, and a subscription asks again.
pub async fn no_key_is_an_error_of_its_own<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let (asked, key, id) = (Asked::default(), emulator.api_key().to_owned(), stream(&emulator));
    let calls = Arc::new(AtomicUsize::new(0));
    let client = asking(&rt, &emulator, &asked, move |_| {
        // Every other time.
        (calls.fetch_add(1, Ordering::Relaxed) % 2 == 1).then(|| key.clone())
    });
    let error = client.send(streams::get(&id)).await.expect_err("no key");
    assert!(matches!(&error, Error::Credentials(_)), "{error:?}");
    assert_eq!(StdError::source(&error).expect("a cause").to_string(), "the vault is closed");
    assert!(emulator.requests().is_empty());
    client.send(streams::get(&id)).await.expect("a stream");
    for subscription in both_ways(&id) {
        let mut events = client.subscribe(subscription).expect("a subscription");
        let lost = lost(&mut events).await;
        assert!(matches!(lost.reason, LossReason::Error(Error::Credentials(_))), "{lost:?}");
        opened(&mut events).await;
    }
}

/// Notes when it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A key that never comes is within the call's time; and the question is dropped with whoever asks.
pub async fn a_question_is_dropped_with_whoever_asks<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let client = builder(&rt, &emulator).timeout(Duration::from_millis(100));
    let client = client.credentials(move |_| {
        let guard = Dropped(Arc::clone(&count));
        async move {
            std::future::pending::<()>().await;
            drop(guard);
            Ok("never".into())
        }
    });
    let client = client.build().expect("a client");
    let error = client.send(streams::list()).await.expect_err("no key");
    assert!(matches!(&error, Error::Timeout(timeout) if timeout.timer() == Timer::Total));
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    for subscription in both_ways("s") {
        let before = dropped.load(Ordering::Relaxed);
        let mut events = client.subscribe(subscription.clone()).expect("a subscription");
        assert!(matches!(race(events.next(), yield_now()).await, Either::Second(())));
        assert_eq!(dropped.load(Ordering::Relaxed), before);
        drop(events);
        assert_eq!(dropped.load(Ordering::Relaxed), before + 1);
        // And with a subscription that is closed.
        let mut events = client.subscribe(subscription).expect("a subscription");
        assert!(matches!(race(events.next(), yield_now()).await, Either::Second(())));
        events.close();
        assert!(events.next().await.is_none());
        assert_eq!(dropped.load(Ordering::Relaxed), before + 2);
    }
    assert!(emulator.requests().is_empty());
}

/// A `next` that is dropped while the key is on its way does not ask again.
pub async fn next_that_is_dropped_asks_once<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let (asked, key, id) = (Asked::default(), emulator.api_key().to_owned(), stream(&emulator));
    let client = asking(&rt, &emulator, &asked, move |_| Some(key.clone()));
    for subscription in both_ways(&id) {
        let mut events = client.subscribe(subscription).expect("a subscription");
        while matches!(race(events.next_event(), yield_now()).await, Either::Second(())) {}
        assert_eq!(asked.take(), [false]);
    }
    assert_eq!(emulator.requests().len(), 2);
}
