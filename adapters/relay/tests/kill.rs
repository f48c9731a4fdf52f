//! A relay that is killed at any moment has stored each event once, whatever it was about to do.
//!
//! The process that is killed is this test's own binary, which runs `worker` and nothing else.
//! Where the store has a server, that is killed too, in every fifth round.

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{client, emulator, feed, log};
use restless_emulator::Emulator;
use restless_relay::{Ndjson, Options, Relay, Sink, Sqlite};

/// The kills of a relay into a store without a server. Into a store with a server, `RESTLESS_KILLS`
/// says how many there are, 20 by default.
const KILLS: usize = 100;
const EVENTS_PER_KILL: usize = 20;

/// Relays until it is killed, or told to stop behind a position. Only a test below starts this.
#[test]
fn worker() {
    let Ok(to) = std::env::var("RESTLESS_RELAY_TEST_TO") else { return };
    let of = |name: &str| std::env::var(format!("RESTLESS_RELAY_TEST_{name}")).unwrap();
    let until: u64 = of("UNTIL").parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (kind, path) = to.split_once(':').unwrap();
    match kind {
        "sqlite" => runtime.block_on(relay(Sqlite::open(path).unwrap(), until)),
        "ndjson" => {
            let sink = Ndjson::open(path).unwrap().most_file_bytes(20_000);
            runtime.block_on(relay(sink, until));
        }
        #[cfg(feature = "nats")]
        "nats" => runtime.block_on(async {
            let client = async_nats::connect(path).await.unwrap();
            relay(restless_relay::Nats::new(client), until).await;
        }),
        #[cfg(feature = "postgres")]
        "postgres" => runtime.block_on(relay(restless_relay::Postgres::new(path).unwrap(), until)),
        other => panic!("{other}"),
    }
}

async fn relay<S: Sink>(sink: S, until: u64) {
    let of = |name: &str| std::env::var(format!("RESTLESS_RELAY_TEST_{name}")).unwrap();
    let soon = Duration::from_millis(5);
    let options = Options::default().linger(Duration::ZERO).most_records(7).retry(soon, 10 * soon);
    let feed = feed(&of("STREAM")).options(options);
    let relay = Relay::new(client(&of("KEY"), &of("URL")), feed, sink);
    let mut handle = relay.handle();
    let watch = async {
        let mut told = false;
        while let Some(progress) = handle.changed().await {
            if progress.batches > 0 && !std::mem::replace(&mut told, true) {
                println!("\nstored");
            }
            if progress.position.is_some_and(|position| position.sequence >= until) {
                handle.stop();
            }
        }
    };
    let (ended, ()) = tokio::join!(relay.run(), watch);
    ended.unwrap();
}

fn start(emulator: &Emulator, id: &str, to: &str, until: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--nocapture"])
        .env("RESTLESS_RELAY_TEST_TO", to)
        .env("RESTLESS_RELAY_TEST_KEY", emulator.api_key())
        .env("RESTLESS_RELAY_TEST_URL", emulator.stream_base_url())
        .env("RESTLESS_RELAY_TEST_STREAM", id)
        .env("RESTLESS_RELAY_TEST_UNTIL", until.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills a relay so many times while events come, lets the last one finish, and gives the
/// service's log. `crash` kills the store's server and starts it again, in every fifth round.
fn kill_and_finish(to: &str, kills: usize, mut crash: impl FnMut()) -> Vec<String> {
    let (emulator, id) = emulator();
    let mut published = 0;
    for kill in 0..kills {
        let mut worker = start(&emulator, &id, to, u64::MAX);
        let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        for n in 0..EVENTS_PER_KILL {
            emulator.publish(&id, &(published + n).to_string()).unwrap();
            // It is killed somewhere behind its first batch, while others are on their way.
            if n == kill % EVENTS_PER_KILL {
                let stored = lines.any(|line| line.is_ok_and(|line| line == "stored"));
                assert!(stored, "the worker stored nothing before it was killed");
            }
        }
        if kill % 5 == 4 {
            crash();
        }
        worker.kill().unwrap();
        worker.wait().unwrap();
        published += EVENTS_PER_KILL;
    }
    let mut worker = start(&emulator, &id, to, published as u64);
    assert!(worker.wait().unwrap().success());
    let log = log(&emulator, &id);
    assert_eq!(log.len(), published);
    log
}

#[test]
fn sqlite_holds_the_server_s_log_after_a_hundred_kills() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feeds.db");
    let log = kill_and_finish(&format!("sqlite:{}", path.display()), KILLS, || {});
    let connection = rusqlite::Connection::open(&path).unwrap();
    let mut rows = connection
        .prepare("SELECT sequence, event FROM restless_events ORDER BY sequence")
        .unwrap();
    let rows = rows.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?))).unwrap();
    let held: Vec<(i64, String)> = rows.map(Result::unwrap).collect();
    let due: Vec<_> = (1..).zip(log).collect();
    assert!(held == due, "held {} events, due {}", held.len(), due.len());
}

#[test]
fn files_hold_the_server_s_log_after_a_hundred_kills() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("ndjson:{}", folder.path().display());
    let log = kill_and_finish(&to, KILLS, || {});
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .collect();
    names.sort();
    assert!(names.len() > 2, "the files were to be rotated");
    let mut held = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(name).unwrap();
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["sequence"], held.len() as u64 + 1);
            held.push(line["event"].clone());
        }
    }
    let due: Vec<serde_json::Value> =
        log.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    assert!(held == due, "held {} events, due {}", held.len(), due.len());
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_holds_the_server_s_log_after_kills_and_crashes() {
    let Some(mut server) = common::postgres::Server::start() else { return };
    let to = format!("postgres:{}", server.url());
    let log = kill_and_finish(&to, common::asked("RESTLESS_KILLS", 20), || server.kill_and_start());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sql = "SELECT event::text FROM restless_events ORDER BY sequence";
    let rows = runtime.block_on(server.query(sql));
    let held: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(held == log, "held {} events, due {}", held.len(), log.len());
}

#[cfg(feature = "nats")]
#[test]
fn nats_holds_the_server_s_log_after_kills_and_crashes() {
    let Some(mut server) = common::nats::Server::start() else { return };
    let to = format!("nats:{}", server.url());
    let log = kill_and_finish(&to, common::asked("RESTLESS_KILLS", 20), || server.kill_and_start());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let held = runtime.block_on(server.held("restless.feeds.orders"));
    assert!(held == log, "held {} events, due {}", held.len(), log.len());
}
