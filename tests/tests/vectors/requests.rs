//! `requests.json`: every REST call, as the request that is sent.
//!
//! An argument goes through the builder's method of its name where it has the type of that, and
//! else through `field`, which takes anything.

use bytes::Bytes;
use http::Request;
use percent_encoding::percent_decode_str;
use restless_proto::model::PollingStrategy;
use restless_proto::signature::canonicalize;
use restless_proto::{Call, ConfigError, Service, direct, snippets, streams, usage};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::harness::{Case, Checked};
use crate::python::{Named, Python, typed};

/// What is no field of the body.
const NO_FIELDS: [&str; 3] = ["data", "stream_id", "new_api_key"];

/// Sets the fields of a body: of the whole mapping, then by name.
macro_rules! fill {
    ($builder:expr, $arguments:expr, [$($method:ident: $Type:ty,)*]) => {{
        let mut builder = $builder;
        if let Some(data) = $arguments.raw("data").filter(|data| data.get() != "null") {
            builder = builder.fields(Python(data));
        }
        for (name, raw) in &$arguments.0 {
            if NO_FIELDS.contains(&name.as_str()) {
                continue;
            }
            builder = match name.as_str() {
                "headers" => builder.headers(Python(raw)),
                "body" => builder.body(Python(raw)),
                $(stringify!($method) if typed_filled::<$Type>(raw).is_some() => {
                    builder.$method(typed::<$Type>(raw).unwrap())
                })*
                _ => builder.field(name, Python(raw)),
            };
        }
        builder
    }};
}

/// An empty text, list or such means nothing to our builders, and is sent by the SDK.
fn typed_filled<T: for<'de> serde::Deserialize<'de>>(raw: &RawValue) -> Option<T> {
    typed(raw).filter(|_| !matches!(raw.get(), "\"\"" | "[]"))
}

/// Whether [`target`] has taken this argument.
fn is_of_target(name: &str, raw: &RawValue) -> bool {
    match name {
        "headers" | "body" => true,
        "url" | "method" | "jq_filter" | "payload_mode" | "api_key" => {
            typed_filled::<String>(raw).is_some()
        }
        "polling_interval" => typed::<u64>(raw).is_some(),
        "polling_strategies" => typed_filled::<Vec<PollingStrategy>>(raw).is_some(),
        _ => false,
    }
}

/// The target of a direct stream.
fn target(arguments: &Named) -> direct::Target {
    let mut target = direct::target(arguments.typed::<String>("url").unwrap_or_default());
    macro_rules! set {
        ($($name:ident: $Type:ty => $method:ident,)*) => {
            $(let raw = arguments.raw(stringify!($name));
            if let Some(value) = raw.and_then(typed_filled::<$Type>) {
                target = target.$method(value);
            })*
        };
    }
    set! {
        method: String => method,
        jq_filter: String => jq_filter,
        payload_mode: String => payload_mode,
        polling_interval: u64 => polling_interval,
        polling_strategies: Vec<PollingStrategy> => polling_strategies,
        api_key: String => api_key_in_url,
    }
    if let Some(headers) = arguments.raw("headers") {
        target = target.headers(Python(headers));
    }
    if let Some(body) = arguments.raw("body") {
        target = target.body(Python(body));
    }
    target
}

/// The same for both calls that take one.
macro_rules! fill_direct {
    ($new:ident, $from:ident, $arguments:expr, $own:ident) => {{
        let data = $arguments.raw("data").filter(|data| data.get() != "null");
        let by_name = data.is_none() && $arguments.typed::<String>("url").is_some();
        let mut builder = match data {
            Some(data) => direct::$from(Python(data)),
            None if by_name => direct::$new(target($arguments)),
            None => direct::$from(serde_json::json!({})),
        };
        for (name, raw) in &$arguments.0 {
            builder = match (name.as_str(), typed::<String>(raw)) {
                ("data", _) => builder,
                (name, _) if by_name && is_of_target(name, raw) => builder,
                (stringify!($own), Some(value)) => builder.$own(value),
                _ => builder.field(name, Python(raw)),
            };
        }
        builder
    }};
}

