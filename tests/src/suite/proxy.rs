//! Proxies: everything goes through one where it is set, and each side keeps its credentials.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::subscription::{Ended, LossReason};
use restless_hyper::proto::{Error, Subscription, TransportErrorKind, streams};
use restless_hyper::{Client, ClientBuilder, Runtime};
use serde_json::{Value, json};

use super::child;
use super::front::{self, Front};
use super::probe::Probe;
use super::relay::Relay;
use super::support::{all_of, builder, ended, failure, lost, take_ids};
use crate::causes;

const STREAM: &str = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;

/// `user:proxy-canary`, as RFC 7617 has it.
const BASIC: &str = "proxy-authorization: basic dxnlcjpwcm94es1jyw5hcnk=";

fn kind(error: &Error) -> TransportErrorKind {
    match error {
        Error::Transport(error) => error.kind(),
        error => panic!("expected a failure of the transport, got {error:?}"),
    }
}

/// All that an error says, and all that printing it for a programmer shows.
fn chain(error: &Error) -> String {
    format!("{} {error:?}", causes(error))
}

fn with_an_event() -> (Emulator, String) {
    let emulator = Emulator::start().expect("an emulator");
    let id = emulator.add_stream(STREAM).expect("a stream");
    emulator.publish(&id, "1").expect("an event");
    (emulator, id)
}

/// A call, and the stream's one event over both transports.
async fn use_each_transport<R: Runtime>(client: &Client<R>, id: &str) {
    client.send(streams::list()).await.expect("a page");
    for subscription in [all_of(id), all_of(id).websocket()] {
        let mut events = client.subscribe(subscription).expect("a subscription");
        take_ids(&mut events, 1).await;
    }
}

fn to<R: Runtime>(rt: &R, emulator: &Emulator, url: &str) -> ClientBuilder<R> {
    builder(rt, emulator).base_url(url).stream_base_url(url)
}

/// Calls, event streams and WebSockets, to http and https, through HTTP and SOCKS5: with names that
/// only the proxy resolves, its credentials for it alone, and the origin's for the origin: of plain
/// http, a proxy on this machine is sent the whole.
pub async fn everything_goes_through_a_proxy<R: Runtime>(rt: R) {
    for (scheme, tls) in [("http", false), ("http", true), ("socks5", false), ("socks5h", true)] {
        let emulator = Emulator::start().expect("an emulator");
        let front = Front::start(emulator.address());
        let id = emulator.add_stream(STREAM).expect("a stream");
        emulator.publish(&id, "1").expect("an event");
        let due: Vec<_> = emulator.log(&id).into_iter().map(|event| event.id).collect();
        let url = if tls {
            front.url("localhost")
        } else {
            format!("http://localhost:{}", emulator.address().port())
        };
        let (_, host) = url.split_once("://").expect("a scheme");
        let address = if tls {
            let port = host.rsplit_once(':').expect("a port").1.parse().expect("a number");
            ([127, 0, 0, 1], port).into()
        } else {
            emulator.address()
        };
        let relay = Relay::start(address);
        let probe = Probe::new(rt.clone());
        let client = to(&probe, &emulator, &url)
            .proxy(format!("{scheme}://user:proxy-canary@{}", relay.address()))
            .tls_config(front.trusted())
            .build()
            .expect("a client");
        client.send(streams::list()).await.expect("a page");
        for subscription in [all_of(&id), all_of(&id).websocket()] {
            let mut events = client.subscribe(subscription).expect("a subscription");
            assert_eq!(take_ids(&mut events, 1).await, due);
        }

        assert_eq!(probe.lookups(), 0, "a name was resolved here");
        let seen = relay.seen();
        assert_eq!(seen.len(), 3, "{seen:?}");
        for (n, head) in seen.iter().enumerate() {
            let forwarded = scheme == "http" && !tls && n < 2;
            if scheme != "http" {
                assert_eq!(*head, format!("SOCKS5 user:proxy-canary {host}"));
            } else if forwarded {
                assert!(head.starts_with(&format!("GET {url}/")), "{head}");
            } else {
                assert!(head.starts_with(&format!("CONNECT {host} HTTP/1.1\r\n")), "{head}");
            }
            assert!(scheme != "http" || head.to_lowercase().contains(BASIC), "{head}");
            assert_eq!(head.contains(emulator.api_key()), forwarded, "{head}");
        }
        let requests = emulator.requests();
        assert_eq!(requests.len(), 3);
        for request in requests {
            assert!(request.headers.get("proxy-authorization").is_none(), "{request:?}");
        }
    }
}

