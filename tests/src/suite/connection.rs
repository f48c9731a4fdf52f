//! The rules of the connection that WHATWG HTML §9.2 and the web-platform-tests ask of a client,
//! one test each, named for it. Where the service's contract says otherwise, the contract wins and
//! the test says so.
//!
//! | rule | test |
//! | --- | --- |
//! | **Request** | |
//! | method | [`the_method_is_get`] |
//! | `Accept` | [`accept_asks_for_an_event_stream`] |
//! | caching | [`caches_are_kept_out`] (contract: `no-store`) |
//! | first request has no id | [`a_first_request_has_no_id`] |
//! | caller's headers | [`the_caller_s_fields_go_with_each_request`] |
//! | caller's method and body | none: a subscription is a GET; what the service sends upstream is in the URL |
//! | credentials across origins | [`each_origin_has_its_bearer_token`](super::redirect::each_origin_has_its_bearer_token) |
//! | CORS mode, CORS and the id header | none: a library has no origin of its own, and sends no preflight |
//! | **Response** | |
//! | status 200 with the right type | [`status_200_with_the_right_type_opens`] |
//! | status 204 | [`status_204_ends_it_on_a_first_request_and_on_a_later_one`] |
//! | any other status | [`any_other_status_fails_the_connection`] (contract: 429 and 5xx reconnect) |
//! | wrong `Content-Type` | [`a_wrong_content_type_fails_the_connection`] |
//! | missing `Content-Type` | [`a_missing_content_type_fails_the_connection`] |
//! | parameters and form of the type | [`only_the_essence_of_the_content_type_counts`] |
//! | several types | [`of_several_content_types_the_last_that_is_one_counts`] |
//! | encoding | [`content_is_utf_8_whatever_the_charset_says`] |
//! | body of a failed response | [`the_body_of_a_failed_response_is_not_parsed`] |
//! | events' origin | none: an event of the service carries no origin |
//! | **Redirects** | |
//! | 301, 302, 303, 307, 308 | [`redirects_are_followed`] |
//! | method on redirect | GET stays GET, there; for calls, [`each_status_has_its_method_and_each_origin_its_key`](super::redirect::each_status_has_its_method_and_each_origin_its_key) |
//! | which URL on reconnection | [`a_reconnect_starts_at_the_first_url`](super::redirect::a_reconnect_starts_at_the_first_url) (open; this is our choice) |
//! | empty or missing `Location` | [`a_location_is_required_and_must_lead_somewhere`](super::redirect::a_location_is_required_and_must_lead_somewhere) |
//! | too many redirects | [`ten_redirects_are_followed_and_no_more`](super::redirect::ten_redirects_are_followed_and_no_more) (Fetch follows 20) |
//! | leaving the origin | [`each_origin_has_its_bearer_token`](super::redirect::each_origin_has_its_bearer_token) |
//! | **Reconnection** | |
//! | end of body | [`the_end_of_the_body_reestablishes`] |
//! | network error, refused | [`a_network_error_reestablishes`] |
//! | aborted by the caller | [`after_close_nothing_comes`] |
//! | order of things | [`a_reconnection_has_its_order`] |
//! | initial reconnection time | [`the_reconnection_time_is_a_second_unless_set`] (contract: 1 s) |
//! | `retry:` | [`retry_sets_the_reconnection_time`], [`retry_that_is_no_number_is_ignored`] |
//! | back-off | [`the_wait_is_longer_while_nothing_comes_and_never_shorter`] |
//! | offline | none: optional, and there is no operating system in the protocol to ask |
//! | `Last-Event-ID` | [`the_last_event_id_is_sent_as_the_cursor`] (contract: in the query) |
//! | which id | [`an_id_in_a_block_that_is_cut_off_does_not_count`] |
//! | id of a block without data | [`an_id_without_data_counts`] |
//! | later events without id | [`an_id_stays_for_later_events_without_one`] |
//! | empty id | [`an_empty_id_moves_nothing`] (contract: the cursor stays) |
//! | id that cannot be a header value | [`an_id_of_any_text_comes_back_whole`], [`an_id_with_a_nul_is_ignored`] |
//! | id across connections | [`an_id_is_not_carried_into_the_next_connection`] (contract: not carried) |
//! | what else survives | [`nothing_else_survives_a_connection`] |
//! | partial event | [`a_partial_event_is_dropped`] |
//! | idle connection | [`any_byte_restarts_the_idle_timer`]; expiry: `silence_is_a_loss` |
//! | caller's restart | none: drop the subscription, and subscribe again at its cursor |
//! | **States** | |
//! | connecting, open, closed | [`the_states_are_connecting_open_and_closed`] |
//! | open and events | [`open_is_told_once_and_before_the_first_event`] |

