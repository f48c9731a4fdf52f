//! Redirects (RFC 9110 §15.4): the method that each status asks for, what goes along and what stays
//! behind, for calls, event streams and WebSocket; each with two origins.
//!
//! A target answers 410, so that whatever arrives there ends with it: "gone" means "it arrived".

use std::time::Duration;

use http::Method;
use restless_emulator::{Emulator, Fault, RecordedRequest};
use restless_hyper::proto::{Error, RedirectError, Subscription, direct, streams};
use restless_hyper::{Client, Runtime};

use super::front::Front;
use super::support::{builder, failure, lost, opened, query};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// What a redirect is followed for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Call,
    EventStream,
    WebSocket,
}

const KINDS: [Kind; 3] = [Kind::Call, Kind::EventStream, Kind::WebSocket];

impl Kind {
    /// Where such a request can be redirected to.
    fn path(self) -> &'static str {
        match self {
            Self::Call => "/streams",
            Self::EventStream => "/?streamId=there",
            Self::WebSocket => "/ws?streamId=there",
        }
    }

    fn inject(self, emulator: &Emulator, fault: Fault) {
        emulator.inject(if self == Self::Call { fault.on_rest() } else { fault });
    }

    fn subscription(self) -> Subscription {
        let subscription = Subscription::stream("here").retry(Duration::ZERO);
        if self == Self::WebSocket { subscription.websocket() } else { subscription }
    }

    /// Makes one request, which is to fail.
    async fn ask<R: Runtime>(self, client: &Client<R>) -> Error {
        match self {
            Self::Call => client.send(streams::list()).await.expect_err("a failure"),
            Self::EventStream | Self::WebSocket => follow(client, self.subscription()).await,
        }
    }
}

async fn follow<R: Runtime>(client: &Client<R>, subscription: Subscription) -> Error {
    failure(&mut client.subscribe(subscription).expect("a subscription")).await
}

/// Two origins, and a client of the first.
struct Pair<R: Runtime> {
    here: Emulator,
    there: Emulator,
    client: Client<R>,
}

impl<R: Runtime> Pair<R> {
    fn new(rt: &R) -> Self {
        let [here, there] = [(), ()].map(|()| Emulator::start().expect("an emulator"));
        let client = builder(rt, &here).build().expect("a client");
        Self { here, there, client }
    }

    /// Where the next request is redirected to by this status: the path, at one of the origins.
    fn redirect(&self, kind: Kind, status: u16, path: &str, away: bool) {
        let location = if away { self.there.api_base_url() + path } else { path.to_owned() };
        kind.inject(&self.here, Fault::redirect(status, location));
        kind.inject(if away { &self.there } else { &self.here }, Fault::status(410));
    }

    /// The request that came last, at one of the origins.
    fn arrived(&self, away: bool) -> RecordedRequest {
        let requests = if away { self.there.requests() } else { self.here.requests() };
        requests.into_iter().next_back().expect("a request")
    }
}

fn is_gone(error: &Error) -> bool {
    error.status().is_some_and(|status| status == 410)
}

/// A call's redirect: the method after each status, with each method before; the content; and the
/// key, which stays at its origin. Content, which may hold the key, does not leave the origin.
pub async fn each_status_has_its_method_and_each_origin_its_key<R: Runtime>(rt: R) {
    let pair = Pair::new(&rt);
    let key = pair.here.api_key();
    for (method, content) in [
        (Method::GET, false),
        (Method::DELETE, false),
        (Method::POST, false),
        (Method::POST, true),
        (Method::PATCH, true),
    ] {
        for status in STATUSES {
            for away in [false, true] {
                let case = format!("{method} {status} content {content} away {away}");
                let becomes_get = match status {
                    301 | 302 => method == Method::POST,
                    303 => true,
                    _ => false,
                };
                pair.there.clear_requests();
                pair.redirect(Kind::Call, status, "/streams/moved", away);
                let client = &pair.client;
                let error = match (method.as_str(), content) {
                    ("GET", _) => client.send(streams::get("s")).await.err(),
                    ("DELETE", _) => client.send(streams::delete("s")).await.err(),
                    ("POST", false) => client.send(streams::start("s")).await.err(),
                    ("POST", true) => client.send(streams::create("n", "u")).await.err(),
                    _ => client.send(streams::update("s").name("n")).await.err(),
                };
                let error = error.expect("a failure");
                if away && content && !becomes_get {
                    let Error::Redirect(RedirectError::ContentElsewhere { .. }) = &error else {
                        panic!("{case}: {error:?}");
                    };
                    assert!(pair.there.requests().is_empty(), "{case}");
                    pair.there.clear_faults();
                    continue;
                }
                assert!(is_gone(&error), "{case}: {error:?}");
                let arrived = pair.arrived(away);
                let due = if becomes_get { Method::GET } else { method.clone() };
                assert_eq!((arrived.method, &*arrived.uri), (due, "/streams/moved"), "{case}");
                let kept = content && !becomes_get;
                assert_eq!(!arrived.body.is_empty(), kept, "{case}");
                assert_eq!(arrived.headers.contains_key("content-type"), kept, "{case}");
                let sent = arrived.headers.get("x-api-key").map(|value| value.as_bytes());
                assert_eq!(sent, (!away).then_some(key.as_bytes()), "{case}");
            }
        }
    }
}

