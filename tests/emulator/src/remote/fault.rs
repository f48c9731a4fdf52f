//! Faults as JSON: each fault and each argument by the name that it has in the library.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fault::{Fault, final_status};
use crate::fields::{Fields, Given, Invalid};
use crate::recording::{Content, Piece};

const COUNT: &str = "a whole number";
/// Most fields, pings or fragments at once.
const MAX_COUNT: usize = 10_000;
/// Longest extension of a chunk, in bytes.
const MAX_EXTENSION: usize = 1024 * 1024;
/// Most bytes that an event is filled up to.
const MAX_PADDED: usize = 64 * 1024 * 1024;

/// Reads one fault, or an array of them.
pub(super) fn read(body: &[u8]) -> Result<Vec<Fault>, Invalid> {
    let many = serde_json::from_slice::<Vec<Box<RawValue>>>(body);
    match many {
        Ok(faults) => faults.iter().map(|one| read_one(one.get().as_bytes())).collect(),
        // A fault that can't be read is told of as a single one.
        Err(_) => Ok(vec![read_one(body)?]),
    }
}

fn read_one(body: &[u8]) -> Result<Fault, Invalid> {
    let mut fields = Fields::parse(body)?;
    let name = fields.require_text("fault")?;
    let fault = named(&name, &mut fields)?;
    let fault = refined(fault, &mut fields)?;
    fields.finish()?;
    Ok(fault)
}

const CONTENT: &str = "a string, or an array of bytes";

/// What the constructor of this name makes.
fn named(name: &str, fields: &mut Fields) -> Result<Fault, Invalid> {
    Ok(match name {
        "none" => Fault::none(),
        "refuse" => Fault::refuse(),
        "reset" => Fault::reset(),
        "stall_head" => Fault::stall_head(),
        "status" => Fault::status(status(fields)?),
        "redirect" => Fault::redirect(status(fields)?, fields.require_text("location")?),
        "content_type" => Fault::content_type(fields.require_text("value")?),
        "cut_after" => Fault::cut_after(fields.require("bytes", COUNT)?),
        "cut_after_events" => Fault::cut_after_events(fields.require("events", COUNT)?),
        "reset_after" => Fault::reset_after(fields.require("bytes", COUNT)?),
        "stall_after" => Fault::stall_after(fields.require("bytes", COUNT)?),
        "stall_after_events" => Fault::stall_after_events(fields.require("events", COUNT)?),
        "end_after" => Fault::end_after(fields.require("bytes", COUNT)?),
        "end_after_events" => Fault::end_after_events(fields.require("events", COUNT)?),
        "corrupt_at" => Fault::corrupt_at(fields.require("byte", COUNT)?),
        "raw" => Fault::raw(fields.require::<Vec<Content>>("chunks", "an array of chunks")?),
        "recording" => Fault::recording(pieces(fields)?),
        "replay" => Fault::replay(pieces(fields)?.into_iter().collect()),
        "forget_position" => Fault::forget_position(),
        "start_at_now" => Fault::start_at_now(),
        "start_over" => Fault::start_over(),
        "refuse_position" => Fault::refuse_position(status(fields)?),
        "repeat_last" => Fault::repeat_last(fields.require("events", COUNT)?),
        "skip_events" => Fault::skip_events(fields.require("events", COUNT)?),
        "go_back" => Fault::go_back(Duration::from_millis(fields.require("ms", COUNT)?)),
        "wrong_accept" => Fault::wrong_accept(),
        "close" => {
            let reason = fields.take_text("reason")?.value().unwrap_or_default();
            Fault::close(fields.require("code", "a close code")?, reason)
        }
        "close_without_code" => Fault::close_without_code(),
        "cut_in_header" => Fault::cut_in_header(),
        "cut_in_payload" => Fault::cut_in_payload(),
        "cut_between_fragments" => Fault::cut_between_fragments(),
        "deaf" => Fault::deaf(),
        "pings" => Fault::pings(at_most(MAX_COUNT, "count", fields.require("count", COUNT)?)?),
        "text" => Fault::text(fields.require_text("content")?),
        "binary" => Fault::binary(fields.require::<Content>("content", CONTENT)?),
        "masked" => Fault::masked(),
        "reserved_bits" => Fault::reserved_bits(fields.require("bits", "a number up to 7")?),
        _ => return Err(Invalid(format!("no fault is named {name:?}"))),
    })
}

