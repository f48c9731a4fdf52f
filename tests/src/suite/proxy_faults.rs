//! Proxies that say no, say it oddly, or say yes and break: who is meant is named, and what may
//! pass is asked again.

use std::error::Error as _;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::time::{Duration, Instant, SystemTime};

use restless_emulator::Emulator;
use restless_hyper::proto::subscription::{Ended, LossReason};
use restless_hyper::proto::{Error, Subscription, TransportErrorKind, streams};
use restless_hyper::{Client, ClientBuilder, Runtime};

use super::front;
use super::probe::Probe;
use super::relay::{Relay, read_head, say_for_ever, serving};
use super::support::{all_of, builder, ended, failure, lost};
use crate::causes;

/// A client of an origin by way of a proxy of this scheme.
fn by<R: Runtime>(rt: &R, origin: &str, scheme: &str, proxy: SocketAddr) -> ClientBuilder<R> {
    let emulator = Emulator::start().expect("an emulator");
    builder(rt, &emulator)
        .base_url(origin)
        .stream_base_url(origin)
        .proxy(format!("{scheme}://user:proxy-canary@{proxy}"))
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
        let client = by(&rt, url, "http", relay.address()).build().expect("a client");
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
    let client = by(&rt, "https://localhost:9", "http", relay.address()).build().expect("a client");
    let start = Instant::now();
    for error in errors(&client).await {
        assert_eq!(kind(&error), TransportErrorKind::Connect);
        assert!(causes(&error).contains("it does not speak HTTP"), "{}", causes(&error));
    }
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
}

/// An answer to CONNECT without end, in its status line, a field, many fields or interim
/// responses, is an error that says so, in pieces of one byte and of 4 KiB: 16 KiB are read of it,
/// and no more.
pub async fn an_answer_to_connect_without_end_is_an_error<R: Runtime>(rt: R) {
    for (begin, again) in [
        (&b"HTTP/1.1 200 O"[..], &b"K"[..]),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
        (b"HTTP/1.1 200 OK\r\n", b"x-a: bc\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        for piece in [1, 4096] {
            let name = format!("{:?} by {piece}", String::from_utf8_lossy(again));
            let proxy = serving(move |_, mut stream| {
                read_head(&mut stream, Vec::new())?;
                say_for_ever(&mut stream, begin, again, piece)
            });
            let probe = Probe::new(rt.clone());
            let client = by(&probe, "https://localhost:9", "http", proxy).build().expect("one");
            for error in errors(&client).await {
                let text = says_which(&error, &format!("http://{proxy}"));
                assert_eq!(kind(&error), TransportErrorKind::Connect, "{name}: {text}");
                let due = "it does not speak HTTP: its answer has no end";
                assert!(text.contains(due), "{name}: {text}");
            }
            assert_eq!(probe.connects(), 3, "{name}");
            assert!(probe.read() <= 3 * (16 << 10), "{name}: {} bytes were read", probe.read());
        }
    }
}

/// What is no SOCKS5 is an error, wherever in the proxy's part it comes (RFC 1928 §3 and §6, RFC
/// 1929 §2), at once or in pieces of one byte, and whatever goes on behind it: little of it is
/// read.
pub async fn a_socks5_reply_that_is_none_is_an_error<R: Runtime>(rt: R) {
    const CONNECT: TransportErrorKind = TransportErrorKind::Connect;
    const PROXY: TransportErrorKind = TransportErrorKind::Proxy;
    const NOT_SPOKEN: &str = "it does not speak SOCKS5";
    const CREDENTIALS: &str = "it refused the credentials, or wants some";
    for (answer, due, due_kind) in [
        (&b"HTTP/1.1 400 No\r\n\r\n"[..], NOT_SPOKEN, CONNECT),
        (b"\0\0", NOT_SPOKEN, CONNECT),
        // The version before, and the one to come.
        (b"\x04\0", NOT_SPOKEN, CONNECT),
        (b"\x06\0", NOT_SPOKEN, CONNECT),
        // A method that was not offered, and none.
        (b"\x05\x01", CREDENTIALS, PROXY),
        (b"\x05\xff", CREDENTIALS, PROXY),
        (b"\x05\x02HTTP", CREDENTIALS, PROXY),
        (b"\x05\0HTTP", NOT_SPOKEN, CONNECT),
        (b"\x05\x02\x01\0HTTP", NOT_SPOKEN, CONNECT),
        (b"\x05\0\x04\0\0\x01", NOT_SPOKEN, CONNECT),
        // Addresses of no type.
        (b"\x05\0\x05\0\0\0", NOT_SPOKEN, CONNECT),
        (b"\x05\0\x05\0\0\x02", NOT_SPOKEN, CONNECT),
        (b"\x05\0\x05\0\0\xff", NOT_SPOKEN, CONNECT),
        (b"\x05\0\x05\x09\0\x01", "a failure that RFC 1928 does not know", PROXY),
        (b"\x05\0\x05\xff\0\x01", "a failure that RFC 1928 does not know", PROXY),
        // A name that is as long as can be, and then what is no TLS.
        (b"\x05\0\x05\0\0\x03\xff", "by way of the proxy", TransportErrorKind::Tls),
    ] {
        for piece in [1, 4096] {
            let proxy =
                serving(move |_, mut stream| say_for_ever(&mut stream, answer, b"g", piece));
            let probe = Probe::new(rt.clone());
            let client = by(&probe, "https://localhost:9", "socks5", proxy).build().expect("one");
            for error in errors(&client).await {
                let text = says_which(&error, &format!("socks5://{proxy}"));
                assert_eq!(kind(&error), due_kind, "{answer:?} by {piece}: {text}");
                assert!(text.contains(due), "{answer:?} by {piece}: {text}");
            }
            assert_eq!(probe.connects(), 3, "{answer:?} by {piece}");
            // Two bytes, two more for the credentials, and four before an address.
            let most = if due_kind == TransportErrorKind::Tls { 64 << 10 } else { 2 + 2 + 4 };
            assert!(probe.read() <= 3 * most, "{answer:?} by {piece}: {} bytes", probe.read());
        }
    }
}