use std::time::Duration;

use restless_emulator::{Emulator, Fault};
use restless_hyper::Runtime;
use restless_hyper::proto::subscription::{Ended, Event, LossReason, State};
use restless_hyper::proto::{ContentError, Error, Subscription};

use super::support::{
    Stage, all_of, data, ended, envelope, event, failure, frame, ids, lost, move_until, opened,
    take, take_ids,
};

/// A stream that a script plays, one script a connection; the last one stays open.
fn play<R: Runtime>(stage: &Stage<R>, scripts: &[&str]) {
    let (last, rest) = scripts.split_last().expect("a script");
    for script in rest {
        stage.emulator.inject(Fault::raw([script.to_string()]));
    }
    stage.emulator.inject(Fault::raw([last.to_string()]).then_stall());
}

/// What is followed where a script plays it: connects again without a delay.
fn scripted() -> Subscription {
    Subscription::stream("any").retry(Duration::ZERO)
}

// Request

/// A plain fetch: GET, without content.
pub async fn the_method_is_get<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    play(&stage, &["", ""]);
    let mut events = stage.subscribe(scripted());
    opened(&mut events).await;
    lost(&mut events).await;
    opened(&mut events).await;
    for request in stage.emulator.requests() {
        assert_eq!(request.method, http::Method::GET);
        assert!(request.body.is_empty());
    }
}

/// `Accept: text/event-stream`.
pub async fn accept_asks_for_an_event_stream<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    play(&stage, &[""]);
    opened(&mut stage.subscribe(scripted())).await;
    assert_eq!(stage.sent("accept"), [Some("text/event-stream".to_owned())]);
}

/// Each event stream comes from the server. Browsers send `Cache-Control: no-cache`; the service's
/// own SDK sends `no-store`, as its recorded requests show, so we do, and we have no cache of our
/// own.
pub async fn caches_are_kept_out<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    play(&stage, &["", ""]);
    let mut events = stage.subscribe(scripted());
    opened(&mut events).await;
    lost(&mut events).await;
    opened(&mut events).await;
    assert_eq!(stage.sent("cache-control"), [Some("no-store".into()), Some("no-store".into())]);
}

/// A first request has a cursor or a `Last-Event-ID` only where the caller gave one.
pub async fn a_first_request_has_no_id<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    play(&stage, &[""]);
    opened(&mut stage.subscribe(scripted())).await;
    play(&stage, &[""]);
    opened(&mut stage.subscribe(scripted().cursor("7"))).await;
    assert_eq!(stage.sent("last-event-id"), [None, None]);
    assert_eq!(stage.queried("cursor"), [None, Some("7".to_owned())]);
}

/// The caller's own fields go with the first request and each later one, redirected ones included.
pub async fn the_caller_s_fields_go_with_each_request<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::redirect(307, "/?streamId=other"));
    play(&stage, &["", ""]);
    let mut events = stage.subscribe(scripted().header("X-Trace", "t-1"));
    opened(&mut events).await;
    lost(&mut events).await;
    opened(&mut events).await;
    assert_eq!(stage.sent("x-trace"), vec![Some("t-1".to_owned()); 3]);
}

// Response

/// 200 with `text/event-stream` is announced, and its body is parsed as it comes.
pub async fn status_200_with_the_right_type_opens<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    play(&stage, &[&frame("1", "1")]);
    let mut events = stage.subscribe(scripted());
    assert!(opened(&mut events).await.request_id.is_some());
    assert_eq!(take_ids(&mut events, 1).await, ["1"]);
}

