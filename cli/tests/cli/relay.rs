//! `restless relay`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use restless_emulator::Emulator;
use serde_json::Value;

#[cfg(all(unix, any(feature = "nats", feature = "postgres")))]
use crate::port;
use crate::terminal::{self, Terminal};

#[cfg(all(unix, feature = "nats"))]
#[path = "../../../adapters/relay/tests/common/nats.rs"]
#[allow(dead_code, reason = "the relay's own tests take what is left")]
mod nats;
#[cfg(all(unix, feature = "postgres"))]
#[path = "../../../adapters/relay/tests/common/postgres.rs"]
#[allow(dead_code, reason = "the relay's own tests take what is left")]
mod postgres;

/// An emulator with a stream that is fed by `publish` alone, and that stream's id.
fn emulator() -> (Emulator, String) {
    let emulator = Emulator::builder().ring(100_000).start().unwrap();
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).unwrap();
    (emulator, id)
}

fn config(folder: &Path, id: &str) -> std::path::PathBuf {
    let path = folder.join("feeds.toml");
    let text = format!("[feeds.orders]\nstream = \"{id}\"\nsince = \"0\"\n");
    std::fs::write(&path, text).unwrap();
    path
}

/// A relay that is killed with the test that it belongs to.
struct Running {
    child: Child,
    log: Receiver<String>,
}

/// Nothing that is waited for takes nearly as long.
const LIMIT: Duration = Duration::from_secs(60);

impl Running {
    fn start(emulator: &Emulator, config: &Path, to: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_restless"))
            .args(["relay", "--metrics", "127.0.0.1:0", "--to", to, "--config"])
            .arg(config)
            .env("RESTLESS_API_KEY", emulator.api_key())
            .env("RESTLESS_STREAM_BASE_URL", emulator.stream_base_url())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        // Nobody waits any more where the test is over.
        std::thread::spawn(move || log.lines().try_for_each(|line| sender.send(line.unwrap())));
        Self { child, log: lines }
    }

