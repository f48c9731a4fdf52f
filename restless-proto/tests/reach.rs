//! Credentials go out over https, or to loopback, unless the service was told otherwise by name.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use restless_proto::{
    Call, ConfigError, Entropy, Instant, Service, Subscription, direct, snippets, streams, url,
};

const PLAIN: &str = "http://service.test";

fn service(base: &str) -> Service {
    Service::default().with_api_base_url(base).unwrap().with_stream_base_url(base).unwrap()
}

/// The field at fault, and that neither this error nor its field shows the key.
fn field<T>(result: Result<T, ConfigError>) -> Option<&'static str> {
    let error = result.err()?;
    assert!(!format!("{error} {error:?}").contains("rs_"), "{error:?}");
    Some(error.field())
}

fn called<T>(call: impl Into<Call<T>>, service: &Service) -> Option<&'static str> {
    field(call.into().request(service))
}

fn followed(subscription: Subscription, service: &Service) -> Option<&'static str> {
    field(subscription.start(service, Entropy::from_seed(1), Instant::ORIGIN))
}

#[test]
fn a_call_with_a_key_is_not_made_over_plain_http() {
    let (keyless, keyed) = (service(PLAIN), service(PLAIN).with_api_key("rs_1"));
    assert_eq!(called(streams::list(), &keyless), None);
    assert_eq!(called(streams::list(), &keyed), Some("base_url"));
    // The key, or one for the API behind the stream, in the content.
    for content in [
        serde_json::json!({"apiKey": "rs_1"}),
        serde_json::json!({"headers": {"authorization": "rs_1"}}),
    ] {
        assert_eq!(called(streams::create_from(&content), &keyless), Some("base_url"));
        assert_eq!(called(direct::session_from(&content), &keyless), Some("base_url"));
    }
    assert_eq!(called(streams::validate_api_key().key("rs_1"), &keyless), Some("base_url"));
    assert_eq!(called(snippets::connection_snippets().stream_id("s"), &keyless), None);
}

#[test]
fn a_subscription_with_a_key_is_not_started_over_plain_http() {
    let (keyless, keyed) = (service(PLAIN), service(PLAIN).with_api_key("rs_1"));
    for websocket in [false, true] {
        let over = |subscription: Subscription| {
            if websocket { subscription.websocket() } else { subscription }
        };
        let stream = || over(Subscription::stream("s"));
        assert_eq!(followed(stream(), &keyless), None);
        assert_eq!(followed(stream(), &keyed), Some("url"));
        assert_eq!(followed(stream().header("x-tenant", "t"), &keyless), None);
        assert_eq!(followed(stream().header("Authorization", "rs_1"), &keyless), Some("url"));
        let url = |query: &str| over(Subscription::url(format!("{PLAIN}/{query}")));
        assert_eq!(followed(url("?apiKey=rs_1"), &keyless), Some("url"));
        let target = direct::target("https://a.test/");
        assert_eq!(followed(over(Subscription::direct(target.clone())), &keyless), None);
        let with_key = target.clone().api_key_in_url("rs_1");
        assert_eq!(followed(over(Subscription::direct(with_key)), &keyless), Some("url"));
        let with_fields = target.headers(serde_json::json!({"authorization": "rs_1"}));
        assert_eq!(followed(over(Subscription::direct(with_fields)), &keyless), Some("url"));
    }
    assert_eq!(followed(Subscription::url("ws://service.test/"), &keyed), Some("url"));
    let messages = Subscription::stream("s").whole_messages();
    assert_eq!(followed(messages, &keyed), Some("url"));
}

#[test]
fn https_loopback_and_a_service_that_was_told_so_get_the_key() {
    for service in [
        service("https://service.test"),
        service("http://127.0.0.1:8787"),
        service("http://[::1]:8787"),
        service("http://localhost:8787"),
        service(PLAIN).allow_credentials_over_plain_http(),
    ] {
        let service = service.with_api_key("rs_1");
        assert_eq!(called(streams::validate_api_key(), &service), None, "{service:?}");
        assert_eq!(followed(Subscription::stream("s"), &service), None, "{service:?}");
        assert_eq!(followed(Subscription::stream("s").websocket(), &service), None);
    }
}

#[test]
fn a_proxy_s_credentials_are_no_field_of_a_request() {
    let service = Service::default();
    let subscription = || Subscription::stream("s").header("Proxy-Authorization", "Basic eDp5");
    for subscription in [subscription(), subscription().websocket()] {
        let started = subscription.start(&service, Entropy::from_seed(1), Instant::ORIGIN);
        let error = started.err().expect("the origin would get them");
        assert_eq!(error.value(), "proxy-authorization");
    }
}

#[test]
fn a_user_or_a_password_in_a_url_is_an_error_wherever_requests_go() {
    let service = Service::default();
    for user in ["rs_user:rs_pass@", "rs_user@", ":rs_pass@"] {
        let http = format!("https://{user}service.test");
        assert_eq!(field(Service::default().with_api_base_url(&http)), Some("base_url"));
        let streams = Service::default().with_stream_base_url(&http);
        assert_eq!(field(streams), Some("stream_base_url"));
        let request = http::Request::get(&http).body(()).unwrap();
        assert_eq!(field(service.check(&request)), Some("url"));
        // A URL that is handed to somebody else is no business of ours.
        assert!(url::to_websocket_url(&http).unwrap().expose().contains(user));
        for (scheme, whole) in [("https", false), ("https", true), ("wss", false), ("wss", true)] {
            let subscription = Subscription::url(format!("{scheme}://{user}service.test"));
            let over = if whole { subscription.clone().whole_messages() } else { subscription };
            assert_eq!(followed(over.clone(), &service), Some("url"), "{scheme} {whole}");
            assert_eq!(followed(over.websocket(), &service), Some("url"), "{scheme} {whole}");
        }
    }
}
