//! The loop between a subscription and a store, over a store that fails where a test wants it to.

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{client_of, emulator, feed, log, texts};
use restless_emulator::Fault;
use restless_relay::proto::Subscription;
use restless_relay::{
    Batch, Content, Ended, Feed, Options, Position, Record, Relay, RelayError, Sink, SinkError,
    Stored,
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

#[tokio::test]
async fn a_relay_that_is_dropped_before_its_first_step_does_not_look_alive() {
    let (emulator, id) = emulator();
    let relay = Relay::new(client_of(&emulator), feed(&id), Memory::default());
    let handle = relay.handle();
    drop(relay.run());
    let progress = handle.progress();
    assert_eq!(progress.trouble.as_deref(), Some("the relay was dropped before its end"));
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
    let soon = Duration::from_millis(1);
    Options::default().linger(Duration::ZERO).retry(soon, soon)
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

/// A store that answers once it is let.
struct Hung {
    asked: Arc<tokio::sync::Notify>,
    answers: Arc<tokio::sync::Semaphore>,
    held: Memory,
}

impl Hung {
    async fn answer(&self) {
        self.asked.notify_one();
        self.answers.acquire().await.unwrap().forget();
    }
}

impl Sink for Hung {
    async fn position(&mut self, feed: &str) -> Result<Position, SinkError> {
        self.answer().await;
        self.held.position(feed).await
    }

    async fn store(&mut self, batch: Arc<Batch>) -> Result<Stored, SinkError> {
        self.answer().await;
        self.held.store(batch).await
    }
}

/// How long a store may take before that is told.
const SILENCE: Duration = Duration::from_secs(30);

/// Whoever asks for its health learns of a disk that hangs: it gives no error.
#[tokio::test]
async fn a_store_that_does_not_answer_is_told_as_trouble_and_well_again_when_it_does() {
    let (emulator, id) = emulator();
    emulator.publish(&id, "1").unwrap();
    let asked = Arc::new(tokio::sync::Notify::new());
    let answers = Arc::new(tokio::sync::Semaphore::new(0));
    let sink = Hung { asked: asked.clone(), answers: answers.clone(), held: Memory::default() };
    let relay = Relay::new(client_of(&emulator), feed(&id).options(prompt()), sink);
    let mut handle = relay.handle();
    let running = tokio::spawn(relay.run());
    // First it is asked for the position, then to store.
    for stored in [0, 1] {
        asked.notified().await;
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        while handle.progress().trouble.is_none() {
            handle.changed().await.expect("it is there");
        }
        // The wait began a little before the clock was stopped, and a timer rounds up.
        let waited = begun.elapsed();
        assert!(waited > SILENCE * 3 / 4 && waited < SILENCE * 5 / 4, "{waited:?}");
        let trouble = handle.progress().trouble;
        assert_eq!(trouble.as_deref(), Some("the store has not answered for 30 s"));
        tokio::time::resume();
        answers.add_permits(1);
        while handle.progress().trouble.is_some() {
            handle.changed().await.expect("it is there");
        }
        assert_eq!(handle.progress().events, stored);
    }
    handle.stop();
    assert!(matches!(running.await.unwrap(), Ok(Ended::Stopped)));
}

/// A subscription that tells of gaps goes on at the present, which would leave out what lies
/// between.
#[tokio::test]
async fn a_refused_position_ends_the_relay_with_continuity_too() {
    let (emulator, id) = emulator();
    emulator.publish(&id, "1").unwrap();
    let subscription = || Subscription::stream(&id).since("0").retry(Duration::ZERO);
    for subscription in [subscription().continuity(), subscription().dedupe(8)] {
        for position in [Position::default(), Position::new(1, Some("5".into()))] {
            let sink = Memory::default();
            sink.inner.lock().unwrap().position = position;
            emulator.inject(Fault::status(410));
            let feed = Feed::new("orders", subscription.clone()).options(prompt());
            let relay = Relay::new(client_of(&emulator), feed, sink.clone());
            let mut handle = relay.handle();
            let watch = async {
                let mut published = false;
                while let Some(progress) = handle.changed().await {
                    if progress.connected && !std::mem::replace(&mut published, true) {
                        emulator.publish(&id, "2").unwrap();
                    }
                    if progress.events > 0 {
                        handle.stop();
                    }
                }
            };
            let (ended, ()) = tokio::join!(relay.run(), watch);
            let Err(RelayError::Stream(error)) = ended else { panic!("{ended:?}") };
            assert_eq!(error.status().map(|status| status.as_u16()), Some(410), "{error:?}");
            assert!(sink.records().is_empty());
        }
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

/// A feed that brings nothing more is no healthy one, whatever its connection was like just before.
#[tokio::test]
async fn a_feed_that_is_over_is_told_the_same_whenever_it_ended() {
    let (emulator, id) = emulator();
    emulator.publish(&id, "1").unwrap();
    for before in [&[][..], &[Fault::end_after_events(1)], &[Fault::cut_after_events(0)]] {
        before.iter().for_each(|fault| emulator.inject(fault.clone()));
        emulator.inject(Fault::status(204));
        let relay =
            Relay::new(client_of(&emulator), feed(&id).options(prompt()), Memory::default());
        let handle = relay.handle();
        assert!(matches!(relay.run().await, Ok(Ended::Stream)));
        let progress = handle.progress();
        assert_eq!(progress.trouble.as_deref(), Some("the stream is over"), "{before:?}");
        assert!(!progress.connected);
    }
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
