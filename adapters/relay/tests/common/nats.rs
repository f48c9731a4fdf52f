//! A NATS server of a test's own: the installed one, started on loopback in a temporary folder.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use restless_relay::nats::async_nats::jetstream::{self, Context};
use restless_relay::nats::{Nats, async_nats};

/// Gone with the test, and all that it has stored.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    address: SocketAddr,
    child: Child,
}

impl Server {
    /// Returns `None` where the server is missing: the test then says so and ends.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// Starts a server with this in its file of settings.
    pub(crate) fn start_with(settings: &str) -> Option<Self> {
        let is_there = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).status();
        if !is_there.is_ok_and(|status| status.success()) {
            println!("nats-server is not installed here: not tried");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(SETTINGS), settings).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = run(&folder, address);
        let server = Self { folder, address, child };
        server.until_ready();
        Some(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    pub(crate) async fn client(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.unwrap()
    }

    pub(crate) async fn sink(&self) -> Nats {
        Nats::new(self.client().await)
    }

    pub(crate) async fn jetstream(&self) -> Context {
        jetstream::new(self.client().await)
    }

    /// Whether it takes messages as one atomic batch.
    pub(crate) async fn takes_batches(&self) -> bool {
        self.client().await.is_server_compatible(2, 12, 0)
    }

    /// As a crash.
    pub(crate) fn kill_and_start(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = run(&self.folder, self.address);
        self.until_ready();
    }

    /// The contents of the messages of a subject, in order.
    pub(crate) async fn held(&self, subject: &str) -> Vec<String> {
        // Nobody has stored anything yet, or the server is busy.
        let Ok(stream) = self.jetstream().await.get_stream("RESTLESS").await else {
            return Vec::new();
        };
        let last = stream.cached_info().state.last_sequence;
        let mut held = Vec::new();
        for sequence in 1..=last {
            let message = stream.get_raw_message(sequence).await.unwrap();
            if message.subject.as_str() == subject {
                held.push(String::from_utf8(message.payload.to_vec()).unwrap());
            }
        }
        held
    }

    fn until_ready(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(self.address).is_err() {
            assert!(Instant::now() < end, "nats-server did not start");
            std::thread::yield_now();
        }
    }
}

const PROGRAM: &str = "nats-server";
const SETTINGS: &str = "nats.conf";

fn run(folder: &tempfile::TempDir, address: SocketAddr) -> Child {
    Command::new(PROGRAM)
        .args(["--addr", &address.ip().to_string(), "--port", &address.port().to_string()])
        .args(["--jetstream", "--store_dir"])
        .arg(folder.path())
        .arg("--config")
        .arg(folder.path().join(SETTINGS))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
