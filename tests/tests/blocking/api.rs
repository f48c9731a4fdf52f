//! The methods of `restless-blocking` themselves.

use std::thread;
use std::time::{Duration, Instant};

use restless_blocking::subscription::{Event, Item, RejectReason, State};
use restless_blocking::{
    Client, ClientBuilder, Elapsed, Entropy, Error, Events, Subscription, TransportErrorKind,
    streams, websocket, ws,
};
use restless_emulator::{Emulator, Fault};
use restless_tests::run::on_a_thread;
use restless_tests::suite::{Front, Relay, Trust};
use url::Url;

const STREAM: &str = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;

/// More than anything here takes, on any machine.
const LONG: Duration = Duration::from_secs(10);

/// Over both transports.
const TRANSPORTS: [fn(Subscription) -> Subscription; 2] = [|it| it, Subscription::websocket];

fn builder(emulator: &Emulator) -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .api_key(emulator.api_key())
        .base_url(emulator.api_base_url())
        .stream_base_url(emulator.stream_base_url())
}

/// An emulator with a stream of so many events, and a client of it.
fn stage(events: usize) -> (Emulator, Client, String) {
    let emulator = Emulator::start().expect("an emulator");
    let client = builder(&emulator).build().expect("a client");
    let id = emulator.add_stream(STREAM).expect("a stream");
    for n in 0..events {
        emulator.publish(&id, &n.to_string()).expect("an event");
    }
    (emulator, client, id)
}

fn log(emulator: &Emulator, id: &str) -> Vec<String> {
    emulator.log(id).into_iter().map(|event| event.id).collect()
}

fn all_of(id: &str) -> Subscription {
    Subscription::stream(id).since("0").retry(Duration::ZERO)
}

fn id_of(item: Item) -> String {
    let event = item.into_event().expect("an event");
    event.event_id().expect("an id").to_owned()
}

fn take(events: &mut Events, count: usize) -> Vec<String> {
    events.take(count).map(|item| id_of(item.expect("it goes on"))).collect()
}

/// The handshake for a stream's events, for [`Client::websocket`].
fn handshake(emulator: &Emulator, id: &str) -> ws::Handshake {
    let url = emulator.websocket_url(id).replacen("ws", "http", 1);
    let url = Url::parse(&format!("{url}&since=0")).expect("a URL");
    let handshake = ws::Handshake::new(&url, &mut Entropy::from_seed(7)).expect("one");
    let bearer = http::HeaderValue::try_from(format!("Bearer {}", emulator.api_key()));
    handshake.header(http::header::AUTHORIZATION, bearer.expect("a value")).expect("one")
}

// Calls

/// A call waits for its answer, and a refusal is an error.
#[test]
fn a_call_waits_for_its_answer() {
    on_a_thread(|| {
        let (emulator, client, id) = stage(0);
        assert_eq!(client.send(streams::get(&id)).expect("a stream").id, id);
        let error = client.send(streams::get("none")).expect_err("there is none");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(404));
        drop(emulator);
        client.send(streams::get(&id)).expect_err("nobody is there");
    });
}

/// A list is walked as an iterator, over as many pages as it takes.
#[test]
fn a_list_is_an_iterator() {
    on_a_thread(|| {
        let (emulator, client, first) = stage(0);
        let mut due = vec![first];
        due.extend((0..4).map(|_| emulator.add_stream(STREAM).expect("a stream")));
        let pages = client.pages(streams::list().limit(2));
        let mut ids: Vec<_> = pages.map(|stream| stream.expect("a stream").id).collect();
        ids.sort();
        due.sort();
        assert_eq!(ids, due);
    });
}

// Events

/// Over both transports the events are an iterator, which ends with `None` and stays so; cuts,
/// resets, refusals, redirects and a server that breaks the protocol lose nothing.
#[test]
fn events_are_an_iterator() {
    on_a_thread(|| {
        for (path, over) in [("/", TRANSPORTS[0]), ("/ws", TRANSPORTS[1])] {
            let (emulator, client, id) = stage(12);
            for fault in [
                Fault::cut_after_events(2),
                Fault::refuse(),
                Fault::redirect(307, format!("{path}?streamId={id}")),
                Fault::reset_after(500),
                Fault::masked(),
                Fault::close(1011, "restart").after_events(1),
                Fault::pings(50).after_events(1),
            ] {
                emulator.inject(fault);
            }
            let mut events = client.subscribe(over(all_of(&id))).expect("a subscription");
            let taken = take(&mut events, 12);
            assert_eq!(taken, log(&emulator, &id));
            assert_eq!(events.cursor(), taken.last().map(String::as_str));
            events.close();
            assert!(events.next().is_none());
            assert!(events.next().is_none());
            emulator.until_connections(0).wait().expect("the socket is closed");
        }
    });
}

