//! A key that was given in the place of another value is shown by no error of the values that take
//! it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::error::Error;
use std::fmt::Debug;

use restless_proto::machine::{Input, Machine as _, Output};
use restless_proto::subscription::Event;
use restless_proto::url::{direct_sse, direct_websocket, sse, to_websocket_url, websocket};
use restless_proto::{ConfigError, Entropy, Instant, Service, Subscription, direct};

const KEY: &str = "rs_0123456789abcdef";

/// Whatever can be read of a value.
fn shown(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

/// Whatever can be read of an error and of what caused it.
fn told(error: &ConfigError) -> String {
    let mut told = format!("{error} {} {}", error.value(), shown(error));
    let mut source = Error::source(error);
    while let Some(error) = source {
        told.push_str(&format!("{error} {error:?}"));
        source = error.source();
    }
    told
}

fn hides(text: &str) {
    assert!(!["0123", "0ca4a4"].iter().any(|key| text.contains(key)), "{text}");
}

#[test]
fn of_a_subscription() {
    let service = Service::new(KEY);
    let long = KEY.repeat(1000);
    let in_vain = |subscription: Subscription| {
        let error = subscription.start(&service, Entropy::from_seed(1), Instant::ORIGIN).err();
        hides(&told(&error.unwrap()));
    };
    let stream = || Subscription::stream(KEY);
    in_vain(Subscription::url(KEY));
    in_vain(Subscription::url(format!("{KEY}:x")));
    in_vain(Subscription::url(format!("https://{KEY}:{KEY}@")));
    in_vain(Subscription::url(format!("http://{KEY}.test/{KEY}?{KEY}")));
    in_vain(Subscription::url(format!("https://s/{long}{long}{long}")));
    in_vain(Subscription::session("").header(KEY, KEY));
    in_vain(stream().cursor(&long));
    in_vain(stream().since(&long));
    in_vain(stream().header(format!("{KEY} "), KEY));
    in_vain(stream().header("x", format!("{KEY}\n")));
    in_vain(stream().header("Authorization", KEY));
    in_vain(stream().websocket().subprotocol(format!("{KEY} ")));
    in_vain(stream().websocket().subprotocol(KEY).subprotocol(KEY));
    in_vain(Subscription::direct(direct::target(KEY).method(format!("{KEY} x"))));
    in_vain(Subscription::direct(direct::target(KEY).headers(KEY)));
    in_vain(Subscription::direct(direct::target(KEY).body([KEY])));
}

/// A service may send back what was sent.
#[test]
fn of_an_answer_s_request_id() {
    let service = Service::new(KEY);
    let mut machine = Subscription::url("https://stream.test/sse")
        .start(&service, Entropy::from_seed(1), Instant::ORIGIN)
        .unwrap();
    let Output::Open { exchange, .. } = machine.poll() else { panic!("nothing goes out") };
    let response = http::Response::builder().header("content-type", "text/event-stream");
    let response = response.header("x-request-id", format!("7 {KEY}")).body(()).unwrap();
    let head = Box::new(response.into_parts().0);
    machine.handle(Input::Response { exchange, head }, Instant::ORIGIN);
    let Output::Event(Event::Opened(opened)) = machine.poll() else { panic!("it stands not") };
    let id = opened.request_id.unwrap();
    hides(&id);
    assert!(id.starts_with("7 "), "{id}");
}

#[test]
fn of_a_runtime_url() {
    for builder in [sse(), websocket()] {
        let both = builder.clone().stream_id(KEY).session_id(KEY).cursor(KEY).since(KEY);
        hides(&shown(&both));
        hides(&told(&both.build().unwrap_err()));
        hides(&told(&builder.clone().session_id(KEY).base_url(KEY).build().unwrap_err()));
        let url = builder.stream_id(KEY).cursor(KEY).build().unwrap();
        assert!(url.expose().contains(KEY));
        hides(&shown(&url));
    }
    for builder in [direct_sse(KEY), direct_websocket(KEY)] {
        hides(&shown(&builder));
        hides(&told(&builder.base_url(KEY).build().unwrap_err()));
    }
    hides(&told(&to_websocket_url(KEY).unwrap_err()));
}

#[test]
fn of_a_service() {
    for base in [
        KEY,
        "0ca4a4",
        &format!("https://{KEY}:{KEY}@s/"),
        &format!("https://{KEY}/?q"),
        &format!("ftp://{KEY}/{KEY}"),
    ] {
        hides(&told(&Service::new(KEY).with_api_base_url(base).unwrap_err()));
    }
    for base in [KEY, "0ca4a4", &format!("wss://{KEY}/?q")] {
        hides(&told(&Service::new(KEY).with_stream_base_url(base).unwrap_err()));
    }
    let paths = Service::new(KEY).with_api_base_url(&format!("https://s/{KEY}")).unwrap();
    hides(&shown(&paths.with_stream_base_url(&format!("https://s/{KEY}?{KEY}")).unwrap()));
}
