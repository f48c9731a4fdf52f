//! A NATS server of a test's own: the installed one, started on loopback in a temporary folder.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
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
        let address = free_address();
        let child = run(&folder, address);
        let mut server = Self { folder, address, child };
        for _ in 0..10 {
            if server.is_ready() {
                return Some(server);
            }
            // Somebody else was quicker to take the port.
            server.address = free_address();
            server.child = run(&server.folder, server.address);
        }
        panic!("nats-server ended each time, on another port, with the settings {settings:?}");
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
        self.kill();
        self.start_again();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.child = run(&self.folder, self.address);
        assert!(self.is_ready(), "nats-server ended when it was started again");
    }

    /// The contents of the messages of a subject, in order.
    pub(crate) async fn held(&self, subject: &str) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            // Nobody has stored anything yet, or the server is busy.
            match self.read(subject).await {
                Ok(held) => return held,
                Err(error) => assert!(Instant::now() < end, "{subject}: {error}"),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn read(&self, subject: &str) -> Result<Vec<String>, async_nats::Error> {
        let context = jetstream::new(async_nats::connect(self.url()).await?);
        let stream = context.get_stream("RESTLESS").await?;
        let mut held = Vec::new();
        for sequence in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(sequence).await?;
            if message.subject.as_str() == subject {
                held.push(String::from_utf8(message.payload.to_vec())?);
            }
        }
        Ok(held)
    }

    /// Waits until the server that was started answers by its name; `false` where it has ended.
    fn is_ready(&mut self) -> bool {
        let name = format!(r#""server_name":"{}""#, name(self.address));
        let end = Instant::now() + Duration::from_secs(30);
        while self.child.try_wait().unwrap().is_none() {
            if greeting(self.address).is_ok_and(|greeting| greeting.contains(&name)) {
                return true;
            }
            assert!(Instant::now() < end, "nats-server did not start");
            std::thread::yield_now();
        }
        false
    }
}

/// The first line that a server sends.
fn greeting(address: SocketAddr) -> std::io::Result<String> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

/// A port that nobody listens on, below those that the system gives to who asks for any.
fn free_address() -> SocketAddr {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    loop {
        // Half of a process's own 64 are taken by others of its tests.
        let asked = std::process::id() * 64 + 32 + ASKED.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(10_000 + asked % 20_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// What the server that a test starts here is called, and no other server.
fn name(address: SocketAddr) -> String {
    format!("restless-{}-{}", std::process::id(), address.port())
}

const PROGRAM: &str = "nats-server";
const SETTINGS: &str = "nats.conf";

fn run(folder: &tempfile::TempDir, address: SocketAddr) -> Child {
    Command::new(PROGRAM)
        .args(["--addr", &address.ip().to_string(), "--port", &address.port().to_string()])
        .args(["--name", &name(address)])
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