/// A subscription's redirect: GET after each status, over both transports. The key, and the
/// caller's own fields, stay at their origin.
pub async fn each_origin_has_its_bearer_token<R: Runtime>(rt: R) {
    let pair = Pair::new(&rt);
    let key = format!("Bearer {}", pair.here.api_key());
    for kind in [Kind::EventStream, Kind::WebSocket] {
        for status in STATUSES {
            for away in [false, true] {
                let case = format!("{kind:?} {status} away {away}");
                pair.redirect(kind, status, kind.path(), away);
                let own = kind.subscription().header("x-tenant", "t").header("cookie", "a=b");
                assert!(is_gone(&follow(&pair.client, own).await), "{case}");
                let arrived = pair.arrived(away);
                assert_eq!((&arrived.method, &*arrived.uri), (&Method::GET, kind.path()), "{case}");
                for (field, due) in [("authorization", &*key), ("x-tenant", "t"), ("cookie", "a=b")]
                {
                    let sent = arrived.headers.get(field).map(|value| value.as_bytes());
                    assert_eq!(sent, (!away).then_some(due.as_bytes()), "{case} {field}");
                }
                let upgrade = arrived.headers.contains_key("sec-websocket-key");
                assert_eq!(upgrade, kind == Kind::WebSocket, "{case}");
            }
        }
    }
}

/// A key in the query of the URL that is left is not in the next one; one that the server has put
/// into `Location` itself is sent as it is.
pub async fn a_key_in_the_query_stays_behind<R: Runtime>(rt: R) {
    let pair = Pair::new(&rt);
    for kind in [Kind::EventStream, Kind::WebSocket] {
        for (path, away, due) in [
            (kind.path().to_owned(), false, None),
            (kind.path().to_owned(), true, None),
            (format!("{}&apiKey=rs_theirs", kind.path()), true, Some("rs_theirs")),
        ] {
            pair.redirect(kind, 307, &path, away);
            let target = direct::target("http://127.0.0.1:9/").api_key_in_url("rs_mine");
            let subscription = Subscription::direct(target);
            let over =
                if kind == Kind::WebSocket { subscription.websocket() } else { subscription };
            assert!(is_gone(&follow(&pair.client, over).await), "{kind:?} {path}");
            let arrived = pair.arrived(away);
            assert_eq!(query(&arrived.uri, "apiKey").as_deref(), due, "{kind:?} {path}");
            assert_eq!(arrived.headers.get("authorization"), None, "{kind:?} {path}");
        }
    }
}

/// https to http is another origin, even on one host; and so is another port.
pub async fn from_https_to_http_the_key_stays_behind<R: Runtime>(rt: R) {
    let [here, there] = [(), ()].map(|()| Emulator::start().expect("an emulator"));
    let front = Front::start(here.address());
    let client = builder(&rt, &here).base_url(front.url("localhost"));
    let client = client.stream_base_url(front.url("localhost")).tls_config(front.trusted());
    let client = client.build().expect("a client");
    for kind in KINDS {
        for (location, due) in [
            // Where the emulator stands behind its front: no TLS, one host.
            (format!("http://localhost:{}{}", here.address().port(), kind.path()), false),
            (format!("http://localhost:{}{}", there.address().port(), kind.path()), false),
            (format!("{}{}", front.url("127.0.0.1"), kind.path()), false),
            (format!("{}{}", front.url("localhost"), kind.path()), true),
        ] {
            here.clear_requests();
            there.clear_requests();
            kind.inject(&here, Fault::redirect(307, &location));
            let elsewhere = location.contains(&there.address().port().to_string());
            let target = if elsewhere { &there } else { &here };
            kind.inject(target, Fault::status(410));
            let error = kind.ask(&client).await;
            assert!(is_gone(&error), "{kind:?} {location}: {error:?}");
            let arrived = target.requests().pop().expect("a request");
            for field in ["x-api-key", "authorization"] {
                let sent = arrived.headers.contains_key(field);
                let ours = (kind == Kind::Call) == (field == "x-api-key");
                assert_eq!(sent, due && ours, "{kind:?} {location} {field}");
            }
        }
    }
}