/// 204 is the server's way to stop a client, on the first request and on a reconnection alike, and
/// is told as an end in good order.
pub async fn status_204_ends_it_on_a_first_request_and_on_a_later_one<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::status(204));
    let mut events = stage.subscribe(scripted());
    assert!(matches!(ended(&mut events).await, Ended::NoContent));
    stage.emulator.inject(Fault::raw([frame("1", "1")]));
    stage.emulator.inject(Fault::status(204));
    let mut events = stage.subscribe(scripted());
    event(&mut events).await;
    assert!(events.next().await.is_none());
    assert_eq!(stage.emulator.requests().len(), 3);
}

/// Any other status fails the connection, a 2xx too. The standard says so of 429 and 5xx as well;
/// the service's contract has these reconnect, as its SDK promises: here they are losses.
pub async fn any_other_status_fails_the_connection<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for status in [201, 205, 206, 210, 299, 300, 304, 400, 404, 410] {
        stage.emulator.inject(Fault::status(status).header("content-type", "text/event-stream"));
        let mut events = stage.subscribe(scripted());
        let Ended::Failed(error) = ended(&mut events).await else { panic!("{status}") };
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
    }
    for status in [429, 500, 503, 599] {
        stage.emulator.inject(Fault::status(status).header("content-type", "text/event-stream"));
        let mut events = stage.subscribe(scripted());
        let lost = lost(&mut events).await;
        let LossReason::Error(error) = &lost.reason else { panic!("{lost:?}") };
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
    }
}

/// A content type that is not `text/event-stream` fails the connection, and is in the error.
pub async fn a_wrong_content_type_fails_the_connection<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for wrong in ["x bogus", "text/x-bogus", "text/html", "application/json", "text/event-streams"]
    {
        let fault = Fault::status(200).header("content-type", wrong).body("<html>");
        stage.emulator.inject(fault);
        let error = failure(&mut stage.subscribe(scripted())).await;
        let Error::Content(content) = &error else { panic!("{error:?}") };
        let ContentError::NotAnEventStream { seen, excerpt, .. } = &**content else {
            panic!("{content:?}")
        };
        assert_eq!((seen.as_deref(), &**excerpt), (Some(wrong), &b"<html>"[..]));
    }
}

/// A missing type fails as a wrong one does.
pub async fn a_missing_content_type_fails_the_connection<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::raw([frame("1", "1")]).header("content-type", ""));
    let error = failure(&mut stage.subscribe(scripted())).await;
    let Error::Content(content) = &error else { panic!("{error:?}") };
    assert!(matches!(**content, ContentError::NotAnEventStream { seen: None, .. }), "{content:?}");
}

/// Only the type's essence counts, in any case; parameters and a trailing semicolon are passed
/// over.
pub async fn only_the_essence_of_the_content_type_counts<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for good in [
        "text/event-stream;",
        "Text/Event-Stream",
        "text/event-stream;charset=windows-1252",
        "text/event-stream ; charset=utf-8",
    ] {
        stage.emulator.inject(Fault::raw([""]).header("content-type", good).then_stall());
        opened(&mut stage.subscribe(scripted())).await;
    }
}

/// Of several types, in one field or in several, the last that is one counts (WHATWG Fetch §3.6).
/// Seen where a framework and the box before it both set the field.
pub async fn of_several_content_types_the_last_that_is_one_counts<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let stream = "text/event-stream";
    for good in [[stream; 2], ["text/html", stream], [stream, "*/*"], [stream, "none"]] {
        let joined = Fault::raw([""]).header("content-type", good.join(", "));
        let fields =
            good.iter().fold(Fault::raw([""]), |fault, kind| fault.header("content-type", *kind));
        for fault in [joined, fields] {
            stage.emulator.inject(fault.then_stall());
            opened(&mut stage.subscribe(scripted())).await;
        }
    }
    stage.emulator.inject(Fault::raw([""]).header("content-type", "text/event-stream, text/html"));
    failure(&mut stage.subscribe(scripted())).await;
}

/// An event stream is UTF-8, whatever its `charset` says.
pub async fn content_is_utf_8_whatever_the_charset_says<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let fault = Fault::raw([frame("1", "\"é€\"")])
        .header("content-type", "text/event-stream;charset=windows-1252")
        .then_stall();
    stage.emulator.inject(fault);
    assert_eq!(data(&event(&mut stage.subscribe(scripted())).await), "\"é€\"");
}

