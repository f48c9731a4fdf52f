//! The loop between a subscription and a store, over a store that fails where a test wants it to.

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::sync::{Arc, Mutex};

use common::{client_of, emulator, feed, log, texts};
use restless_emulator::Fault;
use restless_relay::{
    Batch, Content, Ended, Options, Position, Record, Relay, RelayError, Sink, SinkError, Stored,
};

/// What the next `store` does.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Fails, and has stored nothing.
    Fail,
    /// Fails, and has stored all of it, as where a connection breaks during a commit.
    StoreAndFail,
    /// Fails for good.
    Break,
    /// Refuses the first record.
    RefuseRecord,
}

#[derive(Clone, Default)]
struct Memory {
    inner: Arc<Mutex<Held>>,
    most: Option<usize>,
}

#[derive(Default)]
struct Held {
    records: Vec<Record>,
    position: Position,
    acts: Vec<Act>,
    batches: Vec<usize>,
    /// Records of another worker, put in before the next batch.
    intruders: Vec<Record>,
}

impl Sink for Memory {
    async fn position(&mut self, _: &str) -> Result<Position, SinkError> {
        Ok(self.inner.lock().unwrap().position.clone())
    }

    async fn store(&mut self, batch: Arc<Batch>) -> Result<Stored, SinkError> {
        let mut held = self.inner.lock().unwrap();
        for record in std::mem::take(&mut held.intruders) {
            let sequence = held.position.sequence + 1;
            held.position = Position::new(sequence, record.cursor.clone());
            held.records.push(record);
        }
        match held.acts.pop() {
            Some(Act::Fail) => return Err(SinkError::may_pass("away")),
            Some(Act::Break) => return Err(SinkError::will_not_pass("corrupt")),
            Some(Act::RefuseRecord) => return Err(SinkError::record(0, "not this one")),
            act @ (Some(Act::StoreAndFail) | None) => {
                if held.position.sequence != batch.expected.sequence {
                    return Ok(Stored::Moved);
                }
                held.records.extend(batch.records.iter().cloned());
                held.position = batch.position();
                held.batches.push(batch.records.len());
                if act.is_some() {
                    return Err(SinkError::may_pass("broke during the commit"));
                }
            }
        }
        Ok(Stored::Stored)
    }

    fn most_record_bytes(&self) -> Option<usize> {
        self.most
    }
}

#[tokio::test]
async fn a_relay_that_is_dropped_before_its_end_does_not_look_alive() {
    let (emulator, id) = emulator();
    let relay = Relay::new(client_of(&emulator), feed(&id), Memory::default());
    let mut handle = relay.handle();
    let task = tokio::spawn(relay.run());
    while !handle.changed().await.expect("it is there").connected {}
    task.abort();
    assert!(task.await.expect_err("it was aborted").is_cancelled());
    let progress = handle.progress();
    assert_eq!(progress.trouble.as_deref(), Some("the relay was dropped before its end"));
    assert!(!progress.connected);
}

impl Memory {
    fn acting(acts: &[Act]) -> Self {
        let sink = Self::default();
        sink.inner.lock().unwrap().acts = acts.iter().rev().copied().collect();
        sink
    }

    fn records(&self) -> Vec<Record> {
        self.inner.lock().unwrap().records.clone()
    }
}

/// Portions that need no waiting.
fn prompt() -> Options {
    let soon = std::time::Duration::from_millis(1);
    Options::default().linger(std::time::Duration::ZERO).retry(soon, soon)
}

/// Relays until that many records are stored, then stops it.
async fn relay_until(emulator: &restless_emulator::Emulator, id: &str, sink: Memory, stored: u64) {
    relay_with(client_of(emulator), id, sink, stored).await;
}

async fn relay_with(client: restless_tokio::Client, id: &str, sink: Memory, stored: u64) {
    let relay = Relay::new(client, feed(id).options(prompt()), sink);
    let mut handle = relay.handle();
    let watch = async {
        while let Some(progress) = handle.changed().await {
            if progress.position.is_some_and(|position| position.sequence >= stored) {
                handle.stop();
            }
        }
    };
    let (ended, ()) = tokio::join!(relay.run(), watch);
    assert!(matches!(ended, Ok(Ended::Stopped)), "{ended:?}");
}

#[tokio::test]
async fn a_store_that_is_away_is_asked_again_and_nothing_is_lost() {
    let (emulator, id) = emulator();
    for n in 0..5 {
        emulator.publish(&id, &n.to_string()).unwrap();
    }
    let sink = Memory::acting(&[Act::Fail, Act::Fail]);
    relay_until(&emulator, &id, sink.clone(), 5).await;
    assert_eq!(texts(&sink.records()), log(&emulator, &id));
}