/// A proxy that refuses would do so again: after one connect comes an error that names the proxy
/// and the reason, and hides its credentials. The origin is never asked.
pub async fn a_proxy_that_refuses_ends_it<R: Runtime>(rt: R) {
    const DENIED: &str = "HTTP/1.1 407 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const FORBIDDEN: &str = "HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (scheme, answer, url, reason) in [
        ("http", DENIED, "https://localhost:9", "407"),
        ("http", FORBIDDEN, "https://localhost:9", "403"),
        ("http", DENIED, "http://localhost:9", "407"),
        ("socks5", "2", "https://localhost:9", "rules"),
    ] {
        let emulator = Emulator::start().expect("an emulator");
        let relay = Relay::refusing(answer);
        let proxy = format!("{scheme}://user:proxy-canary@{}", relay.address());
        let client = to(&rt, &emulator, url).proxy(proxy).build().expect("a client");
        let mut errors = vec![client.send(streams::list()).await.expect_err("refused")];
        for subscription in [all_of("any"), all_of("any").websocket()] {
            let mut events = client.subscribe(subscription).expect("a subscription");
            let Ended::Failed(error) = ended(&mut events).await else { panic!("no error") };
            errors.push(error);
        }
        for error in errors {
            assert_eq!(kind(&error), TransportErrorKind::Proxy);
            let text = chain(&error);
            assert!(text.contains(&relay.address().to_string()) && text.contains(reason), "{text}");
            assert!(!text.contains("canary") && !text.to_lowercase().contains("basic"), "{text}");
        }
        assert_eq!(relay.seen().len(), 3);
    }
}

/// A proxy that can't reach the host may do so later: a loss, and another try after the delay. Some
/// say so with 404, as privoxy 3.0.34 does where its resolver fails.
pub async fn a_proxy_that_can_t_reach_the_host_is_a_loss<R: Runtime>(rt: R) {
    for (scheme, answer) in [
        ("http", "HTTP/1.1 502 Bad\r\n\r\n"),
        ("http", "HTTP/1.1 500 Bad\n\n"),
        ("http", "HTTP/1.1 404 Connect failed\r\n\r\n"),
        ("socks5", "4"),
    ] {
        let emulator = Emulator::start().expect("an emulator");
        let relay = Relay::refusing(answer);
        let client = to(&rt, &emulator, "https://localhost:9")
            .proxy(format!("{scheme}://{}", relay.address()))
            .build()
            .expect("a client");
        let subscriptions: [fn() -> Subscription; 2] =
            [|| all_of("any"), || all_of("any").websocket()];
        for subscription in subscriptions {
            let mut events = client.subscribe(subscription()).expect("a subscription");
            let lost = lost(&mut events).await;
            let LossReason::Error(error) = &lost.reason else { panic!("{lost:?}") };
            assert_eq!(kind(error), TransportErrorKind::Connect);
        }
    }
}

/// What a proxy answers to CONNECT stays apart from the origin's answers: a page of the proxy's
/// with a good status is no reply to a call, and TLS is spoken through the tunnel all the same.
pub async fn a_proxy_is_no_origin<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let page = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"data\":[]}";
    let relay = Relay::refusing(page);
    let client = to(&rt, &emulator, "https://localhost:9")
        .proxy(format!("http://{}", relay.address()))
        .tls_config(front::trusting_nobody())
        .max_retries(0)
        .build()
        .expect("a client");
    let error = client.send(streams::list()).await.expect_err("no origin");
    assert!(
        matches!(kind(&error), TransportErrorKind::Tls | TransportErrorKind::Connect),
        "{error:?}"
    );
}

