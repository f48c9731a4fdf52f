//! Certificates that are not to be trusted, each over each transport: the error says what is wrong,
//! the request stays here, and one connect is all.

use std::net::SocketAddr;
use std::path::PathBuf;

use restless_emulator::Emulator;
use restless_hyper::proto::subscription::Ended;
use restless_hyper::proto::{Error, Subscription, TransportErrorKind, streams};
use restless_hyper::{Client, ClientBuilder, Runtime};
use serde_json::json;

use super::child;
use super::front::{Front, Signer, Trust};
use super::relay::Relay;
use super::support::{all_of, builder, ended, take_ids};
use crate::causes;

/// What a server shows, what its client trusts, and what the error must say of it.
struct Case {
    name: &'static str,
    signer: Signer,
    change: fn(&mut rcgen::CertificateParams),
    trust: Trust,
    due: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "for another name",
        signer: Signer::Authority,
        change: |params| {
            params.subject_alt_names =
                vec![rcgen::SanType::DnsName("other.test".try_into().expect("a name"))];
        },
        trust: Trust::Its,
        due: &["not valid for name", "localhost", "other.test"],
    },
    Case {
        name: "expired",
        signer: Signer::Authority,
        change: |params| {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        },
        trust: Trust::Its,
        due: &["expired"],
    },
    Case {
        name: "not valid yet",
        signer: Signer::Authority,
        change: |params| {
            params.not_before = rcgen::date_time_ymd(3001, 1, 1);
            params.not_after = rcgen::date_time_ymd(3002, 1, 1);
        },
        trust: Trust::Its,
        due: &["not valid yet"],
    },
    Case {
        name: "of an unknown root",
        signer: Signer::Authority,
        change: |_| {},
        trust: Trust::Another,
        due: &["UnknownIssuer"],
    },
    Case {
        name: "of a root that only has the name of a known one",
        signer: Signer::Authority,
        change: |_| {},
        trust: Trust::Namesake,
        due: &["BadSignature"],
    },
    Case {
        name: "self-signed",
        signer: Signer::Itself,
        change: |_| {},
        trust: Trust::Another,
        due: &["UnknownIssuer"],
    },
    Case {
        name: "self-signed and for another purpose",
        signer: Signer::Itself,
        change: |params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        },
        trust: Trust::Its,
        due: &["extended key usage"],
    },
    Case {
        name: "self-signed, an authority's, and installed",
        signer: Signer::Itself,
        change: |params| {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        },
        trust: Trust::Its,
        due: &["CA:TRUE", "CA:FALSE helps"],
    },
    Case {
        name: "of an authority, and nobody is trusted",
        signer: Signer::Authority,
        change: |_| {},
        trust: Trust::Nobody,
        due: &["UnknownIssuer"],
    },
];

/// The ways to a server: by none of these, or by a proxy of this kind.
const WAYS: [Option<&str>; 3] = [None, Some("http"), Some("socks5")];

/// A client of this front by this way; and the proxy on it.
fn by<R: Runtime>(
    way: Option<&str>,
    to: SocketAddr,
    client: ClientBuilder<R>,
) -> (Option<Relay>, Client<R>) {
    let relay = way.map(|_| Relay::start(to));
    let client = match (way, &relay) {
        (Some(scheme), Some(relay)) => client.proxy(format!("{scheme}://{}", relay.address())),
        _ => client,
    };
    (relay, client.build().expect("a client"))
}

fn with_an_event() -> (Emulator, String) {
    let emulator = Emulator::start().expect("an emulator");
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).expect("a stream");
    emulator.publish(&id, "1").expect("an event");
    (emulator, id)
}

fn over<R: Runtime>(rt: &R, emulator: &Emulator, front: &Front) -> ClientBuilder<R> {
    let url = front.url("localhost");
    builder(rt, emulator).base_url(&url).stream_base_url(&url)
}

