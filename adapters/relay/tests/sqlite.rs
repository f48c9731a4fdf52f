//! Rules of the SQLite store.

use std::sync::{Arc, Mutex};

use restless_relay::proto::StreamEvent;
use restless_relay::proto::event::SseId;
use restless_relay::{Batch, Content, Position, Record, Sink, SinkError, Sqlite, Stored};
use rusqlite::Connection;

fn record(id: u64) -> Record {
    let text = r#"{"type":"update","meta":{"timestamp":"1970-01-01T00:00:07Z"},"data":1}"#;
    let event = StreamEvent::parse(text, SseId::Own(&id.to_string())).unwrap();
    Record::new(Some(id.to_string()), Content::Event(event))
}

fn batch(expected: Position, ids: &[u64]) -> Arc<Batch> {
    Arc::new(Batch::new("orders", expected, ids.iter().copied().map(record).collect()))
}

fn count(connection: &Connection, table: &str) -> i64 {
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn the_position_is_where_the_last_batch_has_moved_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feeds.db");
    let mut sink = Sqlite::open(&path).unwrap();
    assert_eq!(sink.position("orders").await.unwrap(), Position::default());
    let stored = sink.store(batch(Position::default(), &[10, 11])).await.unwrap();
    assert_eq!(stored, Stored::Stored);
    drop(sink);
    let mut again = Sqlite::open(&path).unwrap();
    assert_eq!(again.position("orders").await.unwrap(), Position::new(2, Some("11".into())));
    assert_eq!(again.position("others").await.unwrap(), Position::default());
}

#[tokio::test]
async fn a_worker_that_is_behind_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feeds.db");
    let (mut one, mut other) = (Sqlite::open(&path).unwrap(), Sqlite::open(&path).unwrap());
    let first = batch(Position::default(), &[10]);
    assert_eq!(one.store(Arc::clone(&first)).await.unwrap(), Stored::Stored);
    assert_eq!(other.store(first).await.unwrap(), Stored::Moved);
    assert_eq!(count(&Connection::open(&path).unwrap(), "restless_events"), 1);
}

#[tokio::test]
async fn a_function_that_fails_leaves_nothing_of_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feeds.db");
    let mut sink = Sqlite::open(&path).unwrap().each(|_, number, _| match number {
        2 => Err(SinkError::record(0, "no")),
        _ => Ok(()),
    });
    let error = sink.store(batch(Position::default(), &[10, 11])).await.unwrap_err();
    assert_eq!(error.record_index(), Some(1));
    assert_eq!(count(&Connection::open(&path).unwrap(), "restless_events"), 0);
    assert_eq!(sink.position("orders").await.unwrap(), Position::default());
}

#[tokio::test]
async fn rows_of_the_caller_are_stored_with_the_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feeds.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE mine (number INTEGER)").unwrap();
    let mut sink = Sqlite::with(connection).unwrap().each(|transaction, number, _| {
        let number = i64::try_from(number).unwrap();
        let inserted = transaction.execute("INSERT INTO mine VALUES (?1)", [number]);
        inserted.map(drop).map_err(|e| SinkError::will_not_pass("mine").with_source(e))
    });
    let _ = sink.store(batch(Position::default(), &[10, 11])).await.unwrap();
    assert_eq!(count(&Connection::open(&path).unwrap(), "mine"), 2);
}

#[tokio::test]
async fn what_is_no_database_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feeds.db");
    std::fs::write(
        &path,
        "certainly no database, and longer than a header of a hundred bytes is.".repeat(4),
    )
    .unwrap();
    assert!(!Sqlite::open(&path).unwrap_err().is_transient());
}

#[tokio::test]
async fn durability_is_set_by_name_whatever_the_connection_had() {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(folder.path().join("feeds.db")).unwrap();
    connection.execute_batch("PRAGMA journal_mode=DELETE; PRAGMA synchronous=OFF").unwrap();
    let seen = Arc::new(Mutex::new(None));
    let shown = Arc::clone(&seen);
    let mut sink = Sqlite::with(connection).unwrap().each(move |transaction, _, _| {
        let pragma = |name| transaction.query_row(name, [], |row| row.get(0));
        let level: i64 = transaction.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
        let mode: String = pragma("PRAGMA journal_mode").unwrap();
        *shown.lock().unwrap() = Some((level, mode));
        Ok(())
    });
    let _ = sink.store(batch(Position::default(), &[10])).await.unwrap();
    // FULL is 2: with 1, WAL mode may lose the last transactions with the power.
    assert_eq!(*seen.lock().unwrap(), Some((2, "wal".to_owned())));
}

#[tokio::test]
async fn a_full_database_may_pass_and_nothing_of_the_batch_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feeds.db");
    let connection = Connection::open(&path).unwrap();
    drop(Sqlite::open(&path).unwrap());
    connection.execute_batch("PRAGMA max_page_count=10").unwrap();
    let mut sink = Sqlite::with(connection).unwrap();
    let ids: Vec<u64> = (10..1_000).collect();
    let error = sink.store(batch(Position::default(), &ids)).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(sink.position("orders").await.unwrap(), Position::default());
    assert_eq!(count(&Connection::open(&path).unwrap(), "restless_events"), 0);
}

/// Each write and each sync to it is good, and all of it goes with the process.
#[cfg(unix)]
#[tokio::test]
async fn a_database_that_was_deleted_or_replaced_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feeds.db");
    for is_replaced in [false, true] {
        let mut sink = Sqlite::open(&path).unwrap();
        let position = sink.position("orders").await.unwrap();
        assert_eq!(position, Position::default(), "it begins anew");
        let _ = sink.store(batch(position, &[10])).await.unwrap();
        let position = sink.position("orders").await.unwrap();
        if is_replaced {
            let other = folder.path().join("other.db");
            std::fs::copy(&path, &other).unwrap();
            std::fs::rename(&other, &path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
        let error = sink.store(batch(position, &[11])).await.unwrap_err();
        assert!(!error.is_transient(), "{error:?}");
        assert!(error.to_string().contains("feeds.db"), "{error}");
        drop(sink);
    }
}