/// The fault with all that can be said of any.
fn refined(mut fault: Fault, fields: &mut Fields) -> Result<Fault, Invalid> {
    if let Given::Value(id) = fields.take_text("stream")? {
        fault = fault.for_stream(id);
    }
    match fields.take_text("on")?.value().as_deref() {
        None => {}
        Some("rest") => fault = fault.on_rest(),
        Some("websocket") => fault = fault.on_websocket(),
        Some(_) => return Err(Invalid::new("on must be rest or websocket")),
    }
    if let Given::Value(true) = fields.take("on_resume", "a boolean")? {
        fault = fault.on_resume();
    }
    if let Given::Value(times) = fields.take("times", COUNT)? {
        fault = fault.times(times);
    }
    for (name, value) in headers(fields)? {
        fault = fault.header(name, value);
    }
    if let Given::Value(count) = fields.take("many_fields", COUNT)? {
        fault = fault.many_fields(at_most(MAX_COUNT, "many_fields", count)?);
    }
    if let Given::Value(body) = fields.take::<Content>("body", CONTENT)? {
        fault = fault.body(body);
    }
    if let Given::Value(ms) = fields.take("retry_ms", COUNT)? {
        fault = fault.and_retry(Duration::from_millis(ms));
    }
    if let Given::Value(bytes) = fields.take("in_pieces_of", COUNT)? {
        fault = fault.in_pieces_of(bytes);
    }
    if let Given::Value(true) = fields.take("late_head", "a boolean")? {
        fault = fault.late_head();
    }
    if let Given::Value(true) = fields.take("trickled", "a boolean")? {
        fault = fault.trickled();
    }
    if let Given::Value(bytes) = fields.take("chunk_extensions", COUNT)? {
        fault = fault.chunk_extensions(at_most(MAX_EXTENSION, "chunk_extensions", bytes)?);
    }
    match fields.take_text("then")?.value().as_deref() {
        None => {}
        Some("cut") => fault = fault.then_cut(),
        Some("reset") => fault = fault.then_reset(),
        Some("stall") => fault = fault.then_stall(),
        Some(_) => return Err(Invalid::new("then must be cut, reset or stall")),
    }
    if let Given::Value(events) = fields.take("after_events", COUNT)? {
        fault = fault.after_events(events);
    }
    if let Given::Value(count) = fields.take("in_fragments", COUNT)? {
        fault = fault.in_fragments(at_most(MAX_COUNT, "in_fragments", count)?);
    }
    if let Given::Value(true) = fields.take("as_binary", "a boolean")? {
        fault = fault.as_binary();
    }
    if let Given::Value(bytes) = fields.take("padded_to", COUNT)? {
        fault = fault.padded_to(at_most(MAX_PADDED, "padded_to", bytes)?);
    }
    Ok(fault)
}

/// Refuses a number of which the emulator would run out of memory or time.
fn at_most(most: usize, name: &str, number: usize) -> Result<usize, Invalid> {
    if number > most {
        return Err(Invalid(format!("{name} must be at most {most}")));
    }
    Ok(number)
}

/// What was recorded: pieces, and the milliseconds before each.
fn pieces(fields: &mut Fields) -> Result<Vec<(Duration, Bytes)>, Invalid> {
    let pieces: Vec<Piece> = fields.require("pieces", "an array of { pause_ms, content }")?;
    Ok(pieces.into_iter().map(Into::into).collect())
}

fn status(fields: &mut Fields) -> Result<u16, Invalid> {
    let status = fields.require("status", COUNT)?;
    match final_status(status) {
        Some(_) => Ok(status),
        None => Err(Invalid::new("status must be a number from 200 to 999")),
    }
}