    /// The first line of the log that is this message.
    fn until(&self, message: &str) -> Value {
        let end = Instant::now() + LIMIT;
        loop {
            let line = self.log.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|error| panic!("{error}: no {message} in the log"));
            let told: Value = serde_json::from_str(&line).unwrap_or_default();
            if told["message"] == message {
                return told;
            }
        }
    }

    /// Asks again, each time over a new connection, until an answer has this text.
    fn until_metrics_say(&self, address: &str, path: &str, due: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(LIMIT)).unwrap();
            write!(socket, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
            let mut said = String::new();
            socket.read_to_string(&mut said).unwrap();
            if said.contains(due) {
                return said;
            }
            assert!(Instant::now() < end, "{path} does not say {due}: {said}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn terminate(running: &Running) {
    let pid = running.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
}

fn rows(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut rows =
        connection.prepare("SELECT event FROM restless_events ORDER BY sequence").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[cfg(all(unix, feature = "sqlite"))]
#[test]
fn a_relay_killed_and_started_again_holds_the_emulator_s_log() {
    let (emulator, id) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let (config, database) = (config(folder.path(), &id), folder.path().join("feeds.db"));
    let to = format!("sqlite:{}", database.display());
    let mut published = 0;
    for kill in 1..=5 {
        let mut running = Running::start(&emulator, &config, &to);
        let address = running.until("started")["metrics"].as_str().unwrap().to_owned();
        for _ in 0..40 {
            emulator.publish(&id, &published.to_string()).unwrap();
            published += 1;
            // Somewhere in the middle it is known to store, and others are on their way.
            if published % 40 == kill * 7 {
                running.until_metrics_say(
                    &address,
                    "/metrics",
                    "restless_connected{feed=\"orders\"} 1",
                );
            }
        }
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }
    let mut running = Running::start(&emulator, &config, &to);
    let address = running.until("started")["metrics"].as_str().unwrap().to_owned();
    let due = format!("restless_position{{feed=\"orders\"}} {published}\n");
    running.until_metrics_say(&address, "/metrics", &due);
    terminate(&running);
    assert!(running.child.wait().unwrap().success());
    let log: Vec<_> = emulator.log(&id).into_iter().map(|event| event.envelope).collect();
    assert_eq!(log.len(), published);
    assert_eq!(rows(&database), log);
}

/// Stores as much as it can, is killed, and goes on where it was: the envelopes of the emulator's
/// log, which are what the store is to hold.
#[cfg(all(unix, any(feature = "nats", feature = "postgres")))]
fn killed_and_gone_on(to: &str) -> Vec<String> {
    let (emulator, id) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &id);
    for due in [30, 60] {
        for n in due - 30..due {
            emulator.publish(&id, &n.to_string()).unwrap();
        }
        let mut running = Running::start(&emulator, &config, to);
        let address = running.until("started")["metrics"].as_str().unwrap().to_owned();
        let due = format!("restless_position{{feed=\"orders\"}} {due}\n");
        running.until_metrics_say(&address, "/metrics", &due);
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }
    emulator.log(&id).into_iter().map(|event| event.envelope).collect()
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn into_postgresql_each_event_goes_once() {
    let Some(server) = postgres::Server::start() else { return };
    let url = server.url();
    let port = url.split(' ').find_map(|part| part.strip_prefix("port=")).unwrap();
    let due = killed_and_gone_on(&format!("postgres://postgres@127.0.0.1:{port}/postgres"));
    let sql = "SELECT event::text FROM restless_events ORDER BY sequence";
    let rows = tokio::runtime::Runtime::new().unwrap().block_on(server.query(sql));
    assert_eq!(rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), due);
}

#[cfg(all(unix, feature = "nats"))]
#[test]
fn into_nats_each_event_goes_once() {
    let Some(server) = nats::Server::start() else { return };
    let due = killed_and_gone_on(&server.url());
    let held =
        tokio::runtime::Runtime::new().unwrap().block_on(server.held("restless.feeds.orders"));
    assert_eq!(held, due);
}

/// After a reboot, a server on another machine may come later than the relay.
#[cfg(all(unix, feature = "nats"))]
#[test]
fn a_relay_begun_before_its_nats_server_waits_for_it_and_is_ill() {
    let Some(mut server) = nats::Server::start() else { return };
    server.kill();
    let (emulator, id) = emulator();
    emulator.publish(&id, "1").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(&emulator, &config(folder.path(), &id), &server.url());
    let address = running.until("started")["metrics"].as_str().unwrap().to_owned();
    let said = running.until_metrics_say(&address, "/healthz", "HTTP/1.1 503");
    assert!(said.contains("orders: ") && said.contains("NATS"), "{said}");
    server.start_again();
    running.until_metrics_say(&address, "/metrics", "restless_events_total{feed=\"orders\"} 1\n");
    running.until_metrics_say(&address, "/healthz", "HTTP/1.1 200 OK");
    terminate(&running);
    assert!(running.child.wait().unwrap().success());
}

/// By default, systemd gives a unit up that ends five times within 10 s, for good.
#[test]
fn each_unit_is_started_again_however_often_it_ends() {
    let help = Command::new(env!("CARGO_BIN_EXE_restless")).args(["relay", "--help"]).output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let example = include_str!("../../examples/restless-relay.service");
    for text in [help.as_str(), example] {
        let lines = text.lines().map(str::trim).skip_while(|line| *line != "[Unit]");
        let lines: Vec<_> = lines.take_while(|line| *line != "[Install]").collect();
        let service = lines.iter().position(|line| *line == "[Service]").expect("a service");
        let (unit, service) = lines.split_at(service);
        assert!(unit.contains(&"StartLimitIntervalSec=0"), "{text}");
        for due in ["Restart=always", "RestartSec=5", "RestartPreventExitStatus=2"] {
            assert!(service.contains(&due), "{due} is missing: {text}");
        }
    }
}

#[cfg(all(unix, feature = "ndjson"))]
#[test]
fn on_a_terminal_a_line_says_how_it_goes_and_is_gone_at_the_end() {
    let (emulator, id) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &id);
    let arguments = format!(
        "relay --to ndjson:{} --config {}",
        folder.path().join("out").display(),
        config.display()
    );
    let Some(terminal) = Terminal::start("relay", &terminal::line(&emulator, &arguments)) else {
        return;
    };
    terminal.until(|text| text.contains("1/1 feeds, 0 in trouble | 0 events, 0/s"));
    for n in 0..3 {
        emulator.publish(&id, &n.to_string()).unwrap();
    }
    // It is one line of it, narrower than the terminal, and written over the one before.
    terminal.until(|text| text.contains("| 3 events, ") && text.matches("1/1 feeds").count() == 1);
    emulator.inject(restless_emulator::Fault::status(503).times(usize::MAX));
    emulator.disconnect_all();
    terminal.until(|text| text.contains("trouble feed=orders") && text.contains("1 in trouble"));
    terminal.press("C-c");
    let screen = terminal.until(|text| text.contains("after 0"));
    let lines: Vec<_> = screen.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines[0] == "before" && lines[1].starts_with("started "), "{screen}");
    assert!(screen.contains("draining\n") && screen.contains("finished bytes="), "{screen}");
    // What stood there when the terminal wrote `^C` behind it may stay; nothing comes after it.
    let rest = screen.split("draining").nth(1).unwrap_or_default();
    assert!(!rest.contains("feeds, "), "{screen}");
}