/// The body of a failed response is text for the error alone: events in it are left out, and the
/// cursor stays.
pub async fn the_body_of_a_failed_response_is_not_parsed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for (status, kind) in [(404, "text/event-stream"), (200, "text/plain")] {
        let fault = Fault::status(status).header("content-type", kind).body(frame("7", "1"));
        stage.emulator.inject(fault);
        let mut events = stage.subscribe(scripted());
        failure(&mut events).await;
        assert_eq!(events.cursor(), None);
    }
    // One that is asked again, too.
    stage.emulator.inject(
        Fault::status(503).header("content-type", "text/event-stream").body(frame("7", "1")),
    );
    play(&stage, &[&frame("8", "2")]);
    assert_eq!(take_ids(&mut stage.subscribe(scripted()), 1).await, ["8"]);
    assert_eq!(stage.queried("cursor"), [None, None, None, None]);
}

// Redirects

/// 301, 302, 303, 307 and 308 are followed at once, with GET; the last response is judged, and
/// there is no loss to tell. What position the server did not put into the new URL, we do.
pub async fn redirects_are_followed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    let log = stage.log(&id);
    for status in [301, 302, 303, 307, 308] {
        stage.emulator.clear_requests();
        stage.emulator.inject(Fault::redirect(status, format!("/?streamId={id}")));
        let mut events = stage.subscribe(all_of("moved").cursor(&log[0]));
        opened(&mut events).await;
        assert_eq!(take_ids(&mut events, 1).await, log[1..], "{status}");
        let requests = stage.emulator.requests();
        assert_eq!(requests.len(), 2);
        assert!(requests.iter().all(|request| request.method == http::Method::GET));
        let cursor = Some(log[0].clone());
        assert_eq!(stage.queried("cursor"), [cursor.clone(), cursor]);
        // On the same origin the key goes along.
        assert_eq!(stage.sent("authorization")[0], stage.sent("authorization")[1]);
    }
}

// Reconnection

/// After the end of the body, clean or broken, there is another connection.
pub async fn the_end_of_the_body_reestablishes<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::raw([frame("1", "1")]));
    stage.emulator.inject(Fault::raw([frame("2", "2")]).then_cut());
    stage.emulator.inject(Fault::raw([frame("3", "3")]).then_stall());
    assert_eq!(take_ids(&mut stage.subscribe(scripted()), 3).await, ["1", "2", "3"]);
}

/// A reconnection follows a network error, too: a connect that is refused, or a close without an
/// answer.
pub async fn a_network_error_reestablishes<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.stop_listening().expect("the emulator stands");
    let mut events = stage.subscribe(scripted());
    lost(&mut events).await;
    stage.emulator.inject(Fault::refuse());
    play(&stage, &[&frame("1", "1")]);
    stage.emulator.listen_again().expect("the port is free");
    assert_eq!(take_ids(&mut events, 1).await, ["1"]);
}

/// After `close()` only the end comes: events that are parsed already are left out, and the client
/// stays away.
pub async fn after_close_nothing_comes<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let both = frame("1", "1") + &frame("2", "2");
    stage.emulator.inject(Fault::raw([both]));
    let mut events = stage.subscribe(scripted());
    assert_eq!(take_ids(&mut events, 1).await, ["1"]);
    events.close();
    assert!(events.next().await.is_none());
    assert_eq!(events.cursor(), Some("1"));
    stage.emulator.until_connections(0).await;
    assert_eq!(stage.emulator.requests().len(), 1);
}

/// One loss is told, with the state on the way to the next connection; then the reconnection time
/// passes; then the request goes out.
pub async fn a_reconnection_has_its_order<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    play(&stage, &[&frame("1", "1"), &frame("2", "2")]);
    let subscription = Subscription::stream("any").retry(Duration::from_millis(200));
    let mut events = stage.subscribe(subscription);
    opened(&mut events).await;
    take(&mut events, 1).await;
    let lost = lost(&mut events).await;
    assert!(matches!(events.status().state, State::Waiting(_)));
    assert_eq!(stage.emulator.requests().len(), 1);
    let at = events.watch().time(lost.retry_at);
    opened(&mut events).await;
    assert!(std::time::Instant::now() >= at, "it did not wait");
    assert_eq!(stage.emulator.requests().len(), 2);
}

