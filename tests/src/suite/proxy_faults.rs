//! Proxies that say no, say it oddly, or say yes and break: who is meant is named, and what may
//! pass is asked again.

use std::error::Error as _;
use std::net::TcpListener;
use std::time::{Duration, Instant, SystemTime};

use restless_emulator::Emulator;
use restless_hyper::proto::subscription::{Ended, LossReason};
use restless_hyper::proto::{Error, Subscription, TransportErrorKind, streams};
use restless_hyper::{Client, ClientBuilder, Runtime};

use super::front;
use super::relay::{Relay, serving};
use super::support::{all_of, builder, ended, failure, lost};
use crate::causes;

/// A client of an origin by way of a proxy of this scheme.
fn by<R: Runtime>(rt: &R, origin: &str, scheme: &str, relay: &Relay) -> ClientBuilder<R> {
    let emulator = Emulator::start().expect("an emulator");
    builder(rt, &emulator)
        .base_url(origin)
        .stream_base_url(origin)
        .proxy(format!("{scheme}://user:proxy-canary@{}", relay.address()))
        .tls_config(front::trusting_nobody())
        .max_retries(0)
}

fn kind(error: &Error) -> TransportErrorKind {
    match error {
        Error::Transport(error) => error.kind(),
        error => panic!("expected a failure of the transport, got {error:?}"),
    }
}

/// The error of a call, and those that subscriptions over both transports end with.
async fn errors<R: Runtime>(client: &Client<R>) -> Vec<Error> {
    let mut errors = vec![client.send(streams::list()).await.expect_err("a failure")];
    for subscription in [all_of("any"), all_of("any").websocket()] {
        let subscription = subscription.reconnect(false);
        errors.push(failure(&mut client.subscribe(subscription).expect("one")).await);
    }
    errors
}

