//! Calls: what is sent, what is told, and what is made again.

use std::time::{Duration, Instant};

use restless_emulator::{Fault, RecordedRequest};
use serde_json::Value;

use super::{CALLS, CREDENTIALS, codings_for, table};
use crate::between::Then;
use crate::driver::Failure;
use crate::rule::{Check, Over};
use crate::stage::{Stage, ensure, field, other_service, says};

const CREATE: &[Over] = &[Over::Create];
const GET: &[Over] = &[Over::Get];

table! {
    a_stream_is_created: CREATE, CALLS;
    a_key_goes_in_its_field: &[Over::Create, Over::Get], CREDENTIALS;
    an_id_is_one_path_segment: GET, "RFC 3986 §3.3";
    a_refusal_is_told_with_its_message: &[Over::Create, Over::Get], "RFC 9110 §15.5";
    a_wrong_key_is_told: &[Over::Create, Over::Get], "RFC 9110 §15.5.2";
    a_reply_that_is_no_stream_is_an_error: &[Over::Create, Over::Get], CALLS;
    a_reply_that_is_cut_is_an_error: CREATE, "RFC 9112 §8";
    a_reply_that_breaks_is_not_taken_for_whole: &[Over::Create, Over::Get], "RFC 9112 §8";
    a_reply_in_pieces_is_whole: &[Over::Create, Over::Get], "RFC 9112 §7";
    a_coded_reply_is_decoded: &[Over::Create, Over::Get], "RFC 9110 §8.4", needs Codings;
    a_late_reply_is_no_failure: &[Over::Create, Over::Get], CALLS;
    a_stalled_reply_is_an_error: &[Over::Create, Over::Get], CALLS, needs Timeout;
    a_post_that_was_answered_is_made_once: CREATE, "RFC 9110 §9.2.2";
    a_post_without_an_answer_is_made_once: CREATE, "RFC 9110 §9.2.2", needs Once;
    a_busy_get_is_made_again: GET, "RFC 9110 §9.2.2";
    a_redirect_keeps_method_and_content: CREATE, "RFC 9110 §15.4.8", needs Redirects;
    a_call_redirected_elsewhere_leaves_the_key: &[Over::Create, Over::Get], "RFC 9110 §15.4";
    nobody_there_is_an_error: &[Over::Create, Over::Get], "RFC 9110 §7.3.3";
}

fn call(stage: &Stage) -> Result<Option<String>, Failure> {
    stage.ask(stage.endpoint(), None).map(|answer| answer.id)
}

/// Returns what came for the call: a driver that follows the stream that it made does so behind the
/// call.
fn requests(stage: &Stage) -> Vec<RecordedRequest> {
    let mut requests = stage.emulator.requests();
    requests.retain(|request| request.uri.starts_with("/streams"));
    requests
}

/// The call fails, after one request, and the user is told these words.
fn refused(stage: &Stage, words: &[&str]) -> Check {
    let Err(failure) = call(stage) else { return Err("it is no error".to_owned()) };
    says(&failure.text, words)?;
    let count = requests(stage).len();
    ensure!(count == 1, "it was asked {count} times");
    Ok(())
}

/// Whether an id that is told is that of the stream that was asked for, or made.
fn is_of_the_stream(stage: &Stage, id: Option<String>) -> Check {
    let ids = stage.emulator.ids();
    // The stream that is there from the beginning is the first.
    let due = if stage.over == Over::Get { Some(&stage.stream) } else { ids.get(1) };
    ensure!(id.is_none() || id.as_ref() == due, "the id is {id:?}, not {due:?}");
    Ok(())
}

fn a_stream_is_created(stage: &Stage) -> Check {
    let id = stage.create().map_err(|failure| failure.text)?.id;
    let ids = stage.emulator.ids();
    ensure!(ids.len() == 2, "there are {} streams, not one more", ids.len());
    is_of_the_stream(stage, id)?;
    let made = requests(stage).into_iter().next().ok_or("no request came")?;
    let body: Value = serde_json::from_slice(&made.body).unwrap_or_default();
    ensure!(body.get("url").is_some_and(Value::is_string), "its content has no url");
    let key = body.get("apiKey").and_then(Value::as_str);
    ensure!(key == Some(stage.emulator.api_key()), "its content has not the key as apiKey");
    Ok(())
}