#[tokio::test]
async fn a_batch_that_was_stored_though_the_store_failed_is_not_stored_twice() {
    let (emulator, id) = emulator();
    for n in 0..5 {
        emulator.publish(&id, &n.to_string()).unwrap();
    }
    let sink = Memory::acting(&[Act::StoreAndFail]);
    relay_until(&emulator, &id, sink.clone(), 5).await;
    assert_eq!(texts(&sink.records()), log(&emulator, &id));
}

#[tokio::test]
async fn a_relay_whose_feed_was_moved_goes_on_behind_the_other_worker() {
    let (emulator, id) = emulator();
    let other = Memory::default();
    for n in 0..3 {
        emulator.publish(&id, &n.to_string()).unwrap();
    }
    relay_until(&emulator, &id, other.clone(), 3).await;

    // The other worker's three come in while this one is about to store the same three.
    let sink = Memory::default();
    sink.inner.lock().unwrap().intruders = other.records();
    emulator.publish(&id, "3").unwrap();
    relay_until(&emulator, &id, sink.clone(), 4).await;
    assert_eq!(texts(&sink.records()), log(&emulator, &id));
}

#[tokio::test]
async fn two_relays_on_one_feed_store_each_event_once() {
    let (emulator, id) = emulator();
    for n in 0..200 {
        emulator.publish(&id, &n.to_string()).unwrap();
    }
    let sink = Memory::default();
    tokio::join!(
        relay_until(&emulator, &id, sink.clone(), 200),
        relay_until(&emulator, &id, sink.clone(), 200),
    );
    assert_eq!(texts(&sink.records()), log(&emulator, &id));
}

#[tokio::test]
async fn what_the_store_refuses_is_a_dead_letter_and_the_feed_goes_on() {
    let (emulator, id) = emulator();
    emulator.publish(&id, "1").unwrap();
    let sink = Memory::acting(&[Act::RefuseRecord]);
    relay_until(&emulator, &id, sink.clone(), 1).await;
    let records = sink.records();
    let Content::Dead(letter) = &records[0].content else { panic!("{records:?}") };
    assert_eq!(letter.reason, "not this one");
    assert_eq!(std::str::from_utf8(&letter.data).unwrap(), log(&emulator, &id)[0]);
}

#[tokio::test]
async fn what_is_too_large_for_the_store_is_a_dead_letter_with_its_beginning() {
    let (emulator, id) = emulator();
    emulator.publish(&id, &format!("\"{}\"", "x".repeat(10_000))).unwrap();
    emulator.publish(&id, "2").unwrap();
    let sink = Memory { most: Some(1_000), ..Memory::default() };
    relay_until(&emulator, &id, sink.clone(), 2).await;
    let records = sink.records();
    let Content::Dead(letter) = &records[0].content else { panic!("{records:?}") };
    assert_eq!(letter.data.len(), 4096);
    assert!(letter.reason.ends_with("the store takes 1000"), "{}", letter.reason);
    assert_eq!(texts(&records), log(&emulator, &id)[1..]);
}

#[tokio::test]
async fn what_is_no_event_is_a_dead_letter_with_its_bytes() {
    let (emulator, id) = emulator();
    emulator.inject(Fault::raw(["id: 5\ndata: no JSON\n\n"]).then_cut());
    let sink = Memory::default();
    relay_until(&emulator, &id, sink.clone(), 1).await;
    let records = sink.records();
    let Content::Dead(letter) = &records[0].content else { panic!("{records:?}") };
    assert_eq!(&letter.data[..], b"no JSON");
    assert_eq!(records[0].cursor.as_deref(), Some("5"));
}

/// Without an id of its own, the service sends it again with each connect.
#[tokio::test]
async fn what_is_no_event_and_comes_again_is_one_dead_letter() {
    let (emulator, id) = emulator();
    emulator.inject(Fault::raw(["data: no JSON\n\n"]).then_cut().times(3));
    emulator.publish(&id, "1").unwrap();
    let sink = Memory::default();
    relay_until(&emulator, &id, sink.clone(), 2).await;
    let records = sink.records();
    assert!(matches!(&records[0].content, Content::Dead(_)), "{records:?}");
    assert!(records[1].event().is_some(), "{records:?}");
}