/// An error names the proxy that can't be reached, so that the user looks for the fault there.
pub async fn a_proxy_that_is_not_there_is_named<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    for proxy in ["http://127.0.0.1:9", "socks5://127.0.0.1:9"] {
        for origin in ["https://up.test", "http://localhost:1"] {
            let client = to(&rt, &emulator, origin).proxy(proxy).max_retries(0).build();
            let error = client.expect("a client").send(streams::list()).await;
            let error = error.expect_err("there is no way");
            assert_eq!(kind(&error), TransportErrorKind::Connect);
            assert!(chain(&error).contains(&format!("the proxy {proxy}")), "{}", chain(&error));
        }
    }
}

/// Plain http to this machine may hold credentials because the way is short: a proxy on another
/// machine would read them. Over every transport the proxy is asked only by a client that was told
/// so by name.
pub async fn a_proxy_elsewhere_is_no_way_to_this_machine<R: Runtime>(rt: R) {
    let (emulator, id) = with_an_event();
    let relay = Relay::start(emulator.address());
    for (scheme, host) in [("http", "localhost"), ("socks5", "localhost"), ("http", "127.0.0.1")] {
        let probe = Probe::with_addresses(rt.clone(), &[relay.address()]);
        let by_proxy = || {
            to(&probe, &emulator, &format!("http://{host}:8787"))
                .proxy(format!("{scheme}://user:proxy-canary@proxy.test:3128"))
        };
        let client = by_proxy().build().expect("a client");
        let mut errors = vec![client.send(streams::list()).await.expect_err("in the clear")];
        for subscription in [all_of(&id), all_of(&id).websocket()] {
            let mut events = client.subscribe(subscription).expect("a subscription");
            let Ended::Failed(error) = ended(&mut events).await else { panic!("no error") };
            errors.push(error);
        }
        for error in errors {
            assert_eq!(kind(&error), TransportErrorKind::Request);
            let text = chain(&error);
            assert!(text.contains("proxy.test:3128") && !text.contains("canary"), "{text}");
        }
        assert_eq!((probe.lookups(), probe.connects()), (0, 0), "{scheme} {host}");

        let client = by_proxy().allow_credentials_over_plain_http().build().expect("a client");
        use_each_transport(&client, &id).await;
        assert_eq!(probe.connects(), 3, "{scheme} {host}");
    }
}

/// A proxy that does not answer in time is named as well, with the time that it had.
pub async fn a_proxy_that_keeps_silent_is_named<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    // The system completes TCP's handshake, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    for scheme in ["http", "socks5"] {
        let client = to(&rt, &emulator, "https://up.test")
            .proxy(format!("{scheme}://user:proxy-canary@{address}"))
            .connect_timeout(Duration::from_millis(50))
            .max_retries(0)
            .build()
            .expect("a client");
        let mut errors = vec![client.send(streams::list()).await.expect_err("silence")];
        for subscription in [all_of("any"), all_of("any").websocket()] {
            let subscription = subscription.reconnect(false);
            let mut events = client.subscribe(subscription).expect("a subscription");
            errors.push(failure(&mut events).await);
        }
        for error in errors {
            assert_eq!(kind(&error), TransportErrorKind::Connect);
            let text = chain(&error);
            assert!(text.contains(&format!("the proxy {scheme}://{address}")), "{text}");
            assert!(text.contains("no connection within 50ms"), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }
}