/// Scheme, host and port make an origin (RFC 9110 §4.3.1): the same address by another name is
/// another origin. User information is apart from it, and is neither sent nor made into
/// credentials.
pub async fn an_origin_is_its_scheme_host_and_port<R: Runtime>(rt: R) {
    let pair = Pair::new(&rt);
    let [here, there] = [&pair.here, &pair.there].map(|emulator| emulator.address().port());
    for kind in KINDS {
        for (origin, same) in [
            (format!("http://127.0.0.1:{here}"), true),
            (format!("HTTP://127.1:{here}"), true),
            (format!("http://user:password@127.0.0.1:{here}"), true),
            (format!("http://localhost:{here}"), false),
            (format!("http://127.0.0.1:{there}"), false),
            (format!("http://user:password@127.0.0.1:{there}"), false),
        ] {
            let away = origin.ends_with(&there.to_string());
            kind.inject(&pair.here, Fault::redirect(307, origin.clone() + kind.path()));
            kind.inject(if away { &pair.there } else { &pair.here }, Fault::status(410));
            let error = kind.ask(&pair.client).await;
            assert!(is_gone(&error), "{kind:?} {origin}: {error:?}");
            let arrived = pair.arrived(away);
            assert_eq!(arrived.uri, kind.path(), "{kind:?} {origin}");
            let host = arrived.headers["host"].to_str().expect("a host");
            assert!(!host.contains('@'), "{kind:?} {origin}: {host}");
            let key = pair.here.api_key();
            let (ours, other, due) = match kind {
                Kind::Call => ("x-api-key", "authorization", key.to_owned()),
                _ => ("authorization", "x-api-key", format!("Bearer {key}")),
            };
            let sent = arrived.headers.get(ours).map(|value| value.as_bytes());
            assert_eq!(sent, same.then_some(due.as_bytes()), "{kind:?} {origin}");
            assert_eq!(arrived.headers.get(other), None, "{kind:?} {origin}");
        }
    }
}

/// A redirect that would take a key over plain http to another host, where the server has put it
/// into `Location`, is an error; nothing goes there.
pub async fn a_key_does_not_go_over_plain_http_by_a_redirect<R: Runtime>(rt: R) {
    let pair = Pair::new(&rt);
    for kind in KINDS {
        let location = "http://service.invalid/?apiKey=rs_theirs";
        kind.inject(&pair.here, Fault::redirect(307, location));
        let error = kind.ask(&pair.client).await;
        let Error::Redirect(RedirectError::PlainHttp { .. }) = &error else {
            panic!("{kind:?}: {error:?}");
        };
        assert!(!format!("{error} {error:?}").contains("rs_theirs"));
    }
}

/// A redirect without a `Location`, with an empty one, or with one that leads nowhere, is an error
/// after one request.
pub async fn a_location_is_required_and_must_lead_somewhere<R: Runtime>(rt: R) {
    let pair = Pair::new(&rt);
    for kind in KINDS {
        for status in STATUSES {
            for location in [None, Some(""), Some("ftp://127.0.0.1/"), Some("http://[")] {
                pair.here.clear_requests();
                let fault = match location {
                    None => Fault::status(status),
                    Some(location) => Fault::redirect(status, location),
                };
                kind.inject(&pair.here, fault);
                let error = kind.ask(&pair.client).await;
                let Error::Redirect(error) = &error else { panic!("{kind:?}: {error:?}") };
                let missing = location.is_none_or(str::is_empty);
                assert_eq!(
                    matches!(error, RedirectError::NoLocation { .. }),
                    missing,
                    "{kind:?} {status} {location:?}: {error:?}"
                );
                assert_eq!(
                    matches!(error, RedirectError::BadLocation { .. }),
                    !missing,
                    "{kind:?} {status} {location:?}: {error:?}"
                );
                assert_eq!(pair.here.requests().len(), 1);
            }
        }
    }
}

