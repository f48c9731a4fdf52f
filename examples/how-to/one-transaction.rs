//! Keeps a stream's events in an SQLite database, each in one transaction with the cursor. Whatever
//! ends the program, and whenever: at the next start it goes on behind the last event that is in
//! the database. No event is missing, and none is there twice.
//!
//! `cargo run --example how-to-one-transaction -- DATABASE STREAM [EVENTS]`: the service is that of
//! the environment; with a third argument, it ends once so many events are stored.

use std::error::Error;

use restless_tokio::subscription::Item;
use restless_tokio::{Client, Subscription};
use rusqlite::{Connection, OptionalExtension as _, params};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(stream)) = (arguments.next(), arguments.next()) else {
        return Err("which database, and which stream?".into());
    };
    let mut left: u64 = arguments.next().map_or(Ok(u64::MAX), |events| events.parse())?;
    let mut database = open(&path)?;

    let client = Client::from_env()?;
    let mut subscription = Subscription::stream(&stream).since("0");
    if let Some(cursor) = position(&database, &stream)? {
        subscription = subscription.cursor(cursor);
    }
    let mut events = client.subscribe(subscription)?;
    while left > 0 {
        let Some(item) = events.next().await else { break };
        let item = item?;
        // A commit waits for the disk: other tasks of this thread move to another one meanwhile.
        tokio::task::block_in_place(|| store(&mut database, &stream, &item, events.cursor()))?;
        left -= u64::from(item.event().is_some());
    }
    Ok(())
}

/// A commit is on the disk when it returns, also with a log of writes ahead.
fn open(path: &str) -> rusqlite::Result<Connection> {
    let database = Connection::open(path)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS events (stream TEXT, cursor TEXT, event TEXT);
         CREATE TABLE IF NOT EXISTS positions (stream TEXT PRIMARY KEY, cursor TEXT) STRICT;",
    )?;
    Ok(database)
}

/// Where to resume: behind the last event that was stored.
fn position(database: &Connection, stream: &str) -> rusqlite::Result<Option<String>> {
    let query = "SELECT cursor FROM positions WHERE stream = ?1";
    database.query_row(query, [stream], |row| row.get(0)).optional()
}

/// Stores an event, and moves the position past it: both, or neither.
fn store(
    database: &mut Connection,
    stream: &str,
    item: &Item,
    cursor: Option<&str>,
) -> rusqlite::Result<()> {
    let transaction = database.transaction()?;
    // What was rejected is passed, or it would come again with each start.
    if let Some(event) = item.event() {
        let insert = "INSERT INTO events (stream, cursor, event) VALUES (?1, ?2, ?3)";
        transaction.execute(insert, params![stream, cursor, event.raw()])?;
    }
    // Where nothing that came had an id, there is no position yet.
    if let Some(cursor) = cursor {
        let update = "INSERT INTO positions (stream, cursor) VALUES (?1, ?2)
            ON CONFLICT (stream) DO UPDATE SET cursor = excluded.cursor";
        transaction.execute(update, params![stream, cursor])?;
    }
    transaction.commit()
}