/// A SOCKS5 proxy that refuses the user, or wants one where none is set, is a proxy that refuses.
pub async fn a_socks5_proxy_that_wants_another_user_ends_it<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    for user in ["user:proxy-canary@", ""] {
        let relay = Relay::refusing_users();
        let client = to(&rt, &emulator, "https://up.test")
            .proxy(format!("socks5://{user}{}", relay.address()))
            .build()
            .expect("a client");
        let mut errors = vec![client.send(streams::list()).await.expect_err("refused")];
        for subscription in [all_of("any"), all_of("any").websocket()] {
            let mut events = client.subscribe(subscription).expect("a subscription");
            let Ended::Failed(error) = ended(&mut events).await else { panic!("no error") };
            errors.push(error);
        }
        for error in errors {
            assert_eq!(kind(&error), TransportErrorKind::Proxy);
            let text = chain(&error);
            assert!(text.contains("it refused the credentials, or wants some"), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
        let due = format!("SOCKS5 {user}");
        assert_eq!(relay.seen(), vec![due.trim_end_matches(['@', ' ']); 3]);
    }
}

/// A proxy that is set without credentials gets none, and does as well.
pub async fn a_proxy_without_credentials_is_sent_none<R: Runtime>(rt: R) {
    for (scheme, tls) in [("http", false), ("http", true), ("socks5", false), ("socks5", true)] {
        let (emulator, id) = with_an_event();
        let front = Front::start(emulator.address());
        let (address, url) = if tls {
            (front.address(), front.url("localhost"))
        } else {
            (emulator.address(), format!("http://localhost:{}", emulator.address().port()))
        };
        let relay = Relay::start(address);
        let client = to(&rt, &emulator, &url)
            .proxy(format!("{scheme}://{}", relay.address()))
            .tls_config(front.trusted())
            .build()
            .expect("a client");
        use_each_transport(&client, &id).await;
        let seen = relay.seen();
        assert_eq!(seen.len(), 3);
        for head in seen {
            assert!(!head.to_lowercase().contains("proxy-authorization"), "{head}");
            assert!(scheme == "http" || head == format!("SOCKS5 localhost:{}", address.port()));
        }
    }
}

/// What comes before the answer to CONNECT is passed over, and the answer's form is free: any
/// number of interim responses (RFC 9110 §15.2) come before the tunnel, lines may end with LF
/// alone, fields may be many and folded, and the version of HTTP may be one that is to come.
pub async fn interim_responses_to_connect_are_passed<R: Runtime>(rt: R) {
    let (emulator, id) = with_an_event();
    let front = Front::start(emulator.address());
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: 1\r\n".repeat(200));
    for answer in [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 200 Go ahead\r\nVia: 1.1 relay\r\n\r\n",
        "HTTP/1.0 200 Connection established\nVia: 1.0 relay\n\n",
        "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\n\tc\r\nno field\r\n\r\n",
        "HTTP/1.2 200\r\n\r\n",
        many.leak(),
    ] {
        let relay = Relay::saying(answer, front.address());
        let client = to(&rt, &emulator, &front.url("localhost"))
            .proxy(format!("http://{}", relay.address()))
            .tls_config(front.trusted())
            .build()
            .expect("a client");
        use_each_transport(&client, &id).await;
        assert_eq!(relay.seen().len(), 3);
    }
}

/// Over a redirect to another origin, the proxy learns our name on each hop, the origins learn
/// nothing of it, and the second origin learns nothing of the key.
pub async fn over_redirects_each_side_keeps_its_credentials<R: Runtime>(rt: R) {
    for (scheme, tls) in [("http", false), ("http", true), ("socks5", false), ("socks5", true)] {
        let [here, there] = [(), ()].map(|()| Emulator::start().expect("an emulator"));
        let fronts = [&here, &there].map(|emulator| Front::start(emulator.address()));
        let [from, away] = if tls {
            [&fronts[0], &fronts[1]].map(|front| front.url("localhost"))
        } else {
            [&here, &there].map(|to| format!("http://localhost:{}", to.address().port()))
        };
        let relay = Relay::by_port();
        let client = to(&rt, &here, &from)
            .proxy(format!("{scheme}://user:proxy-canary@{}", relay.address()))
            .tls_config(front::trusting(&(fronts[0].pem() + &fronts[1].pem())))
            .build()
            .expect("a client");

        here.inject(Fault::redirect(307, format!("{away}/streams")).on_rest());
        there.inject(Fault::status(410).on_rest());
        let mut errors = vec![client.send(streams::list()).await.expect_err("410")];
        for (subscription, path) in
            [(all_of("any"), "/?streamId=any"), (all_of("any").websocket(), "/ws?streamId=any")]
        {
            here.inject(Fault::redirect(307, format!("{away}{path}")));
            there.inject(Fault::status(410));
            errors.push(failure(&mut client.subscribe(subscription).expect("one")).await);
        }
        for error in errors {
            assert_eq!(error.status().map(|status| status.as_u16()), Some(410), "{error:?}");
        }

        let due = if scheme == "http" { BASIC } else { "user:proxy-canary" };
        let seen = relay.seen();
        assert_eq!(seen.len(), 6, "{seen:?}");
        assert!(seen.iter().all(|head| head.to_lowercase().contains(due)), "{seen:?}");
        for (origin, keyed) in [(&here, true), (&there, false)] {
            let requests = origin.requests();
            assert_eq!(requests.len(), 3);
            for request in requests {
                let has = |field| request.headers.contains_key(field);
                assert!(!has("proxy-authorization"), "{request:?}");
                assert_eq!(has("x-api-key") || has("authorization"), keyed, "{request:?}");
            }
        }
    }
}

/// The variables of an environment, where `a` and `b` are proxies; whether the client was told to
/// go without; and the proxy that is due for http and for https, if any.
type Environment = (&'static [(&'static str, &'static str)], bool, Option<char>, Option<char>);

const ENVIRONMENTS: &[Environment] = &[
    (&[], false, None, None),
    (&[("HTTPS_PROXY", "http://a")], false, None, Some('a')),
    (&[("https_proxy", "http://a"), ("HTTPS_PROXY", "http://b")], false, None, Some('a')),
    (&[("HTTP_PROXY", "http://a")], false, Some('a'), None),
    (&[("HTTP_PROXY", "http://a"), ("REQUEST_METHOD", "GET")], false, None, None),
    (&[("http_proxy", "a"), ("REQUEST_METHOD", "GET")], false, Some('a'), None),
    (&[("ALL_PROXY", "socks5://a")], false, Some('a'), Some('a')),
    (&[("all_proxy", "socks5h://a"), ("HTTPS_PROXY", "b")], false, Some('a'), Some('b')),
    (&[("ALL_PROXY", "a"), ("NO_PROXY", "x.test, up.test")], false, None, None),
    (&[("ALL_PROXY", "a"), ("no_proxy", "up.test.x")], false, Some('a'), Some('a')),
    (&[("ALL_PROXY", "a"), ("http_proxy", "b")], true, None, None),
];

/// The variables that name proxies, those that exempt hosts, and a client's word over all of them:
/// for each transport, to http and to https, each environment in a process of its own.
pub async fn the_environment_says_which_proxy<R: Runtime>(rt: R) {
    if let Some(said) = child::said() {
        return use_what_was_said(rt, &said).await;
    }
    let (emulator, id) = with_an_event();
    let front = Front::start(emulator.address());
    for (variables, without, http, https) in ENVIRONMENTS {
        let proxies = [('a', Relay::by_port()), ('b', Relay::by_port())];
        let variables = variables.iter().map(|(name, value)| {
            let value = proxies.iter().fold((*value).to_owned(), |value, (letter, relay)| {
                match value.strip_suffix(*letter) {
                    Some(scheme) if name.to_lowercase().ends_with("_proxy") => {
                        format!("{scheme}{}", relay.address())
                    }
                    _ => value,
                }
            });
            (*name, value)
        });
        let variables: Vec<_> = variables.collect();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
        let said = json!({
            "key": emulator.api_key(),
            "id": id,
            "http": emulator.address(),
            "https": front.address(),
            "trusted": front.pem(),
            "without": without,
        });
        child::run("proxy::the_environment_says_which_proxy", &said, &variables);
        for (letter, relay) in &proxies {
            let due = [http, https].into_iter().filter(|due| **due == Some(*letter)).count();
            let seen = relay.seen();
            assert_eq!(seen.len(), 3 * due, "{letter} with {variables:?}: {seen:?}");
        }
    }
}

/// Each transport to `up.test`, by http and by https, whose address is only asked for without a
/// proxy.
async fn use_what_was_said<R: Runtime>(rt: R, said: &Value) {
    let text = |name: &str| said[name].as_str().expect("a text").to_owned();
    for scheme in ["http", "https"] {
        let address: SocketAddr = text(scheme).parse().expect("an address");
        let url = format!("{scheme}://up.test:{}", address.port());
        let client = ClientBuilder::new(Probe::with_addresses(rt.clone(), &[address]))
            .api_key(text("key"))
            .base_url(&url)
            .stream_base_url(&url)
            .allow_credentials_over_plain_http()
            .tls_config(front::trusting(&text("trusted")));
        let client = if said["without"] == true { client.no_proxy() } else { client };
        use_each_transport(&client.build().expect("a client"), &text("id")).await;
    }
}
