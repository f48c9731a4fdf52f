//! How each item follows the one before it, over both transports, where the service loses its
//! place; and documents that heal.

use std::time::Duration;

use restless_emulator::Fault;
use restless_hyper::proto::Subscription;
use restless_hyper::proto::model::PayloadMode;
use restless_hyper::proto::signature::Signer;
use restless_hyper::proto::subscription::{Continuity, Document, Event, GapReason};
use restless_hyper::{Events, Runtime};

use super::support::{Stage, all_of, id_of, rejected, take, take_ids};

use Continuity::{Live, Repeated, Replayed};

/// What came while nobody was connected is replayed, by the date of the answer; what comes
/// then is live.
pub async fn what_happened_before_the_answer_is_replayed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    for subscription in over_both(&id) {
        // The clock of the answers, not of the events: no test has to wait for a second.
        stage.emulator.inject(Fault::none().header("date", "Fri, 31 Dec 2100 00:00:00 GMT"));
        let mut events = stage.subscribe(subscription.clone());
        assert_eq!(follow(&mut events, 2).await, all(&stage.log(&id), &Replayed));
        stage.emulator.inject(dated(Fault::none()));
        let mut events = stage.subscribe(subscription);
        assert_eq!(follow(&mut events, 2).await, all(&stage.log(&id), &Live));
    }
}

/// Events that come again under their ids are told to be repeated.
pub async fn what_comes_again_is_repeated<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 4);
    let log = stage.log(&id);
    for subscription in over_both(&id) {
        stage.emulator.inject(dated(Fault::repeat_last(2).after_events(3)));
        let mut events = stage.subscribe(subscription);
        let due = [(0, Live), (1, Live), (2, Live), (1, Repeated), (2, Repeated), (3, Live)];
        let due: Vec<_> = due.into_iter().map(|(n, how)| (log[n].clone(), how)).collect();
        assert_eq!(follow(&mut events, 6).await, due);
    }
}

/// Where deduplication is asked for, what comes again is dropped, over a reconnect too; a service
/// that starts over is no reason to hand out anything twice.
pub async fn what_comes_again_is_dropped_where_that_is_asked_for<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 4);
    for subscription in over_both(&id) {
        let before = stage.log(&id);
        stage.emulator.inject(Fault::repeat_last(2).after_events(3));
        stage.emulator.inject(Fault::start_over());
        let mut events = stage.subscribe(subscription.dedupe(100));
        assert_eq!(take_ids(&mut events, before.len()).await, before);
        stage.emulator.disconnect_all();
        stage.emulator.until_connections(0).await;
        stage.publish(&id, 1);
        assert_eq!(take_ids(&mut events, 1).await, stage.log(&id)[before.len()..]);
        assert_eq!(stage.emulator.pending_faults(), 0);
    }
}

/// Ids that went back, as of a service whose clock was set back, are a gap.
pub async fn ids_that_went_back_are_a_gap<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    let log = stage.log(&id);
    let back = log[2].parse::<u64>().expect("milliseconds") - 3_600_000;
    for subscription in over_both(&id) {
        let fault = Fault::go_back(Duration::from_secs(3600)).after_events(2);
        stage.emulator.inject(dated(fault));
        let mut events = stage.subscribe(subscription);
        take(&mut events, 2).await;
        let gap = gap(&log[1], &back.to_string(), GapReason::WentBack);
        assert_eq!(follow(&mut events, 1).await, [(back.to_string(), gap)]);
    }
}

/// A position that is refused is a gap, and the subscription goes on without it.
pub async fn a_refused_position_is_a_gap<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    let log = stage.log(&id);
    for subscription in over_both(&id) {
        stage.emulator.inject(Fault::refuse_position(410));
        let mut events = stage.subscribe(subscription.cursor(&log[0]));
        let gap = gap(&log[0], &log[2], GapReason::Refused);
        assert_eq!(follow(&mut events, 1).await, [(log[2].clone(), gap)]);
        assert_eq!(stage.queried("cursor").pop(), Some(None));
    }
}

