//! CR, LF, NUL and bytes above 0x7f in every string of the caller's that reaches the wire: an
//! error before anything goes out, or text that is one part of the request and no more.

use bytes::Bytes;
use restless_proto::http1::{TargetForm, request_bytes};
use restless_proto::machine::{Machine, Output};
use restless_proto::url::{self, set_cursor, set_since};
use restless_proto::{
    Call, CallOptions, ConfigError, Entropy, Instant, Service, Subscription, direct, snippets,
    streams, usage,
};
use serde_json::json;

/// What splits a request where it gets through, with what tells it.
const INJECTED: &str = "x-injected: 1";

fn strings() -> Vec<String> {
    let mut strings: Vec<String> =
        ["\r\n", "\n", "\r", "\0", "\r\n\r\nGET / HTTP/1.1\r\n", "\u{7f}"]
            .iter()
            .map(|split| format!("a{split}{INJECTED}"))
            .collect();
    strings.extend(["é\u{ff}", "\u{2028}", "\u{10d}\u{10a}", "\u{560d}\u{560a}"].map(|text| {
        // Some have a low byte of a line end, which a careless cast makes of them.
        format!("a{text}{INJECTED}")
    }));
    // What is no port, behind a host, would be refused for that alone.
    strings.extend(["a\r\nb", "a\nb", "a\rb", "a\0b", "a\u{7f}b", "é"].map(str::to_owned));
    strings
}

/// The bytes that the first request has.
fn wire(mut machine: impl Machine) -> Bytes {
    let Output::Open { request, .. } = machine.poll() else { panic!("no request") };
    request_bytes(&request, TargetForm::Origin).unwrap()
}

fn followed(subscription: Subscription) -> Result<Bytes, ConfigError> {
    let service = Service::new("rs_test");
    subscription.start(&service, Entropy::from_seed(1), Instant::ORIGIN).map(wire)
}

fn called<T>(call: impl Into<Call<T>>) -> Result<Bytes, ConfigError> {
    served(call, Ok(Service::new("rs_test")))
}

fn served<T>(
    call: impl Into<Call<T>>,
    service: Result<Service, ConfigError>,
) -> Result<Bytes, ConfigError> {
    let (options, entropy) = (CallOptions::default(), Entropy::from_seed(1));
    call.into().start(&service?, options, entropy, Instant::ORIGIN).map(wire)
}

/// Every string that goes out, by name.
fn sent(text: &str) -> Vec<(&'static str, Result<Bytes, ConfigError>)> {
    let stream = || Subscription::stream("s");
    let of_url = |url: Result<url::RuntimeUrl, ConfigError>| {
        url.and_then(|url| followed(Subscription::url(url.expose())))
    };
    let target = || direct::target("https://api.test/");
    let service = || Service::new("rs_test");
    vec![
        ("a stream's id", followed(Subscription::stream(text))),
        ("a session's id", followed(Subscription::session(text))),
        ("a URL's path", followed(Subscription::url(format!("https://s.test/{text}")))),
        ("a URL's query", followed(Subscription::url(format!("https://s.test/?a={text}")))),
        ("a URL's host", followed(Subscription::url(format!("https://s.test{text}/")))),
        ("a WebSocket's URL", followed(Subscription::url(format!("wss://s.test/{text}")))),
        ("a cursor", followed(stream().cursor(text))),
        ("a cursor over WebSocket", followed(stream().cursor(text).websocket())),
        ("since", followed(stream().since(text))),
        ("a field's name", followed(stream().header(text, "1"))),
        ("a field's value", followed(stream().header("x-own", text))),
        ("a field's value over WebSocket", followed(stream().websocket().header("x-own", text))),
        ("a subprotocol", followed(stream().websocket().subprotocol(text))),
        (
            "a direct URL",
            followed(Subscription::direct(format!("https://api.test/{text}").as_str())),
        ),
        ("a direct filter", followed(Subscription::direct(target().jq_filter(text)))),
        ("direct content", followed(Subscription::direct(target().body(json!({ text: text }))))),
        ("direct fields", followed(Subscription::direct(target().headers(json!({ text: text }))))),
        ("a direct method", followed(Subscription::direct(target().method(text)))),
        ("a key in a URL", followed(Subscription::direct(target().api_key_in_url(text)))),
        ("a runtime URL's id", of_url(url::sse().stream_id(text).build())),
        ("a runtime URL's cursor", of_url(url::sse().stream_id("s").cursor(text).build())),
        ("a runtime URL's since", of_url(url::sse().stream_id("s").since(text).build())),
        ("a cursor that is set", followed(Subscription::url(set_cursor("https://s.test/", text)))),
        ("a since that is set", followed(Subscription::url(set_since("https://s.test/", text)))),
        ("a call's id", called(streams::get(text))),
        ("an updated id", called(streams::update(text).name("n"))),
        ("an id to count for", called(usage::credit_usage_stats(text))),
        ("a name", called(streams::create(text, "https://api.test/"))),
        ("a URL to poll", called(streams::create("n", format!("https://api.test/{text}")))),
        ("a description", called(streams::create("n", "https://a.test/").description(text))),
        ("a query's name", called(streams::list().query(text, "1"))),
        ("a query's value", called(streams::list().query("a", text))),
        ("a dedupe key", called(direct::session(target()).dedupe_key(text))),
        ("a language", called(snippets::connection_snippets().stream_id("s").language(text))),
        ("a key to check", called(streams::validate_api_key().key(text))),
        ("a call's field's name", called(streams::get("s").header(text, "1"))),
        ("a call's field's value", called(streams::get("s").header("x-own", text))),
        ("the key", served(streams::list(), Ok(Service::new(text)))),
        ("a client's field's name", served(streams::list(), service().with_header(text, "1"))),
        ("a client's field's value", served(streams::list(), service().with_header("x-own", text))),
        ("the user agent", served(streams::list(), service().with_user_agent(text))),
        (
            "the base URL",
            served(streams::list(), service().with_api_base_url(&format!("https://a.test/{text}"))),
        ),
        (
            "the base URL's host",
            served(streams::list(), service().with_api_base_url(&format!("https://{text}/"))),
        ),
    ]
}

