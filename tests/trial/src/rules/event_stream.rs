//! What only an event stream has (WHATWG HTML §9.2), and the HTTP below it.

use restless_emulator::Fault;

use super::losses::envelope;
use super::{codings_for, table};
use crate::rule::{Check, Over};
use crate::stage::{Stage, ensure};

const EVENTS: &[Over] = &[Over::Events];

table! {
    lines_end_in_each_of_three_ways: EVENTS, "WHATWG HTML §9.2.5";
    a_byte_order_mark_is_passed_over: EVENTS, "WHATWG HTML §9.2.5";
    comments_and_unknown_fields_are_passed_over: EVENTS, "WHATWG HTML §9.2.6";
    data_over_several_lines_is_one_event: EVENTS, "WHATWG HTML §9.2.6";
    what_the_end_cuts_off_is_no_event: EVENTS, "WHATWG HTML §9.2.6";
    a_bad_event_does_no_harm: EVENTS, "the service's contract, Runtime events";
    coded_content_is_decoded: EVENTS, "RFC 9110 §8.4", needs Codings;
    chunk_extensions_are_passed_over: EVENTS, "RFC 9112 §7.1.1";
}

/// Follows a stream of just these bytes, and compares the ids of what comes.
fn read(stage: &Stage, content: &str, ids: &[&str]) -> Check {
    stage.fault(Fault::raw([content.to_owned()]).then_stall());
    ids_are(stage, ids)
}

fn ids_are(stage: &Stage, ids: &[&str]) -> Check {
    let story = stage.take(stage.follow(), ids.len());
    ensure!(story.ids() == ids, "events {:?} came, not {ids:?}: {story:?}", story.ids());
    Ok(())
}

fn lines_end_in_each_of_three_ways(stage: &Stage) -> Check {
    let data = envelope(None);
    let content = format!(
        "id: 1\ndata: {data}\n\nid: 2\r\ndata: {data}\r\n\r\nid: 3\rdata: {data}\r\rid: 4\ndata: {data}\r\n\n"
    );
    read(stage, &content, &["1", "2", "3", "4"])
}

fn a_byte_order_mark_is_passed_over(stage: &Stage) -> Check {
    read(stage, &format!("\u{feff}id: 1\ndata: {}\n\n", envelope(None)), &["1"])
}

fn comments_and_unknown_fields_are_passed_over(stage: &Stage) -> Check {
    let data = envelope(None);
    let content =
        format!(":\n: a comment\nodd: 1\nid: 1\ndata\nid:1\n\nid:2\ndata: {data}\nretry: x\n\n");
    // The first has an empty line of data, which is no event of the service.
    stage.fault(Fault::raw([content]).then_stall());
    let story = stage.take(stage.follow(), 1);
    ensure!(story.ids() == ["2"], "{story:?}");
    Ok(())
}

fn data_over_several_lines_is_one_event(stage: &Stage) -> Check {
    let data = envelope(None).replace(r#","data""#, "\ndata: ,\"data\"");
    read(stage, &format!("id: 1\ndata: {data}\n\n"), &["1"])
}

fn what_the_end_cuts_off_is_no_event(stage: &Stage) -> Check {
    let data = envelope(None);
    // An id that is not dispatched is no position either.
    stage.fault(Fault::raw([format!("id: 1\ndata: {data}\n\nid: 2\ndata: {data}\n")]));
    stage.publish(1)?;
    let story = stage.take(stage.follow(), 2);
    let next = stage.log()[0].id.clone();
    ensure!(story.ids() == ["1", &next], "{story:?}");
    Ok(())
}

fn a_bad_event_does_no_harm(stage: &Stage) -> Check {
    let data = envelope(None);
    let content = format!(
        "id: 1\ndata: {data}\n\nid: 2\ndata: {{\"type\":\"update\"\n\nid: 3\ndata: {data}\n\n"
    );
    read(stage, &content, &["1", "3"])
}

fn coded_content_is_decoded(stage: &Stage) -> Check {
    let data = envelope(None);
    let content = format!("id: 1\ndata: {data}\n\nid: 2\ndata: {data}\n\n");
    stage.publish(1)?;
    stage.take_log(1)?;
    for (name, coding) in codings_for(stage.requests().first()) {
        let coded = Fault::raw([coding.code(content.as_bytes())]).in_pieces_of(1);
        stage.fault(coded.header("content-encoding", name).then_stall());
        ids_are(stage, &["1", "2"]).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(())
}

fn chunk_extensions_are_passed_over(stage: &Stage) -> Check {
    stage.fault(Fault::none().chunk_extensions(40));
    stage.publish(5)?;
    stage.take_log(5).map(drop)
}
