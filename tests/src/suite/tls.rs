//! TLS: whom to trust, and what happens where one can't.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::subscription::LossReason;
use restless_hyper::proto::{Error, Timer, TransportErrorKind, streams};
use restless_hyper::rustls::ClientConfig;
use restless_hyper::{Client, ClientBuilder, Runtime};

use super::front::{Front, trusting_nobody};
use super::probe::Probe;
use super::relay::{self, serving};
use super::support::{all_of, builder, data, event, failure, lost};
use crate::causes;

const STREAM: &str = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;

/// An emulator behind TLS.
fn behind_tls() -> (Emulator, Front) {
    let emulator = Emulator::start().expect("an emulator");
    let front = Front::start(emulator.address());
    (emulator, front)
}

fn over<R: Runtime>(rt: &R, emulator: &Emulator, front: &Front) -> ClientBuilder<R> {
    builder(rt, emulator).base_url(front.url("localhost")).stream_base_url(front.url("localhost"))
}

fn trusting<R: Runtime>(rt: &R, emulator: &Emulator, front: &Front) -> Client<R> {
    over(rt, emulator, front).tls_config(front.trusted()).build().expect("a client")
}

fn kind(error: &Error) -> TransportErrorKind {
    match error {
        Error::Transport(error) => error.kind(),
        error => panic!("expected a failure of the transport, got {error:?}"),
    }
}

/// Calls work over TLS with a configuration of the caller's, on one connection.
pub async fn calls_work_over_tls<R: Runtime>(rt: R) {
    let (emulator, front) = behind_tls();
    let probe = Probe::new(rt);
    let client = trusting(&probe, &emulator, &front);
    let create = streams::create("Orders", "http://127.0.0.1:9/").status("INACTIVE");
    let created = client.send(create.description("x".repeat(200_000))).await.expect("a stream");
    assert_eq!(client.send(streams::get(&created.id)).await.expect("a stream"), created);
    assert_eq!(probe.connects(), 1);
}

/// Subscriptions go over TLS, too: large events, and cuts, as over plain TCP.
pub async fn subscriptions_work_over_tls<R: Runtime>(rt: R) {
    let (emulator, front) = behind_tls();
    let client = trusting(&rt, &emulator, &front);
    let id = emulator.add_stream(STREAM).expect("a stream");
    let text = format!("\"{}\"", "é".repeat(100_000));
    for _ in 0..5 {
        emulator.publish(&id, &text).expect("an event");
    }
    for fault in [Fault::cut_after(350_000), Fault::end_after_events(1), Fault::reset_after(100)] {
        emulator.inject(fault);
    }
    let mut events = client.subscribe(all_of(&id)).expect("a subscription");
    let mut received = Vec::new();
    while received.len() < 5 {
        let event = event(&mut events).await;
        assert!(data(&event) == text);
        received.push(event.event_id().expect("an id").to_owned());
    }
    let log: Vec<_> = emulator.log(&id).into_iter().map(|event| event.id).collect();
    assert_eq!(received, log);
    assert_eq!(emulator.pending_faults(), 0);
    drop(events);
    emulator.until_connections(0).await;
}

/// An address may stand in the place of a name, if the certificate has it.
pub async fn a_certificate_may_be_for_an_address<R: Runtime>(rt: R) {
    let (emulator, front) = behind_tls();
    let client = over(&rt, &emulator, &front)
        .base_url(front.url("127.0.0.1"))
        .tls_config(front.trusted())
        .build()
        .expect("a client");
    client.send(streams::list()).await.expect("a page");
}

/// A server that speaks no TLS may come to speak it: a subscription connects again, and is told
/// what it may be.
pub async fn a_server_that_speaks_no_tls_is_a_loss<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let url = format!("https://{}", emulator.address());
    let client = builder(&rt, &emulator).base_url(&url).stream_base_url(&url);
    let client = client.tls_config(trusting_nobody()).build().expect("a client");
    let error = client.send(streams::list()).await.expect_err("no TLS");
    let is_named = |error: &Error| {
        assert_eq!(kind(error), TransportErrorKind::Tls);
        assert!(causes(error).contains("is it http?"), "{}", causes(error));
    };
    is_named(&error);
    for subscription in [all_of("any"), all_of("any").websocket()] {
        let mut events = client.subscribe(subscription).expect("a subscription");
        let lost = lost(&mut events).await;
        let LossReason::Error(error) = &lost.reason else { panic!("{lost:?}") };
        is_named(error);
    }
}