/// Strings that are sent whatever is in them: a URL or JSON can hold any text.
const ALWAYS_SENT: &[&str] = &[
    "a stream's id",
    "a session's id",
    "a URL's path",
    "a URL's query",
    "a WebSocket's URL",
    "a cursor",
    "a cursor over WebSocket",
    "since",
    "a direct URL",
    "a direct filter",
    "direct content",
    "direct fields",
    "a key in a URL",
    "a runtime URL's id",
    "a runtime URL's cursor",
    "a runtime URL's since",
    "a cursor that is set",
    "a since that is set",
    "a call's id",
    "an updated id",
    "an id to count for",
    "a name",
    "a URL to poll",
    "a description",
    "a query's name",
    "a query's value",
    "a dedupe key",
    "a language",
    "a key to check",
    "the base URL",
];

/// Strings that are sent where no control character is in them (RFC 9110 §5.5).
const FIELDS: &[&str] = &[
    "a field's value",
    "a field's value over WebSocket",
    "a call's field's value",
    "a client's field's value",
    "the user agent",
];

#[test]
fn no_string_of_the_caller_s_ends_a_line_or_begins_another_request() {
    for text in strings() {
        let sent = sent(&text);
        let fields = if text.bytes().any(|byte| byte.is_ascii_control()) { &[] } else { FIELDS };
        for due in ALWAYS_SENT.iter().chain(fields) {
            let found = sent.iter().find(|(name, _)| name == due);
            assert!(matches!(found, Some((_, Ok(_)))), "{due}, {text:?}: {found:?}");
        }
        for (name, sent) in sent {
            let Ok(bytes) = sent else { continue };
            let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect(name) + 4;
            let (head, content) = bytes.split_at(end);
            let mut lines = head.split(|byte| *byte == b'\n').peekable();
            let first = lines.next().unwrap();
            assert!(first.ends_with(b" HTTP/1.1\r"), "{name}, {text:?}");
            assert_eq!(first.iter().filter(|byte| **byte == b' ').count(), 2, "{name}, {text:?}");
            assert!(first.is_ascii(), "{name}, {text:?}: a target is ASCII");
            for line in lines {
                let Some((_, line)) = line.split_last() else { continue };
                let control = line.iter().find(|byte| **byte < b' ' && **byte != b'\t');
                assert_eq!(control, None, "{name}, {text:?}");
                assert!(!line.starts_with(INJECTED.as_bytes()), "{name}, {text:?}");
            }
            // Content is JSON of one line, or there is none.
            assert!(!content.contains(&b'\n') && !content.contains(&0), "{name}, {text:?}");
        }
    }
}

#[test]
fn what_no_field_can_carry_is_an_error_that_names_it() {
    for text in ["a\r\nb", "a\nb", "a\rb", "a\0b", "a\u{7f}b"] {
        let refused: Vec<_> = sent(text)
            .into_iter()
            .filter_map(|(name, sent)| sent.is_err().then_some(name))
            .collect();
        for name in [
            "a field's name",
            "a field's value",
            "a field's value over WebSocket",
            "a subprotocol",
            "a call's field's name",
            "a call's field's value",
            "the key",
            "a client's field's name",
            "a client's field's value",
            "the user agent",
        ] {
            assert!(refused.contains(&name), "{name}: {text:?} is sent");
        }
    }
}
