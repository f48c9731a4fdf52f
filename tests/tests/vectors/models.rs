//! `models.json`: replies as the calls read them, and what is written back.

use http::Response;
use restless_proto::model::{
    BaseActionResponse, ConnectionSnippetsResponse, DirectSessionResponse, DirectSetupResponse,
    Stream, StreamCreditUsageStats, StreamsResponse,
};
use restless_proto::{Call, direct, snippets, streams, usage};
use serde::Serialize;
use serde_json::Value;

use crate::harness::{Case, Checked};

pub(crate) fn run(case: &Case) -> Checked {
    let body: String = case.input("response_body").unwrap_or_default();
    let status: u16 = case.input("status").unwrap_or(200);
    let model: String = case.input("model").unwrap_or_default();
    let read = match model.as_str() {
        "Stream" => read::<Stream>(streams::get("x"), status, body),
        "StreamsResponse" => read::<StreamsResponse>(streams::list().into(), status, body),
        "BaseActionResponse" => read::<BaseActionResponse>(streams::delete("x"), status, body),
        "StreamCreditUsageStats" => {
            read::<StreamCreditUsageStats>(usage::credit_usage_stats("x"), status, body)
        }
        "ConnectionSnippetsResponse" => {
            read::<ConnectionSnippetsResponse>(snippets::connection_snippets().into(), status, body)
        }
        "DirectSetupResponse" => {
            read::<DirectSetupResponse>(direct::setup("u").into(), status, body)
        }
        "DirectSessionResponse" => {
            read::<DirectSessionResponse>(direct::session("u").into(), status, body)
        }
        other => return Checked::Failed(format!("unknown model {other}")),
    };
    if !case.better() {
        return match (read, case.expects_error()) {
            (Ok(_), true) => Checked::Failed("an error is due".to_owned()),
            (Err(error), false) => Checked::Failed(error),
            (Err(_), true) => Checked::Ok,
            (Ok(written), false) => {
                let dump: Value = case.expect("dump").unwrap_or_default();
                Checked::equal("the model", &plain(written), &plain(dump))
            }
        };
    }
    let field = |name: &str| read.as_ref().map(|model| model[name].clone()).map_err(Clone::clone);
    let text = |text: &str| Ok(Value::from(text));
    match case.name.as_str() {
        // An unknown value is kept, as it is spelt.
        "stream-unknown-status" => Checked::equal("status", &field("status"), &text("PAUSED")),
        "stream-status-lower-case" => Checked::equal("status", &field("status"), &text("active")),
        "stream-unknown-method" => Checked::equal("method", &field("method"), &text("HEAD")),
        "stream-unknown-payload-mode" => {
            Checked::equal("payloadMode", &field("payloadMode"), &text("DIFF"))
        }
        "setup-bad-mode" => {
            let mode = field("streamConfig").map(|config| config["payloadMode"].clone());
            Checked::equal("payloadMode", &mode, &text("NEW"))
        }
        // No loose conversions.
        "stream-interval-text"
        | "stream-interval-true"
        | "stream-hmac-text"
        | "action-text-true" => Checked::equal("refused", &read.is_err(), &true),
        _ => Checked::Unknown(format!("{read:?}")),
    }
}

/// Reads a reply as its call does, and writes it back.
fn read<T: Serialize>(call: Call<T>, status: u16, body: String) -> Result<Value, String> {
    let response = Response::builder().status(status).body(()).expect("a head");
    let model = call.response(&response.into_parts().0, body.into()).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error} {}", cause.unwrap_or_default())
    })?;
    serde_json::to_value(&model).map_err(|error| error.to_string())
}

/// One spelling of names, and no nulls: an absent field is a null one to the SDK. The caller's own
/// headers and body stay as they are.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| {
                let own = matches!(name.as_str(), "headers" | "body");
                (camel(&name), if own { value } else { plain(value) })
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        other => other,
    }
}

fn camel(name: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for letter in name.chars() {
        if letter == '_' && !out.is_empty() {
            upper = true;
        } else if std::mem::take(&mut upper) {
            out.extend(letter.to_uppercase());
        } else {
            out.push(letter);
        }
    }
    out
}