/// A call, and the stream's one event over both transports.
async fn use_each_transport<R: Runtime>(client: &Client<R>, id: &str) {
    client.send(streams::list()).await.expect("a page");
    for subscription in [all_of(id), all_of(id).websocket()] {
        let mut events = client.subscribe(subscription).expect("a subscription");
        take_ids(&mut events, 1).await;
    }
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
/// WebSocket; straight, and through a proxy: refused with the reason, on the first connect, which
/// is the only one.
pub async fn each_bad_certificate_is_refused_over_each_transport<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    for Case { name, signer, change, trust, due } in CASES {
        for way in WAYS {
            let front = Front::with(emulator.address(), *signer, change);
            let client = over(&rt, &emulator, &front).tls_config(front.trust(*trust));
            let (_relay, client) = by(way, front.address(), client);
            for (transport, error) in errors(&client).await {
                let case = format!("{name}, {transport} by {way:?}");
                let Error::Transport(failure) = &error else { panic!("{case}: {error:?}") };
                assert_eq!(failure.kind(), TransportErrorKind::Certificate, "{case}");
                let said = causes(&error);
                for due in *due {
                    assert!(said.contains(due), "{case}: {due:?} is not in {said:?}");
                }
            }
            assert_eq!(front.accepted(), 3, "{name} by {way:?}: somebody tried again");
        }
    }
    assert!(emulator.requests().is_empty());
}

/// A certificate of a trusted authority's is good: over each transport, straight and through a
/// proxy.
pub async fn a_certificate_of_a_trusted_authority_is_accepted<R: Runtime>(rt: R) {
    let (emulator, id) = with_an_event();
    for way in WAYS {
        let front = Front::with(emulator.address(), Signer::Authority, |_| {});
        let client = over(&rt, &emulator, &front).tls_config(front.trusted());
        let (_relay, client) = by(way, front.address(), client);
        use_each_transport(&client, &id).await;
        assert_eq!(front.accepted(), 3);
    }
}

/// A proxy may take the place of the service behind its own CONNECT. Whoever has signed what the
/// proxy shows, the client refuses the proxy, sends it nothing of a request, and makes an exception
/// for a signer that the client was told to trust.
pub async fn a_proxy_in_the_middle_is_refused<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let service = Front::with(emulator.address(), Signer::Authority, |_| {});
    for signer in [Signer::Authority, Signer::Itself] {
        for way in WAYS.into_iter().flatten() {
            let middle = Front::with(emulator.address(), signer, |_| {});
            let client = over(&rt, &emulator, &service).tls_config(service.trusted());
            let (relay, client) = by(Some(way), middle.address(), client);
            for (transport, error) in errors(&client).await {
                let case = format!("{signer:?}, {transport} by {way}");
                let Error::Transport(failure) = &error else { panic!("{case}: {error:?}") };
                assert_eq!(failure.kind(), TransportErrorKind::Certificate, "{case}");
            }
            assert_eq!((middle.accepted(), service.accepted()), (3, 0));
            assert_eq!(relay.map(|relay| relay.seen().len()), Some(3));
        }
    }
    assert!(emulator.requests().is_empty());
}

/// The same by the platform's verifier, which knows none of our roots.
pub async fn the_platform_s_verifier_refuses_over_each_transport<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let front = Front::start(emulator.address());
    let client = over(&rt, &emulator, &front).build().expect("a client");
    let error = client.send(streams::list()).await.expect_err("it is not to be trusted");
    let Error::Transport(failure) = &error else { panic!("{error:?}") };
    if failure.kind() == TransportErrorKind::Request {
        // A machine without any roots can't set a verifier up, and says so.
        assert!(causes(&error).contains("no trust store"), "{error:?}");
        return;
    }
    for (transport, error) in errors(&client).await {
        let Error::Transport(failure) = &error else { panic!("{transport}: {error:?}") };
        assert_eq!(failure.kind(), TransportErrorKind::Certificate, "{transport}");
    }
    assert!(emulator.requests().is_empty());
}

/// An authority that is installed in the platform is trusted, over each transport, with nothing set
/// in code. Mozilla's roots, where they were asked for, take its place.
pub async fn an_authority_of_the_platform_s_is_trusted<R: Runtime>(rt: R) {
    if !cfg!(target_os = "linux") {
        return; // Elsewhere, no variable installs one.
    }
    if child::said().is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("root.pem");
        let path = file.to_str().expect("a path in UTF-8");
        let name = "certificates::an_authority_of_the_platform_s_is_trusted";
        child::run(name, &json!(path), &[("SSL_CERT_FILE", path)]);
        return;
    }
    let (emulator, id) = with_an_event();
    let front = Front::with(emulator.address(), Signer::Authority, |_| {});
    let file = child::said().and_then(|path| path.as_str().map(PathBuf::from)).expect("a path");
    std::fs::write(&file, front.pem()).expect("a file");
    let platform = over(&rt, &emulator, &front).build().expect("a client");
    use_each_transport(&platform, &id).await;
    emulator.clear_requests();
    let mozilla = over(&rt, &emulator, &front).webpki_roots().build().expect("a client");
    for (transport, error) in errors(&mozilla).await {
        let Error::Transport(failure) = &error else { panic!("{transport}: {error:?}") };
        assert_eq!(failure.kind(), TransportErrorKind::Certificate, "{transport}");
    }
    assert!(emulator.requests().is_empty());
    std::fs::remove_file(file).expect("a file");
}

