//! What a test does with the library, for a shell or another language: the calls under `/emulator`.
//!
//! The calls do not belong to the service: a call takes any key, is exempt from faults, and is left
//! out of the log. Whoever reaches 127.0.0.1 may call, save pages of other hosts in a browser on
//! this machine, those included whose host's name has come to mean this machine.

mod fault;

use std::sync::Arc;

use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::emulator::PublishError;
use crate::fields::{Fields, Invalid};
use crate::hub::Hub;
use crate::log::LoggedEvent;
use crate::origin;
use crate::reply::{Refused, Reply};
use crate::urls;

/// Whether a request is for these calls.
pub(crate) fn is_for_us(parts: &Parts) -> bool {
    parts.uri.path().starts_with("/emulator/")
}

/// Answers a call.
pub(crate) fn respond(hub: &Arc<Hub>, parts: &Parts, body: &[u8]) -> Reply {
    let is_foreign = |origin| !origin::is_loopback(origin);
    // To its own host a page sends a GET without an origin, and a name can be made to mean loopback
    // behind the page's back (DNS rebinding).
    if origin::of(&parts.headers).is_some_and(is_foreign) || !origin::host_is_loopback(parts) {
        return Reply::error(StatusCode::FORBIDDEN, "Only pages of this machine may do this");
    }
    let Some(segments) = urls::segments(parts.uri.path()) else {
        return Reply::error(StatusCode::BAD_REQUEST, "Path is not UTF-8");
    };
    let segments: Vec<_> = segments.iter().skip(1).map(String::as_str).collect();
    let answer = match (&parts.method, segments.as_slice()) {
        (&Method::GET, ["streams"]) => Ok(Reply::json(StatusCode::OK, &Ids { ids: hub.ids() })),
        (&Method::GET, ["streams", id, "log"]) => log(hub, id),
        (&Method::POST, ["streams", id, "publish"]) => publish(hub, id, body),
        (&Method::POST, ["streams", id, "publish-error"]) => publish_error(hub, id, body),
        (&Method::GET, ["faults"]) => Ok(pending(hub)),
        (&Method::POST, ["faults"]) => inject(hub, body),
        (&Method::DELETE, ["faults"]) => {
            hub.faults.clear();
            Ok(pending(hub))
        }
        (_, segments) => Ok(not_routed(segments)),
    };
    answer.unwrap_or_else(Reply::from)
}

type Answer = Result<Reply, Refused>;

#[derive(Serialize)]
struct Ids {
    ids: Vec<String>,
}

#[derive(Serialize)]
struct Published {
    id: String,
}

#[derive(Serialize)]
struct Pending {
    pending: usize,
}

/// A [`LoggedEvent`].
#[derive(Serialize)]
struct Logged<'a> {
    id: &'a str,
    data: Option<&'a RawValue>,
    document: Option<&'a RawValue>,
}

impl<'a> From<&'a LoggedEvent> for Logged<'a> {
    fn from(event: &'a LoggedEvent) -> Self {
        // It was checked when it came in.
        let raw = |text: &'a Option<String>| serde_json::from_str(text.as_deref()?).ok();
        Self { id: &event.id, data: raw(&event.data), document: raw(&event.document) }
    }
}

fn log(hub: &Hub, id: &str) -> Answer {
    let events = hub.any_feed(id).ok_or_else(unknown_stream)?.log();
    let events: Vec<_> = events.iter().map(Logged::from).collect();
    Ok(Reply::json(StatusCode::OK, &events))
}

fn publish(hub: &Hub, id: &str, body: &[u8]) -> Answer {
    let data = std::str::from_utf8(body).map_err(|_| Invalid::new("body must be UTF-8"))?;
    published(hub.publish(id, data))
}

fn publish_error(hub: &Hub, id: &str, body: &[u8]) -> Answer {
    let mut fields = Fields::parse(body)?;
    let code = fields.require_text("code")?;
    let message = fields.require_text("message")?;
    fields.finish()?;
    published(hub.publish_error(id, &code, &message))
}

fn published(result: Result<String, PublishError>) -> Answer {
    match result {
        Ok(id) => Ok(Reply::json(StatusCode::OK, &Published { id })),
        Err(PublishError::UnknownStream) => Err(unknown_stream()),
        Err(PublishError::Data(error)) => {
            Err(Invalid(format!("body must be JSON: {error}")).into())
        }
    }
}

/// Orders one fault, or each of an array.
fn inject(hub: &Hub, body: &[u8]) -> Answer {
    for fault in fault::read(body)? {
        hub.faults.push(fault);
    }
    Ok(pending(hub))
}

fn pending(hub: &Hub) -> Reply {
    Reply::json(StatusCode::OK, &Pending { pending: hub.faults.pending() })
}

fn unknown_stream() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "No stream, session or direct stream has this id")
}

/// Answers 405 where the path exists with other methods, else 404.
fn not_routed(segments: &[&str]) -> Reply {
    let allow = match segments {
        ["streams"] | ["streams", _, "log"] => "GET",
        ["streams", _, "publish" | "publish-error"] => "POST",
        ["faults"] => "GET, POST, DELETE",
        _ => return Reply::error(StatusCode::NOT_FOUND, "Not found"),
    };
    Reply::error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
        .with(ALLOW, HeaderValue::from_static(allow))
}