/// Ten redirects in a row are followed, and the eleventh is an error.
pub async fn ten_redirects_are_followed_and_no_more<R: Runtime>(rt: R) {
    let pair = Pair::new(&rt);
    for kind in KINDS {
        for (count, due) in [(10, true), (11, false)] {
            pair.here.clear_requests();
            kind.inject(&pair.here, Fault::redirect(302, kind.path()).times(count));
            kind.inject(&pair.here, Fault::status(410));
            let error = kind.ask(&pair.client).await;
            assert_eq!(is_gone(&error), due, "{kind:?} {count}: {error:?}");
            if !due {
                let Error::Redirect(RedirectError::TooMany { limit, .. }) = &error else {
                    panic!("{kind:?}: {error:?}");
                };
                assert_eq!(*limit, 10);
            }
            assert_eq!(pair.here.requests().len(), 11, "{kind:?} {count}");
            pair.here.clear_faults();
        }
    }
}

/// Two origins that redirect to each other are left after ten redirects, and the key, once left
/// behind, does not come back.
pub async fn a_loop_over_two_origins_ends_without_the_key<R: Runtime>(rt: R) {
    let pair = Pair::new(&rt);
    for kind in KINDS {
        for (from, to) in [(&pair.here, &pair.there), (&pair.there, &pair.here)] {
            from.clear_requests();
            kind.inject(from, Fault::redirect(307, to.api_base_url() + kind.path()).times(20));
        }
        let error = kind.ask(&pair.client).await;
        let Error::Redirect(RedirectError::TooMany { .. }) = &error else {
            panic!("{kind:?}: {error:?}");
        };
        let (here, there) = (pair.here.requests(), pair.there.requests());
        assert_eq!((here.len(), there.len()), (6, 5), "{kind:?}");
        let field = if kind == Kind::Call { "x-api-key" } else { "authorization" };
        assert!(here[0].headers.contains_key(field), "{kind:?}");
        assert!(here[1..].iter().chain(&there).all(|r| !r.headers.contains_key(field)), "{kind:?}");
        pair.here.clear_faults();
        pair.there.clear_faults();
    }
}

/// A relative `Location` is resolved against the URL that was asked (RFC 9110 §10.2.2, RFC 3986
/// §5.2); its fragment is not sent.
pub async fn a_relative_location_is_resolved<R: Runtime>(rt: R) {
    let pair = Pair::new(&rt);
    let address = pair.here.address();
    for (location, due) in [
        ("/moved/b".to_owned(), "/moved/b"),
        ("c?d=e".to_owned(), "/moved/c?d=e"),
        ("./c".to_owned(), "/moved/c"),
        ("../c".to_owned(), "/c"),
        ("?d=e".to_owned(), "/moved/a?d=e"),
        (format!("//{address}/f"), "/f"),
        (format!("http://{address}/i"), "/i"),
        ("/g#part".to_owned(), "/g"),
        ("h i/é".to_owned(), "/moved/h%20i/%C3%A9"),
    ] {
        for fault in [
            Fault::redirect(307, "/moved/a"),
            Fault::redirect(307, location.as_str()),
            Fault::status(410),
        ] {
            Kind::Call.inject(&pair.here, fault);
        }
        let error = Kind::Call.ask(&pair.client).await;
        assert!(is_gone(&error), "{location}: {error:?}");
        let arrived = pair.arrived(false);
        assert_eq!(arrived.uri, due, "{location}");
        assert!(arrived.headers.contains_key("x-api-key"), "{location}");
    }
}

/// A reconnect starts at the caller's URL, with the key, wherever the last one was led. WHATWG HTML
/// leaves it open, and browsers go to the final URL; where a server moves a stream away and back,
/// or balances by redirects, yesterday's final URL is wrong.
pub async fn a_reconnect_starts_at_the_first_url<R: Runtime>(rt: R) {
    let pair = Pair::new(&rt);
    for (kind, status) in [
        (Kind::EventStream, 301),
        (Kind::EventStream, 308),
        (Kind::WebSocket, 301),
        (Kind::WebSocket, 308),
    ] {
        pair.here.clear_requests();
        pair.there.clear_requests();
        let location = pair.there.stream_base_url() + kind.path();
        pair.here.inject(Fault::redirect(status, &location).times(2));
        pair.there.inject(Fault::raw([""; 0]).times(2));
        let mut events = pair.client.subscribe(kind.subscription()).expect("a subscription");
        for _ in 0..2 {
            opened(&mut events).await;
            lost(&mut events).await;
        }
        let (here, there) = (pair.here.requests(), pair.there.requests());
        let asked: Vec<_> = here.iter().map(|r| query(&r.uri, "streamId")).collect();
        assert_eq!(asked, [Some("here".to_owned()), Some("here".to_owned())], "{kind:?}");
        assert!(here.iter().all(|r| r.headers.contains_key("authorization")), "{kind:?}");
        assert!(there.iter().all(|r| !r.headers.contains_key("authorization")), "{kind:?}");
        assert_eq!(there.len(), 2, "{kind:?}");
    }
}