/// A SOCKS5 proxy that ends within what it has to say is a connection that broke.
pub async fn a_socks5_reply_that_is_cut_is_an_error<R: Runtime>(rt: R) {
    for answer in [
        &b""[..],
        b"\x05",
        b"\x05\x02",
        b"\x05\x02\x01",
        b"\x05\0",
        b"\x05\0\x05\0\0",
        b"\x05\0\x05\0\0\x01\x7f\0\0\x01\0",
        b"\x05\0\x05\0\0\x03",
        b"\x05\0\x05\0\0\x03\xffa name",
        b"\x05\0\x05\0\0\x04\0\0",
    ] {
        let proxy = serving(move |_, mut stream| {
            io::Write::write_all(&mut stream, answer)?;
            stream.shutdown(Shutdown::Write)?;
            // To close before all is read would be a reset.
            io::copy(&mut stream, &mut io::sink()).map(drop)
        });
        let client = by(&rt, "https://localhost:9", "socks5", proxy).build().expect("a client");
        for error in errors(&client).await {
            let text = says_which(&error, &format!("socks5://{proxy}"));
            assert_eq!(kind(&error), TransportErrorKind::Connect, "{answer:?}: {text}");
            assert!(text.contains("the connection to it broke"), "{answer:?}: {text}");
        }
    }
}

/// What an error says, which names this proxy and hides its credentials.
fn says_which(error: &Error, proxy: &str) -> String {
    let text = causes(error);
    assert!(text.contains(proxy) && !text.contains("canary"), "{text}");
    text
}

/// `Retry-After` on a proxy's answer to CONNECT (RFC 9110 §10.2.3) is waited for, in seconds or as
/// a date, with or without a `Date` beside it; a call says how long that is.
pub async fn a_proxy_s_retry_after_is_waited_for<R: Runtime>(rt: R) {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
    let many = "X-A: 1\r\n".repeat(150);
    for retry_after in ["3600".to_owned(), date.clone(), format!("\r\n {date}")] {
        let answer = format!("HTTP/1.1 503 Busy\r\n{many}Retry-After: {retry_after}\r\n\r\n");
        let relay = Relay::refusing(answer.leak());
        let client =
            by(&rt, "https://localhost:9", "http", relay.address()).build().expect("a client");
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
    let client = by(&rt, "http://localhost:9", "http", relay.address()).build().expect("a client");
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
    let client = by(&rt, "http://localhost:9", "http", relay.address()).build().expect("a client");
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
        let tls =
            by(&rt, "https://localhost:9", scheme, relay.address()).build().expect("a client");
        let mut failures = errors(&tls).await;
        let plain =
            by(&rt, "http://localhost:9", scheme, relay.address()).build().expect("a client");
        let subscription = all_of("any").websocket().reconnect(false);
        failures.push(failure(&mut plain.subscribe(subscription).expect("one")).await);
        for error in failures {
            assert!(causes(&error).contains(&due), "{due} is not in {}", causes(&error));
            assert!(!causes(&error).contains("canary"), "{}", causes(&error));
        }
    }
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let relay = Relay::start(silent.local_addr().expect("an address"));
    let client = by(&rt, "https://localhost:9", "http", relay.address());
    let client = client.tls_handshake_timeout(Duration::from_millis(100)).build();
    for error in errors(&client.expect("a client")).await {
        assert_eq!(kind(&error), TransportErrorKind::Connect);
        let text = causes(&error);
        assert!(text.contains(&format!("the proxy http://{}", relay.address())), "{text}");
        assert!(text.contains("no end of the TLS handshake within 100ms"), "{text}");
    }
    // What is no TLS may be the proxy's, too.
    let page = serving(|_, mut stream| io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n"));
    let relay = Relay::start(page);
    let client = by(&rt, "https://localhost:9", "http", relay.address()).build().expect("a client");
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
    let client = by(&rt, "https://localhost:9", "http", relay.address()).build().expect("a client");
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
