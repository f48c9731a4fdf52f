//! Rules of the store.

use std::sync::Arc;

use async_nats::jetstream::stream;
use restless_relay::nats::async_nats;
use restless_relay::proto::StreamEvent;
use restless_relay::proto::event::SseId;
use restless_relay::{Batch, Content, DeadLetter, Position, Record, Sink, Stored};

use super::common::nats::Server;

fn record(id: u64, data: &str) -> Record {
    let text = format!(
        r#"{{"type":"update","meta":{{"timestamp":"1970-01-01T00:00:07Z"}},"data":{data}}}"#
    );
    let event = StreamEvent::parse(text, SseId::Own(&id.to_string())).unwrap();
    Record::new(Some(id.to_string()), Content::Event(event))
}

fn batch(feed: &str, expected: &Position, ids: &[u64]) -> Arc<Batch> {
    let records = ids.iter().map(|id| record(*id, &id.to_string())).collect();
    Arc::new(Batch::new(feed, expected.clone(), records))
}

/// What the data of the held events say.
fn ids(held: &[String]) -> Vec<u64> {
    let data = |text: &String| serde_json::from_str::<serde_json::Value>(text).unwrap();
    held.iter().map(|text| data(text)["data"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn the_position_is_where_the_last_batch_has_moved_it() {
    let Some(server) = Server::start() else { return };
    let mut sink = server.sink().await;
    let first = sink.position("orders").await.unwrap();
    assert_eq!(first, Position::default());
    assert_eq!(sink.store(batch("orders", &first, &[10, 11])).await.unwrap(), Stored::Stored);
    let mut again = server.sink().await;
    let position = again.position("orders").await.unwrap();
    assert_eq!(position, Position::new(2, Some("11".into())));
    assert_eq!(again.store(batch("orders", &position, &[12])).await.unwrap(), Stored::Stored);
    assert_eq!(ids(&server.held("restless.feeds.orders").await), [10, 11, 12]);
    assert_eq!(again.position("others").await.unwrap(), Position::default());
}

#[tokio::test]
async fn a_worker_that_is_behind_stores_nothing() {
    let Some(server) = Server::start() else { return };
    let (mut one, mut other) = (server.sink().await, server.sink().await);
    let first = one.position("orders").await.unwrap();
    assert_eq!(one.store(batch("orders", &first, &[10])).await.unwrap(), Stored::Stored);
    let second = one.position("orders").await.unwrap();
    other.position("orders").await.unwrap();
    assert_eq!(one.store(batch("orders", &second, &[11, 12])).await.unwrap(), Stored::Stored);
    // It has read other events than the first one, and its sequence is an old one.
    assert_eq!(other.store(batch("orders", &second, &[13])).await.unwrap(), Stored::Moved);
    assert_eq!(other.store(batch("orders", &first, &[10])).await.unwrap(), Stored::Moved);
    assert_eq!(ids(&server.held("restless.feeds.orders").await), [10, 11, 12]);
}

/// The server says 10071, and the message there is the one that was to be stored: by another
/// worker, or by this one, whose answer was lost.
#[tokio::test]
async fn the_same_record_is_stored_once_whoever_has_stored_it() {
    let Some(server) = Server::start() else { return };
    let (mut one, mut other) = (server.sink().await, server.sink().await);
    let first = one.position("orders").await.unwrap();
    let _ = one.store(batch("orders", &first, &[10])).await.unwrap();
    let second = one.position("orders").await.unwrap();
    other.position("orders").await.unwrap();
    // The other one has what this one is about to store, and more behind it.
    assert_eq!(one.store(batch("orders", &second, &[11])).await.unwrap(), Stored::Stored);
    assert_eq!(other.store(batch("orders", &second, &[11, 12])).await.unwrap(), Stored::Stored);
    assert_eq!(ids(&server.held("restless.feeds.orders").await), [10, 11, 12]);
}

/// Of a server that takes batches, from 2.12 on; an older one takes them one by one.
#[tokio::test]
async fn a_batch_is_stored_whole_and_in_order_however_long_it_is() {
    const MANY: u64 = 2_500;
    let Some(server) = Server::start() else { return };
    let mut sink = server.sink().await;
    let _ = sink.store(batch("orders", &Position::default(), &[1])).await.unwrap();
    let position = sink.position("orders").await.unwrap();
    let rest: Vec<u64> = (2..=MANY).collect();
    assert_eq!(sink.store(batch("orders", &position, &rest)).await.unwrap(), Stored::Stored);
    let held = ids(&server.held("restless.feeds.orders").await);
    assert!(held.iter().copied().eq(1..=MANY), "{} are held", held.len());
    assert_eq!(sink.position("orders").await.unwrap().sequence, MANY);

    let stream = server.jetstream().await.get_stream("RESTLESS").await.unwrap();
    let batch_of = |headers: &async_nats::HeaderMap| headers.get("Nats-Batch-Id").cloned();
    let mut batches = std::collections::BTreeMap::new();
    for sequence in 1..=MANY {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let id = batch_of(&message.headers).map(|id| id.to_string());
        *batches.entry(id).or_insert(0) += 1;
    }
    let mut sizes: Vec<u64> = batches.into_values().collect();
    sizes.sort_unstable();
    let due = if server.takes_batches().await { vec![1, 499, 1000, 1000] } else { vec![MANY] };
    assert_eq!(sizes, due);
}

/// By `Nats-Msg-Id` they would swallow each other's: the server has one window for a stream.
#[tokio::test]
async fn two_feeds_with_the_same_ids_are_both_stored() {
    let Some(server) = Server::start() else { return };
    let mut sink = server.sink().await;
    for feed in ["a", "b.c"] {
        let stored = sink.store(batch(feed, &Position::default(), &[10, 11])).await.unwrap();
        assert_eq!(stored, Stored::Stored);
    }
    assert_eq!(ids(&server.held("restless.feeds.a").await), [10, 11]);
    assert_eq!(ids(&server.held("restless.feeds.b=2Ec").await), [10, 11]);
}

/// Then the subject's sequence is 0, and fences nobody: the bucket says where the feed stands.
#[tokio::test]
async fn a_feed_whose_messages_are_gone_goes_on_behind_them() {
    let Some(server) = Server::start() else { return };
    let (mut one, mut other) = (server.sink().await, server.sink().await);
    let _ = one.store(batch("orders", &Position::default(), &[10, 11])).await.unwrap();
    let behind = other.position("orders").await.unwrap();
    let stream = server.jetstream().await.get_stream("RESTLESS").await.unwrap();
    stream.purge().await.unwrap();
    let position = one.position("orders").await.unwrap();
    assert_eq!(position, Position::new(2, Some("11".into())));
    assert_eq!(one.store(batch("orders", &position, &[12])).await.unwrap(), Stored::Stored);
    stream.purge().await.unwrap();
    // It was there before, and knows nothing of the third.
    assert_eq!(other.store(batch("orders", &behind, &[12])).await.unwrap(), Stored::Moved);
    let mut fresh = server.sink().await;
    assert_eq!(fresh.store(batch("orders", &behind, &[12])).await.unwrap(), Stored::Moved);
    assert_eq!(fresh.position("orders").await.unwrap().sequence, 3);
}

/// The bucket is behind where a worker ended before it noted, and ahead of a stream that a power
/// failure has cut; what somebody wrote there may be no position.
#[tokio::test]
async fn the_last_message_is_the_position_whatever_the_bucket_says() {
    let Some(server) = Server::start() else { return };
    let mut sink = server.sink().await;
    let _ = sink.store(batch("orders", &Position::default(), &[10, 11])).await.unwrap();
    let positions = server.jetstream().await.get_key_value("restless-positions").await.unwrap();
    for (id, noted) in [(12, "1 10"), (13, "9 99"), (14, "none")] {
        positions.put("orders", noted.into()).await.unwrap();
        let mut sink = server.sink().await;
        let position = sink.position("orders").await.unwrap();
        assert_eq!(position, Position::new(id - 10, Some((id - 1).to_string())), "{noted}");
        assert_eq!(sink.store(batch("orders", &position, &[id])).await.unwrap(), Stored::Stored);
        let noted = positions.get("orders").await.unwrap().unwrap();
        assert_eq!(noted, format!("{} {id}", id - 9));
    }
}

#[tokio::test]
async fn a_last_message_that_was_deleted_by_hand_comes_again() {
    let Some(server) = Server::start() else { return };
    let mut sink = server.sink().await;
    let _ = sink.store(batch("orders", &Position::default(), &[10, 11])).await.unwrap();
    let stream = server.jetstream().await.get_stream("RESTLESS").await.unwrap();
    stream.delete_message(2).await.unwrap();
    let due = match stream.get_last_raw_message_by_subject("restless.feeds.orders").await {
        Ok(_) => Position::new(1, Some("10".into())),
        // To a server such as 2.9.10 the subject is empty then: the bucket counts.
        Err(_) => Position::new(2, Some("11".into())),
    };
    assert_eq!(sink.position("orders").await.unwrap(), due);
}

/// Where it counts, a position that can't be read is no beginning; a deleted one is.
#[tokio::test]
async fn an_unreadable_position_in_the_bucket_ends_the_feed() {
    let Some(server) = Server::start() else { return };
    let mut sink = server.sink().await;
    let _ = sink.store(batch("orders", &Position::default(), &[10])).await.unwrap();
    server.jetstream().await.get_stream("RESTLESS").await.unwrap().purge().await.unwrap();
    let positions = server.jetstream().await.get_key_value("restless-positions").await.unwrap();
    positions.put("orders", "none".into()).await.unwrap();
    let error = sink.position("orders").await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    positions.delete("orders").await.unwrap();
    assert_eq!(sink.position("orders").await.unwrap(), Position::default());
    assert_eq!(
        sink.store(batch("orders", &Position::default(), &[10])).await.unwrap(),
        Stored::Stored
    );
}

/// A message is gone there once it is acknowledged, and the subject then fences nobody.
#[tokio::test]
async fn a_stream_that_forgets_what_is_acknowledged_is_refused() {
    let Some(server) = Server::start() else { return };
    let jetstream = server.jetstream().await;
    for (retention, name) in [
        (stream::RetentionPolicy::WorkQueue, "workqueue"),
        (stream::RetentionPolicy::Interest, "interest"),
    ] {
        let config = stream::Config {
            name: "RESTLESS".into(),
            subjects: vec!["restless.feeds.*".into()],
            retention,
            ..stream::Config::default()
        };
        jetstream.create_stream(config).await.unwrap();
        let error = server.sink().await.position("orders").await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert!(error.to_string().contains(&format!("`retention: {name}`")), "{error}");
        jetstream.delete_stream("RESTLESS").await.unwrap();
    }
    assert_eq!(server.sink().await.position("orders").await.unwrap(), Position::default());
}

/// Or the feed would look moved for ever.
#[tokio::test]
async fn a_subject_of_another_stream_ends_the_feed() {
    let Some(server) = Server::start() else { return };
    let jetstream = server.jetstream().await;
    for (name, subject) in [("RESTLESS", "elsewhere.*"), ("OTHERS", "restless.>")] {
        let config = stream::Config {
            name: name.into(),
            subjects: vec![subject.into()],
            allow_atomic_publish: server.takes_batches().await,
            ..stream::Config::default()
        };
        jetstream.create_stream(config).await.unwrap();
    }
    let mut sink = server.sink().await;
    for ids in [&[10][..], &[10, 11]] {
        let error = sink.store(batch("orders", &Position::default(), ids)).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert!(error.to_string().contains("another stream"), "{error}");
    }
    let others = jetstream.get_stream("OTHERS").await.unwrap();
    assert_eq!(others.cached_info().state.messages, 0);
}

#[tokio::test]
async fn a_dead_letter_says_so_in_a_header() {
    let Some(server) = Server::start() else { return };
    let mut sink = server.sink().await;
    let letter = DeadLetter::new(&b"no \0 JSON"[..], "no\r\nJSON");
    let dead = Record::new(Some("1 0\n".into()), Content::Dead(letter));
    let records = vec![dead, record(11, "11")];
    let due = Batch::new("orders", Position::default(), records);
    assert_eq!(sink.store(Arc::new(due)).await.unwrap(), Stored::Stored);
    let stream = server.jetstream().await.get_stream("RESTLESS").await.unwrap();
    let message = stream.get_raw_message(1).await.unwrap();
    let header = |name| message.headers.get(name).map(async_nats::HeaderValue::as_str);
    assert_eq!(header("Restless-Dead"), Some("no%0D%0AJSON"));
    assert_eq!(header("Restless-Cursor"), Some("1%200%0A"));
    assert_eq!(&message.payload[..], b"no \0 JSON");
    let message = stream.get_raw_message(2).await.unwrap();
    assert_eq!(message.headers.get("Restless-Dead"), None);
    assert_eq!(message.headers.get("Restless-Event-Id").unwrap().as_str(), "11");
    assert_eq!(message.headers.get("Restless-Cursor"), None, "it is the same");
    assert_eq!(sink.position("orders").await.unwrap(), Position::new(2, Some("11".into())));
}

/// A message over the server's limit would close the connection.
#[tokio::test]
async fn what_is_too_large_for_the_server_is_refused_here() {
    let Some(server) = Server::start() else { return };
    let config = stream::Config {
        name: "RESTLESS".into(),
        subjects: vec!["restless.feeds.*".into()],
        max_message_size: 4096,
        ..stream::Config::default()
    };
    server.jetstream().await.create_stream(config).await.unwrap();
    let mut sink = server.sink().await;
    sink.position("orders").await.unwrap();
    let most = sink.most_record_bytes().unwrap();
    assert!(most <= 4096, "{most}");
    let large = record(11, &format!("\"{}\"", "x".repeat(most)));
    let records = vec![record(10, "10"), large];
    let due = Batch::new("orders", Position::default(), records);
    let error = sink.store(Arc::new(due)).await.unwrap_err();
    assert_eq!(error.record_index(), Some(1));
    let letter = DeadLetter::new(vec![b'x'; 100_000], "too large");
    let dead = Record::new(Some("11".into()), Content::Dead(letter));
    let position = sink.position("orders").await.unwrap();
    let due = Batch::new("orders", position, vec![dead]);
    assert_eq!(sink.store(Arc::new(due)).await.unwrap(), Stored::Stored);
}

/// Headers count, too: such a server closes the connection of who sends it more, for ever.
#[tokio::test]
async fn headers_that_leave_no_room_on_a_small_server_make_a_dead_letter() {
    let Some(server) = Server::start_with("max_payload: 20480") else { return };
    let mut sink = server.sink().await;
    sink.position("orders").await.unwrap();
    let most = sink.most_record_bytes().unwrap();
    // In a header each of its characters is six bytes.
    let cursor = Some("é".repeat(2040));
    let large = |id| record(id, &format!("\"{}\"", "x".repeat(most - 200)));
    let fits = large(10);
    let Content::Event(event) = large(11).content else { panic!() };
    let over = Record::new(cursor.clone(), Content::Event(event));
    let due = Batch::new("orders", Position::default(), vec![fits.clone(), over]);
    let error = sink.store(Arc::new(due)).await.unwrap_err();
    assert_eq!(error.record_index(), Some(1), "{error}");
    let letter = DeadLetter::new(vec![b'x'; 100_000], "é".repeat(1000));
    let dead = Record::new(cursor, Content::Dead(letter));
    let due = Batch::new("orders", Position::default(), vec![fits, dead]);
    assert_eq!(sink.store(Arc::new(due)).await.unwrap(), Stored::Stored);
    assert_eq!(sink.position("orders").await.unwrap().sequence, 2);
}

#[tokio::test]
async fn a_server_that_is_away_may_come_back() {
    let Some(mut server) = Server::start() else { return };
    let mut sink = server.sink().await;
    let _ = sink.store(batch("orders", &Position::default(), &[10])).await.unwrap();
    server.kill_and_start();
    let mut position = sink.position("orders").await;
    while let Err(error) = position {
        assert!(error.is_transient(), "{error:?}");
        position = sink.position("orders").await;
    }
    assert_eq!(position.unwrap(), Position::new(1, Some("10".into())));
}