/// The header fields: an object of strings, or of arrays of them for a field that comes more than
/// once.
fn headers(fields: &mut Fields) -> Result<Vec<(String, String)>, Invalid> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Values {
        One(String),
        Many(Vec<String>),
    }

    let what = "an object of strings";
    let given = fields.take::<std::collections::BTreeMap<String, Values>>("headers", what)?;
    let mut headers = Vec::new();
    for (name, values) in given.value().unwrap_or_default() {
        let values = match values {
            Values::One(value) => vec![value],
            Values::Many(values) => values,
        };
        for value in values {
            if HeaderName::from_bytes(name.as_bytes()).is_err()
                || HeaderValue::from_str(&value).is_err()
            {
                return Err(Invalid(format!("{name:?} with this value is no header field")));
            }
            headers.push((name.clone(), value));
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_what_the_library_makes() {
        let ms = Duration::from_millis;
        for (json, due) in [
            (r#"{"fault":"none"}"#, Fault::none()),
            (r#"{"fault":"refuse","stream":"s"}"#, Fault::refuse().for_stream("s")),
            (r#"{"fault":"reset","times":3}"#, Fault::reset().times(3)),
            (r#"{"fault":"stall_head","on":"rest"}"#, Fault::stall_head().on_rest()),
            (
                r#"{"fault":"status","status":503,"headers":{"retry-after":"2","x":["1","2"]},"body":"busy"}"#,
                Fault::status(503)
                    .header("retry-after", "2")
                    .header("x", "1")
                    .header("x", "2")
                    .body("busy"),
            ),
            (r#"{"fault":"redirect","status":307,"location":"/x"}"#, Fault::redirect(307, "/x")),
            (r#"{"fault":"content_type","value":"text/html"}"#, Fault::content_type("text/html")),
            (r#"{"fault":"cut_after","bytes":100}"#, Fault::cut_after(100)),
            (r#"{"fault":"cut_after_events","events":2}"#, Fault::cut_after_events(2)),
            (r#"{"fault":"reset_after","bytes":1}"#, Fault::reset_after(1)),
            (r#"{"fault":"stall_after","bytes":1}"#, Fault::stall_after(1)),
            (r#"{"fault":"stall_after_events","events":1}"#, Fault::stall_after_events(1)),
            (r#"{"fault":"end_after","bytes":1}"#, Fault::end_after(1)),
            (r#"{"fault":"end_after_events","events":1}"#, Fault::end_after_events(1)),
            (r#"{"fault":"corrupt_at","byte":7}"#, Fault::corrupt_at(7)),
            (r#"{"fault":"none","retry_ms":500}"#, Fault::retry(ms(500))),
            (
                r#"{"fault":"raw","chunks":["id: 1\n",[255]],"then":"cut"}"#,
                Fault::raw([&b"id: 1\n"[..], &[255]]).then_cut(),
            ),
            (r#"{"fault":"raw","chunks":[],"then":"reset"}"#, Fault::raw([""; 0]).then_reset()),
            (r#"{"fault":"raw","chunks":[],"then":"stall"}"#, Fault::raw([""; 0]).then_stall()),
            (r#"{"fault":"none","in_pieces_of":1}"#, Fault::none().in_pieces_of(1)),
            (
                r#"{"fault":"status","status":500,"on":"websocket"}"#,
                Fault::status(500).on_websocket(),
            ),
            (
                r#"{"fault":"recording","pieces":[{"pause_ms":20,"content":"x"}]}"#,
                Fault::recording([(ms(20), "x")]),
            ),
            (
                r#"{"fault":"replay","pieces":[{"pause_ms":20,"content":"data: x\n\n"}]}"#,
                Fault::replay([(ms(20), "data: x\n\n")].into_iter().collect()),
            ),
            (
                r#"{"fault":"none","late_head":true,"trickled":true,"chunk_extensions":80}"#,
                Fault::none().late_head().trickled().chunk_extensions(80),
            ),
            (r#"{"fault":"forget_position"}"#, Fault::forget_position()),
            (r#"{"fault":"start_at_now"}"#, Fault::start_at_now()),
            (r#"{"fault":"start_over","on_resume":true}"#, Fault::start_over().on_resume()),
            (r#"{"fault":"refuse_position","status":410}"#, Fault::refuse_position(410)),
            (r#"{"fault":"repeat_last","events":2}"#, Fault::repeat_last(2)),
            (
                r#"{"fault":"skip_events","events":1,"after_events":2}"#,
                Fault::skip_events(1).after_events(2),
            ),
            (r#"{"fault":"go_back","ms":60000}"#, Fault::go_back(ms(60_000))),
            (r#"{"fault":"none","many_fields":3}"#, Fault::none().many_fields(3)),
            (r#"{"fault":"wrong_accept"}"#, Fault::wrong_accept()),
            (r#"{"fault":"close","code":1012,"reason":"r"}"#, Fault::close(1012, "r")),
            (r#"{"fault":"close","code":1000}"#, Fault::close(1000, "")),
            (r#"{"fault":"close_without_code"}"#, Fault::close_without_code()),
            (r#"{"fault":"cut_in_header"}"#, Fault::cut_in_header()),
            (r#"{"fault":"cut_in_payload"}"#, Fault::cut_in_payload()),
            (r#"{"fault":"cut_between_fragments"}"#, Fault::cut_between_fragments()),
            (r#"{"fault":"deaf","after_events":2}"#, Fault::deaf().after_events(2)),
            (r#"{"fault":"pings","count":3}"#, Fault::pings(3)),
            (r#"{"fault":"text","content":"no event"}"#, Fault::text("no event")),
            (r#"{"fault":"binary","content":[0,1]}"#, Fault::binary(vec![0, 1])),
            (r#"{"fault":"masked"}"#, Fault::masked()),
            (r#"{"fault":"reserved_bits","bits":4}"#, Fault::reserved_bits(4)),
            (
                r#"{"fault":"none","in_fragments":3,"as_binary":true,"padded_to":99}"#,
                Fault::none().in_fragments(3).as_binary().padded_to(99),
            ),
        ] {
            let read = read(json.as_bytes()).expect(json);
            assert_eq!(format!("{read:?}"), format!("{:?}", [due]), "{json}");
        }
    }

    #[test]
    fn several_faults_are_read_in_order() {
        let read = read(br#"[{"fault":"none"},{"fault":"refuse"}]"#).expect("two");
        assert_eq!(format!("{read:?}"), format!("{:?}", [Fault::none(), Fault::refuse()]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, why) in [
            ("", "fault is required"),
            ("{", "body must be JSON"),
            (r#"{"fault":"typo"}"#, "no fault is named \"typo\""),
            (r#"{"fault":"cut_after"}"#, "bytes is required"),
            (r#"{"fault":"cut_after","bytes":-1}"#, "bytes must be a whole number"),
            (r#"{"fault":"refuse","bytes":1}"#, "bytes is unknown here"),
            (r#"{"fault":"status","status":199}"#, "status must be a number from 200 to 999"),
            (r#"{"fault":"none","on":"sse"}"#, "on must be rest or websocket"),
            (r#"{"fault":"none","then":"go"}"#, "then must be cut, reset or stall"),
            (
                r#"{"fault":"none","headers":{"a b":"c"}}"#,
                "\"a b\" with this value is no header field",
            ),
            (r#"[{"fault":"none"},{"fault":"typo"}]"#, "no fault is named \"typo\""),
            (r#"{"fault":"pings","count":10001}"#, "count must be at most 10000"),
            (r#"{"fault":"none","many_fields":10001}"#, "many_fields must be at most 10000"),
            (r#"{"fault":"none","in_fragments":10001}"#, "in_fragments must be at most 10000"),
            (r#"{"fault":"none","padded_to":67108865}"#, "padded_to must be at most 67108864"),
            (
                r#"{"fault":"none","chunk_extensions":1048577}"#,
                "chunk_extensions must be at most 1048576",
            ),
        ] {
            let error = read(json.as_bytes()).expect_err(json);
            assert!(error.0.starts_with(why), "{json}: {error}");
        }
    }
}
