//! How many events a second go into a store, and what that takes of the processor beside reading
//! alone.
//!
//! ```console
//! $ cargo run --profile bench -p restless-relay --features nats --example speed
//! ```
//!
//! The service is the emulator, in this process and on loopback, with all events there before it
//! begins; so its share is in each figure of the processor, in that of reading alone too.
//! `nats-server` is started in a temporary folder, and is left out where it is not installed; its
//! own share of the processor is told apart.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use restless_emulator::Emulator;
use restless_relay::proto::Subscription;
use restless_relay::{Batch, Feed, Nats, Ndjson, Position, Relay, Sink, SinkError, Sqlite, Stored};
use restless_tokio::Client;
use tokio::task::JoinSet;

const EVENTS: u64 = 100_000;
const FEEDS: u64 = 8;

/// A store that keeps nothing but its place.
#[derive(Clone, Default)]
struct Nowhere(Position);

impl Sink for Nowhere {
    async fn position(&mut self, _: &str) -> Result<Position, SinkError> {
        Ok(self.0.clone())
    }

    async fn store(&mut self, batch: Arc<Batch>) -> Result<Stored, SinkError> {
        self.0 = batch.position();
        Ok(Stored::Stored)
    }
}

// One thread is enough: the emulator has one of its own, and so has the store's server.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    println!("{EVENTS} events of about 600 bytes, over server-sent events\n");
    println!("| store | feeds | events/s | CPU an event | of that the store's server |");
    println!("| --- | --- | --- | --- | --- |");
    let one = Service::start(1)?;
    one.measure("none: reading alone", None, |_| Nowhere::default()).await?;
    let database = Sqlite::open(folder.path().join("feeds.db"))?;
    let mut database = Some(database);
    one.measure("SQLite", None, |_| database.take().expect("one feed")).await?;
    let mut files = Some(Ndjson::open(folder.path().join("files"))?);
    one.measure("NDJSON files", None, |_| files.take().expect("one feed")).await?;
    let eight = Service::start(FEEDS)?;
    eight.measure("none: reading alone", None, |_| Nowhere::default()).await?;
    let Some(server) = Server::start(folder.path()) else {
        println!("\nnats-server is not installed: not measured");
        return Ok(());
    };
    let client = async_nats::connect(&server.url).await?;
    let store = Nats::new(client.clone());
    one.measure("NATS JetStream", Some(&server), |_| store.clone()).await?;
    let store = Nats::new(client.clone()).stream("EIGHT").subjects("eight").bucket("eight");
    eight.measure("NATS JetStream", Some(&server), |_| store.clone()).await?;
    renewals(&client, &server).await
}

/// How many leases a second a bucket renews: each is an update at its revision.
async fn renewals(
    client: &async_nats::Client,
    server: &Server,
) -> Result<(), Box<dyn std::error::Error>> {
    const LEASES: usize = 50_000;
    // A bucket as any other; it is there by now.
    let bucket = async_nats::jetstream::new(client.clone()).get_key_value("eight").await?;
    let mut revisions = vec![0; LEASES];
    let (mut began, mut theirs) = (Instant::now(), server_cpu(Some(server)));
    let memory = memory(server.child.id());
    for round in 0..2 {
        if round == 1 {
            (began, theirs) = (Instant::now(), server_cpu(Some(server)));
        }
        for (part, revisions) in revisions.chunks_mut(500).enumerate() {
            let mut updates = JoinSet::new();
            for (n, revision) in revisions.iter().copied().enumerate() {
                let bucket = bucket.clone();
                let key = format!("lease.{part}.{n}");
                updates.spawn(async move { (n, bucket.update(key, "w".into(), revision).await) });
            }
            while let Some(updated) = updates.join_next().await {
                let (n, revision) = updated?;
                revisions[n] = revision?;
            }
        }
    }
    let renewed = LEASES as f64;
    let rate = renewed / began.elapsed().as_secs_f64();
    let each = (server_cpu(Some(server)) - theirs).as_secs_f64() * 1e6 / renewed;
    let grown = self::memory(server.child.id()).saturating_sub(memory) / LEASES;
    println!(
        "\n{rate:.0} renewals of leases a second, of {LEASES}; {each:.1} µs of the server each, \
         which takes {grown} bytes of memory for each"
    );
    Ok(())
}

/// The emulator, with the events evenly in so many streams.
struct Service {
    emulator: Emulator,
    ids: Vec<String>,
}

impl Service {
    fn start(feeds: u64) -> Result<Self, Box<dyn std::error::Error>> {
        let ring = usize::try_from(EVENTS)?;
        let emulator = Emulator::builder().ring(ring).log_requests(false).start()?;
        let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
        let mut ids = Vec::new();
        for _ in 0..feeds {
            ids.push(emulator.add_stream(stream)?);
        }
        let text = "x".repeat(360);
        for n in 0..EVENTS / feeds {
            for id in &ids {
                emulator.publish(id, &format!("{{\"n\":{n},\"text\":\"{text}\"}}"))?;
            }
        }
        Ok(Self { emulator, ids })
    }

    async fn measure<S: Sink + Sync + 'static>(
        &self,
        what: &str,
        server: Option<&Server>,
        mut sink: impl FnMut(&str) -> S,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let client = Client::builder()
            .api_key(self.emulator.api_key())
            .stream_base_url(self.emulator.stream_base_url())
            .build()?;
        let feeds = self.ids.len() as u64;
        let (began, own, theirs) = (Instant::now(), cpu(std::process::id()), server_cpu(server));
        let mut relays = JoinSet::new();
        for id in &self.ids {
            let feed = Feed::new(id.as_str(), Subscription::stream(id).since("0"));
            let relay = Relay::new(client.clone(), feed, sink(id));
            let mut handle = relay.handle();
            relays.spawn(async move {
                let watch = async {
                    while let Some(progress) = handle.changed().await {
                        if progress.events >= EVENTS / feeds {
                            handle.stop();
                        }
                    }
                };
                tokio::join!(relay.run(), watch).0
            });
        }
        while let Some(ended) = relays.join_next().await {
            ended??;
        }
        let theirs = server_cpu(server) - theirs;
        let (took, all) = (began.elapsed(), cpu(std::process::id()) - own + theirs);
        let rate = EVENTS as f64 / took.as_secs_f64();
        let each = |span: Duration| span.as_secs_f64() * 1e6 / EVENTS as f64;
        println!("| {what} | {feeds} | {rate:.0} | {:.1} µs | {:.1} µs |", each(all), each(theirs));
        Ok(())
    }
}

/// What a process has used of the processors, as Linux tells it.
fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name may hold anything, and ends with the last bracket; the times are 14 and 15.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        rest.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// How much memory a process has in use, in bytes, as Linux tells it.
fn memory(process: u32) -> usize {
    let pages = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0) * 4096
}

fn server_cpu(server: Option<&Server>) -> Duration {
    server.map_or(Duration::ZERO, |server| cpu(server.child.id()))
}

/// A NATS server, gone with this.
struct Server {
    url: String,
    child: Child,
}

impl Server {
    fn start(folder: &std::path::Path) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?;
        let child = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", &address.port().to_string()])
            .args(["--jetstream", "--store_dir"])
            .arg(folder.join("nats"))
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        while TcpStream::connect(address).is_err() {
            std::thread::yield_now();
        }
        Some(Self { url: format!("nats://{address}"), child })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