/// All of it over TLS, and through proxies.
#[test]
fn it_works_over_tls_and_through_proxies() {
    on_a_thread(|| {
        let (emulator, _, id) = stage(3);
        let front = Front::start(emulator.address());
        let relay = Relay::start(emulator.address());
        let at = |url: &str| builder(&emulator).base_url(url).stream_base_url(url);
        let plain = format!("http://localhost:{}", emulator.address().port());
        for settings in [
            at(&front.url("localhost")).tls_config(front.trusted()),
            at(&plain).proxy(format!("socks5h://{}", relay.address())),
            at(&plain).proxy(format!("http://{}", relay.address())),
        ] {
            let client = settings.build().expect("a client");
            client.send(streams::get(&id)).expect("a stream");
            for over in TRANSPORTS {
                let mut events = client.subscribe(over(all_of(&id))).expect("a subscription");
                assert_eq!(take(&mut events, 3), log(&emulator, &id));
            }
        }
        assert_eq!(relay.seen().len(), 6);
    });
}

/// A certificate that is not trusted ends it, over each transport, with one connect.
#[test]
fn a_bad_certificate_is_refused() {
    on_a_thread(|| {
        fn assert_certificate(error: &Error) {
            let Error::Transport(transport) = error else { panic!("{error:?}") };
            assert_eq!(transport.kind(), TransportErrorKind::Certificate);
        }
        let (emulator, _, id) = stage(0);
        let front = Front::start(emulator.address());
        let url = front.url("localhost");
        let settings = builder(&emulator).base_url(&url).stream_base_url(&url);
        let client = settings.tls_config(front.trust(Trust::Another)).build().expect("a client");
        assert_certificate(&client.send(streams::get(&id)).expect_err("not trusted"));
        for over in TRANSPORTS {
            let mut events = client.subscribe(over(all_of(&id))).expect("a subscription");
            assert_certificate(&events.next().expect("the end").expect_err("not trusted"));
            assert!(events.next().is_none());
        }
        assert!(emulator.requests().is_empty());
    });
}

/// Events come in a coding where that was asked for.
#[test]
fn coded_events_are_read() {
    on_a_thread(|| {
        let (emulator, client, id) = stage(3);
        let subscription = all_of(&id).accept_encoding(true);
        let mut events = client.subscribe(subscription).expect("a subscription");
        assert_eq!(take(&mut events, 3), log(&emulator, &id));
        let asked = emulator.requests()[0].headers.get("accept-encoding").cloned();
        assert!(asked.expect("it asks").to_str().expect("text").contains("gzip"));
    });
}

/// An event that can't be read comes out with its bytes, and the next one behind it.
#[test]
fn a_malformed_event_is_handed_out_and_passed() {
    on_a_thread(|| {
        let (emulator, client, id) = stage(1);
        let malformed = [Fault::raw(["data: {\n\n"]), Fault::text("{").after_events(0)];
        for (fault, over) in malformed.into_iter().zip(TRANSPORTS) {
            emulator.inject(fault);
            let mut events = client.subscribe(over(all_of(&id))).expect("a subscription");
            let item = events.next().expect("an item").expect("it goes on");
            let Item::Rejected(rejected) = item else { panic!("{item:?}") };
            assert_eq!(&*rejected.data, b"{");
            assert!(matches!(rejected.reason, RejectReason::Malformed(_)), "{rejected:?}");
            assert_eq!(take(&mut events, 1), log(&emulator, &id));
        }
    });
}

/// What the reader has not asked for waits at the server: a reader that pauses for longer than the
/// silence that is accepted gets all of it, over one connection.
#[test]
fn a_slow_reader_slows_the_server_down() {
    on_a_thread(|| {
        let (emulator, client, id) = stage(0);
        // More than the sockets hold.
        let text = format!("\"{}\"", "x".repeat(32 << 10));
        for _ in 0..400 {
            emulator.publish(&id, &text).expect("an event");
        }
        // A busy machine's server may well be silent for a part of that.
        let idle = Duration::from_secs(1);
        let subscription = all_of(&id).idle_timeout(idle);
        let mut events = client.subscribe(subscription).expect("a subscription");
        let mut taken = take(&mut events, 1);
        for count in [199, 200] {
            thread::sleep(idle * 3 / 2);
            taken.extend(take(&mut events, count));
        }
        assert_eq!(taken, log(&emulator, &id));
        assert_eq!(emulator.requests().len(), 1);
    });
}