fn a_key_goes_in_its_field(stage: &Stage) -> Check {
    call(stage).map_err(|failure| failure.text)?;
    let key = stage.emulator.api_key();
    let requests = requests(stage);
    ensure!(!requests.is_empty(), "no request came");
    for request in requests {
        let sent = field(&request, "x-api-key");
        ensure!(
            sent == Some(key),
            "x-api-key is {}",
            if sent.is_some() { "wrong" } else { "missing" }
        );
        ensure!(!request.uri.contains(key), "the key is in the URL");
    }
    Ok(())
}

fn an_id_is_one_path_segment(stage: &Stage) -> Check {
    ensure!(stage.get("a/../b?c#d é").is_err(), "there is no such stream");
    let uri = requests(stage).into_iter().next().ok_or("no request came")?.uri;
    let segment = uri.strip_prefix("/streams/").unwrap_or_default();
    let one = !segment.is_empty() && !segment.contains(['/', '?', '#']);
    ensure!(one, "the path was {uri}");
    Ok(())
}

fn a_refusal_is_told_with_its_message(stage: &Stage) -> Check {
    stage.fault(Fault::status(403).body(r#"{"message":"not for you"}"#).on_rest());
    refused(stage, &["403", "not for you"])
}

fn a_wrong_key_is_told(stage: &Stage) -> Check {
    stage.fault(Fault::status(401).body(r#"{"message":"who are you"}"#).on_rest());
    refused(stage, &["401", "who are you"])
}

fn a_reply_that_is_no_stream_is_an_error(stage: &Stage) -> Check {
    stage.fault(Fault::status(200).body("<html>a page of somebody's</html>").on_rest());
    refused(stage, &[])
}

fn a_reply_that_is_cut_is_an_error(stage: &Stage) -> Check {
    stage.fault(Fault::cut_after(10).on_rest());
    refused(stage, &[])
}

/// Cut and reset by turns, in the head and in the content. A call that only asks may be made again,
/// after a delay: so such a call breaks at a few bytes.
fn a_reply_that_breaks_is_not_taken_for_whole(stage: &Stage) -> Check {
    // Always the same, as the service's own times are longer or shorter.
    stage.fault(reply(stage).body(stage.reply()).on_rest().times(usize::MAX));
    // For a driver that follows what it has made.
    stage.publish(1)?;
    let is_right = |id: Option<String>| {
        ensure!(id.is_none() || id.as_ref() == Some(&stage.stream), "the id is {id:?}");
        Ok(())
    };
    let whole = stage.between(Vec::new())?;
    is_right(stage.ask_through(&whole).map_err(|failure| failure.text)?.id)?;
    let length = whole.passed();
    ensure!(length > 100, "the reply has {length} bytes, so it came another way");
    let places: Vec<_> = match stage.over {
        Over::Get => vec![0, length / 5, length / 2, length - 1],
        _ => {
            // A stack that sends a request again does so where a part of the head has come, too.
            let head = length.saturating_sub(stage.reply().len());
            let first = if stage.sends_once() { 0 } else { head };
            (first..length).step_by(stage.step).collect()
        }
    };
    for (n, at) in places.into_iter().enumerate() {
        let then = if n.is_multiple_of(2) { Then::Cut } else { Then::Reset };
        let broken = stage.between(vec![(at, then)])?;
        match stage.ask_through(&broken) {
            Ok(answer) if stage.over == Over::Get => is_right(answer.id)?,
            Ok(_) => return Err(format!("{then:?} behind {at} of {length} bytes is no error")),
            Err(_) => {}
        }
        ensure!(broken.passed() >= at, "nothing broke behind byte {at}");
    }
    Ok(())
}

/// A reply in the service's place, without its content.
fn reply(stage: &Stage) -> Fault {
    let status = if stage.over == Over::Get { 200 } else { 201 };
    Fault::status(status).header("content-type", "application/json")
}

fn a_coded_reply_is_decoded(stage: &Stage) -> Check {
    // For a driver that follows what it has made.
    stage.publish(1)?;
    call(stage).map_err(|failure| failure.text)?;
    for (name, coding) in codings_for(requests(stage).first()) {
        let coded = reply(stage).header("content-encoding", name);
        stage.fault(coded.body(coding.code(stage.reply().as_bytes())).on_rest());
        let before = requests(stage).len();
        let id = call(stage).map_err(|failure| format!("{name}: {}", failure.text))?;
        ensure!(requests(stage).len() == before + 1, "{name}: no request came, or several");
        ensure!(id.is_none() || id.as_ref() == Some(&stage.stream), "{name}: the id is {id:?}");
    }
    Ok(())
}

/// The head is late, and then the content.
fn a_late_reply_is_no_failure(stage: &Stage) -> Check {
    const LATE: Duration = Duration::from_secs(2);
    const WITHIN: usize = 300;
    let late = stage.between(vec![(0, Then::Pause(LATE)), (WITHIN, Then::Pause(LATE))])?;
    let id = stage.ask_through(&late).map_err(|failure| failure.text)?.id;
    ensure!(late.passed() > WITHIN, "the reply came another way");
    let count = requests(stage).len();
    ensure!(count == 1, "it was asked {count} times");
    is_of_the_stream(stage, id)
}

/// Before its head, and within its content, nothing more comes. The same call is no error before.
fn a_stalled_reply_is_an_error(stage: &Stage) -> Check {
    const MOST: Duration = Duration::from_secs(1);
    call(stage).map_err(|failure| failure.text)?;
    for stalled in [Fault::stall_head(), Fault::stall_after(10)] {
        stage.fault(stalled.on_rest().times(usize::MAX));
        let begun = Instant::now();
        let answer = stage.ask(stage.endpoint(), Some(MOST));
        stage.clear_faults();
        ensure!(answer.is_err(), "there is no whole answer, and it is no error");
        // More than that on a machine that is busy with other things.
        ensure!(begun.elapsed() < MOST * 10, "it took {:?}, not {MOST:?}", begun.elapsed());
    }
    Ok(())
}

fn a_reply_in_pieces_is_whole(stage: &Stage) -> Check {
    stage.fault(Fault::none().trickled().on_rest());
    let id = call(stage).map_err(|failure| failure.text)?;
    let count = requests(stage).len();
    ensure!(count == 1, "it was asked {count} times");
    is_of_the_stream(stage, id)
}

fn a_post_that_was_answered_is_made_once(stage: &Stage) -> Check {
    stage.fault(Fault::status(503).body(r#"{"message":"busy"}"#).on_rest());
    refused(stage, &["503"])
}

/// The service may have acted on what it did not answer.
fn a_post_without_an_answer_is_made_once(stage: &Stage) -> Check {
    stage.fault(Fault::refuse().on_rest());
    let answer = call(stage);
    let count = requests(stage).len();
    ensure!(count == 1, "it was made {count} times");
    ensure!(answer.is_err(), "there is no answer, and it is no error");
    Ok(())
}

fn a_busy_get_is_made_again(stage: &Stage) -> Check {
    stage.fault(Fault::status(503).header("retry-after", "0").on_rest());
    call(stage).map_err(|failure| failure.text)?;
    let count = requests(stage).len();
    ensure!(count == 2, "it was asked {count} times");
    Ok(())
}

fn a_redirect_keeps_method_and_content(stage: &Stage) -> Check {
    stage.fault(Fault::redirect(308, "/streams?moved=1").on_rest());
    stage.create().map_err(|failure| failure.text)?;
    let requests = requests(stage);
    let [first, second] = &requests[..] else {
        return Err(format!("{} requests, not two", requests.len()));
    };
    ensure!(second.uri == "/streams?moved=1", "it went to {}", second.uri);
    ensure!(second.method == first.method, "the method was {}", second.method);
    ensure!(second.body == first.body, "the content was {:?}", second.body);
    let key = field(second, "x-api-key");
    ensure!(key == Some(stage.emulator.api_key()), "the key stayed behind within its origin");
    Ok(())
}

fn a_call_redirected_elsewhere_leaves_the_key(stage: &Stage) -> Check {
    let other = other_service()?;
    let location = format!("{}/streams/elsewhere", other.api_base_url());
    stage.fault(Fault::redirect(307, location).on_rest());
    ensure!(call(stage).is_err(), "nobody there takes it without a key");
    ensure!(!requests(stage).is_empty(), "no request came");
    let key = stage.emulator.api_key().as_bytes();
    for request in other.requests() {
        let fields = request.headers.values().map(|value| value.as_bytes());
        let sent = fields.chain([request.uri.as_bytes(), &request.body]);
        for bytes in sent {
            let told = bytes.windows(key.len()).any(|window| window == key);
            ensure!(!told, "the other origin was sent the key");
        }
    }
    Ok(())
}

/// The same call is none while somebody is there.
fn nobody_there_is_an_error(stage: &Stage) -> Check {
    call(stage).map_err(|failure| failure.text)?;
    stage.stop_listening()?;
    ensure!(call(stage).is_err(), "nobody is there");
    Ok(())
}
