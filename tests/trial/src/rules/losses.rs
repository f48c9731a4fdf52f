//! Connections that break, end, fall silent or are not there.

use std::time::Duration;

use bytes::Bytes;
use restless_emulator::Fault;

use super::{BOTH, CURSOR, SUBSCRIPTION, table};
use crate::driver::{How, Transport};
use crate::rule::{Check, Over};
use crate::stage::{Stage, ended, ensure, until_left};

table! {
    a_cut_between_events_loses_nothing: BOTH, CURSOR;
    a_cut_at_any_byte_loses_nothing: BOTH, "WHATWG HTML §9.2.6, RFC 6455 §7.1.7";
    a_reset_loses_nothing: BOTH, SUBSCRIPTION;
    a_stream_that_ends_is_connected_again: BOTH, "WHATWG HTML §9.2.3";
    a_connection_closed_without_an_answer_is_tried_again: BOTH, SUBSCRIPTION;
    a_connection_that_is_refused_is_tried_again: BOTH, SUBSCRIPTION;
    silence_is_a_loss: BOTH, SUBSCRIPTION;
    what_is_no_event_is_sound: BOTH, "WHATWG HTML §9.2.7, RFC 6455 §5.5.2", needs Pings;
    one_byte_at_a_time_is_read: BOTH, "WHATWG HTML §9.2.6, RFC 6455 §5";
    a_late_head_is_no_failure: BOTH, SUBSCRIPTION;
    nobody_there_is_given_up: BOTH, SUBSCRIPTION;
    the_server_s_reconnection_time_counts: &[Over::Events], "WHATWG HTML §9.2.6";
}

fn a_cut_between_events_loses_nothing(stage: &Stage) -> Check {
    stage.fault(Fault::cut_after_events(1));
    stage.fault(Fault::cut_after_events(2));
    stage.publish(5)?;
    stage.take_log(5).map(drop)
}

/// Cuts the first event, three times for each subscription: after more cuts in a row, the delays
/// would be waited for.
fn a_cut_at_any_byte_loses_nothing(stage: &Stage) -> Check {
    const EVENTS: usize = 8;
    stage.publish(EVENTS)?;
    // What goes over the wire, and a little more.
    let longest = stage.log().iter().map(|event| event.envelope.len()).max().unwrap_or_default();
    let places: Vec<_> = (0..longest + 60).step_by(stage.step).collect();
    for cuts in places.chunks(3) {
        for (n, at) in cuts.iter().enumerate() {
            // The cut is behind the events that come before it, so that each connection brings an
            // event.
            let at = if n == 0 { *at } else { *at + longest + 60 };
            stage.fault(Fault::cut_after(at as u64).for_stream(&stage.stream));
        }
        let story = stage.take_log(EVENTS);
        story.map_err(|why| format!("cut behind byte {cuts:?}: {why}"))?;
        // A cut that was not reached must not meet the next subscription.
        stage.clear_faults();
    }
    Ok(())
}

fn a_reset_loses_nothing(stage: &Stage) -> Check {
    stage.fault(Fault::reset());
    stage.fault(Fault::reset_after(100));
    stage.publish(3)?;
    stage.take_log(3).map(drop)
}

fn a_stream_that_ends_is_connected_again(stage: &Stage) -> Check {
    stage.fault(Fault::end_after_events(1));
    stage.publish(3)?;
    stage.take_log(3)?;
    ensure!(stage.requests().len() == 2, "it connected {} times", stage.requests().len());
    Ok(())
}

fn a_connection_closed_without_an_answer_is_tried_again(stage: &Stage) -> Check {
    stage.fault(Fault::refuse());
    stage.publish(1)?;
    stage.take_log(1).map(drop)
}

/// Behind the first event, nobody is there for a while.
fn a_connection_that_is_refused_is_tried_again(stage: &Stage) -> Check {
    const AWAY: Duration = Duration::from_secs(1);
    let away = || {
        stage.stop_listening()?;
        until_left(&stage.emulator)?;
        stage.publish(1)?;
        std::thread::sleep(AWAY);
        stage.listen_again()
    };
    stage.publish(1)?;
    std::thread::scope(|scope| {
        let mut gone = None;
        let story = stage.take_and(stage.follow(), 2, |count| {
            if count == 1 {
                gone = Some(scope.spawn(away));
            }
        });
        let back = gone.map(|gone| gone.join());
        back.unwrap_or(Ok(Ok(()))).map_err(|_| "the service panicked".to_owned())??;
        story.is_log(&stage.log(), 2)
    })
}