/// The wait that the next loss plans.
async fn planned_wait<R: Runtime>(events: &mut restless_hyper::Events<R>) -> Duration {
    loop {
        match events.next_event().await.expect("it goes on") {
            Event::Lost(lost) => {
                let at = events.watch().time(lost.retry_at);
                // A little has passed since it was planned.
                return at.saturating_duration_since(std::time::Instant::now());
            }
            Event::Opened(_) | Event::Item(_) => {}
            event => panic!("{event:?}"),
        }
    }
}

/// What may pass between planning a wait and measuring it, on a busy machine.
const SLACK: Duration = Duration::from_millis(400);

fn assert_wait(wait: Duration, from: Duration, to: Duration) {
    assert!(wait + SLACK >= from && wait <= to, "{wait:?} is not {from:?} to {to:?}");
}

/// The standard wants a few seconds, and browsers take three; the contract says one, and up to a
/// quarter of jitter on top.
pub async fn the_reconnection_time_is_a_second_unless_set<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let second = Duration::from_secs(1);
    stage.emulator.inject(Fault::raw([frame("1", "1")]).times(2));
    let mut events = stage.subscribe(Subscription::stream("any"));
    assert_wait(planned_wait(&mut events).await, second, second * 5 / 4);
    let mut events = stage.subscribe(Subscription::stream("any").retry(second * 8));
    assert_wait(planned_wait(&mut events).await, second * 8, second * 10);
}

/// `retry:` sets the time when the line is read, even without an event, and across connections.
pub async fn retry_sets_the_reconnection_time<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let hour = Subscription::stream("any").retry(Duration::from_secs(3600));
    // No blank line follows it, and it counts all the same.
    stage.emulator.inject(Fault::raw(["retry: 5\n"]));
    stage.emulator.inject(Fault::raw([frame("1", "1")]));
    let mut events = stage.subscribe(hour.clone());
    let millis = Duration::from_millis;
    assert_wait(planned_wait(&mut events).await, millis(5), millis(7));
    assert_wait(planned_wait(&mut events).await, millis(5), millis(7));
    // A longer one, too.
    stage.emulator.inject(Fault::raw(["retry: 8000\n\n"]));
    let mut events = stage.subscribe(scripted());
    assert_wait(planned_wait(&mut events).await, millis(8000), millis(10_000));
}

/// A `retry:` of anything but ASCII digits is ignored.
pub async fn retry_that_is_no_number_is_ignored<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let bogus = "retry: 7200000x\n\nretry: -1\n\nretry: 1e9\n\nretry: 9.5\n\nretry:\n\nretry\n\n";
    stage.emulator.inject(Fault::raw([bogus]));
    let seconds = Duration::from_secs;
    let mut events = stage.subscribe(Subscription::stream("any").retry(seconds(8)));
    assert_wait(planned_wait(&mut events).await, seconds(8), seconds(10));
}

/// Until an event comes, each wait is longer than the last, and at least the reconnection time; an
/// event sets the wait back.
pub async fn the_wait_is_longer_while_nothing_comes_and_never_shorter<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::refuse().times(6));
    stage.emulator.inject(Fault::raw([frame("1", "1")]));
    let base = Duration::from_millis(10);
    let mut events = stage.subscribe(Subscription::stream("any").retry(base));
    let mut total = Duration::ZERO;
    for _ in 0..6 {
        total += planned_wait(&mut events).await;
    }
    // Drawn from 10 ms to 200, 400, 800, 1600 and 3200 ms.
    assert!(total > base * 20, "six waits in {total:?}");
    let wait = planned_wait(&mut events).await;
    assert!(wait <= base * 5 / 4, "{wait:?} after an event");
}

/// The last event ID goes with each reconnection. The standard has it in a `Last-Event-ID` field;
/// the service's contract, for one position in both transports, in the query as `cursor`.
pub async fn the_last_event_id_is_sent_as_the_cursor<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    play(&stage, &[&frame("41", "1"), &frame("42", "2"), &frame("43", "3")]);
    take(&mut stage.subscribe(scripted()), 3).await;
    let due = [None, Some("41".to_owned()), Some("42".to_owned())];
    assert_eq!(stage.queried("cursor"), due);
    assert_eq!(stage.sent("last-event-id"), [None, None, None]);
}

