//! `api_errors.json`: what a refusal says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Response;
use restless_proto::{Error, streams};

use crate::harness::{Case, Checked};

pub(crate) fn run(case: &Case) -> Checked {
    let body = match case.input::<String>("body_b64") {
        Some(base64) => STANDARD.decode(base64).expect("base64"),
        None => case.input::<String>("body").unwrap_or_default().into_bytes(),
    };
    let mut response = Response::builder().status(case.input::<u16>("status").unwrap_or(500));
    if let Some(value) = case.input::<String>("content_type") {
        response = response.header("content-type", value);
    }
    let head = response.body(()).expect("a head").into_parts().0;
    let error = match streams::get("x").response(&head, body.into()) {
        Ok(_) => return Checked::Failed("an error is due".to_owned()),
        Err(Error::Refused(refused)) => refused,
        Err(other) => return Checked::Failed(format!("refused is due, got {other}")),
    };
    let status: u16 = case.expect("status_code").unwrap_or_default();
    let message = error.message().to_owned();
    Checked::equal("status", &error.status().as_u16(), &status).and(|| {
        if !case.better() {
            let due: String = case.expect("message").unwrap_or_default();
            return Checked::equal("message", &message, &due);
        }
        match case.name.as_str() {
            // The value as JSON, not as Python prints it.
            "json-message-null"
            | "json-message-number"
            | "json-message-array"
            | "json-message-object"
            | "json-no-message"
            | "json-empty-object"
            | "json-array"
            | "json-null"
            | "json-true"
            | "json-false"
            | "json-message-case"
            | "problem-json" => {
                let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
                let due = case.raw_expect("message_value").and_then(value);
                Checked::equal("message", &value(&message), &due)
            }
            _ => Checked::Unknown(message),
        }
    })
}