/// Events of the connection come by `next_event`, the end among them.
#[test]
fn what_happens_to_connections_can_be_followed() {
    on_a_thread(|| {
        let (emulator, client, id) = stage(1);
        emulator.inject(Fault::refuse());
        let mut events = client.subscribe(all_of(&id)).expect("a subscription");
        assert!(matches!(events.next_event(), Some(Event::Lost(_))));
        assert!(matches!(events.next_event(), Some(Event::Opened(_))));
        assert!(matches!(events.next_event(), Some(Event::Item(_))));
        events.next_event_timeout(Duration::from_millis(20)).expect_err("nothing comes");
        events.close();
        assert!(matches!(events.next_event(), Some(Event::Ended(_))));
        assert!(events.next_event().is_none());
    });
}

// Timeouts

/// The form with a timeout says that the time is over, takes about that time, and loses nothing:
/// what comes later comes from the next call. The end is told apart from it.
#[test]
fn a_timeout_loses_nothing_and_is_not_the_end() {
    on_a_thread(|| {
        let (emulator, client, id) = stage(1);
        let mut events = client.subscribe(all_of(&id)).expect("a subscription");
        let mut taken = Vec::new();
        let span = Duration::from_millis(50);
        let mut elapsed = 0;
        while taken.len() < 5 {
            let before = Instant::now();
            match events.next_timeout(span) {
                Ok(Some(item)) => taken.push(id_of(item.expect("it goes on"))),
                Ok(None) => panic!("it has ended"),
                Err(over) => {
                    assert_eq!(over.span(), span);
                    assert!((span..LONG).contains(&before.elapsed()));
                    elapsed += 1;
                    // On a busy machine the time may be over once more before the last one comes.
                    if emulator.log(&id).len() < 5 {
                        emulator.publish(&id, "1").expect("an event");
                    }
                }
            }
        }
        assert_eq!(taken, log(&emulator, &id));
        assert!(elapsed >= 4, "{elapsed}");
        events.close();
        assert!(matches!(events.next_timeout(span), Ok(None)));
    });
}

/// No time at all is for what is there, and gets on all the same; the longest is for ever.
#[test]
fn a_timeout_may_be_nothing_or_for_ever() {
    on_a_thread(|| {
        for over in TRANSPORTS {
            let (emulator, client, id) = stage(0);
            let mut events = client.subscribe(over(all_of(&id))).expect("a subscription");
            while emulator.subscribers() == 0 {
                let before = Instant::now();
                events.next_timeout(Duration::ZERO).expect_err("nothing comes");
                assert!(before.elapsed() < LONG);
                thread::yield_now();
            }
            let first = emulator.publish(&id, "1").expect("an event");
            let item = loop {
                match events.next_timeout(Duration::ZERO) {
                    Ok(item) => break item.expect("it goes on").expect("it goes on"),
                    Err(Elapsed { .. }) => thread::yield_now(),
                }
            };
            assert_eq!(id_of(item), first);
            thread::scope(|scope| {
                let waits = scope.spawn(|| events.next_timeout(Duration::MAX));
                let second = emulator.publish(&id, "2").expect("an event");
                let item = waits.join().expect("no panic").expect("it waits for ever");
                assert_eq!(id_of(item.expect("it goes on").expect("it goes on")), second);
            });
        }
    });
}

/// Giving up every 200 microseconds, hundreds of times through a whole session with faults, loses
/// nothing.
#[test]
fn giving_up_every_200_microseconds_loses_nothing() {
    on_a_thread(|| {
        for over in TRANSPORTS {
            let (emulator, client, id) = stage(0);
            for fault in [
                Fault::cut_after_events(3),
                Fault::refuse(),
                Fault::cut_after(700),
                Fault::status(503),
                Fault::none().in_pieces_of(50),
            ] {
                emulator.inject(fault);
            }
            let mut events = client.subscribe(over(all_of(&id))).expect("a subscription");
            let (mut taken, mut elapsed) = (Vec::new(), 0);
            while taken.len() < 20 {
                // Events come only after enough has been given up.
                let published = emulator.log(&id).len();
                if published < 20 && elapsed >= published * 15 {
                    emulator.publish(&id, "1").expect("an event");
                }
                match events.next_timeout(Duration::from_micros(200)) {
                    Ok(item) => {
                        taken.push(id_of(item.expect("it goes on").expect("it goes on")));
                    }
                    Err(_) => elapsed += 1,
                }
            }
            assert_eq!(taken, log(&emulator, &id));
            assert!(elapsed >= 19 * 15, "it was given up {elapsed} times");
        }
    });
}