/// An id counts as of the next blank line: one in a block that the end of the body cuts off does
/// not.
pub async fn an_id_in_a_block_that_is_cut_off_does_not_count<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let cut = frame("1", "1") + "id: 2\ndata: {\n";
    play(&stage, &[&cut, &frame("3", "3")]);
    assert_eq!(take_ids(&mut stage.subscribe(scripted()), 2).await, ["1", "3"]);
    assert_eq!(stage.queried("cursor"), [None, Some("1".to_owned())]);
}

/// The id of a block without data counts.
pub async fn an_id_without_data_counts<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    play(&stage, &["id: 7\n\n", &frame("8", "1")]);
    assert_eq!(take_ids(&mut stage.subscribe(scripted()), 1).await, ["8"]);
    assert_eq!(stage.queried("cursor"), [None, Some("7".to_owned())]);
}

/// The id stays for later events that have none of their own.
pub async fn an_id_stays_for_later_events_without_one<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let later = frame("7", "1") + &format!("data: {}\n\n", envelope("2"));
    play(&stage, &[&later, &frame("8", "3")]);
    assert_eq!(take_ids(&mut stage.subscribe(scripted()), 3).await, ["7", "7", "8"]);
    assert_eq!(stage.queried("cursor"), [None, Some("7".to_owned())]);
}

/// An empty id takes the id of later events away. By the standard a reconnection then sends no id.
/// By the service's contract the cursor stays until an event moves it: an event without an id moves
/// the cursor to the event's timestamp.
pub async fn an_empty_id_moves_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let emptied = frame("7", "1") + "id\n\n";
    let and_an_event = format!("id\ndata: {}\n\n", envelope("2"));
    play(&stage, &[&emptied, &and_an_event, ""]);
    let mut events = stage.subscribe(scripted());
    assert_eq!(take_ids(&mut events, 2).await, ["7", ""]);
    lost(&mut events).await;
    opened(&mut events).await;
    // 2026-06-07T00:49:36.562Z
    let due = [None, Some("7".to_owned()), Some("1780793376562".to_owned())];
    assert_eq!(stage.queried("cursor"), due);
}

/// An id may be any text that is free of line ends and NUL: as a cursor in the query the id comes
/// back whole, where a field could not carry it.
pub async fn an_id_of_any_text_comes_back_whole<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let odd = [" a b ", "é€", "\u{1}\u{7f}", "a&cursor=b#c%41+", "\u{10ffff}", "\"'<>\\"];
    let scripts: Vec<_> =
        odd.iter().map(|id| format!("id: {id}\ndata: {}\n\n", envelope("1"))).collect();
    let scripts: Vec<_> = scripts.iter().map(String::as_str).chain([""]).collect();
    play(&stage, &scripts);
    let mut events = stage.subscribe(scripted());
    assert_eq!(ids(&take(&mut events, odd.len()).await), odd);
    lost(&mut events).await;
    opened(&mut events).await;
    let sent: Vec<_> = stage.queried("cursor").into_iter().flatten().collect();
    assert_eq!(sent, odd);
}

/// An id with a NUL is ignored: the one before it stays.
pub async fn an_id_with_a_nul_is_ignored<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    play(&stage, &[&(frame("7", "1") + "id: 8\0\n\n"), ""]);
    let mut events = stage.subscribe(scripted());
    take(&mut events, 1).await;
    lost(&mut events).await;
    opened(&mut events).await;
    assert_eq!(stage.queried("cursor"), [None, Some("7".to_owned())]);
}

/// Browsers have the events of a new connection carry the old id while it names none. By the
/// service's contract an event's id is its own, or one left over from an earlier frame of its
/// connection; the cursor goes on from the old one all the same.
pub async fn an_id_is_not_carried_into_the_next_connection<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let without_id = format!("data: {}\n\n", envelope("2"));
    play(&stage, &[&frame("7", "1"), &without_id]);
    let mut events = stage.subscribe(scripted());
    let received = take(&mut events, 2).await;
    assert_eq!(received[0].event_id(), Some("7"));
    assert_eq!(received[1].event_id(), None);
    assert_eq!(stage.queried("cursor"), [None, Some("7".to_owned())]);
}

