//! The REST API: routing, authorisation, and one file a resource.

mod direct;
mod snippets;
mod streams;
mod usage;

use std::sync::Arc;

use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;

use crate::fields::{Fields, Given, Invalid};
use crate::hub::Hub;
use crate::reply::{Refused, Reply};
use crate::urls;

/// Answers a REST call.
pub(crate) async fn respond(
    hub: &Arc<Hub>,
    parts: &Parts,
    query: &[(String, String)],
    body: &[u8],
) -> Reply {
    let Some(segments) = urls::segments(parts.uri.path()) else {
        return Reply::error(StatusCode::BAD_REQUEST, "Path is not UTF-8");
    };
    let segments: Vec<_> = segments.iter().map(String::as_str).collect();
    // This call is about a key, and therefore does without one.
    let is_validation = segments == ["streams", "validate-api-key"];
    if !is_validation && !is_authorised(hub, parts) {
        return Reply::error(StatusCode::UNAUTHORIZED, "Invalid or missing API key");
    }
    let answer = match (&parts.method, segments.as_slice()) {
        (&Method::GET, ["streams"]) => streams::list(hub, query),
        (&Method::POST, ["streams"]) => streams::create(hub, body).await,
        (&Method::POST, ["streams", "validate-api-key"]) => validate_api_key(hub, body),
        (&Method::POST, ["streams", "connection-snippets"]) => snippets::connection(hub, body),
        (&Method::POST, ["streams", "direct", "setup"]) => direct::setup(hub, body).await,
        (&Method::POST, ["streams", "direct", "sessions"]) => direct::session(hub, body).await,
        (&Method::GET, ["streams", id]) => streams::get(hub, id),
        (&Method::PATCH, ["streams", id]) => streams::update(hub, id, body).await,
        (&Method::DELETE, ["streams", id]) => streams::delete(hub, id),
        (&Method::POST, ["streams", id, "start"]) => streams::start(hub, id).await,
        (&Method::POST, ["streams", id, "stop"]) => streams::stop(hub, id).await,
        (&Method::GET, ["streams", id, "credit-usage-stats"]) => usage::stats(hub, id),
        (_, segments) => Ok(not_routed(segments)),
    };
    answer.unwrap_or_else(Reply::from)
}

/// A reply, or the reply that refuses.
type Answer = Result<Reply, Refused>;

#[derive(Serialize)]
struct BaseAction<'a> {
    id: &'a str,
    affected: bool,
}

/// Says whether a key is the emulator's; a wrong one is an answer, not an error.
fn validate_api_key(hub: &Hub, body: &[u8]) -> Answer {
    let key = Fields::parse(body)?
        .take_text("apiKey")?
        .value()
        .filter(|key| !key.is_empty())
        .ok_or_else(|| Invalid::new("apiKey is required"))?;
    let affected = key == hub.config.api_key;
    Ok(Reply::json(StatusCode::OK, &BaseAction { id: "api_key", affected }))
}

/// Checks the key in a body, which the client puts there on top of the header: the key must be the
/// right one.
fn check_body_key(hub: &Hub, fields: &mut Fields) -> Result<(), Refused> {
    match fields.take_text("apiKey")? {
        Given::Value(key) if key != hub.config.api_key => {
            Err(Refused::new(StatusCode::UNAUTHORIZED, "Invalid API key"))
        }
        Given::Value(_) | Given::Null | Given::Absent => Ok(()),
    }
}

fn stream_not_found() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "Stream not found")
}

/// Answers 405 where the path exists with other methods, else 404.
fn not_routed(segments: &[&str]) -> Reply {
    let allow = match segments {
        ["streams"] => "GET, POST",
        ["streams", "validate-api-key" | "connection-snippets"]
        | ["streams", "direct", "setup" | "sessions"]
        | ["streams", _, "start" | "stop"] => "POST",
        ["streams", _] => "GET, PATCH, DELETE",
        ["streams", _, "credit-usage-stats"] => "GET",
        _ => return Reply::error(StatusCode::NOT_FOUND, "Not found"),
    };
    Reply::error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
        .with(ALLOW, HeaderValue::from_static(allow))
}

fn is_authorised(hub: &Hub, parts: &Parts) -> bool {
    parts
        .headers
        .get("x-api-key")
        .is_some_and(|key| key.as_bytes() == hub.config.api_key.as_bytes())
}
