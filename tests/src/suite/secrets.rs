//! Keys and secrets: nothing that is printed, traced or panics with holds one, in any encoding.

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::signature::Signer;
use restless_hyper::proto::subscription::{Ended, Event, Item, LossReason};
use restless_hyper::proto::{
    ApiKey, Call, Entropy, Error, Subscription, direct, snippets, streams, websocket, ws,
};
use restless_hyper::{Client, Runtime};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde_json::json;
use url::Url;

use super::front::{Front, trusting_nobody};
use super::heard::Heard;
use super::support::{all_of, builder, frame};

/// Looks like a key of the service's.
const KEY: &str = "rs_canaryQ7x2Lm9Vt4Zp8Kd";
/// Likewise, by another custom.
const LIVE_KEY: &str = "rs_live_canary-T5rX8w_Q2";
/// Looks like nothing in particular.
const SECRET: &str = "canaryW3hY6nB1gF5sJ0uC";

impl Heard {
    fn note(&self, what: impl Debug) {
        self.note_text(&format!("{what:?}\n{what:#?}\n"));
    }

    /// What a panic says, by somebody who takes a failure for impossible.
    fn note_panic(&self, error: impl Debug) {
        let panic = std::panic::catch_unwind(AssertUnwindSafe(|| failed(error).unwrap()));
        let panic = panic.expect_err("it is an error");
        self.note_text(panic.downcast_ref::<String>().expect("a text"));
    }

    fn note_error(&self, error: &impl std::error::Error) {
        self.note(error);
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            self.note(error);
            self.note(format_args!("{error} {error:#}"));
            cause = error.source();
        }
    }

    fn note_event(&self, event: &Event) {
        self.note(event);
        match event {
            Event::Lost(lost) => match &lost.reason {
                LossReason::Error(error) => self.note_error(error),
                reason => self.note_error(reason),
            },
            Event::Ended(Ended::Failed(error)) => self.note_error(error),
            Event::Item(Item::Rejected(rejected)) => self.note_error(rejected),
            _ => {}
        }
    }

    /// # Panics
    ///
    /// If a canary was heard, or too little to have listened at all.
    fn must_hold_no_canary(&self, spans: &[&str]) {
        let text = self.text();
        for span in spans {
            assert!(text.contains(span), "{span} was not traced: {text}");
        }
        for canary in [KEY, LIVE_KEY, SECRET] {
            for (encoding, sign) in signs(canary) {
                if let Some(at) = find(&text, &sign) {
                    let around = text.get(at.saturating_sub(300)..at + 60).unwrap_or(&text);
                    panic!("a canary ({encoding}) stands in: {around}");
                }
            }
        }
    }
}

fn failed<T>(error: T) -> Result<(), T> {
    Err(error)
}

/// What a canary looks like in each encoding: a part of it that its surroundings can't change.
fn signs(canary: &str) -> Vec<(&'static str, String)> {
    // Without what may stay: the start says what kind of a thing it was.
    let secret = canary.strip_prefix("rs_").unwrap_or(canary);
    let hex = |separator: &str| {
        let bytes: Vec<_> = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        bytes.join(separator)
    };
    let decimal: Vec<_> = secret.bytes().map(|byte| byte.to_string()).collect();
    let mut signs = vec![
        ("as it is", secret.to_owned()),
        ("reversed", secret.chars().rev().collect()),
        ("in hexadecimal", hex("")),
        ("in hexadecimal with spaces", hex(" ")),
        ("percent-encoded", hex("%")),
        ("as a list of bytes", decimal.join(", ")),
    ];
    // In base64, three bytes are four characters: it depends on what stands before it.
    for before in 0..3 {
        let text = format!("{}{secret}", "x".repeat(before));
        let (from, to) = (4, (text.len() / 3 - 1) * 4);
        for (name, engine) in [("base64", STANDARD_NO_PAD), ("base64url", URL_SAFE_NO_PAD)] {
            signs.push((name, engine.encode(&text)[from..to].to_owned()));
        }
    }
    signs
}