/// A subscription, or a WebSocket, that is dropped after any time, while it connects, while it asks
/// or later, leaves no connection behind.
#[test]
fn what_is_dropped_at_any_moment_is_gone() {
    on_a_thread(|| {
        let (emulator, client, id) = stage(1);
        let url = format!("http://localhost:{}", emulator.address().port());
        let by_name = builder(&emulator).stream_base_url(url).build().expect("a client");
        for n in 0..60 {
            let span = Duration::from_micros(n * 50);
            for (client, over) in [&client, &by_name].into_iter().zip(TRANSPORTS) {
                let mut events = client.subscribe(over(all_of(&id))).expect("a subscription");
                let _ = events.next_timeout(span);
            }
            let mut socket = client
                .websocket(handshake(&emulator, &id), ws::Options::default())
                .expect("a WebSocket");
            let _ = socket.next_timeout(span);
        }
        assert_eq!(take(&mut client.subscribe(all_of(&id)).expect("one"), 1), log(&emulator, &id));
        emulator.until_connections(0).wait().expect("no connection");
    });
}

// Where it can be used

/// A client can be used in an async function on tokio, whose thread it blocks, and does not panic
/// there: on a worker among several, and on the only thread.
#[test]
fn it_works_on_a_thread_of_tokio_s() {
    on_a_thread(|| {
        let builders = [
            tokio::runtime::Builder::new_multi_thread(),
            tokio::runtime::Builder::new_current_thread(),
        ];
        for mut runtime in builders {
            let (emulator, client, id) = stage(2);
            let runtime = runtime.enable_all().build().expect("a runtime");
            let due = log(&emulator, &id);
            let task = async move {
                assert_eq!(client.send(streams::get(&id)).expect("a stream").id, id);
                for over in TRANSPORTS {
                    let mut events = client.subscribe(over(all_of(&id))).expect("a subscription");
                    assert_eq!(take(&mut events, 2), due);
                    events.next_timeout(Duration::from_millis(1)).expect_err("nothing comes");
                    events.close();
                    assert!(events.next().is_none());
                }
            };
            runtime.block_on(async { tokio::spawn(task).await.expect("no panic") });
        }
    });
}

/// A subscription can be handed to another thread, and is gone from the server once it is dropped
/// there.
#[test]
fn a_subscription_can_move_to_another_thread() {
    on_a_thread(|| {
        let (emulator, client, id) = stage(3);
        let mut events = client.subscribe(all_of(&id)).expect("a subscription");
        let mut taken = take(&mut events, 1);
        let other = thread::spawn(move || take(&mut events, 2));
        taken.extend(other.join().expect("no panic"));
        assert_eq!(taken, log(&emulator, &id));
        emulator.until_connections(0).wait().expect("no connection");
    });
}

/// Another thread can wait for each turn of a subscription, for a time or until it is dropped.
#[test]
fn a_watch_waits_for_each_turn() {
    on_a_thread(|| {
        let (_emulator, client, id) = stage(1);
        let mut events = client.subscribe(all_of(&id)).expect("a subscription");
        let mut watch = events.watch();
        watch.changed_timeout(Duration::from_millis(5)).expect_err("nobody asks for events");
        thread::scope(|scope| {
            let seen = scope.spawn(|| watch.changed().expect("it is there"));
            take(&mut events, 1);
            assert!(matches!(seen.join().expect("no panic").state, State::Open));
        });
        assert_eq!(watch.status().cursor.as_deref(), events.cursor());
        events.close();
        let ended = watch.changed_timeout(LONG).expect("it has ended").expect("it is there");
        assert!(matches!(ended.state, State::Ended(_)));
        drop(events);
        assert!(watch.changed_timeout(LONG).expect("it is gone").is_none());
        assert!(watch.changed().is_none());
    });
}

/// Any WebSocket: opened, a ping answered, closed.
#[test]
fn any_websocket_is_opened_used_and_closed() {
    on_a_thread(|| {
        let (emulator, client, id) = stage(1);
        let mut socket = client
            .websocket(handshake(&emulator, &id), ws::Options::default())
            .expect("a WebSocket");
        assert!(matches!(socket.next(), Some(websocket::Event::Open(_))));
        assert!(matches!(socket.next(), Some(websocket::Event::Message(_))));
        socket.next_timeout(Duration::from_millis(20)).expect_err("nothing comes");
        socket.ping(b"there?").expect("it is open");
        assert!(matches!(socket.next(), Some(websocket::Event::Pong(_))));
        socket.close(ws::CloseCode::NORMAL, "").expect("it is open");
        assert!(matches!(socket.next(), Some(websocket::Event::Closed(_))));
        assert!(socket.next().is_none());
        assert!(socket.next().is_none());
    });
}
