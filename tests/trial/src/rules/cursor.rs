//! Events in their order, each once, and where the next connection begins.

use restless_emulator::Fault;

use super::{BOTH, CREDENTIALS, CURSOR, EVENTS, table};
use crate::rule::Check;
use crate::stage::{Stage, ensure, field, until_left};

table! {
    events_come_in_order_and_once: BOTH, EVENTS;
    a_live_event_comes_when_it_is_sent: BOTH, EVENTS;
    data_keeps_its_spelling: BOTH, "RFC 8259 §6";
    an_error_of_the_service_is_an_event: BOTH, EVENTS;
    a_large_event_is_whole: BOTH, EVENTS;
    the_key_goes_in_authorization: BOTH, CREDENTIALS, needs Fields;
    it_begins_at_a_cursor: BOTH, CURSOR;
    a_reconnect_names_the_last_event: BOTH, CURSOR;
    the_cursor_moves_with_each_event: BOTH, CURSOR;
    since_is_sent_until_there_is_a_cursor: BOTH, CURSOR;
    enough_closes_the_connection: BOTH, "RFC 9112 §9.6, RFC 6455 §7.1.1";
}

/// Twenty events that are kept, and a live one when the last of these is handed out: if that one
/// came twice, it would come in the live one's place.
fn events_come_in_order_and_once(stage: &Stage) -> Check {
    stage.publish(20)?;
    let mut published = Ok(());
    let story = stage.take_and(stage.follow(), 21, |count| {
        if count == 20 {
            published = stage.publish(1);
        }
    });
    published?;
    story.is_log(&stage.log(), 21)?;
    let count = stage.requests().len();
    ensure!(count == 1, "it connected {count} times");
    Ok(())
}

fn a_live_event_comes_when_it_is_sent(stage: &Stage) -> Check {
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| {
            for n in 1..=3 {
                stage.until_requests(1)?;
                stage.publish_data(&n.to_string())?;
            }
            Ok(())
        });
        let story = stage.take(stage.follow(), 3);
        sent.join().unwrap_or_else(|_| Err("the service panicked".to_owned()))?;
        story.is_log(&stage.log(), 3)
    })
}

fn data_keeps_its_spelling(stage: &Stage) -> Check {
    const DATA: &str = r#"{"b":1.0,"a":12345678901234567890123,"a":1e2,"t":"\u00e9"}"#;
    stage.publish_data(DATA)?;
    let story = stage.take(stage.follow(), 1);
    let event = story.events.first().ok_or("no event came")?;
    ensure!(event.data.as_deref() == Some(DATA), "the data is {:?}", event.data);
    Ok(())
}

fn an_error_of_the_service_is_an_event(stage: &Stage) -> Check {
    let failed = stage.emulator.publish_error(&stage.stream, "UPSTREAM_TIMEOUT", "no answer");
    failed.map_err(|error| error.to_string())?;
    let story = stage.take(stage.follow(), 1);
    let event = story.events.first().ok_or("no event came")?;
    let error = event.error.as_deref().unwrap_or_default();
    let whole = error.contains("UPSTREAM_TIMEOUT") && error.contains("no answer");
    ensure!(whole, "the event is {event:?}");
    Ok(())
}

fn a_large_event_is_whole(stage: &Stage) -> Check {
    stage.publish_data(&format!("\"{}\"", "0123456789é".repeat(12_000)))?;
    stage.publish(1)?;
    stage.take_log(2).map(drop)
}

fn the_key_goes_in_authorization(stage: &Stage) -> Check {
    stage.publish(1)?;
    stage.take_log(1)?;
    let key = stage.emulator.api_key();
    for request in stage.requests() {
        let sent = field(&request, "authorization");
        ensure!(sent == Some(&format!("Bearer {key}")), "it is no bearer token");
        ensure!(!request.uri.contains(key), "the key is in the URL");
    }
    Ok(())
}

fn it_begins_at_a_cursor(stage: &Stage) -> Check {
    stage.publish(4)?;
    let log = stage.log();
    let mut follow = stage.follow();
    follow.since = None;
    follow.cursor = Some(log[1].id.clone());
    let story = stage.take(follow, 2);
    let due: Vec<_> = log.iter().skip(2).map(|event| event.id.as_str()).collect();
    ensure!(story.ids() == due, "events {:?} came, not {due:?}", story.ids());
    Ok(())
}

fn a_reconnect_names_the_last_event(stage: &Stage) -> Check {
    let cut = stage.cut_behind(2, None);
    stage.publish(4)?;
    stage.take_log_and(4, cut)?;
    let (requests, log) = (stage.requests(), stage.log());
    let [_, second, ..] = &requests[..] else { return Err("it did not connect again".to_owned()) };
    let named = resumes_at(&second.uri, "cursor") == Some(log[1].id.as_str())
        || field(second, "last-event-id") == Some(log[1].id.as_str());
    ensure!(named, "it asked for {}", second.uri);
    ensure!(requests.len() == 2, "it connected {} times", requests.len());
    Ok(())
}

/// A driver that tells no cursor passes.
fn the_cursor_moves_with_each_event(stage: &Stage) -> Check {
    stage.publish(3)?;
    for event in stage.take_log(3)?.events {
        let moved = event.cursor.is_none() || event.cursor == event.id;
        ensure!(moved, "behind {:?} the cursor is {:?}", event.id, event.cursor);
    }
    Ok(())
}

fn since_is_sent_until_there_is_a_cursor(stage: &Stage) -> Check {
    stage.fault(Fault::refuse());
    let cut = stage.cut_behind(1, None);
    stage.publish(2)?;
    stage.take_log_and(2, cut)?;
    let requests = stage.requests();
    ensure!(requests.len() == 3, "it connected {} times, not 3", requests.len());
    for (request, due) in requests.iter().zip([true, true, false]) {
        let since = resumes_at(&request.uri, "since").is_some();
        ensure!(since == due, "it asked for {}", request.uri);
    }
    Ok(())
}

fn enough_closes_the_connection(stage: &Stage) -> Check {
    stage.publish(1)?;
    stage.take_log(1)?;
    until_left(&stage.emulator)
}

fn resumes_at<'a>(uri: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = uri.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
        .map(|(_, value)| value)
}
