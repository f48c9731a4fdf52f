//! Answers other than a stream: which of them end the subscription, and which are asked for again.

use std::time::{Duration, Instant};

use restless_emulator::Fault;

use super::{BOTH, SUBSCRIPTION, table};
use crate::driver::{Ending, How};
use crate::rule::{Check, Over};
use crate::stage::{Stage, ended, ensure};

table! {
    a_refusal_ends_it_with_its_reason: BOTH, "RFC 9110 §15.5", needs Answers;
    a_refused_key_ends_it: BOTH, "RFC 9110 §15.5.2", needs Answers;
    a_busy_service_is_asked_again: BOTH, "RFC 9110 §15.6.4, RFC 6585 §4";
    retry_after_is_waited_for: BOTH, "RFC 9110 §10.2.3", needs Answers;
    no_content_ends_it: &[Over::Events], "WHATWG HTML §9.2.3";
    a_wrong_content_type_ends_it: &[Over::Events], "WHATWG HTML §9.2.3";
    what_is_no_websocket_ends_it: &[Over::WebSocket], "RFC 6455 §4.1", needs Answers;
    a_handshake_for_another_key_ends_it: &[Over::WebSocket], "RFC 6455 §4.1", needs Answers;
    many_fields_are_read: BOTH, "RFC 9110 §5.4";
    tries_without_an_event_have_a_bound: BOTH, SUBSCRIPTION;
}

/// The subscription ends after one request.
fn once(stage: &Stage, how: How, words: &[&str]) -> Check {
    let ending = stage.end(stage.follow())?;
    ended(&ending, how, words)?;
    let count = stage.requests().len();
    ensure!(count == 1, "it was asked {count} times");
    Ok(())
}

fn a_refusal_ends_it_with_its_reason(stage: &Stage) -> Check {
    stage.fault(Fault::status(403).body(r#"{"message":"not for you"}"#));
    stage.publish(1)?;
    once(stage, How::Refused, &["403", "not for you"])
}

fn a_refused_key_ends_it(stage: &Stage) -> Check {
    let mut follow = stage.follow();
    follow.endpoint.api_key = "rs_wrong".to_owned();
    stage.publish(1)?;
    let ending: Ending = stage.end(follow)?;
    ended(&ending, How::Refused, &["401"])?;
    ensure!(!ending.text.contains("rs_wrong"), "the user is told the key");
    let count = stage.requests().len();
    ensure!(count == 1, "it was asked {count} times");
    Ok(())
}

fn a_busy_service_is_asked_again(stage: &Stage) -> Check {
    for status in [429, 503] {
        stage.fault(Fault::status(status));
    }
    stage.publish(1)?;
    stage.take_log(1)?;
    let count = stage.requests().len();
    ensure!(count == 3, "it was asked {count} times");
    Ok(())
}

fn retry_after_is_waited_for(stage: &Stage) -> Check {
    stage.fault(Fault::status(503).header("retry-after", "1"));
    stage.publish(1)?;
    let before = Instant::now();
    stage.take_log(1)?;
    let took = before.elapsed();
    ensure!(took >= Duration::from_secs(1), "it came back after {took:?}");
    Ok(())
}

fn no_content_ends_it(stage: &Stage) -> Check {
    stage.fault(Fault::status(204));
    stage.publish(1)?;
    once(stage, How::Complete, &[])
}

fn a_wrong_content_type_ends_it(stage: &Stage) -> Check {
    stage.fault(Fault::status(200).header("content-type", "text/html").body("a page"));
    stage.publish(1)?;
    once(stage, How::Refused, &[])
}

fn what_is_no_websocket_ends_it(stage: &Stage) -> Check {
    stage.fault(Fault::status(200).body("a page").on_websocket());
    stage.publish(1)?;
    once(stage, How::Refused, &[])
}

fn a_handshake_for_another_key_ends_it(stage: &Stage) -> Check {
    stage.fault(Fault::wrong_accept());
    stage.publish(1)?;
    let ending = stage.end(stage.follow())?;
    ensure!(ending.how != How::Complete, "it ended {:?}: {}", ending.how, ending.text);
    let count = stage.requests().len();
    ensure!(count == 1, "it was asked {count} times");
    Ok(())
}

fn many_fields_are_read(stage: &Stage) -> Check {
    stage.fault(Fault::none().many_fields(60));
    stage.publish(1)?;
    stage.take_log(1).map(drop)
}

fn tries_without_an_event_have_a_bound(stage: &Stage) -> Check {
    stage.fault(Fault::status(500).times(10));
    stage.publish(1)?;
    let mut follow = stage.follow();
    follow.max_reconnects = Some(2);
    let ending = stage.end(follow)?;
    let over = matches!(ending.how, How::GaveUp | How::Failed | How::Refused);
    ensure!(over, "it ended {:?}: {}", ending.how, ending.text);
    let count = stage.requests().len();
    ensure!(count == 3, "it was asked {count} times, not once and twice again");
    Ok(())
}