/// Full data in the place of patches is a gap: where the service forgot the position, and where it
/// goes on with what comes next.
pub async fn a_snapshot_in_the_place_of_patches_is_a_gap<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for fault in [Fault::forget_position(), Fault::start_at_now()] {
        for transport in [0, 1] {
            let id = patched(&stage, &["[1]", "[1,2]"]);
            let log = stage.log(&id);
            stage.emulator.inject(fault.clone());
            let subscription = over_both(&id)[transport].clone();
            let mut events = stage.subscribe(subscription.cursor(&log[0]));
            wait_for_open(&mut events).await;
            stage.emulator.publish(&id, "[1,2,3]").expect("an event");
            let told = follow(&mut events, 1).await;
            let gap = gap(&log[0], &told[0].0, GapReason::Snapshot);
            assert_eq!(told[0].1, gap);
        }
    }
}

/// An event that was rejected leaves a gap before the next one.
pub async fn a_rejected_event_leaves_a_gap<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.signed_stream();
    stage.publish(&id, 2);
    for subscription in over_both(&id) {
        stage.emulator.inject(dated(Fault::none()));
        let mut events = stage.subscribe(subscription.verify(Signer::new("another secret")));
        let first = rejected(&mut events).await;
        assert_eq!(events.continuity(), Some(&Live));
        let second = rejected(&mut events).await;
        let due = Continuity::Gap { from: None, to: second.id, why: GapReason::Rejected };
        assert_eq!(events.continuity(), Some(&due), "after {:?}", first.id);
    }
}

/// A document whose patch does not fit says that it is stale, asks for a snapshot, and holds what
/// the server has once that has come.
pub async fn a_stale_document_heals<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for transport in [0, 1] {
        let id = patched(&stage, &["[1]", "[1,2]", "[1,2,3]"]);
        stage.emulator.inject(Fault::skip_events(1).after_events(1));
        let mut events = stage.subscribe(over_both(&id)[transport].clone());
        let mut document = Document::new(PayloadMode::JsonPatch);
        let mut asked = 0;
        while document.stale().is_some() || document.text().as_deref() != Some("[1,2,3]") {
            document.take_event(&events.next_event().await.expect("it goes on"));
            if document.wants_snapshot() {
                assert_eq!(document.text().as_deref(), Some("[1]"), "the last value stays");
                asked += 1;
                events.ask_for_snapshot();
            }
        }
        assert_eq!(asked, 1);
        // The connection that healed it brings patches again.
        stage.emulator.publish(&id, "[1,2,3,4]").expect("an event");
        while document.text().as_deref() != Some("[1,2,3,4]") {
            document.take_event(&events.next_event().await.expect("it goes on"));
            assert_eq!(document.stale(), None);
        }
    }
}

/// The subscription over each transport, told of continuity.
fn over_both(id: &str) -> [Subscription; 2] {
    let subscription = all_of(id).continuity().retry(Duration::ZERO);
    [subscription.clone(), subscription.websocket()]
}

/// With an answer that is older than any event.
fn dated(fault: Fault) -> Fault {
    fault.header("date", "Thu, 01 Jan 1970 00:00:00 GMT")
}

/// A stream of patches with these documents.
fn patched<R: Runtime>(stage: &Stage<R>, documents: &[&str]) -> String {
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE",
        "payloadMode":"JSON_PATCH"}"#;
    let id = stage.emulator.add_stream(stream).expect("a stream");
    for document in documents {
        stage.emulator.publish(&id, document).expect("an event");
    }
    id
}

/// The ids of so many items, and how each follows; the handle and the status say the same.
async fn follow<R: Runtime>(events: &mut Events<R>, count: usize) -> Vec<(String, Continuity)> {
    let mut told = Vec::new();
    while told.len() < count {
        let item = events.next().await.expect("it goes on").expect("it goes on");
        let continuity = events.continuity().expect("it is told").clone();
        assert_eq!(events.status().continuity.as_ref(), Some(&continuity));
        told.push((id_of(&item), continuity));
    }
    told
}

async fn wait_for_open<R: Runtime>(events: &mut Events<R>) {
    while !matches!(events.next_event().await, Some(Event::Opened(_))) {}
}

fn all(ids: &[String], continuity: &Continuity) -> Vec<(String, Continuity)> {
    ids.iter().map(|id| (id.clone(), continuity.clone())).collect()
}

fn gap(from: &str, to: &str, why: GapReason) -> Continuity {
    Continuity::Gap { from: Some(from.to_owned()), to: Some(to.to_owned()), why }
}