fn request(
    call: &str,
    arguments: &Named,
    service: &Service,
) -> Result<Request<Bytes>, ConfigError> {
    let id = arguments.typed::<String>("stream_id").unwrap_or_default();
    fn made<T>(call: impl Into<Call<T>>, service: &Service) -> Result<Request<Bytes>, ConfigError> {
        call.into().request(service)
    }
    match call {
        "list_streams" => {
            let mut list = streams::list();
            if let Some(limit) = arguments.typed("limit") {
                list = list.limit(limit);
            }
            if let Some(offset) = arguments.typed("offset") {
                list = list.offset(offset);
            }
            made(list, service)
        }
        "get_stream" => made(streams::get(id), service),
        "start_stream" => made(streams::start(id), service),
        "stop_stream" => made(streams::stop(id), service),
        "delete_stream" => made(streams::delete(id), service),
        "credit_usage_stats" => made(usage::credit_usage_stats(id), service),
        "create_stream" => {
            let named: (Option<String>, Option<String>) =
                (arguments.typed("name"), arguments.typed("url"));
            let builder = match (named, arguments.raw("data")) {
                ((Some(name), Some(url)), None) => streams::create(name, url),
                _ => streams::create_from(serde_json::json!({})),
            };
            let builder = fill!(builder, arguments, [
                description: String,
                status: String,
                method: String,
                payload_mode: String,
                jq_filter: String,
                hmac_signature_enabled: bool,
                polling_interval: u64,
                polling_strategies: Vec<PollingStrategy>,
                api_key: String,
            ]);
            made(builder, service)
        }
        "update_stream" => {
            let builder = fill!(streams::update(id), arguments, [
                name: String,
                description: String,
                status: String,
                method: String,
                url: String,
                payload_mode: String,
                jq_filter: String,
                hmac_signature_enabled: bool,
                polling_interval: u64,
                polling_strategies: Vec<PollingStrategy>,
                api_key: String,
            ]);
            made(builder, service)
        }
        "validate_stream_api_key" => {
            let mut validate = streams::validate_api_key();
            if let Some(key) = arguments.typed::<String>("new_api_key") {
                validate = validate.key(key);
            }
            made(validate, service)
        }
        "connection_snippets" => {
            let mut builder = snippets::connection_snippets();
            if let Some(data) = arguments.raw("data").filter(|data| data.get() != "null") {
                builder = builder.fields(Python(data));
            }
            for (name, raw) in &arguments.0 {
                builder = match (name.as_str(), typed::<String>(raw)) {
                    ("data", _) => builder,
                    ("stream_id", Some(id)) => builder.stream_id(id),
                    ("language", Some(language)) => builder.language(language),
                    _ => builder.field(name, Python(raw)),
                };
            }
            made(builder, service)
        }
        "direct_setup" => made(fill_direct!(setup, setup_from, arguments, language), service),
        "direct_session" => {
            made(fill_direct!(session, session_from, arguments, dedupe_key), service)
        }
        other => Err(ConfigError::new("call", other, "one of the twelve")),
    }
}

fn service(client: Option<Value>) -> Result<Service, ConfigError> {
    let client = client.unwrap_or_default();
    let mut service = match client.get("api_key") {
        None => Service::new("rs_test"),
        Some(key) => key.as_str().map_or_else(Service::default, Service::new),
    };
    if let Some(base) = client.get("base_url").and_then(Value::as_str) {
        service = service.with_api_base_url(base)?;
    }
    // A key on the SDK user's own HTTP client wins; our users give the one that they want.
    for (name, value) in client.get("http_headers").and_then(Value::as_object).into_iter().flatten()
    {
        if name.eq_ignore_ascii_case("x-api-key") {
            service = service.with_api_key(value.as_str().unwrap_or_default());
        }
    }
    Ok(service)
}