/// A server that asks for a client's certificate gets the caller's. Without one the server refuses,
/// and would refuse again: that is an end.
pub async fn a_client_s_certificate_is_shown_where_it_is_asked_for<R: Runtime>(rt: R) {
    let (emulator, id) = with_an_event();
    let (front, with_certificate) = Front::for_known_clients(emulator.address());
    let client =
        |config| over(&rt, &emulator, &front).tls_config(config).build().expect("a client");
    use_each_transport(&client(with_certificate), &id).await;
    let before = (front.accepted(), emulator.requests().len());
    for (transport, error) in errors(&client(front.trust(Trust::Its))).await {
        let Error::Transport(failure) = &error else { panic!("{transport}: {error:?}") };
        assert_eq!(failure.kind(), TransportErrorKind::Certificate, "{transport}: {error:?}");
        let said = causes(&error).to_lowercase();
        assert!(said.contains("certificate"), "{transport}: {said}");
    }
    assert_eq!((front.accepted(), emulator.requests().len()), (before.0 + 3, before.1));
}

/// A signature that ring does not know, by P-521, or by P-384 with SHA-512: the error says so and
/// what helps, after one connect. Where the suite is built with the feature `aws-lc-rs`, that
/// provider reads both, over each transport.
pub async fn a_signature_that_ring_does_not_know_is_named<R: Runtime>(rt: R) {
    let (emulator, id) = with_an_event();
    assert!(!id.is_empty());
    // Good from 2020 to 2119, for localhost; their keys are known to everybody who reads this.
    for pem in [include_str!("certificates/p521.pem"), include_str!("certificates/p384-sha512.pem")]
    {
        let front = Front::with_pem(emulator.address(), pem);
        let client = over(&rt, &emulator, &front).tls_config(front.trusted());
        for (transport, error) in errors(&client.build().expect("a client")).await {
            let Error::Transport(failure) = &error else { panic!("{transport}: {error:?}") };
            assert_eq!(failure.kind(), TransportErrorKind::Certificate, "{transport}");
            let said = causes(&error);
            assert!(said.contains("P-384 with SHA-512") && said.contains("aws-lc-rs"), "{said}");
        }
        assert_eq!(front.accepted(), 3);
        assert!(emulator.requests().is_empty());

        #[cfg(feature = "aws-lc-rs")]
        {
            let client = over(&rt, &emulator, &front).add_root_certificates(front.pem());
            let client = client.aws_lc_rs().build().expect("a client");
            use_each_transport(&client, &id).await;
            emulator.clear_requests();
        }
    }
}

/// Roots of the caller's join the platform's, or Mozilla's where those were asked for: over each
/// transport a server of each is trusted, and a server of another root is refused.
pub async fn roots_of_the_caller_s_join_the_platform_s<R: Runtime>(rt: R) {
    if child::said().is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("root.pem");
        let path = file.to_str().expect("a path in UTF-8");
        let name = "certificates::roots_of_the_caller_s_join_the_platform_s";
        child::run(name, &json!(path), &[("SSL_CERT_FILE", path)]);
        return;
    }
    let file = child::said().and_then(|path| path.as_str().map(PathBuf::from)).expect("a path");
    let (emulator, id) = with_an_event();
    let front = || Front::with(emulator.address(), Signer::Authority, |_| {});
    let [platform_s, caller_s, another_s, nobody_s] = [front(), front(), front(), front()];
    std::fs::write(&file, platform_s.pem()).expect("a file");
    let client = |front: &Front| {
        let client = over(&rt, &emulator, front).add_root_certificates(caller_s.pem());
        client.add_root_certificates(format!("{}\n{}", another_s.pem(), caller_s.pem()))
    };
    for front in [&caller_s, &another_s] {
        use_each_transport(&client(front).build().expect("a client"), &id).await;
        use_each_transport(&client(front).webpki_roots().build().expect("a client"), &id).await;
    }
    // Where no variable installs one, there is no other authority of the platform's to ask.
    if cfg!(target_os = "linux") {
        use_each_transport(&client(&platform_s).build().expect("a client"), &id).await;
    }
    for (transport, error) in errors(&client(&nobody_s).build().expect("a client")).await {
        let Error::Transport(failure) = &error else { panic!("{transport}: {error:?}") };
        assert_eq!(failure.kind(), TransportErrorKind::Certificate, "{transport}");
    }
    std::fs::remove_file(file).expect("a file");
}

