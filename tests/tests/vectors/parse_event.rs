//! `parse_event`: one runtime event from its JSON text and its SSE id.

use std::collections::BTreeMap;

use restless_proto::JsonProblem;
use restless_proto::event::{Error, JsonType, SseId, StreamEvent};
use restless_proto::signature::canonicalize;
use serde_json::value::RawValue;

use crate::harness::{Case, Checked};

pub(crate) fn run(case: &Case) -> Checked {
    let text: String = case.input("data").unwrap_or_default();
    let sse_id: Option<String> = case.input("sse_id");
    let ours = StreamEvent::parse(text, sse_id.as_deref().map_or(SseId::None, SseId::Own));
    if case.better() {
        return better(case, ours);
    }
    match ours {
        Err(_) if case.expects_error() => Checked::Ok,
        Err(error) => Checked::Failed(format!("refused: {}", chain(&error))),
        Ok(event) if case.expects_error() => Checked::Failed(format!("not refused: {event:?}")),
        Ok(event) => Checked::equal("dump", &dump(&event), &case.expect("event_canonical"))
            .and(|| parts(case, &event)),
    }
}

fn better(case: &Case, ours: Result<StreamEvent, Error>) -> Checked {
    match (case.name.as_str(), &ours) {
        // A typed error, about which a subscription can report and go on.
        ("unknown-type", Err(Error::UnknownType { found })) => {
            Checked::equal("type", &found.as_str(), &"ping")
        }
        // Of twins the one with a value counts.
        ("event-id-camel-null", Ok(event)) => Checked::equal("id", &event.event_id(), &Some("a")),
        // Whole floats only.
        (
            "meta-latency-text"
            | "meta-latency-false"
            | "meta-status-text"
            | "meta-status-text-spaces"
            | "meta-status-text-float"
            | "meta-status-true"
            | "meta-status-text-underscore"
            | "meta-status-big",
            Err(Error::WrongType { expected: JsonType::Integer, .. }),
        ) => Checked::Ok,
        // JSON only.
        ("data-overflow", Err(Error::NotJson(error))) => {
            Checked::equal("problem", &error.problem(), &JsonProblem::NumberRange)
        }
        ("data-nan", Err(Error::NotJson(error))) => {
            Checked::equal("problem", &error.problem(), &JsonProblem::Unexpected)
        }
        (
            "unknown-type"
            | "event-id-camel-null"
            | "meta-latency-text"
            | "meta-latency-false"
            | "meta-status-text"
            | "meta-status-text-spaces"
            | "meta-status-text-float"
            | "meta-status-true"
            | "meta-status-text-underscore"
            | "meta-status-big"
            | "data-overflow"
            | "data-nan",
            other,
        ) => Checked::Failed(format!("not as the note has it: {other:?}")),
        (_, Ok(event)) => Checked::Unknown(dump(event).unwrap_or_default()),
        (_, Err(error)) => Checked::Unknown(chain(error)),
    }
}

/// The whole event as the SDK dumps it, in canonical form.
fn dump(event: &StreamEvent) -> Option<String> {
    let dump = serde_json::to_string(event).ok()?;
    canonicalize(&dump).ok().map(String::from)
}

/// The accessors say what the dump says.
fn parts(case: &Case, event: &StreamEvent) -> Checked {
    // Null where the event nests deeper than a common JSON reader goes.
    let Some(due) = case.expect::<serde_json::Value>("event") else { return Checked::Ok };
    let meta = event.meta();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    Checked::equal("type", &Some(event.kind().to_string()), &text(&due["type"]))
        .and(|| {
            Checked::equal(
                "event_id",
                &event.event_id().map(str::to_owned),
                &text(&due["event_id"]),
            )
        })
        .and(|| {
            Checked::equal(
                "signature",
                &event.signature().map(String::from),
                &text(&due["signature"]),
            )
        })
        .and(|| {
            Checked::equal(
                "timestamp",
                &Some(meta.timestamp().into()),
                &text(&due["meta"]["timestamp"]),
            )
        })
        .and(|| Checked::equal("status", &meta.status(), &due["meta"]["status"].as_i64()))
        .and(|| {
            Checked::equal("latency_ms", &meta.latency_ms(), &due["meta"]["latency_ms"].as_i64())
        })
        .and(|| {
            let code = event.error().map(|error| error.code().into_owned());
            Checked::equal("error.code", &code, &text(&due["error"]["code"]))
        })
        .and(|| {
            // Numbers keep their spelling only in raw text.
            let raw: Option<BTreeMap<String, Box<RawValue>>> = case.expect("event");
            let due = raw.as_ref().and_then(|event| event.get("data")).map(|data| data.get());
            let ours = event.data().unwrap_or_default();
            Checked::equal(
                "data",
                &canonicalize(ours.get()).ok(),
                &due.and_then(|due| canonicalize(due).ok()),
            )
        })
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
