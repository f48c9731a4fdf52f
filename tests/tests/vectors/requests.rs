//! `requests.json`: every REST call, as the request that is sent.

use bytes::Bytes;
use http::Request;
use restless_proto::signature::canonicalize;
use restless_proto::{Call, ConfigError, Service, direct, snippets, streams, usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::harness::{Case, Checked};

/// The call's named arguments, in order, each as it is spelt.
struct Arguments(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Arguments;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("arguments")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Arguments, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Arguments(fields))
            }
        }
        from.deserialize_map(Visitor)
    }
}

impl Arguments {
    fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, raw)| &**raw)
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    fn number(&self, name: &str) -> Option<u64> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// The body mapping, and the named arguments that are fields of the body.
    fn data(&self) -> Box<RawValue> {
        let empty = || RawValue::from_string("{}".to_owned()).expect("JSON");
        self.raw("data").map_or_else(empty, ToOwned::to_owned)
    }

    fn fields(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        let not_fields = ["data", "stream_id", "new_api_key"];
        self.0
            .iter()
            .filter(move |(name, _)| !not_fields.contains(&name.as_str()))
            .map(|(name, raw)| (name.as_str(), &**raw))
    }

    /// What no JSON can be made of can't be given to our builders in the first place.
    fn has_no_json(&self) -> bool {
        self.0.iter().any(|(_, raw)| raw.get().contains("\"$float\""))
    }
}

/// Sets the body's fields on any of the builders.
macro_rules! fill {
    ($builder:expr, $arguments:expr) => {{
        let mut builder = $builder.fields($arguments.data());
        for (name, value) in $arguments.fields() {
            builder = builder.field(name, value);
        }
        builder
    }};
}

fn request(
    call: &str,
    arguments: &Arguments,
    service: &Service,
) -> Result<Request<Bytes>, ConfigError> {
    let id = arguments.text("stream_id").unwrap_or_default();
    fn made<T>(call: impl Into<Call<T>>, service: &Service) -> Result<Request<Bytes>, ConfigError> {
        call.into().request(service)
    }
    match call {
        "list_streams" => {
            let mut list = streams::list();
            if let Some(limit) = arguments.number("limit") {
                list = list.limit(limit);
            }
            if let Some(offset) = arguments.number("offset") {
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
            made(fill!(streams::create_from(serde_json::json!({})), arguments), service)
        }
        "update_stream" => made(fill!(streams::update(id), arguments), service),
        "validate_stream_api_key" => {
            let mut validate = streams::validate_api_key();
            if let Some(key) = arguments.text("new_api_key") {
                validate = validate.key(key);
            }
            made(validate, service)
        }
        "connection_snippets" => {
            let mut snippets = snippets::connection_snippets();
            if let Some(id) = arguments.text("stream_id") {
                snippets = snippets.stream_id(id);
            }
            made(fill!(snippets, arguments), service)
        }
        "direct_setup" => {
            let url = arguments.text("url").unwrap_or_default();
            made(fill!(direct::setup(url), arguments), service)
        }
        "direct_session" => {
            let url = arguments.text("url").unwrap_or_default();
            made(fill!(direct::session(url), arguments), service)
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
    let Some(arguments) = case.input::<Arguments>("args") else {
        return Checked::Failed("no args".to_owned());
    };
    if arguments.has_no_json() {
        return Checked::equal("refused by the SDK too", &case.expects_error(), &true);
    }
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

fn compare(case: &Case, request: &Request<Bytes>) -> Checked {
    let method: Option<String> = case.expect("method");
    let url: Option<String> = case.expect("url");
    let body: Option<String> = case.expect("body_text");
    let key = request.headers().get("x-api-key").map(|value| value.to_str().expect("ASCII"));
    let fields: Value = case.expect("headers").unwrap_or_default();
    let due_key = fields.get("x-api-key").and_then(Value::as_str);
    let content_type = fields.get("content-type").and_then(Value::as_str);
    Checked::equal("method", &Some(request.method().to_string()), &method)
        .and(|| Checked::equal("url", &Some(request.uri().to_string()), &url))
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