/// What is no root in PEM is an error when the client is built, which says which one it was; and so
/// is one beside a configuration that says by itself whom to trust.
pub async fn what_is_no_root_is_an_error_at_once<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let front = Front::start(emulator.address());
    let good = front.pem();
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (pem, due) in [
        (String::new(), "a text without a certificate"),
        ("mine.pem".to_owned(), "a text without a certificate"),
        (format!("{good}{bad}"), "certificate 2"),
        (format!("{good}-----BEGIN CERTIFICATE-----\nAAAA\n"), "item 2"),
    ] {
        let client = over(&rt, &emulator, &front).add_root_certificates(pem);
        let error = client.build().expect_err(due);
        assert_eq!(error.field(), "add_root_certificates");
        assert!(error.to_string().contains(due), "{error}");
    }
    let client = over(&rt, &emulator, &front).add_root_certificates(good);
    let error = client.tls_config(front.trusted()).build().expect_err("both");
    assert!(error.to_string().contains("tls_config"), "{error}");
}

/// An error names a trust store of the environment's that can't be read, and what is wrong: a file
/// that is missing, empty or a folder; a folder that is missing or empty. With such a store the
/// client trusts nobody and connects to nobody. With roots of the caller's, a server that these do
/// not know is told of the store.
pub async fn a_trust_store_that_can_t_be_read_is_named<R: Runtime>(rt: R) {
    if !cfg!(target_os = "linux") {
        return; // Elsewhere, the system's own verifier asks no variable.
    }
    let Some(said) = child::said() else {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        std::fs::write(folder.join("empty.pem"), "").expect("a file");
        std::fs::create_dir(folder.join("empty")).expect("a folder");
        let name = "certificates::a_trust_store_that_can_t_be_read_is_named";
        for (variable, path, due) in [
            ("SSL_CERT_FILE", "missing.pem", "No such file"),
            ("SSL_CERT_FILE", "empty.pem", "holds no certificate"),
            ("SSL_CERT_FILE", "empty", "is a folder"),
            ("SSL_CERT_DIR", "missing", "No such file"),
            ("SSL_CERT_DIR", "empty", "no certificate in PEM"),
        ] {
            let path = folder.join(path);
            let path = path.to_str().expect("a path in UTF-8");
            child::run(name, &json!([variable, path, due]), &[(variable, path)]);
        }
        return;
    };
    let due = said.as_array().expect("a list");
    let names_it = |error: &Error| {
        let said = causes(error);
        for due in due {
            let due = due.as_str().expect("a text");
            assert!(said.contains(due), "{due:?} is not in {said:?}");
        }
    };
    let emulator = Emulator::start().expect("an emulator");
    let front = Front::with(emulator.address(), Signer::Authority, |_| {});
    let client = over(&rt, &emulator, &front).build().expect("a client");
    for (transport, error) in errors(&client).await {
        let Error::Transport(failure) = &error else { panic!("{transport}: {error:?}") };
        assert_eq!(failure.kind(), TransportErrorKind::Request, "{transport}");
        names_it(&error);
    }
    let other = Front::with(emulator.address(), Signer::Itself, |_| {});
    let client = over(&rt, &emulator, &front).add_root_certificates(other.pem());
    for (transport, error) in errors(&client.build().expect("a client")).await {
        let Error::Transport(failure) = &error else { panic!("{transport}: {error:?}") };
        assert_eq!(failure.kind(), TransportErrorKind::Certificate, "{transport}");
        names_it(&error);
    }
    assert!(emulator.requests().is_empty());
}
