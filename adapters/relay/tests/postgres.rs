//! The store in PostgreSQL, against the real server: Debian's, started here in a temporary folder.
//! Where the server is missing, each test says so and ends.
#![cfg(feature = "postgres")]

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::sync::Arc;
use std::time::Duration;

use common::postgres::Server;
use common::{client_of, emulator, feed, log};
use restless_relay::proto::StreamEvent;
use restless_relay::proto::event::SseId;
use restless_relay::{
    Batch, Content, DeadLetter, Options, Position, Postgres, Record, Relay, Sink, Stored,
};

fn record(id: u64, data: &str) -> Record {
    let text = format!(
        r#"{{"type":"update","meta":{{"timestamp":"1970-01-01T00:00:07Z"}},"data":{data}}}"#
    );
    let event = StreamEvent::parse(text, SseId::Own(&id.to_string())).unwrap();
    Record::new(Some(id.to_string()), Content::Event(event))
}

fn batch(expected: Position, records: Vec<Record>) -> Arc<Batch> {
    Arc::new(Batch::new("orders", expected, records))
}

#[tokio::test]
async fn what_jsonb_refuses_is_stored_as_it_is_spelt() {
    let Some(server) = Server::start() else { return };
    let mut sink = Postgres::new(&server.url()).unwrap();
    let odd = [r#""\u0000""#, "1e-20000", "12345678901234567890.10", r#"{"a":1,"a":2}"#];
    let records = odd.iter().zip(10..).map(|(data, id)| record(id, data)).collect();
    assert_eq!(sink.store(batch(Position::default(), records)).await.unwrap(), Stored::Stored);
    let sql = "SELECT event::text FROM restless_events ORDER BY sequence";
    for (row, data) in server.query(sql).await.iter().zip(odd) {
        let text: String = row.get(0);
        assert!(text.ends_with(&format!("\"data\":{data}}}")), "{text}");
    }
}

#[tokio::test]
async fn the_first_batch_moves_a_position_that_was_not_there() {
    let Some(server) = Server::start() else { return };
    let (mut one, mut other) =
        (Postgres::new(&server.url()).unwrap(), Postgres::new(&server.url()).unwrap());
    assert_eq!(one.position("orders").await.unwrap(), Position::default());
    let first = batch(Position::default(), vec![record(10, "1")]);
    assert_eq!(one.store(Arc::clone(&first)).await.unwrap(), Stored::Stored);
    assert_eq!(other.store(first).await.unwrap(), Stored::Moved);
    let position = other.position("orders").await.unwrap();
    assert_eq!(position, Position::new(1, Some("10".into())));
    let second = batch(position, vec![record(11, "1")]);
    assert_eq!(other.store(second).await.unwrap(), Stored::Stored);
}

#[tokio::test]
async fn a_dead_letter_is_stored_with_its_bytes() {
    let Some(server) = Server::start() else { return };
    let mut sink = Postgres::new(&server.url()).unwrap();
    let letter = DeadLetter::new(&b"no \0 JSON"[..], "no\0JSON");
    let dead = Record::new(Some("10".into()), Content::Dead(letter));
    let records = vec![dead, record(11, "1")];
    let _ = sink.store(batch(Position::default(), records)).await.unwrap();
    let rows = server.query("SELECT sequence, data FROM restless_dead").await;
    assert_eq!((rows[0].get::<_, i64>(0), rows[0].get::<_, Vec<u8>>(1)), (1, b"no \0 JSON".into()));
}

#[tokio::test]
async fn durability_is_asked_for_whatever_the_server_s_default_is() {
    let Some(server) = Server::start() else { return };
    server.query("ALTER SYSTEM SET synchronous_commit = off").await;
    server.query("SELECT pg_reload_conf()").await;
    // The row of the position shows in which mode it was written.
    server.query("CREATE TABLE seen (mode text)").await;
    let mut sink = Postgres::new(&server.url()).unwrap();
    assert_eq!(sink.position("orders").await.unwrap(), Position::default());
    server
        .query(
            "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$",
        )
        .await;
    let trigger = "CREATE TRIGGER look AFTER UPDATE ON restless_feeds
                   FOR EACH ROW EXECUTE FUNCTION look()";
    server.query(trigger).await;
    let _ = sink.store(batch(Position::default(), vec![record(10, "1")])).await.unwrap();
    let rows = server.query("SELECT mode FROM seen").await;
    assert_eq!(rows[0].get::<_, String>(0), "on");
}

#[tokio::test]
async fn a_server_that_became_read_only_may_pass() {
    let Some(server) = Server::start() else { return };
    let read_only = "options='-c default_transaction_read_only=on'";
    let mut sink = Postgres::new(&format!("{} {read_only}", server.url())).unwrap();
    let error = sink.position("orders").await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn tls_that_is_asked_for_and_not_there_ends_it() {
    let Some(server) = Server::start() else { return };
    let mut sink = Postgres::new(&format!("{} sslmode=require", server.url())).unwrap();
    let error = sink.position("orders").await.unwrap_err();
    assert!(!error.is_transient(), "{error:?}");
}

/// `CREATE INDEX` and `VACUUM FULL` lock a table for hours. Each try has an end at the server, too:
/// a session that is left there waits behind the lock, and holds others up.
#[tokio::test]
async fn a_table_that_is_locked_costs_no_connection_but_one() {
    let Some(server) = Server::start() else { return };
    let database = format!("{} application_name=sink", server.url());
    let mut sink = Postgres::new(&database).unwrap().lock_timeout(Duration::from_millis(20));
    assert_eq!(sink.position("orders").await.unwrap(), Position::default());
    let first = batch(Position::default(), vec![record(10, "1")]);
    let (holder, connection) =
        tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let within = Duration::from_secs(30);
    for lock in ["restless_events IN SHARE", "restless_feeds IN ACCESS EXCLUSIVE"] {
        holder.batch_execute(&format!("BEGIN; LOCK TABLE {lock} MODE")).await.unwrap();
        for _ in 0..3 {
            let stored = tokio::time::timeout(within, sink.store(Arc::clone(&first))).await;
            let error = stored.expect("the server gives up").unwrap_err();
            assert!(error.is_transient(), "{error:?}");
        }
        if lock.ends_with("EXCLUSIVE") {
            let asked = tokio::time::timeout(within, sink.position("orders")).await;
            let error = asked.expect("the server gives up").unwrap_err();
            assert!(error.is_transient(), "{error:?}");
        }
        // The session before may still be about to end.
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sink'";
        let end = std::time::Instant::now() + within;
        while server.query(sessions).await[0].get::<_, i64>(0) > 1 {
            assert!(std::time::Instant::now() < end, "sessions are left behind");
        }
        holder.batch_execute("ROLLBACK").await.unwrap();
    }
    assert_eq!(sink.store(first).await.unwrap(), Stored::Stored);
}

#[tokio::test]
async fn a_shorter_limit_of_the_server_s_stays() {
    let Some(server) = Server::start() else { return };
    let mut sink = Postgres::new(&server.url()).unwrap();
    let mut position = sink.position("orders").await.unwrap();
    server.query("CREATE TABLE seen (lock text, statement text)").await;
    server
        .query(
            "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO seen VALUES (current_setting('lock_timeout'),
             current_setting('statement_timeout')); RETURN NEW; END $$",
        )
        .await;
    let trigger = "CREATE TRIGGER look AFTER UPDATE ON restless_feeds
                   FOR EACH ROW EXECUTE FUNCTION look()";
    server.query(trigger).await;
    for own in ["lock_timeout=0", "lock_timeout=7ms", "statement_timeout=1h"] {
        let mut sink = Postgres::new(&format!("{} options='-c {own}'", server.url())).unwrap();
        let _ = sink.store(batch(position, vec![record(10, "1")])).await.unwrap();
        position = sink.position("orders").await.unwrap();
    }
    let rows = server.query("SELECT lock, statement FROM seen").await;
    let seen: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let due = [("1min", "4min"), ("7ms", "4min"), ("1min", "4min")];
    assert_eq!(seen, due.map(|(lock, statement)| (lock.to_owned(), statement.to_owned())));
}

/// 40001: the transaction met another one, and is to be made again.
#[tokio::test]
async fn a_serialization_failure_is_tried_again() {
    let Some(server) = Server::start() else { return };
    let mut sink = Postgres::new(&server.url()).unwrap();
    assert_eq!(sink.position("orders").await.unwrap(), Position::default());
    server.query("CREATE SEQUENCE tries").await;
    // A sequence counts on though the transaction is rolled back.
    server
        .query(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('tries') <= 2 THEN RAISE EXCEPTION USING ERRCODE = '40001'; END IF;
             RETURN NEW; END $$",
        )
        .await;
    let trigger = "CREATE TRIGGER fail BEFORE UPDATE ON restless_feeds
                   FOR EACH ROW EXECUTE FUNCTION fail()";
    server.query(trigger).await;
    let first = batch(Position::default(), vec![record(10, "1")]);
    let error = sink.store(Arc::clone(&first)).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    // A relay goes on by itself.
    let (emulator, id) = emulator();
    emulator.publish(&id, "1").unwrap();
    let soon = Duration::from_millis(5);
    let options = Options::default().linger(Duration::ZERO).retry(soon, soon);
    let relay = Relay::new(client_of(&emulator), feed(&id).options(options), sink);
    let mut handle = relay.handle();
    let watch = async {
        while let Some(progress) = handle.changed().await {
            if progress.events == 1 {
                handle.stop();
            }
        }
    };
    let (ended, ()) = tokio::join!(relay.run(), watch);
    ended.unwrap();
    let held: Vec<String> = server
        .query("SELECT event::text FROM restless_events")
        .await
        .iter()
        .map(|r| r.get(0))
        .collect();
    assert_eq!(held, log(&emulator, &id));
}
