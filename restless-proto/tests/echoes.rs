//! A server that says again what it was told: no key of it is printed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::error::Error as _;
use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::{Ended, Event, LossReason};
use restless_proto::websocket::{self, WebSocketMachine};
use restless_proto::ws::{self, CloseCode, Handshake};
use restless_proto::{
    CallOptions, Entropy, Error, Instant, Service, Subscription, redacted, streams,
};

const SEED: u64 = 1;

/// A key as the service has them, one of its kind with another prefix, and one that looks like
/// nothing in particular; then what is searched for, which is all of it that is secret.
const KEYS: [(&str, &str); 3] = [
    ("rs_0123abcdef", "0123abcdef"),
    ("rs_live_0123-abcdef", "0123-abcdef"),
    ("Zp8+Kd/canary=", "canary"),
];

/// The content of answers, with the key in each spelling.
fn contents(key: &str) -> Vec<String> {
    let percent: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let unicode: String = key.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    vec![
        format!("{{\"message\":\"no key {key}\"}}"),
        format!("{{\"message\":\"no key \\\"{key}\\\"\"}}"),
        format!("{{\"error\":\"unknown key \\u0022{key}\\u0022\"}}"),
        format!("{{\"error\":\"unknown key:\\n{key}\"}}"),
        format!("{{\"error\":\"unknown key:\\t{key}\"}}"),
        format!("{{\"error\":\"unknown key {}\"}}", key.replace('/', "\\/")),
        format!("{{\"error\":\"unknown key {unicode}\"}}"),
        format!("{{\"error\":{{\"url\":\"/?a=%22{percent}%22\"}}}}"),
        format!("unknown key {key}"),
        format!("unknown key:\n\t{key}\n"),
        format!("<p>unknown key &quot;{key}&quot;</p>"),
    ]
}

/// The key as it is coded for a page, a dump or a field, alone and with what stands before it
/// there.
fn coded(key: &str) -> Vec<String> {
    let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut coded = vec![
        hex.to_uppercase(),
        hex,
        key.bytes().map(|byte| format!("&#{byte};")).collect(),
        key.bytes().map(|byte| format!("&#x{byte:X};")).collect(),
    ];
    for before in ["", "k:", "user:", "Bearer "] {
        let text = format!("{before}{key}");
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            coded.push(engine.encode(&text));
        }
    }
    coded
}

fn head(status: u16, fields: &[(&str, &str)]) -> Box<http::response::Parts> {
    let mut response = http::Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    Box::new(response.body(()).unwrap().into_parts().0)
}

/// What a machine comes to say when its first request is answered so.
fn answered<M: Machine>(
    mut machine: M,
    head: Box<http::response::Parts>,
    content: &str,
) -> Vec<M::Event> {
    let Output::Open { exchange, .. } = machine.poll() else { panic!("a request comes first") };
    let bytes = Bytes::copy_from_slice(content.as_bytes());
    let mut said = Vec::new();
    for input in [
        Input::Response { exchange, head },
        Input::Data { exchange, bytes },
        Input::Ended { exchange, why: End::Complete },
    ] {
        machine.handle(input, Instant::ORIGIN);
        loop {
            match machine.poll() {
                Output::Wait(_) | Output::Done => break,
                Output::Event(event) => said.push(event),
                Output::Hangup | Output::Send(_) => {}
                Output::Open { .. } | Output::Authorize { .. } => return said,
            }
        }
    }
    said
}