/// Data and type, a partial line, a partial character and a byte order mark: all of it starts anew
/// with each response.
pub async fn nothing_else_survives_a_connection<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let mark = "\u{feff}";
    // The first half of a character, as bytes.
    let half = [b"data: \xe2\x82".to_vec()];
    let first = format!("{mark}{}event: other\ndata: {{\n", frame("1", "1"));
    stage.emulator.inject(Fault::raw([first]).then_cut());
    stage.emulator.inject(Fault::raw([format!("{mark}{}data: {{\"type\"", frame("2", "2"))]));
    stage.emulator.inject(Fault::raw(half).then_cut());
    play(&stage, &[&format!("{mark}{}", frame("3", "3"))]);
    let received = take(&mut stage.subscribe(scripted()), 3).await;
    assert_eq!(ids(&received), ["1", "2", "3"]);
    assert_eq!(received.iter().map(data).collect::<Vec<_>>(), ["1", "2", "3"]);
}

/// An event without its blank line is dropped, however whole its data looks.
pub async fn a_partial_event_is_dropped<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let whole = frame("1", "1");
    let partial = whole.strip_suffix('\n').expect("a blank line");
    play(&stage, &[partial, &frame("2", "2")]);
    assert_eq!(take_ids(&mut stage.subscribe(scripted()), 1).await, ["2"]);
    assert_eq!(stage.queried("cursor"), [None, None]);
}

/// Any byte restarts the idle timer, those of comments too.
pub async fn any_byte_restarts_the_idle_timer<R: Runtime>(rt: R) {
    let emulator = Emulator::builder().heartbeat(Duration::from_millis(30));
    let stage = Stage::with(rt, emulator);
    let id = stage.stream();
    let idle = Duration::from_millis(1200);
    let mut events = stage.subscribe(all_of(&id).idle_timeout(idle));
    opened(&mut events).await;
    move_until(&mut events, stage.rt.sleep(idle * 2)).await;
    assert!(matches!(events.status().state, State::Open));
    assert_eq!(stage.emulator.requests().len(), 1);
}

// States

/// Connecting until a good head has come; open while the body comes; on the way to the next
/// connection until its head has come; closed for good.
pub async fn the_states_are_connecting_open_and_closed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::raw([frame("1", "1")]));
    stage.emulator.inject(Fault::stall_head());
    let mut events = stage.subscribe(scripted());
    assert!(matches!(events.status().state, State::Connecting));
    opened(&mut events).await;
    assert!(matches!(events.status().state, State::Open));
    take(&mut events, 1).await;
    assert!(matches!(events.status().state, State::Open));
    lost(&mut events).await;
    assert!(matches!(events.status().state, State::Waiting(_)));
    move_until(&mut events, stage.emulator.until_requests(2)).await;
    assert!(matches!(events.status().state, State::Connecting));
    events.close();
    assert!(matches!(events.status().state, State::Ended(Ended::Closed)));
    assert!(matches!(events.next_event().await, Some(Event::Ended(Ended::Closed))));
    assert!(events.next_event().await.is_none());
    assert!(matches!(events.status().state, State::Ended(Ended::Closed)));
}

/// Open is told once a connection, before its first event; a response that fails is none.
pub async fn open_is_told_once_and_before_the_first_event<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let two = frame("1", "1") + &frame("2", "2");
    stage.emulator.inject(Fault::redirect(307, "/?streamId=there"));
    stage.emulator.inject(Fault::raw([two]));
    stage.emulator.inject(Fault::status(503));
    play(&stage, &[&frame("3", "3")]);
    let mut events = stage.subscribe(scripted());
    let mut told = Vec::new();
    while told.len() < 7 {
        told.push(match events.next_event().await.expect("it goes on") {
            Event::Opened(_) => "open",
            Event::Item(_) => "event",
            Event::Lost(_) => "lost",
            event => panic!("{event:?}"),
        });
    }
    assert_eq!(told, ["open", "event", "event", "lost", "lost", "open", "event"]);
}