/// A server that has nothing in common with us, as one with a key on P-521, would have nothing the
/// next time: after one connect of each transport, an error says what may help.
pub async fn a_server_with_nothing_in_common_ends_it<R: Runtime>(rt: R) {
    // What OpenSSL says then: a fatal alert, handshake_failure (RFC 8446 §6.2).
    let server = serving(|_, mut stream| {
        stream.write_all(&[21, 3, 3, 0, 2, 2, 40])?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    });
    let (emulator, probe) = (Emulator::start().expect("an emulator"), Probe::new(rt));
    let url = format!("https://{server}");
    let client = builder(&probe, &emulator).base_url(&url).stream_base_url(&url);
    let client = client.tls_config(trusting_nobody()).build().expect("a client");
    let mut errors = vec![client.send(streams::list()).await.expect_err("nothing in common")];
    for subscription in [all_of("any"), all_of("any").websocket()] {
        errors.push(failure(&mut client.subscribe(subscription).expect("a subscription")).await);
    }
    for error in errors {
        assert_eq!(kind(&error), TransportErrorKind::Unsupported);
        assert!(causes(&error).contains("aws_lc_rs"), "{}", causes(&error));
    }
    assert_eq!(probe.connects(), 3);
}

/// A handshake that stalls is no connect that does: it has a timer and an error of its own, over
/// each transport.
pub async fn a_handshake_that_stalls_is_a_timeout_of_its_own<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    // The system completes TCP's handshake, and nobody answers TLS's.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", silent.local_addr().expect("an address"));
    let client = builder(&rt, &emulator)
        .base_url(&url)
        .stream_base_url(&url)
        .tls_config(trusting_nobody())
        .tls_handshake_timeout(Duration::from_millis(100))
        .max_retries(0)
        .build()
        .expect("a client");
    let error = client.send(streams::list()).await.expect_err("silence");
    let mut errors = vec![error];
    for subscription in [all_of("any"), all_of("any").websocket()] {
        let subscription = subscription.reconnect(false);
        errors.push(failure(&mut client.subscribe(subscription).expect("a subscription")).await);
    }
    for error in errors {
        let Error::Timeout(timeout) = &error else { panic!("{error:?}") };
        let due = (Timer::TlsHandshake, Duration::from_millis(100));
        assert_eq!((timeout.timer(), timeout.after()), due);
    }
}

/// A handshake that breaks off, by an end or a reset, leaves the request here, so that any call is
/// made again, and is made once.
pub async fn a_handshake_that_breaks_off_is_no_connection<R: Runtime>(rt: R) {
    let (emulator, front) = behind_tls();
    let client = |breaks, retries| {
        let door = relay::slamming(breaks, front.address());
        let url = format!("https://localhost:{}", door.port());
        let client = builder(&rt, &emulator).base_url(&url).stream_base_url(&url);
        client.tls_config(front.trusted()).max_retries(retries).build().expect("a client")
    };
    let create = || streams::create("Orders", "http://127.0.0.1:9/").status("INACTIVE");
    client(2, 2).send(create()).await.expect("a stream");
    assert_eq!(emulator.requests().len(), 1);

    let client = client(4, 0);
    let mut errors = Vec::new();
    for _ in 0..2 {
        errors.push(client.send(create()).await.expect_err("it breaks off"));
    }
    for subscription in [all_of("any"), all_of("any").websocket()] {
        let subscription = subscription.reconnect(false);
        errors.push(failure(&mut client.subscribe(subscription).expect("a subscription")).await);
    }
    for error in errors {
        assert_eq!(kind(&error), TransportErrorKind::Connect, "{error:?}");
    }
}

/// A server that would rather speak h2 is spoken to in HTTP/1.1, by a client whose TLS
/// configuration offers both, h2 alone, or nothing; over each transport.
pub async fn a_server_that_prefers_h2_is_not_taken_at_its_word<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let id = emulator.add_stream(STREAM).expect("a stream");
    emulator.publish(&id, "1").expect("an event");
    for (offered, due) in [
        (&["h2", "http/1.1"][..], Some("http/1.1".to_owned())),
        (&["h2"], Some("http/1.1".to_owned())),
        (&[], None),
    ] {
        let front = Front::preferring_h2(emulator.address());
        let mut config = ClientConfig::clone(&front.trusted());
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let client = over(&rt, &emulator, &front).tls_config(config.into());
        let client = client.build().expect("a client");
        client.send(streams::list()).await.expect("a page");
        for subscription in [all_of(&id), all_of(&id).websocket()] {
            let mut events = client.subscribe(subscription).expect("a subscription");
            event(&mut events).await;
        }
        assert_eq!(front.agreed(), vec![due; 3], "{offered:?}");
    }
}