/// All that can be printed of an error.
fn printed(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

#[track_caller]
fn must_not_hold(printed: impl AsRef<str>, secret: &str, what: impl Debug) {
    let printed = printed.as_ref();
    assert!(!printed.to_lowercase().contains(secret), "{what:?} is printed as {printed}");
}

fn call(key: &str) -> impl Machine<Event = Result<impl Debug, Error>> {
    let entropy = Entropy::from_seed(SEED);
    let call: restless_proto::Call<_> = streams::list().into();
    call.start(&Service::new(key), CallOptions::default(), entropy, Instant::ORIGIN).unwrap()
}

fn subscription(subscription: Subscription, key: &str) -> impl Machine<Event = Event> {
    let entropy = Entropy::from_seed(SEED);
    subscription.start(&Service::new(key), entropy, Instant::ORIGIN).unwrap()
}

fn error_of(said: Vec<Event>) -> Error {
    let error = said.into_iter().find_map(|event| match event {
        Event::Ended(Ended::Failed(error)) => Some(error),
        Event::Lost(lost) => match lost.reason {
            LossReason::Error(error) => Some(error),
            reason => panic!("{reason:?}"),
        },
        _ => None,
    });
    error.expect("an error")
}

#[test]
fn a_refusal_prints_no_key_in_any_spelling() {
    for (key, secret) in KEYS {
        let id = format!("req-{key}");
        for content in contents(key) {
            let refused = || head(403, &[("x-request-id", &id)]);
            let said = answered(call(key), refused(), &content);
            let [Err(error)] = said.as_slice() else { panic!("{said:?}") };
            must_not_hold(printed(error), secret, &content);
            assert!(printed(error).contains("…"), "{content}");
            // They are kept out of print, not out of reach.
            assert_eq!(error.request_id(), Some(&*id));

            for source in [Subscription::stream("a"), Subscription::stream("a").websocket()] {
                let said = answered(subscription(source, key), refused(), &content);
                must_not_hold(format!("{said:?} {said:#?}"), secret, &content);
                must_not_hold(printed(&error_of(said)), secret, &content);
            }
        }
    }
}

#[test]
fn a_key_that_is_said_in_another_coding_is_not_printed() {
    let key = "nOt/like+one";
    for coded in coded(key) {
        // Of what stands before the key, the coded text may begin with a few characters.
        let secret = coded.get(8..).unwrap().to_lowercase();
        let content = format!("{{\"message\":\"no {coded}!\"}}");
        let refused = || head(403, &[("x-request-id", &coded)]);
        let said = answered(call(key), refused(), &content);
        let [Err(error)] = said.as_slice() else { panic!("{said:?}") };
        must_not_hold(printed(error), &secret, &coded);
        for source in [Subscription::stream("a"), Subscription::stream("a").websocket()] {
            let said = answered(subscription(source, key), refused(), &content);
            must_not_hold(format!("{said:?}"), &secret, &coded);
            must_not_hold(printed(&error_of(said)), &secret, &coded);
        }
        let fields = [("content-type", "text/event-stream"), ("x-request-id", &coded)];
        let event = format!("data: {{\"type\":\"{coded}\",\"meta\":{{}}}}\n\n");
        let said =
            answered(subscription(Subscription::stream("a"), key), head(200, &fields), &event);
        assert!(said.len() >= 2, "{said:?}");
        must_not_hold(format!("{said:?}"), &secret, &coded);
    }
}

#[test]
fn a_key_in_a_url_or_a_call_s_content_is_one_too() {
    for (key, secret) in KEYS {
        let encoded: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
        let source = Subscription::url(format!("https://s.test/?apiKey={encoded}"));
        let content = format!("no {key}");
        let said = answered(subscription(source, ""), head(403, &[]), &content);
        must_not_hold(printed(&error_of(said)), secret, key);

        let validate: restless_proto::Call<_> = streams::validate_api_key().key(key).into();
        let entropy = Entropy::from_seed(SEED);
        let options = CallOptions::default();
        let service = Service::new("another-one");
        let machine = validate.start(&service, options, entropy, Instant::ORIGIN).unwrap();
        let said = answered(machine, head(403, &[]), &content);
        let [Err(error)] = said.as_slice() else { panic!("{said:?}") };
        must_not_hold(printed(error), secret, key);
    }
}

#[test]
fn no_other_error_prints_a_key() {
    for (key, secret) in KEYS {
        // A reply that can't be read, quoted by its parser.
        let said = answered(call(key), head(200, &[]), &format!("{{\"content\":\"{key}\"}}"));
        let [Err(error)] = said.as_slice() else { panic!("{said:?}") };
        must_not_hold(printed(error), secret, key);
        // What fields say.
        let location = format!("ftp://s.test/{key}");
        let coding = format!("compress, {key}");
        for (status, name, value) in [
            (302, "location", &*location),
            (200, "content-type", key),
            (200, "content-encoding", &*coding),
        ] {
            let fields = [("content-type", "text/event-stream"), (name, value)];
            let fields = if name == "content-type" { &fields[1..] } else { &fields };
            let source = Subscription::stream("a");
            let said = answered(subscription(source, key), head(status, fields), "");
            must_not_hold(printed(&error_of(said)), secret, name);
        }
        for name in ["upgrade", "sec-websocket-accept"] {
            let fields = [("connection", "upgrade"), (name, key)];
            let source = Subscription::stream("a").websocket();
            let said = answered(subscription(source, key), head(101, &fields), "");
            must_not_hold(printed(&error_of(said)), secret, name);
        }
        // The reason of a Close frame.
        let source = Subscription::stream("a").websocket().whole_messages();
        let mut machine = subscription(source, key);
        let Output::Open { exchange, .. } = machine.poll() else { panic!("a request") };
        machine.handle(Input::Response { exchange, head: head(101, &[]) }, Instant::ORIGIN);
        let why = End::Closed { code: CloseCode::new(1008), reason: format!("no {key}") };
        machine.handle(Input::Ended { exchange, why }, Instant::ORIGIN);
        let said = std::iter::from_fn(|| match machine.poll() {
            Output::Done | Output::Wait(_) => None,
            output => Some(output),
        });
        let said: Vec<_> = said.collect();
        assert!(format!("{said:?}").contains("1008"), "{said:?}");
        must_not_hold(format!("{said:?}"), secret, "a close reason");
    }
}

#[test]
fn any_websocket_prints_no_key_of_its_handshake() {
    for (key, secret) in KEYS {
        let mut value = http::HeaderValue::from_str(&format!("Bearer {key}")).unwrap();
        value.set_sensitive(true);
        let mut entropy = Entropy::from_seed(SEED);
        let handshake = Handshake::new(&"wss://s.test/".parse().unwrap(), &mut entropy).unwrap();
        let handshake = handshake.header(http::header::AUTHORIZATION, value).unwrap();
        let options = ws::Options::default();
        let machine = WebSocketMachine::new(handshake, options, entropy, Instant::ORIGIN);
        let said = answered(machine, head(401, &[]), &format!("no {key}"));
        let [websocket::Event::Failed(error)] = said.as_slice() else { panic!("{said:?}") };
        must_not_hold(printed(error), secret, key);
    }
}

#[test]
fn ids_and_cursors_are_printed_without_what_looks_like_a_key() {
    let (key, secret) = KEYS[0];
    let id = format!("req-{key}");
    let fields = [("content-type", "text/event-stream"), ("x-request-id", &*id)];
    let event = r#"{"type":"update","meta":{"timestamp":"2026-03-24T00:00:00Z"},"data":1}"#;
    let content = format!("id: {id}\ndata: {event}\n\nid: {id}\ndata: {{\"type\":\"{key}\"}}\n\n");
    let source = Subscription::stream("a").cursor(&id);
    must_not_hold(format!("{source:?}"), secret, "a subscription");
    let mut machine =
        source.start(&Service::new("nobody"), Entropy::from_seed(SEED), Instant::ORIGIN).unwrap();
    let exchange = exchange(&mut machine);
    machine.handle(Input::Response { exchange, head: head(200, &fields) }, Instant::ORIGIN);
    machine.handle(Input::Data { exchange, bytes: content.into() }, Instant::ORIGIN);
    let mut said = 0;
    while let Output::Event(event) = machine.poll() {
        said += 1;
        must_not_hold(format!("{event:?}"), secret, "an event");
        if let Event::Opened(opened) = &event {
            assert_eq!(opened.request_id.as_deref(), Some(&*id), "an id that is nobody's key");
        }
    }
    assert_eq!(said, 3, "opened, an event, a rejected one");
    must_not_hold(format!("{:?}", machine.status()), secret, "a status");
    assert_eq!(machine.cursor(), Some(&*id));
    assert_eq!(redacted(&id), "req-rs_…");
}

fn exchange(machine: &mut impl Machine) -> ExchangeId {
    match machine.poll() {
        Output::Open { exchange, .. } => exchange,
        _ => panic!("a request comes first"),
    }
}