/// Without regard to case, save where case says something.
fn find(text: &str, sign: &str) -> Option<usize> {
    text.find(sign).or_else(|| text.to_ascii_lowercase().find(&sign.to_ascii_lowercase()))
}

fn client<R: Runtime>(rt: &R, emulator: &Emulator) -> Client<R> {
    patient(rt, emulator, Duration::from_secs(10))
}

/// Whose calls may take so long.
fn patient<R: Runtime>(rt: &R, emulator: &Emulator, timeout: Duration) -> Client<R> {
    builder(rt, emulator).api_key(KEY).timeout(timeout).build().expect("a client")
}

fn emulator() -> Emulator {
    Emulator::builder().api_key(KEY).hmac_secret(SECRET).start().expect("an emulator")
}

async fn call<R: Runtime, T: Debug>(
    heard: &Heard,
    client: &Client<R>,
    call: Call<T>,
) -> Option<Error> {
    heard.note(&call);
    match client.send(call).await {
        Ok(answer) => {
            heard.note(answer);
            None
        }
        Err(error) => {
            heard.note_error(&error);
            Some(error)
        }
    }
}

async fn follow<R: Runtime>(heard: &Heard, client: &Client<R>, subscription: Subscription) {
    heard.note(&subscription);
    let mut events = match client.subscribe(subscription) {
        Ok(events) => events,
        Err(error) => return heard.note_error(&error),
    };
    let watch = events.watch();
    let mut items = 0;
    while let Some(event) = events.next_event().await {
        heard.note_event(&event);
        heard.note((&events, &watch, events.status(), watch.status()));
        items += usize::from(matches!(event, Event::Item(_)));
        if items == 2 {
            events.close();
        }
    }
}

/// The search finds a canary in each encoding that it knows, whatever stands around it.
pub async fn the_search_finds_what_it_looks_for<R: Runtime>(_: R) {
    for canary in [KEY, LIVE_KEY, SECRET] {
        for (before, after) in [("", ""), ("k", "&x"), ("ke", "\""), ("key=", "z")] {
            let text = format!("{before}{canary}{after}");
            let hidden = [
                text.clone(),
                text.to_ascii_uppercase(),
                STANDARD_NO_PAD.encode(&text),
                URL_SAFE_NO_PAD.encode(&text),
                format!("{:?}", text.as_bytes()),
                text.bytes().map(|byte| format!("{byte:02X}")).collect(),
                text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            ];
            for text in hidden {
                let found = signs(canary).iter().any(|(_, sign)| find(&text, sign).is_some());
                assert!(found, "{canary} was not found in {text}");
            }
        }
    }
}

