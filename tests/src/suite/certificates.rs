//! Certificates that are not to be trusted, each over each transport: the error says what is wrong,
//! nothing of a request goes out, and nobody tries again.

use restless_emulator::Emulator;
use restless_hyper::proto::subscription::Ended;
use restless_hyper::proto::{Error, Subscription, TransportErrorKind, streams};
use restless_hyper::{Client, Runtime};

use super::front::{Front, Trust};
use super::support::{all_of, builder, ended, take_ids};

/// What a server shows, what its client trusts, and what the error must say of it.
struct Case {
    name: &'static str,
    change: fn(&mut rcgen::CertificateParams),
    trust: Trust,
    due: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "for another name",
        change: |params| {
            params.subject_alt_names =
                vec![rcgen::SanType::DnsName("other.test".try_into().expect("a name"))];
        },
        trust: Trust::Its,
        due: &["not valid for name", "localhost", "other.test"],
    },
    Case {
        name: "expired",
        change: |params| {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        },
        trust: Trust::Its,
        due: &["expired"],
    },
    Case {
        name: "not valid yet",
        change: |params| {
            params.not_before = rcgen::date_time_ymd(3001, 1, 1);
            params.not_after = rcgen::date_time_ymd(3002, 1, 1);
        },
        trust: Trust::Its,
        due: &["not valid yet"],
    },
    Case {
        name: "of an unknown root",
        change: |_| {},
        trust: Trust::Another,
        due: &["UnknownIssuer"],
    },
    Case {
        name: "self-signed, and nobody is trusted",
        change: |_| {},
        trust: Trust::Nobody,
        due: &["UnknownIssuer"],
    },
];

/// All that an error says.
fn said(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The error of each transport, in the order of their names here.
async fn errors<R: Runtime>(client: &Client<R>) -> Vec<(&'static str, Error)> {
    let mut errors =
        vec![("REST", client.send(streams::list()).await.expect_err("it is not to be trusted"))];
    let transports: [(_, Subscription); 2] =
        [("SSE", all_of("any")), ("WebSocket", all_of("any").websocket())];
    for (transport, subscription) in transports {
        let mut events = client.subscribe(subscription).expect("a subscription");
        match ended(&mut events).await {
            Ended::Failed(error) => errors.push((transport, error)),
            ended => panic!("{transport}: {ended:?}"),
        }
    }
    errors
}

/// Wrong name, expired, not valid yet, unknown root, self-signed; over REST, event streams and
/// WebSocket: refused with the reason, on the first connect, which is the only one.
pub async fn each_bad_certificate_is_refused_over_each_transport<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    for Case { name, change, trust, due } in CASES {
        let front = Front::with(emulator.address(), change);
        let url = front.url("localhost");
        let client = builder(&rt, &emulator).base_url(&url).stream_base_url(&url);
        let client = client.tls_config(front.trust(*trust)).build().expect("a client");
        for (transport, error) in errors(&client).await {
            let Error::Transport(failure) = &error else {
                panic!("{name}, {transport}: {error:?}")
            };
            assert_eq!(failure.kind(), TransportErrorKind::Certificate, "{name}, {transport}");
            let said = said(&error);
            for due in *due {
                assert!(said.contains(due), "{name}, {transport}: {due:?} is not in {said:?}");
            }
        }
        assert_eq!(front.accepted(), 3, "{name}: somebody tried again");
    }
    assert!(emulator.requests().is_empty());
}

/// The same by the platform's verifier, which knows none of our roots.
pub async fn the_platform_s_verifier_refuses_over_each_transport<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let front = Front::start(emulator.address());
    let url = front.url("localhost");
    let client = builder(&rt, &emulator).base_url(&url).stream_base_url(&url);
    let client = client.build().expect("a client");
    let error = client.send(streams::list()).await.expect_err("it is not to be trusted");
    let Error::Transport(failure) = &error else { panic!("{error:?}") };
    if failure.kind() == TransportErrorKind::Tls {
        // A machine without any roots can't set a verifier up, and says so.
        assert!(said(&error).contains("cert"), "{error:?}");
        return;
    }
    for (transport, error) in errors(&client).await {
        let Error::Transport(failure) = &error else { panic!("{transport}: {error:?}") };
        assert_eq!(failure.kind(), TransportErrorKind::Certificate, "{transport}");
    }
    assert!(emulator.requests().is_empty());
}

/// A server that asks for a client's certificate gets the caller's; without one, it refuses, which
/// is an end and not a loss: it would refuse again.
pub async fn a_client_s_certificate_is_shown_where_it_is_asked_for<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).expect("a stream");
    emulator.publish(&id, "1").expect("an event");
    let (front, with_certificate) = Front::for_known_clients(emulator.address());
    let url = front.url("localhost");
    let client = |config| {
        let builder = builder(&rt, &emulator).base_url(&url).stream_base_url(&url);
        builder.tls_config(config).build().expect("a client")
    };
    let known = client(with_certificate);
    known.send(streams::list()).await.expect("a page");
    for subscription in [all_of(&id), all_of(&id).websocket()] {
        let mut events = known.subscribe(subscription).expect("a subscription");
        take_ids(&mut events, 1).await;
    }
    let before = (front.accepted(), emulator.requests().len());
    for (transport, error) in errors(&client(front.trust(Trust::Its))).await {
        let Error::Transport(failure) = &error else { panic!("{transport}: {error:?}") };
        assert_eq!(failure.kind(), TransportErrorKind::Certificate, "{transport}: {error:?}");
        let said = said(&error).to_lowercase();
        assert!(said.contains("certificate"), "{transport}: {said}");
    }
    assert_eq!((front.accepted(), emulator.requests().len()), (before.0 + 3, before.1));
}
