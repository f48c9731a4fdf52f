//! Every scenario of the suite as `restless-blocking` runs it: its driver, its sockets, polled by the thread
//! that waits. What its own methods add is in [`api`].

use restless_smol::Smol;
use restless_tests::run::on_a_thread;

fn run<F>(scenario: fn(Smol) -> F)
where
    F: Future<Output = ()> + 'static,
{
    on_a_thread(move || async_io::block_on(scenario(Smol)));
}

restless_tests::scenarios!(crate::run);

mod api {
    //! The methods themselves.

    use std::time::{Duration, Instant};

    use restless_blocking::subscription::{Event, Item};
    use restless_blocking::{Client, ClientBuilder, Entropy, Subscription, streams, ws};
    use restless_emulator::{Emulator, Fault};
    use restless_tests::run::on_a_thread;
    use url::Url;

    const STREAM: &str = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;

    fn builder(emulator: &Emulator) -> ClientBuilder {
        Client::builder()
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

    /// Over both transports the events are an iterator, which ends with `None` and stays so; cuts
    /// on the way lose nothing.
    #[test]
    fn events_are_an_iterator() {
        on_a_thread(|| {
            let (emulator, client, id) = stage(6);
            for websocket in [false, true] {
                emulator.inject(Fault::cut_after_events(2));
                emulator.inject(Fault::refuse());
                let subscription = all_of(&id);
                let subscription = if websocket { subscription.websocket() } else { subscription };
                let mut events = client.subscribe(subscription).expect("a subscription");
                let taken: Vec<_> =
                    events.by_ref().take(6).map(|item| id_of(item.expect("it goes on"))).collect();
                assert_eq!(taken, log(&emulator, &id));
                assert_eq!(events.cursor(), taken.last().map(String::as_str));
                events.close();
                assert!(events.next().is_none());
                assert!(events.next().is_none());
            }
        });
    }

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
                    Err(_) => {
                        assert!(before.elapsed() >= span);
                        elapsed += 1;
                        emulator.publish(&id, "1").expect("an event");
                    }
                }
            }
            assert_eq!(taken, log(&emulator, &id));
            assert_eq!(elapsed, 4);
            events.close();
            assert!(matches!(events.next_timeout(span), Ok(None)));
        });
    }

    /// Giving up every 200 microseconds, through a whole session with faults, loses nothing.
    #[test]
    fn giving_up_every_200_microseconds_loses_nothing() {
        on_a_thread(|| {
            for websocket in [false, true] {
                let (emulator, client, id) = stage(20);
                for fault in [
                    Fault::cut_after_events(3),
                    Fault::refuse(),
                    Fault::cut_after(700),
                    Fault::status(503),
                    Fault::none().in_pieces_of(50),
                ] {
                    emulator.inject(fault);
                }
                let subscription = all_of(&id);
                let subscription = if websocket { subscription.websocket() } else { subscription };
                let mut events = client.subscribe(subscription).expect("a subscription");
                let (mut taken, mut elapsed) = (Vec::new(), 0);
                while taken.len() < 20 {
                    match events.next_timeout(Duration::from_micros(200)) {
                        Ok(item) => {
                            let item = item.expect("it goes on").expect("it goes on");
                            taken.push(id_of(item));
                        }
                        Err(_) => elapsed += 1,
                    }
                }
                assert_eq!(taken, log(&emulator, &id));
                assert!(elapsed > 5, "it was never given up");
            }
        });
    }

    /// A client can be used on a worker of tokio's, which it blocks, and does not panic there.
    #[test]
    fn it_works_on_a_worker_of_tokio() {
        on_a_thread(|| {
            let (emulator, client, id) = stage(2);
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            let due = log(&emulator, &id);
            runtime.expect("a runtime").block_on(async move {
                let task = tokio::spawn(async move {
                    assert_eq!(client.send(streams::get(&id)).expect("a stream").id, id);
                    let events = client.subscribe(all_of(&id)).expect("a subscription");
                    events.take(2).map(|item| id_of(item.expect("it goes on"))).collect::<Vec<_>>()
                });
                assert_eq!(task.await.expect("no panic"), due);
            });
        });
    }

    /// A subscription can be handed to another thread, watched from this one, and is gone from the
    /// server once it is dropped there.
    #[test]
    fn a_subscription_can_move_to_another_thread() {
        on_a_thread(|| {
            let (emulator, client, id) = stage(3);
            let events = client.subscribe(all_of(&id)).expect("a subscription");
            let watch = events.watch();
            let other = std::thread::spawn(move || events.take(3).count());
            assert_eq!(other.join().expect("no panic"), 3);
            assert_eq!(
                watch.status().cursor.as_deref(),
                log(&emulator, &id).last().map(|id| &**id)
            );
            async_io::block_on(emulator.until_connections(0));
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

    /// Any WebSocket: opened, a ping answered, closed.
    #[test]
    fn any_websocket_is_opened_used_and_closed() {
        on_a_thread(|| {
            let (emulator, client, id) = stage(1);
            let url = emulator.websocket_url(&id).replacen("ws", "http", 1);
            let url = Url::parse(&format!("{url}&since=0")).expect("a URL");
            let handshake = ws::Handshake::new(&url, &mut Entropy::from_seed(7)).expect("one");
            let bearer = http::HeaderValue::try_from(format!("Bearer {}", emulator.api_key()));
            let bearer = bearer.expect("a value");
            let handshake = handshake.header(http::header::AUTHORIZATION, bearer).expect("one");
            let socket = client.websocket(handshake, ws::Options::default());
            let mut socket = socket.expect("a WebSocket");
            assert!(matches!(socket.next(), Some(ws::Event::Open(_))));
            assert!(matches!(socket.next(), Some(ws::Event::Message(_))));
            socket.next_timeout(Duration::from_millis(20)).expect_err("nothing comes");
            socket.ping(b"there?").expect("it is open");
            assert!(matches!(socket.next(), Some(ws::Event::Pong(_))));
            socket.close(ws::CloseCode::NORMAL, "").expect("it is open");
            assert!(matches!(socket.next(), Some(ws::Event::Closed(_))));
            assert!(socket.next().is_none());
        });
    }
}
