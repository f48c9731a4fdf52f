//! The store in PostgreSQL, against the real server: Debian's, started here in a temporary folder.
//! Where there is none, each test says so and does nothing.
#![cfg(feature = "postgres")]

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{client_of, emulator, feed, log};
use restless_relay::proto::StreamEvent;
use restless_relay::proto::event::SseId;
use restless_relay::{
    Batch, Content, DeadLetter, Options, Position, Postgres, Record, Relay, Sink, Stored,
};
use tokio_postgres::NoTls;

/// A server of its own, gone with the test.
struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    child: Child,
}

impl Server {
    /// `None` where PostgreSQL is not installed.
    fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            println!("PostgreSQL is not installed here: not tried");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        own(folder.path());
        let data = folder.path().join("data");
        let made = as_server(&programs.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "-D"])
            .arg(&data)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = run(&programs, folder.path(), port);
        let server = Self { folder, programs, port, child };
        server.until_ready();
        Some(server)
    }

    fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }

    fn until_ready(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        let asked = self.programs.join("pg_isready");
        loop {
            let ready = Command::new(&asked)
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status();
            if ready.is_ok_and(|status| status.success()) {
                return;
            }
            assert!(Instant::now() < end, "PostgreSQL did not start");
            std::thread::yield_now();
        }
    }

    /// As a crash: what it had not made durable is gone.
    fn kill_and_start(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let _ = fs::remove_file(self.folder.path().join("data/postmaster.pid"));
        self.child = run(&self.programs, self.folder.path(), self.port);
        self.until_ready();
    }

    async fn query(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client.query(sql, &[]).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn programs() -> Option<PathBuf> {
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql").ok()?.flatten().collect();
    versions.sort_by_key(fs::DirEntry::file_name);
    let programs = versions.pop()?.path().join("bin");
    programs.join("postgres").exists().then_some(programs)
}

/// It refuses to run as root.
fn as_server(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = ids() {
        command.uid(user).gid(group);
    }
    command
}

fn ids() -> Option<(u32, u32)> {
    let root = fs::metadata("/proc/self").is_ok_and(|me| {
        use std::os::unix::fs::MetadataExt as _;
        me.uid() == 0
    });
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let postgres = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = postgres.split(':').skip(2).map_while(|field| field.parse().ok());
    let ids = (fields.next()?, fields.next()?);
    root.then_some(ids)
}

fn own(folder: &Path) {
    if let Some((user, group)) = ids() {
        std::os::unix::fs::chown(folder, Some(user), Some(group)).unwrap();
    }
}

fn run(programs: &Path, folder: &Path, port: u16) -> Child {
    as_server(&programs.join("postgres"))
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
        .arg(folder)
        .current_dir(folder)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

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

/// A relay that is dropped at any moment, a hundred times, and a server that is killed in every
/// fifth: the table holds the server's log in the end.
#[tokio::test]
async fn the_database_holds_the_log_after_a_hundred_drops_and_twenty_crashes() {
    let Some(mut server) = Server::start() else { return };
    let (emulator, id) = emulator();
    let mut published = 0_u64;
    let soon = Duration::from_millis(5);
    let options = Options::default().linger(Duration::ZERO).most_records(7).retry(soon, 10 * soon);
    let relay = |server: &Server| {
        let sink = Postgres::new(&server.url()).unwrap();
        Relay::new(client_of(&emulator), feed(&id).options(options), sink)
    };
    for round in 0..100_u64 {
        for _ in 0..20 {
            emulator.publish(&id, &published.to_string()).unwrap();
            published += 1;
        }
        let relay = relay(&server);
        let mut handle = relay.handle();
        let running = tokio::spawn(relay.run());
        // Somewhere among its batches, of which there are three a round.
        while let Some(progress) = handle.changed().await {
            if progress.batches > round % 3 {
                break;
            }
        }
        if round % 5 == 4 {
            server.kill_and_start();
        }
        running.abort();
        let _ = running.await;
    }
    let relay = relay(&server);
    let mut handle = relay.handle();
    let watch = async {
        while let Some(progress) = handle.changed().await {
            if progress.position.is_some_and(|position| position.sequence >= published) {
                handle.stop();
            }
        }
    };
    let (ended, ()) = tokio::join!(relay.run(), watch);
    ended.unwrap();
    let sql = "SELECT event::text FROM restless_events ORDER BY sequence";
    let held: Vec<String> = server.query(sql).await.iter().map(|row| row.get(0)).collect();
    let due = log(&emulator, &id);
    assert!(held == due, "held {} events, due {}", held.len(), due.len());
}