/// Calls, their answers and their errors are free of the key: where calls succeed, are refused,
/// cut, redirected or late, and where the service repeats the key.
pub async fn calls_tell_nobody_a_key<R: Runtime>(rt: R) {
    let emulator = emulator();
    let client = client(&rt, &emulator);
    let (heard, guard) = Heard::listen();
    heard.note((&client, client.service(), builder(&rt, &emulator).api_key(KEY)));
    let target = "https://up.test/orders?apiKey=rs_canaryQ7x2Lm9Vt4Zp8Kd";
    let create = || {
        streams::create("Orders", target)
            .status("INACTIVE")
            .headers(json!({"Authorization": format!("Bearer {SECRET}")}))
            .body(json!({"password": SECRET}))
            .api_key(KEY)
    };
    call(&heard, &client, create().into()).await;
    call(&heard, &client, streams::validate_api_key().key(KEY).into()).await;
    call(&heard, &client, streams::list().into()).await;
    let mut pages = client.pages(streams::list());
    while let Some(stream) = pages.next().await {
        heard.note((&pages, stream.expect("a stream")));
    }
    for id in emulator.ids() {
        call(&heard, &client, snippets::connection_snippets().stream_id(id).into()).await;
    }
    call(&heard, &client, direct::session(target).into()).await;
    let repeated = format!(r#"{{"message":"the key {KEY} is not known","apiKey":"{SECRET}"}}"#);
    let mut errors = Vec::new();
    let late = patient(&rt, &emulator, Duration::from_millis(400));
    let elsewhere = format!("http://user:{SECRET}@127.0.0.2:9/x?apiKey={SECRET}");
    for (client, fault) in [
        Fault::status(401).body(repeated.clone()),
        Fault::status(400).body(repeated.clone()).header("x-request-id", "r1"),
        Fault::status(404).body(format!("no {KEY} here")),
        Fault::raw([format!("the key {KEY} is no JSON")]),
        Fault::redirect(302, &elsewhere),
        Fault::redirect(307, format!("ftp://{KEY}@host/")),
        Fault::redirect(302, "/v1/streams"),
        Fault::refuse(),
        Fault::reset_after(20),
    ]
    .map(|fault| (&client, fault))
    .into_iter()
    .chain([(&late, Fault::stall_head())])
    {
        emulator.inject(fault.clone().on_rest());
        errors.extend(call(&heard, client, create().into()).await);
        emulator.clear_faults();
        emulator.inject(fault.on_rest());
        let mut pages = client.pages(streams::list());
        if let Some(Err(error)) = pages.next().await {
            heard.note_error(&error);
        }
        heard.note(pages);
        emulator.clear_faults();
    }
    assert!(errors.len() > 8, "{errors:?}");
    heard.note_panic(errors);
    drop(guard);
    heard.must_hold_no_canary(&["call", "exchange", "http.request.method"]);
}

/// Subscriptions over server-sent events and over WebSocket, by id, by URL and direct, keep three
/// things to themselves: the key, what goes to the user's own API, and the secret of the
/// signatures.
pub async fn subscriptions_tell_nobody_a_key<R: Runtime>(rt: R) {
    let emulator = emulator();
    let client = client(&rt, &emulator);
    let (heard, guard) = Heard::listen();
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE",
        "hmacSignatureEnabled":true}"#;
    let id = emulator.add_stream(stream).expect("a stream");
    for data in ["1", "2"] {
        emulator.publish(&id, data).expect("an event");
    }
    // Not every fault answers a Close frame.
    let options = ws::Options::default().close_within(Duration::from_millis(50));
    let quick = |subscription: Subscription| {
        subscription.retry(Duration::ZERO).max_reconnects(1).websocket_options(options)
    };
    let by_url = |url: String| {
        let separator = if url.contains('?') { '&' } else { '?' };
        quick(Subscription::url(format!("{url}{separator}apiKey={KEY}")).since("0"))
    };
    let faults = || {
        let message = format!(r#"{{"message":"{KEY} is not allowed"}}"#);
        let bad = format!("id: 7\ndata: {{\"type\":\"update\",\"apiKey\":\"{KEY}\"\n\n");
        [
            Fault::status(401).body(message.clone()),
            Fault::status(503).body(message.clone()),
            Fault::status(403).body(message),
            Fault::raw([KEY]).header("content-type", format!("text/html; key={KEY}")),
            Fault::redirect(302, format!("http://{KEY}:{SECRET}@127.0.0.2:9/?apiKey={SECRET}")),
            Fault::raw([bad, frame("8", "2")]),
            Fault::cut_after_events(1),
        ]
    };
    let webs: fn(Subscription) -> Subscription = |subscription| subscription.websocket();
    let events: fn(Subscription) -> Subscription = |subscription| subscription;
    for transport in [events, webs] {
        for fault in faults() {
            let wrong = transport(quick(all_of(&id)).verify(Signer::new(format!("{SECRET}x"))));
            let right = transport(quick(all_of(&id)).verify(Signer::new(SECRET)));
            for subscription in [right, wrong, transport(by_url(emulator.sse_url(&id)))] {
                emulator.inject(fault.clone());
                follow(&heard, &client, subscription).await;
                emulator.clear_faults();
            }
        }
        let target = format!("http://127.0.0.1:9/orders?token={SECRET}");
        let direct =
            Subscription::direct(direct::target(target).headers(json!({"x-api-token": SECRET})));
        emulator.inject(Fault::status(403));
        follow(&heard, &client, transport(quick(direct))).await;
        emulator.clear_faults();
    }
    drop(guard);
    heard.must_hold_no_canary(&[
        "subscription",
        "exchange",
        "lost",
        "opened",
        "rejected",
        "text/html",
    ]);
}

/// Answers that say again what they were told, in each spelling.
fn echoes(key: &str) -> Vec<Fault> {
    let percent: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let escaped: String = key.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let contents = [
        format!(r#"{{"message":"no key \"{key}\""}}"#),
        format!(r#"{{"error":"unknown key \u0022{key}\u0022"}}"#),
        format!(r#"{{"error":"unknown key:\n{key}"}}"#),
        format!(r#"{{"error":"unknown key:\t{key}"}}"#),
        format!(r#"{{"error":"unknown key {escaped}"}}"#),
        format!("unknown key {percent} <b>{key}</b>"),
    ];
    let mut faults = Vec::new();
    for content in contents {
        for status in [401, 403, 503] {
            let fault = Fault::status(status).header("x-request-id", format!("req-{key}"));
            faults.push(fault.body(content.clone()));
        }
    }
    faults.push(Fault::redirect(302, format!("ftp://host/{key}")));
    let content = Fault::status(200).body(key.to_owned());
    faults.push(content.clone().header("content-type", key));
    let content = content.header("content-type", "text/event-stream");
    faults.push(content.header("content-encoding", format!("compress, {key}")));
    faults
}

/// Whatever the key looks like, however the server spells it and whoever gave it to the client:
/// errors and ids that are printed or traced are free of it.
pub async fn what_a_server_says_again_of_a_key_is_told_to_nobody<R: Runtime>(rt: R) {
    let (heard, guard) = Heard::listen();
    for key in [KEY, LIVE_KEY, SECRET] {
        let emulator = Emulator::builder().api_key(key).start().expect("an emulator");
        let builder = || builder(&rt, &emulator).api_key(key).max_retries(0);
        let on_demand = builder().credentials(move |_| async move { Ok(ApiKey::new(key)) });
        heard.note(&on_demand);
        for client in [builder().build(), on_demand.build()] {
            let client = client.expect("a client");
            heard.note(&client);
            for fault in echoes(key) {
                let mut errors = Vec::new();
                // Twice: after a 401, who gives keys is asked for another one.
                emulator.inject(fault.clone().on_rest().times(2));
                errors.extend(call(&heard, &client, streams::list().into()).await);
                emulator.clear_faults();
                heard.note_panic(errors.pop().expect("an error"));
                for subscription in [all_of("a"), all_of("a").websocket()] {
                    emulator.inject(fault.clone().times(2));
                    follow(&heard, &client, subscription.reconnect(false)).await;
                    emulator.clear_faults();
                }
            }
        }
    }
    // What a stream says: an id of its own that looks like a key.
    let emulator = emulator();
    let client = client(&rt, &emulator);
    let id = format!("e-{KEY}");
    let bad = format!("id: {id}\ndata: {{\"type\":\"{KEY}\"}}\n\n");
    let content = Fault::raw([frame(&id, "1"), bad]).header("x-request-id", format!("req-{KEY}"));
    emulator.inject(content);
    follow(&heard, &client, all_of("a").cursor(&id)).await;
    drop(guard);
    heard.must_hold_no_canary(&[
        "call",
        "exchange",
        "opened",
        "event_id",
        "request_id",
        "req-…",
        "e-rs_…",
    ]);
}

/// Where no connection comes about, or credentials must stay here: over TLS that is not trusted,
/// and over plain http to another host.
pub async fn a_connection_that_fails_tells_nobody_a_key<R: Runtime>(rt: R) {
    let emulator = emulator();
    let front = Front::start(emulator.address());
    let (heard, guard) = Heard::listen();
    let at = |base: &str| {
        let builder = builder(&rt, &emulator).api_key(KEY).max_retries(0);
        builder.base_url(base).stream_base_url(base)
    };
    let tls = at(&front.url("localhost")).tls_config(trusting_nobody());
    let plain = at("http://service.invalid");
    let demanded = || async { Ok(ApiKey::new(KEY)) };
    for builder in [
        tls,
        plain,
        at(&front.url("localhost")).tls_config(trusting_nobody()).credentials(move |_| demanded()),
        at("http://service.invalid").credentials(move |_| demanded()),
        at("http://127.0.0.1:9").credentials(|_| async { Err("the vault is closed".into()) }),
    ] {
        heard.note(&builder);
        let client = builder.build().expect("a client");
        let target = format!("https://up.test/orders?apiKey={KEY}");
        let create = streams::create("Orders", target).api_key(KEY);
        let error = call(&heard, &client, create.into()).await;
        heard.note_panic(error.expect("no way through"));
        let by_url =
            Subscription::url(format!("{}?apiKey={KEY}", client.service().stream_base_url()));
        for subscription in [all_of("a"), by_url] {
            for subscription in [subscription.clone(), subscription.websocket()] {
                follow(&heard, &client, subscription.reconnect(false)).await;
            }
        }
    }
    drop(guard);
    heard.must_hold_no_canary(&["certificate", "a loopback host", "no credentials could be had"]);
}

/// A WebSocket of any other kind, with a key in its handshake.
pub async fn any_websocket_tells_nobody_a_key<R: Runtime>(rt: R) {
    let emulator = emulator();
    let client = client(&rt, &emulator);
    let (heard, guard) = Heard::listen();
    for fault in [Fault::none(), Fault::status(401).body(format!("no {KEY}")), Fault::refuse()] {
        emulator.inject(fault);
        let url = format!("{}/ws/stream/none?apiKey={KEY}", emulator.stream_base_url());
        let url = Url::parse(&url).expect("a URL");
        let handshake = ws::Handshake::new(&url, &mut Entropy::from_seed(7)).expect("a handshake");
        let mut value = HeaderValue::from_static(SECRET);
        value.set_sensitive(true);
        let handshake = handshake.header(AUTHORIZATION, value).expect("a field");
        heard.note(&handshake);
        let socket = client.websocket(handshake, ws::Options::default());
        let mut socket = socket.expect("a WebSocket");
        while let Some(event) = socket.next().await {
            heard.note((&socket, &event));
            if let websocket::Event::Failed(error) = &event {
                heard.note_error(error);
            }
        }
        emulator.clear_faults();
    }
    drop(guard);
    heard.must_hold_no_canary(&["websocket", "exchange"]);
}

/// A proxy's password: where there is no proxy, and where one refuses.
pub async fn a_proxy_s_password_is_told_to_nobody<R: Runtime>(rt: R) {
    let emulator = emulator();
    let (heard, guard) = Heard::listen();
    // To CONNECT the emulator says no, as a proxy does.
    for address in ["127.0.0.1:9".to_owned(), emulator.address().to_string()] {
        for scheme in ["http", "socks5"] {
            let proxy = format!("{scheme}://{KEY}:{SECRET}@{address}");
            let builder = builder(&rt, &emulator).api_key(KEY).proxy(proxy).max_retries(0);
            let builder = builder.base_url("https://up.test").stream_base_url("https://up.test");
            heard.note(&builder);
            let client = builder.build().expect("a client");
            heard.note(&client);
            let error = call(&heard, &client, streams::list().into()).await;
            heard.note_panic(error.expect("no way through"));
            for subscription in [all_of("any"), all_of("any").websocket()] {
                follow(&heard, &client, subscription.max_reconnects(1)).await;
            }
        }
    }
    drop(guard);
    heard.must_hold_no_canary(&["call", "subscription", "lost"]);
}