#[cfg(all(unix, feature = "ndjson"))]
#[test]
fn a_signal_drains_and_ends_with_zero_and_health_is_told() {
    let (emulator, id) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &id);
    let to = format!("ndjson:{}", folder.path().join("out").display());
    let mut running = Running::start(&emulator, &config, &to);
    let address = running.until("started")["metrics"].as_str().unwrap().to_owned();
    emulator.publish(&id, "1").unwrap();
    running.until_metrics_say(&address, "/metrics", "restless_events_total{feed=\"orders\"} 1\n");
    running.until_metrics_say(&address, "/healthz", "HTTP/1.1 200 OK");
    terminate(&running);
    running.until("draining");
    assert_eq!(running.until("finished")["events"], 1);
    assert!(running.child.wait().unwrap().success());
}

#[cfg(all(unix, feature = "ndjson"))]
#[test]
fn a_relay_without_its_service_is_ill_and_says_why() {
    let (emulator, id) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &id);
    let to = format!("ndjson:{}", folder.path().join("out").display());
    emulator.inject(restless_emulator::Fault::status(503).times(usize::MAX));
    let running = Running::start(&emulator, &config, &to);
    let address = running.until("started")["metrics"].as_str().unwrap().to_owned();
    let said = running.until_metrics_say(&address, "/healthz", "HTTP/1.1 503");
    assert!(said.contains("orders: ") && said.contains("503"), "{said}");
    assert!(running.until("trouble")["trouble"].as_str().unwrap().contains("503"));
}

#[cfg(feature = "ndjson")]
#[test]
fn a_feed_that_is_refused_ends_with_3_and_is_named() {
    let (emulator, _) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "stream_nobody");
    let to = format!("ndjson:{}", folder.path().join("out").display());
    let ran = Command::new(env!("CARGO_BIN_EXE_restless"))
        .args(["relay", "--to", &to, "--config"])
        .arg(&config)
        .env("RESTLESS_API_KEY", emulator.api_key())
        .env("RESTLESS_STREAM_BASE_URL", emulator.stream_base_url())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(3), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("restless: feed orders: ") && last.contains("404"), "{said}");
    assert!(last.contains("`restless streams ls`"), "{said}");
}

/// Beside a feed that goes on: whoever asks for its health learns of it, for as long as it is so.
#[cfg(all(unix, feature = "ndjson"))]
#[test]
fn a_feed_that_has_ended_for_good_leaves_the_relay_ill() {
    let (emulator, id) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("feeds.toml");
    let feed = |name: &str, id: &str| format!("[feeds.{name}]\nstream = \"{id}\"\nsince = \"0\"\n");
    std::fs::write(&config, feed("orders", &id) + &feed("gone", "stream_nobody")).unwrap();
    let to = format!("ndjson:{}", folder.path().join("out").display());
    let running = Running::start(&emulator, &config, &to);
    let address = running.until("started")["metrics"].as_str().unwrap().to_owned();
    running.until("failed");
    emulator.publish(&id, "1").unwrap();
    running.until_metrics_say(&address, "/metrics", "restless_events_total{feed=\"orders\"} 1\n");
    let said = running.until_metrics_say(&address, "/healthz", "HTTP/1.1 503");
    assert!(said.contains("gone: ") && said.contains("404"), "{said}");
}

#[test]
fn a_password_of_the_store_is_in_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("feeds.toml");
    for (text, to) in [
        ("to = \"postgres://u:hunter2@db/x\" oops", "ndjson:x"),
        ("[feeds.a]\nurll = \"https://h/x?apiKey=hunter2\"", "ndjson:x"),
        ("[feeds.a]\nstream = \"s\"", "postgre://u:hunter2@db/x"),
    ] {
        std::fs::write(&config, text).unwrap();
        let ran = Command::new(env!("CARGO_BIN_EXE_restless"))
            .current_dir(folder.path())
            .args(["relay", "--to", to, "--config"])
            .arg(&config)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn settings_that_cannot_work_end_with_2_and_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "s");
    for (to, metrics, due) in [
        ("csv:x", "127.0.0.1:0", "a sink is sqlite:FILE"),
        ("ndjson:x", "0.0.0.0:0", "only a loopback address"),
        #[cfg(not(feature = "nats"))]
        ("nats://127.0.0.1", "127.0.0.1:0", "not built in: nats"),
    ] {
        let ran = Command::new(env!("CARGO_BIN_EXE_restless"))
            .current_dir(folder.path())
            .args(["relay", "--to", to, "--metrics", metrics, "--config"])
            .arg(&config)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{said}");
        assert!(said.contains(due), "{said}");
    }
}
