//! Credentials: where they may go.

use restless_emulator::Emulator;
use restless_hyper::Runtime;
use restless_hyper::proto::{Error, Subscription, TransportErrorKind, streams};

use super::probe::Probe;
use super::support::{builder, failure};

/// Over plain http, to a host that is not this machine, no key is sent: the error comes before
/// anything else, for calls and for both transports. A client that was told so by name goes there.
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

    let client = plain().allow_credentials_over_plain_http().build().expect("a client");
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