pub(crate) fn run(case: &Case) -> Checked {
    let call: String = case.input("call").unwrap_or_default();
    let Some(arguments) = case.input::<Named>("args") else {
        return Checked::Failed("no args".to_owned());
    };
    let sent = service(case.input("client"))
        .and_then(|service| request(&call, &arguments, &service))
        .map_err(|error| error.to_string());
    if !case.better() {
        return match (&sent, case.expects_error()) {
            (Ok(request), false) => compare(case, request),
            (Err(_), true) => Checked::Ok,
            (Ok(request), true) => Checked::Failed(format!("an error is due, got {request:?}")),
            (Err(error), false) => Checked::Failed(error.clone()),
        };
    }
    let path = |due: &str| {
        let path = sent.as_ref().ok().map(|request| request.uri().path());
        Checked::equal("path", &path, &Some(due))
    };
    let body = |due: &str| match &sent {
        Ok(request) => same_json(request.body(), due),
        Err(error) => Checked::Failed(error.clone()),
    };
    match case.name.as_str() {
        // An id is one segment.
        "id-slash" => path("/streams/a%2Fb"),
        "id-question" => path("/streams/a%3Fx%3D1"),
        "id-dots" => path("/streams/..%2Fother"),
        "id-hash" => path("/streams/a%23b"),
        "id-percent" => path("/streams/100%25"),
        "id-empty" | "validate-no-key" => Checked::equal("refused", &sent.is_err(), &true),
        // The caller's own names stay.
        "create-nested-snake" => body(
            r#"{"name":"Orders","status":"ACTIVE","method":"POST","url":"https://api.example.com/orders","payloadMode":"FULL_DATA","pollingInterval":30,"headers":{"x_api_key":"k","Content-Type":"a/b"},"body":{"order_id":1,"line_items":[{"unit_price":2}]},"apiKey":"rs_test"}"#,
        ),
        "create-keys-collide" => body(r#"{"body":{"a_b":1,"aB":2},"apiKey":"rs_test"}"#),
        "create-list-of-lists" => {
            body(r#"{"body":{"a_b":[[{"c_d":1}],"e_f",null]},"apiKey":"rs_test"}"#)
        }
        "create-header-names" => body(
            r#"{"headers":{"X_REQUEST_ID":"1","x-trace_id":"2","accept_language":"de"},"apiKey":"rs_test"}"#,
        ),
        _ => Checked::Unknown(format!("{sent:?}")),
    }
}

/// Equal as JSON, the spelling of numbers included; the order of names is no matter.
fn same_json(ours: &[u8], due: &str) -> Checked {
    let ours = String::from_utf8_lossy(ours);
    match (canonicalize(&ours), canonicalize(due)) {
        (Ok(ours), Ok(due)) => Checked::equal("body", &ours, &due),
        _ => Checked::Failed(format!("{due} is due, got {ours}")),
    }
}

/// A URL with each segment of its path decoded: we encode more than the SDK does. What an id has
/// encoded stays apart from what parts segments.
fn decoded(url: &str) -> (Vec<String>, Option<String>) {
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (url, None),
    };
    let decode = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    (path.split('/').map(decode).collect(), query)
}

fn compare(case: &Case, request: &Request<Bytes>) -> Checked {
    let method: Option<String> = case.expect("method");
    let url: Option<String> = case.expect("url");
    let body: Option<String> = case.expect("body_text");
    let key = request.headers().get("x-api-key").map(|value| value.to_str().expect("ASCII"));
    let fields: Value = case.expect("headers").unwrap_or_default();
    let due_key = fields.get("x-api-key").and_then(Value::as_str);
    let content_type = fields.get("content-type").and_then(Value::as_str);
    Checked::equal("method", &Some(request.method().to_string()), &method)
        .and(|| {
            Checked::equal(
                "url",
                &Some(decoded(&request.uri().to_string())),
                &url.map(|url| decoded(&url)),
            )
        })
        .and(|| Checked::equal("x-api-key", &key, &due_key))
        .and(|| {
            let ours = request.headers().get("content-type").map(|value| value.to_str().unwrap());
            Checked::equal("content-type", &ours, &content_type)
        })
        .and(|| match body {
            None => Checked::equal("body", &request.body().len(), &0),
            Some(due) => same_json(request.body(), &due),
        })
}
