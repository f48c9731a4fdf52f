//! From a name to a socket: all of its addresses get their chance (RFC 8305), each time anew.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::{Error, Timer, streams};
use restless_hyper::{Client, Runtime};

use super::front::Front;
use super::probe::Probe;
use super::relay::Relay;
use super::support::{Stage, all_of, both, builder, failure, lost, opened, take_ids};

const STREAM: &str = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;

/// Where nobody ever answers: three addresses for documentation.
const BLACK_HOLES: [&str; 3] = ["[2001:db8::1]:9", "[2001:db8::2]:9", "192.0.2.1:9"];

/// These black holes first, then these addresses.
fn after_black_holes(count: usize, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let holes = BLACK_HOLES.iter().take(count).map(|hole| hole.parse().expect("an address"));
    holes.chain(addresses.iter().copied()).collect()
}

/// An address that refuses: its port stays its own.
fn gone() -> Emulator {
    let gone = Emulator::start().expect("an emulator");
    gone.stop_listening().expect("it stands");
    gone
}

fn by_name<R: Runtime>(rt: &R, emulator: &Emulator) -> Client<R> {
    let name = |url: String| url.replace("127.0.0.1", "up.test");
    let client = builder(rt, emulator).base_url(name(emulator.api_base_url()));
    let client = client.stream_base_url(name(emulator.stream_base_url()));
    client.allow_credentials_over_plain_http().build().expect("a client")
}

/// An address that never answers holds the connect up by 250 ms: the next address is tried beside
/// it, for calls, event streams and WebSockets alike. The connect that comes second is dropped.
pub async fn a_black_hole_holds_nobody_up<R: Runtime>(rt: R) {
    let stage = Stage::new(rt.clone());
    let id = stage.stream();
    stage.publish(&id, 2);
    let probe = Probe::with_addresses(rt, &after_black_holes(1, &[stage.emulator.address()]));
    let client = by_name(&probe, &stage.emulator);
    let start = Instant::now();
    client.send(streams::list()).await.expect("a page");
    for subscription in [all_of(&id), all_of(&id).websocket()] {
        let mut events = client.subscribe(subscription).expect("a subscription");
        assert_eq!(take_ids(&mut events, 2).await, stage.log(&id));
    }
    let took = start.elapsed();
    assert!(took >= 3 * Duration::from_millis(250), "an attempt was alone for too short: {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!((probe.lookups(), probe.connects()), (3, 6));
    // The call's connection is kept for the next; nothing else is there.
    assert_eq!(probe.live(), 1);
}

/// An address that refuses makes the next one be tried at once.
pub async fn a_refusal_makes_way_at_once<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let gone = gone();
    // Were there a delay for each, these would take ten seconds and run into the timeout.
    let addresses: Vec<_> = [gone.address(); 40].into_iter().chain([emulator.address()]).collect();
    let probe = Probe::with_addresses(rt, &addresses);
    by_name(&probe, &emulator).send(streams::list()).await.expect("a page");
    assert_eq!(probe.connects(), 41);
}

/// Where no address answers, the connect timeout is over all of them, and every socket is closed
/// behind it.
pub async fn black_holes_alone_are_a_connect_timeout<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::with_addresses(rt, &after_black_holes(3, &[]));
    // All of them are tried by then, 250 ms apart.
    let timeout = Duration::from_millis(1200);
    let client = builder(&probe, &emulator)
        .base_url("http://up.test:9")
        .allow_credentials_over_plain_http()
        .connect_timeout(timeout)
        .max_retries(0)
        .build()
        .expect("a client");
    let error = client.send(streams::list()).await.expect_err("nobody answers");
    let Error::Timeout(late) = &error else { panic!("{error:?}") };
    assert_eq!((late.timer(), late.after()), (Timer::Connect, timeout));
    assert_eq!((probe.connects(), probe.live()), (3, 0));
}

/// An address that takes connections and never speaks TLS is passed by: the next connect takes the
/// other address first, for calls, event streams and WebSockets alike.
pub async fn an_address_that_never_speaks_tls_makes_way<R: Runtime>(rt: R) {
    let stage = Stage::new(rt.clone());
    let id = stage.stream();
    stage.publish(&id, 1);
    // The system completes TCP's handshake, and nobody answers TLS's.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let front = Front::start(stage.emulator.address());
    let client = || {
        let probe = Probe::with_addresses(rt.clone(), &[address, front.address()]);
        let client = builder(&probe, &stage.emulator)
            .base_url("https://up.test")
            .stream_base_url("https://up.test")
            .tls_config(front.trusted())
            .tls_handshake_timeout(Duration::from_secs(1));
        (probe, client.build().expect("a client"))
    };
    let (probe, calls) = client();
    calls.send(streams::list()).await.expect("a page");
    assert_eq!(probe.connects(), 2);
    for subscription in [all_of(&id), all_of(&id).websocket()] {
        let (probe, client) = client();
        let mut events = client.subscribe(subscription).expect("a subscription");
        lost(&mut events).await;
        opened(&mut events).await;
        assert_eq!(take_ids(&mut events, 1).await, stage.log(&id));
        assert_eq!(probe.connects(), 2);
    }
}