fn silence_is_a_loss(stage: &Stage) -> Check {
    stage.fault(Fault::stall_after_events(1));
    stage.publish(3)?;
    let mut follow = stage.follow();
    follow.idle = Some(IDLE);
    let story = stage.take(follow, 3);
    story.is_log(&stage.log(), 3)?;
    ensure!(stage.requests().len() == 2, "it connected {} times", stage.requests().len());
    Ok(())
}

/// Comments and pings, for longer than silence is accepted; then an event.
fn what_is_no_event_is_sound(stage: &Stage) -> Check {
    let sound = match stage.over.transport() {
        Some(Transport::WebSocket) => Bytes::from_static(b"\x89\x00"),
        _ => Bytes::from_static(b": still here\n\n"),
    };
    let mut pieces = vec![(IDLE / 6, sound); 12];
    pieces.push((Duration::ZERO, one_event(stage, "7")));
    stage.fault(Fault::recording(pieces).then_stall());
    let mut follow = stage.follow();
    follow.idle = Some(IDLE);
    let story = stage.take(follow, 1);
    ensure!(story.ids() == ["7"], "{story:?}");
    let count = stage.requests().len();
    ensure!(count == 1, "it connected {count} times");
    Ok(())
}

fn one_byte_at_a_time_is_read(stage: &Stage) -> Check {
    stage.fault(match stage.over.transport() {
        Some(Transport::WebSocket) => Fault::none().in_pieces_of(1),
        _ => Fault::none().trickled(),
    });
    stage.publish(3)?;
    stage.take_log(3).map(drop)
}

fn a_late_head_is_no_failure(stage: &Stage) -> Check {
    const LATE: Duration = Duration::from_secs(2);
    // The head comes with the first event.
    stage.fault(Fault::none().late_head());
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| {
            stage.until_requests(1)?;
            std::thread::sleep(LATE);
            stage.publish(2)
        });
        let story = stage.take(stage.follow(), 2);
        sent.join().unwrap_or_else(|_| Err("the service panicked".to_owned()))?;
        story.is_log(&stage.log(), 2)
    })?;
    ensure!(stage.requests().len() == 1, "it connected {} times", stage.requests().len());
    Ok(())
}

/// The same subscription is none while somebody is there.
fn nobody_there_is_given_up(stage: &Stage) -> Check {
    stage.publish(1)?;
    stage.take_log(1)?;
    stage.stop_listening()?;
    let mut follow = stage.follow();
    follow.max_reconnects = Some(1);
    let ending = stage.end(follow)?;
    let how = if ending.how == How::Failed { How::Failed } else { How::GaveUp };
    ended(&ending, how, &[])
}

fn the_server_s_reconnection_time_counts(stage: &Stage) -> Check {
    const RETRY: Duration = Duration::from_millis(700);
    let cut = stage.cut_behind(1, Some(RETRY));
    stage.publish(2)?;
    let before = std::time::Instant::now();
    stage.take_log_and(2, cut)?;
    let took = before.elapsed();
    ensure!(took >= RETRY, "it came back after {took:?}, before {RETRY:?}");
    Ok(())
}

/// The longest silence accepted, where a rule is about silence.
const IDLE: Duration = Duration::from_millis(1500);

/// Returns an event with this id, as it goes over the wire.
pub(super) fn one_event(stage: &Stage, id: &str) -> Bytes {
    match stage.over.transport() {
        Some(Transport::WebSocket) => frame(0x81, envelope(Some(id))),
        _ => format!("id: {id}\ndata: {}\n\n", envelope(None)).into(),
    }
}

/// Returns an update, which over WebSocket holds its id.
pub(super) fn envelope(id: Option<&str>) -> String {
    let id = id.map(|id| format!(r#""event_id":"{id}","#)).unwrap_or_default();
    format!(r#"{{"type":"update",{id}"meta":{{"timestamp":"2026-06-07T00:49:36Z"}},"data":1}}"#)
}

/// Returns a frame without a mask (RFC 6455 §5.2).
pub(super) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Bytes {
    let (mut frame, payload) = (vec![first], payload.as_ref());
    match u8::try_from(payload.len()) {
        Ok(length @ 0..126) => frame.push(length),
        _ => {
            let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend(payload);
    frame.into()
}