/// A proxy's URL that can't be one is an error when the client is built, so that another host is
/// never taken for the proxy: a port that is none, and a password whose `#`, `/` or `?` ends the
/// host.
pub async fn a_proxy_s_url_that_can_t_be_one_is_an_error_at_once<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    for (url, wrong) in [
        ("http://h:abc", "port"),
        ("http://h:99999", "port"),
        ("http://h:-1", "port"),
        ("socks5://h:65536", "port"),
        ("http://user:12#canary@h:1", "before its @"),
        ("http://user:12/canary@h:1", "before its @"),
        ("socks5://user:12?canary@h:1", "before its @"),
    ] {
        let error = builder(&rt, &emulator).proxy(url).build().expect_err(url);
        assert_eq!(error.field(), "proxy");
        assert!(error.value().contains(wrong), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

/// 403 and 407 would come again: they end it, after one connect. Where 403 is for another port than
/// 443, the error says what is usual.
pub async fn a_refusal_of_a_port_says_what_is_usual<R: Runtime>(rt: R) {
    for (url, advice) in [("https://localhost:9", true), ("https://localhost", false)] {
        let relay = Relay::refusing("HTTP/1.1 403 Filtered\r\n\r\n");
        let client = by(&rt, url, "http", &relay).build().expect("a client");
        let mut events = client.subscribe(all_of("any")).expect("a subscription");
        let Ended::Failed(error) = ended(&mut events).await else { panic!("no error") };
        assert_eq!(kind(&error), TransportErrorKind::Proxy);
        assert_eq!(
            causes(&error).contains("most proxies allow port 443 only"),
            advice,
            "{error:?}"
        );
        assert_eq!(relay.seen().len(), 1);
    }
}

/// An answer to CONNECT that is something else than HTTP is refused as soon as that can be seen,
/// while the proxy is silent and keeps the connection.
pub async fn an_answer_to_connect_that_is_none_is_refused_at_once<R: Runtime>(rt: R) {
    // The tunnel leads nowhere: after these bytes there is silence.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let relay = Relay::saying("<html>", silent.local_addr().expect("an address"));
    let client = by(&rt, "https://localhost:9", "http", &relay).build().expect("a client");
    let start = Instant::now();
    for error in errors(&client).await {
        assert_eq!(kind(&error), TransportErrorKind::Connect);
        assert!(causes(&error).contains("it does not speak HTTP"), "{}", causes(&error));
    }
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
}

/// `Retry-After` on a proxy's answer to CONNECT (RFC 9110 §10.2.3) is waited for, in seconds or as
/// a date, with or without a `Date` beside it; a call says how long that is.
pub async fn a_proxy_s_retry_after_is_waited_for<R: Runtime>(rt: R) {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
    let many = "X-A: 1\r\n".repeat(150);
    for retry_after in ["3600".to_owned(), date.clone(), format!("\r\n {date}")] {
        let answer = format!("HTTP/1.1 503 Busy\r\n{many}Retry-After: {retry_after}\r\n\r\n");
        let relay = Relay::refusing(answer.leak());
        let client = by(&rt, "https://localhost:9", "http", &relay).build().expect("a client");
        let error = client.send(streams::list()).await.expect_err("busy");
        let Error::Transport(failure) = &error else { panic!("{error:?}") };
        let wait = failure.retry_after().expect("a wait");
        assert!(wait > Duration::from_secs(3000), "{wait:?}");
        let transports: [fn(Subscription) -> Subscription; 2] =
            [|one| one, Subscription::websocket];
        for transport in transports {
            let subscription = transport(all_of("any"));
            let mut events = client.subscribe(subscription).expect("a subscription");
            let lost = lost(&mut events).await;
            let LossReason::Error(error) = &lost.reason else { panic!("{lost:?}") };
            assert_eq!(kind(error), TransportErrorKind::Connect);
            let wait = events.watch().time(lost.retry_at).duration_since(Instant::now());
            assert!(wait > Duration::from_secs(3000), "{wait:?}");
        }
    }
}

/// What answers to plain http may be the proxy that was given the request: tinyproxy 1.11 says 401
/// where it wants a password for itself. The error names both.
pub async fn a_refusal_that_may_be_the_proxy_s_names_both<R: Runtime>(rt: R) {
    let relay = Relay::refusing(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"Tinyproxy\"\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let client = by(&rt, "http://localhost:9", "http", &relay).build().expect("a client");
    let mut errors = vec![client.send(streams::list()).await.expect_err("refused")];
    errors.push(failure(&mut client.subscribe(all_of("any")).expect("a subscription")).await);
    for error in errors {
        assert_eq!(error.status().map(|status| status.as_u16()), Some(401), "{error:?}");
        let due = format!("the service, or the proxy http://{}, refused", relay.address());
        assert!(error.to_string().starts_with(&due), "{error}");
    }
    // So may a page with a good status, as of a network that wants a login first.
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>";
    let relay = Relay::refusing(page);
    let client = by(&rt, "http://localhost:9", "http", &relay).build().expect("a client");
    let mut errors = vec![client.send(streams::list()).await.expect_err("no page of streams")];
    errors.push(failure(&mut client.subscribe(all_of("any")).expect("a subscription")).await);
    for error in errors {
        let due = format!("it may be the proxy's, http://{}", relay.address());
        assert!(error.to_string().contains(&due), "{error}");
    }
}

/// A tunnel that stands by the proxy's word and breaks in the first bytes behind it, by TLS, in
/// plain WebSocket, or by silence: the error names the proxy. Trafficserver 9.2 says 200 before it
/// connects.
pub async fn a_tunnel_that_breaks_names_the_proxy<R: Runtime>(rt: R) {
    for (scheme, answer) in [("http", "HTTP/1.1 200 OK\r\n\r\n"), ("socks5", "0")] {
        let relay = Relay::refusing(answer);
        let due = format!("the proxy {scheme}://{}", relay.address());
        let tls = by(&rt, "https://localhost:9", scheme, &relay).build().expect("a client");
        let mut failures = errors(&tls).await;
        let plain = by(&rt, "http://localhost:9", scheme, &relay).build().expect("a client");
        let subscription = all_of("any").websocket().reconnect(false);
        failures.push(failure(&mut plain.subscribe(subscription).expect("one")).await);
        for error in failures {
            assert!(causes(&error).contains(&due), "{due} is not in {}", causes(&error));
            assert!(!causes(&error).contains("canary"), "{}", causes(&error));
        }
    }
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let relay = Relay::start(silent.local_addr().expect("an address"));
    let client = by(&rt, "https://localhost:9", "http", &relay);
    let client = client.tls_handshake_timeout(Duration::from_millis(100)).build();
    for error in errors(&client.expect("a client")).await {
        assert_eq!(kind(&error), TransportErrorKind::Connect);
        let text = causes(&error);
        assert!(text.contains(&format!("the proxy http://{}", relay.address())), "{text}");
        assert!(text.contains("no end of the TLS handshake within 100ms"), "{text}");
    }
    // What is no TLS may be the proxy's, too.
    let page =
        serving(|_, mut stream| std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n"));
    let relay = Relay::start(page);
    let client = by(&rt, "https://localhost:9", "http", &relay).build().expect("a client");
    for error in errors(&client).await {
        let text = causes(&error);
        assert!(text.contains("the proxy http://"), "{text}");
        assert!(error.source().is_some());
    }
}

/// The proxy is told who asks, in CONNECT as in the requests that it sends on: the caller's
/// `User-Agent` where there is one, else ours.
pub async fn a_proxy_is_told_the_user_agent<R: Runtime>(rt: R) {
    let relay = Relay::refusing("HTTP/1.1 407 No\r\n\r\n");
    let client = by(&rt, "https://localhost:9", "http", &relay).build().expect("a client");
    errors(&client).await;
    for subscription in [all_of("any"), all_of("any").websocket()] {
        let subscription = subscription.header("user-agent", "mine/1");
        failure(&mut client.subscribe(subscription).expect("a subscription")).await;
    }
    let ours = concat!("restless-rust/", env!("CARGO_PKG_VERSION"));
    let due = [ours, ours, ours, "mine/1", "mine/1"];
    let seen = relay.seen();
    assert_eq!(seen.len(), due.len());
    for (head, due) in seen.iter().zip(due) {
        assert!(head.contains(&format!("\r\nUser-Agent: {due}\r\n")), "{head}");
    }
}