/// An address of a proxy's that takes connections and never answers is held by the next one, too.
pub async fn an_address_of_a_proxy_that_never_answers_makes_way<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let front = Front::start(emulator.address());
    let ask = async |scheme: &str| {
        let relay = Relay::start(front.address());
        let probe = Probe::with_addresses(rt.clone(), &[address, relay.address()]);
        let client = builder(&probe, &emulator)
            .base_url("https://up.test")
            .proxy(format!("{scheme}://proxy.test"))
            .tls_config(front.trusted())
            // The first connect takes all of it, and the second no more, on a busy machine either.
            .connect_timeout(Duration::from_secs(3))
            .build()
            .expect("a client");
        client.send(streams::list()).await.expect("a page");
        assert_eq!(probe.connects(), 2);
    };
    both(ask("http"), ask("socks5")).await;
}

/// A name is resolved anew for each connection of a subscription: the service may have moved.
pub async fn each_reconnect_resolves_the_name_anew<R: Runtime>(rt: R) {
    let stage = Stage::new(rt.clone());
    let id = stage.stream();
    stage.publish(&id, 4);
    for websocket in [false, true] {
        for _ in 0..3 {
            stage.emulator.inject(Fault::end_after_events(1));
        }
        let probe = Probe::with_addresses(rt.clone(), &[stage.emulator.address()]);
        let client = by_name(&probe, &stage.emulator);
        let subscription = if websocket { all_of(&id).websocket() } else { all_of(&id) };
        let mut events = client.subscribe(subscription).expect("a subscription");
        assert_eq!(take_ids(&mut events, 4).await, stage.log(&id));
        assert_eq!((probe.lookups(), probe.connects()), (4, 4));
    }
}

/// Where every address refuses, the error names the last one beside the reason.
pub async fn a_refusal_names_the_address<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let gone = gone();
    let client = by_name(&Probe::with_addresses(rt, &[gone.address()]), &emulator);
    let subscription = all_of("any").reconnect(false);
    let error = failure(&mut client.subscribe(subscription).expect("a subscription")).await;
    let cause = std::error::Error::source(&error).expect("a cause");
    assert_eq!(cause.to_string(), format!("{} can't be reached", gone.address()));
}

/// `localhost` and the names under it, which are trusted to be this machine, are never looked up:
/// both of its addresses are known (RFC 6761 §6.3).
pub async fn localhost_is_this_machine_whatever_a_resolver_says<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let id = emulator.add_stream(STREAM).expect("a stream");
    emulator.publish(&id, "1").expect("an event");
    for name in ["localhost", "service.localhost", "LOCALHOST."] {
        let probe = Probe::with_addresses(rt.clone(), &after_black_holes(1, &[]));
        let url = format!("http://{name}:{}", emulator.address().port());
        let client = builder(&probe, &emulator).base_url(&url).stream_base_url(&url);
        let client = client.build().expect("a client");
        client.send(streams::list()).await.expect("a page");
        for subscription in [all_of(&id), all_of(&id).websocket()] {
            let mut events = client.subscribe(subscription).expect("a subscription");
            take_ids(&mut events, 1).await;
        }
        assert_eq!((probe.lookups(), probe.connects()), (0, 3), "{name}");
    }
    // Where nobody listens at the first address, there is the other family's.
    emulator.stop_listening().expect("the emulator stands");
    let probe = Probe::nameless(rt);
    let url = format!("http://localhost:{}", emulator.address().port());
    let client = builder(&probe, &emulator).base_url(url).max_retries(0).build();
    client.expect("a client").send(streams::list()).await.expect_err("nobody listens");
    assert_eq!((probe.lookups(), probe.connects()), (0, 2));
}

/// Idle connections that the server has closed are closed here with whatever comes by next: a
/// connect of a subscription, over both transports, or a call to another origin.
pub async fn idle_connections_that_were_closed_go_with_whatever_comes_next<R: Runtime>(rt: R) {
    let [here, there] = [(), ()].map(|()| Emulator::start().expect("an emulator"));
    let id = here.add_stream(STREAM).expect("a stream");
    here.publish(&id, "1").expect("an event");
    for subscription in [all_of(&id), all_of(&id).websocket()] {
        let probe = Probe::new(rt.clone());
        let client = builder(&probe, &here).build().expect("a client");
        client.send(streams::list()).await.expect("a page");
        assert_eq!(probe.live(), 1);
        here.disconnect_all();
        here.until_connections(0).await;
        // The reactor may learn of it a while later.
        while probe.live() > 0 {
            let mut events = client.subscribe(subscription.clone()).expect("a subscription");
            take_ids(&mut events, 1).await;
        }
    }
    let probe = Probe::new(rt);
    let client = builder(&probe, &here).build().expect("a client");
    let pair = both(client.send(streams::list()), client.send(streams::list())).await;
    assert!(pair.0.is_ok() && pair.1.is_ok());
    here.inject(Fault::redirect(307, there.api_base_url() + "/streams").on_rest());
    there.inject(Fault::status(404).on_rest());
    client.send(streams::list()).await.expect_err("404");
    there.disconnect_all();
    there.until_connections(0).await;
    assert_eq!((probe.live(), probe.connects()), (2, 3));
    while probe.live() > 1 {
        client.send(streams::list()).await.expect("a page");
    }
    assert_eq!(probe.connects(), 3);
}