/// Both have no id and nothing of their data is left, so that they look the same.
#[tokio::test]
async fn two_events_over_the_limit_are_two_dead_letters_however_often_they_come() {
    let (emulator, id) = emulator();
    let large = format!("data: {}\n\n", "x".repeat(1001));
    emulator.inject(Fault::raw([large.clone(), large]).then_cut().times(3));
    emulator.publish(&id, "1").unwrap();
    let sink = Memory::default();
    let client = restless_tokio::Client::builder()
        .api_key(emulator.api_key())
        .stream_base_url(emulator.stream_base_url())
        .limits(restless_relay::proto::Limits::default().line_bytes(1000))
        .build()
        .unwrap();
    relay_with(client, &id, sink.clone(), 3).await;
    let records = sink.records();
    let dead = records.iter().filter(|record| record.event().is_none()).count();
    assert_eq!((dead, records.len()), (2, 3), "{records:?}");
}

/// A store that never answers.
struct Silent {
    asked: Arc<tokio::sync::Notify>,
    position: bool,
}

impl Sink for Silent {
    async fn position(&mut self, _: &str) -> Result<Position, SinkError> {
        if self.position {
            return Ok(Position::default());
        }
        self.asked.notify_one();
        std::future::pending().await
    }

    async fn store(&mut self, _: Arc<Batch>) -> Result<Stored, SinkError> {
        self.asked.notify_one();
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_relay_that_is_stopped_waits_ten_seconds_for_a_silent_store() {
    let (emulator, id) = emulator();
    emulator.publish(&id, "1").unwrap();
    for position in [true, false] {
        let asked = Arc::new(tokio::sync::Notify::new());
        let sink = Silent { asked: Arc::clone(&asked), position };
        let relay = Relay::new(client_of(&emulator), feed(&id).options(prompt()), sink);
        let handle = relay.handle();
        let running = tokio::spawn(relay.run());
        asked.notified().await;
        tokio::time::pause();
        let stopped = tokio::time::Instant::now();
        handle.stop();
        let ended = running.await.unwrap();
        assert!(matches!(ended, Ok(Ended::Stopped)), "{ended:?}");
        assert_eq!(stopped.elapsed().as_secs(), 10);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_store_that_broke_ends_the_relay_with_its_error() {
    let (emulator, id) = emulator();
    emulator.publish(&id, "1").unwrap();
    let sink = Memory::acting(&[Act::Break]);
    let relay = Relay::new(client_of(&emulator), feed(&id).options(prompt()), sink);
    let handle = relay.handle();
    let Err(RelayError::Sink(error)) = relay.run().await else { panic!() };
    assert_eq!(error.to_string(), "corrupt");
    // Whoever watches only the progress learns of the end, too.
    let progress = handle.progress();
    assert!(!progress.connected);
    assert_eq!(progress.trouble.as_deref(), Some("the store failed: corrupt"));
}

#[tokio::test]
async fn a_stream_that_is_refused_ends_the_relay_with_its_error() {
    let (emulator, _) = emulator();
    let relay = Relay::new(client_of(&emulator), feed("stream_none"), Memory::default());
    let Err(RelayError::Stream(error)) = relay.run().await else { panic!() };
    assert!(matches!(error, restless_relay::proto::Error::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_is_over_is_stored_to_its_last_event() {
    let (emulator, id) = emulator();
    emulator.publish(&id, "1").unwrap();
    emulator.inject(Fault::end_after_events(1));
    emulator.inject(Fault::status(204));
    let sink = Memory::default();
    let relay = Relay::new(client_of(&emulator), feed(&id).options(prompt()), sink.clone());
    assert!(matches!(relay.run().await, Ok(Ended::Stream)));
    assert_eq!(texts(&sink.records()), log(&emulator, &id));
}

#[tokio::test]
async fn records_are_stored_in_batches_no_larger_than_asked_for() {
    let (emulator, id) = emulator();
    for n in 0..100 {
        emulator.publish(&id, &n.to_string()).unwrap();
    }
    let sink = Memory::default();
    let options = prompt().most_records(7);
    let relay = Relay::new(client_of(&emulator), feed(&id).options(options), sink.clone());
    let mut handle = relay.handle();
    let watch = async {
        while let Some(progress) = handle.changed().await {
            if progress.events == 100 {
                handle.stop();
            }
        }
    };
    let (ended, ()) = tokio::join!(relay.run(), watch);
    ended.unwrap();
    let batches = sink.inner.lock().unwrap().batches.clone();
    assert_eq!(batches.iter().sum::<usize>(), 100);
    assert!(batches.iter().all(|records| *records <= 7), "{batches:?}");
}
