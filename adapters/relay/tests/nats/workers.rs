//! Workers that share feeds: evenly, and whatever becomes of one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use restless_emulator::Emulator;
use restless_relay::nats::async_nats::jetstream;
use restless_relay::nats::{Nats, Worker, WorkerHandle, async_nats};
use restless_relay::proto::Subscription;
use restless_relay::{Feed, Options};
use restless_tokio::{Client, Tokio};
use tokio::task::JoinHandle;

use super::common::nats::Server;
use super::common::{asked, client, client_of, log};

const LEASE: Duration = Duration::from_secs(2);

fn feeds(ids: &[String]) -> Vec<Feed> {
    let soon = Duration::from_millis(5);
    let options = Options::default().linger(Duration::ZERO).retry(soon, 10 * soon);
    let feed = |id: &String| {
        let subscription = Subscription::stream(id).since("0").retry(Duration::ZERO);
        Feed::new(id.as_str(), subscription).options(options)
    };
    ids.iter().map(feed).collect()
}

fn worker(
    id: &str,
    ids: &[String],
    client: Client,
    nats: async_nats::Client,
) -> Worker<Tokio, Nats> {
    let store = Nats::new(nats.clone());
    Worker::new(client, nats, id, feeds(ids), move |_| store.clone()).lease(LEASE)
}

/// An emulator with so many streams, that are fed by `publish` alone.
fn emulator(streams: usize) -> (Emulator, Vec<String>) {
    let emulator = Emulator::builder().ring(100_000).log_requests(false).start().unwrap();
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let ids = (0..streams).map(|_| emulator.add_stream(stream).unwrap()).collect();
    (emulator, ids)
}

/// A worker that runs in this process.
struct Running {
    handle: WorkerHandle,
    task: JoinHandle<()>,
}

async fn start(id: &str, ids: &[String], emulator: &Emulator, nats: async_nats::Client) -> Running {
    run(worker(id, ids, client_of(emulator), nats))
}

fn run(worker: Worker<Tokio, Nats>) -> Running {
    let handle = worker.handle();
    let task = tokio::spawn(async move { worker.run().await.unwrap() });
    Running { handle, task }
}

/// Waits until the workers have so many feeds each, all of them together and none twice.
async fn until_spread(workers: &[&Running], due: &[usize]) -> Duration {
    let since = Instant::now();
    let mut handles: Vec<_> = workers.iter().map(|worker| worker.handle.clone()).collect();
    loop {
        let held: Vec<BTreeSet<_>> =
            handles.iter().map(|handle| handle.feeds().into_keys().collect()).collect();
        let counts: Vec<_> = held.iter().map(BTreeSet::len).collect();
        let all: BTreeSet<_> = held.iter().flatten().collect();
        if counts == due && all.len() == due.iter().sum::<usize>() {
            return since.elapsed();
        }
        assert!(since.elapsed() < 20 * LEASE, "{counts:?} after {:?}", since.elapsed());
        let changed = handles.iter_mut().map(|handle| Box::pin(handle.changed()));
        // Where nothing changes any more, the look above says in the end what it found.
        let changed = futures_util::future::select_all(changed);
        let _ = tokio::time::timeout(LEASE, changed).await;
    }
}

/// Six feeds: two each on three workers; three each on two, once one has left, has come again, or
/// has died. Within two lease times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_are_spread_evenly_and_move_when_a_worker_joins_leaves_or_dies() {
    /// Long enough for a slow machine to be in time.
    const LONG: Duration = Duration::from_secs(10);
    let Some(server) = Server::start() else { return };
    let (emulator, ids) = emulator(6);
    let nats = server.client().await;
    let start = |id| run(worker(id, &ids, client_of(&emulator), nats.clone()).lease(LONG));
    let (a, b) = (start("a"), start("b"));
    until_spread(&[&a, &b], &[3, 3]).await;
    let c = start("c");
    let joined = until_spread(&[&a, &b, &c], &[2, 2, 2]).await;
    c.handle.stop();
    c.task.await.unwrap();
    let left = until_spread(&[&a, &b], &[3, 3]).await;
    let c = start("c");
    until_spread(&[&a, &b, &c], &[2, 2, 2]).await;
    c.task.abort();
    let died = until_spread(&[&a, &b], &[3, 3]).await;
    for (what, span) in [("joined", joined), ("left", left), ("died", died)] {
        println!("{what}: {span:?} with leases of {LONG:?}");
        assert!(span <= 2 * LONG, "{what}: {span:?}");
    }
    // They relay, too.
    for id in &ids {
        emulator.publish(id, "1").unwrap();
    }
    for id in &ids {
        until_held(&server, &emulator, id).await;
    }
}

/// Waits until the store has all of a stream, and not a message more.
async fn until_held(server: &Server, emulator: &Emulator, id: &str) {
    let (subject, due) = (format!("restless.feeds.{id}"), log(emulator, id));
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let held = server.held(&subject).await;
        if held == due {
            return;
        }
        let is_beginning = due.starts_with(&held);
        assert!(is_beginning, "{id}: {} events, and not the first of the log", held.len());
        assert!(Instant::now() < end, "{id}: {} of {} events", held.len(), due.len());
        tokio::task::yield_now().await;
    }
}

/// The bucket of leases is in the server's memory. The workers make it again, and go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_taken_anew_once_the_server_was_started_again() {
    let Some(mut server) = Server::start() else { return };
    let (emulator, ids) = emulator(4);
    let publish = || {
        for n in 0..40 {
            emulator.publish(&ids[n % 4], &n.to_string()).unwrap();
        }
    };
    let a = start("a", &ids, &emulator, server.client().await).await;
    let b = start("b", &ids, &emulator, server.client().await).await;
    until_spread(&[&a, &b], &[2, 2]).await;
    publish();
    for id in &ids {
        until_held(&server, &emulator, id).await;
    }
    server.kill_and_start();
    publish();
    until_leased(&server, &ids, &[("a", 2), ("b", 2)]).await;
    until_spread(&[&a, &b], &[2, 2]).await;
    publish();
    for id in &ids {
        until_held(&server, &emulator, id).await;
    }
}

/// Waits until the bucket of leases says that these workers have so many feeds each.
async fn until_leased(server: &Server, ids: &[String], due: &[(&str, usize)]) {
    let jetstream = server.jetstream().await;
    let due = due.iter().map(|(worker, count)| ((*worker).to_owned(), *count)).collect();
    let end = Instant::now() + 20 * LEASE;
    loop {
        let leased = leased(&jetstream, ids).await;
        if leased.as_ref() == Some(&due) {
            return;
        }
        assert!(Instant::now() < end, "leased: {leased:?}");
        tokio::task::yield_now().await;
    }
}

/// How many of these feeds each worker has a lease of; `None` where there is no bucket.
async fn leased(jetstream: &jetstream::Context, ids: &[String]) -> Option<BTreeMap<String, usize>> {
    let bucket = jetstream.get_key_value("restless-leases").await.ok()?;
    let mut leased = BTreeMap::new();
    for id in ids {
        if let Some(worker) = bucket.get(format!("feed.{id}")).await.ok()? {
            *leased.entry(String::from_utf8(worker.to_vec()).ok()?).or_default() += 1;
        }
    }
    Some(leased)
}

/// Works until it is killed. Does nothing unless it was started by a test below.
#[tokio::test]
async fn process() {
    let Ok(id) = std::env::var("RESTLESS_NATS_TEST_ID") else { return };
    let of = |name: &str| std::env::var(format!("RESTLESS_NATS_TEST_{name}")).unwrap();
    let nats = async_nats::connect(of("NATS")).await.unwrap();
    let ids: Vec<_> = of("STREAMS").split(',').map(str::to_owned).collect();
    worker(&id, &ids, client(&of("KEY"), &of("URL")), nats).run().await.unwrap();
}

fn spawn(id: &str, ids: &[String], emulator: &Emulator, server: &Server) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "workers::process", "--nocapture"])
        .env("RESTLESS_NATS_TEST_ID", id)
        .env("RESTLESS_NATS_TEST_NATS", server.url())
        .env("RESTLESS_NATS_TEST_STREAMS", ids.join(","))
        .env("RESTLESS_NATS_TEST_KEY", emulator.api_key())
        .env("RESTLESS_NATS_TEST_URL", emulator.stream_base_url())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Three workers, one of them killed every second and replaced, for as many seconds as
/// `RESTLESS_NATS_SECONDS` says: the stream holds the log of each feed in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_workers_of_which_one_is_killed_every_second_store_each_event_once() {
    let Some(server) = Server::start() else { return };
    let (emulator, ids) = emulator(6);
    let mut workers: Vec<_> =
        (0..3).map(|n| spawn(&format!("worker-{n}"), &ids, &emulator, &server)).collect();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut event = tokio::time::interval(Duration::from_millis(5));
    let (mut kills, mut published) = (0, 0);
    while kills < asked("RESTLESS_NATS_SECONDS", 6) {
        tokio::select! {
            _ = second.tick() => {
                let victim = kills % 3;
                kills += 1;
                let id = format!("worker-{}", kills + 2);
                let next = spawn(&id, &ids, &emulator, &server);
                let mut dead = std::mem::replace(&mut workers[victim], next);
                dead.kill().unwrap();
                dead.wait().unwrap();
            }
            _ = event.tick() => {
                emulator.publish(&ids[published % ids.len()], &published.to_string()).unwrap();
                published += 1;
            }
        }
    }
    for id in &ids {
        until_held(&server, &emulator, id).await;
    }
    for mut worker in workers {
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
}

/// A worker whose network is cut: its leases run out, another one takes its feeds, and what it had
/// sent comes through when the network is back. Each event is stored once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fence_holds_where_a_network_is_cut() {
    let Some(server) = Server::start() else { return };
    let (emulator, ids) = emulator(2);
    let cut = Wire::start(server.address());
    let publish = |count: usize| {
        for n in 0..count {
            emulator.publish(&ids[n % 2], &n.to_string()).unwrap();
        }
    };
    let behind = async_nats::connect(format!("nats://{}", cut.address)).await.unwrap();
    let a = start("a", &ids, &emulator, behind).await;
    until_spread(&[&a], &[2]).await;
    publish(50);
    for id in &ids {
        until_held(&server, &emulator, id).await;
    }
    cut.set(true);
    // It reads these, and sends what it can't get through.
    publish(50);
    let b = start("b", &ids, &emulator, server.client().await).await;
    until_spread(&[&b], &[2]).await;
    publish(50);
    for id in &ids {
        until_held(&server, &emulator, id).await;
    }
    until_spread(&[&a, &b], &[0, 2]).await;
    cut.set(false);
    until_spread(&[&a, &b], &[1, 1]).await;
    publish(50);
    for id in &ids {
        until_held(&server, &emulator, id).await;
    }
}

/// A wire that holds back what it is given while it is cut.
struct Wire {
    address: SocketAddr,
    cut: Arc<(Mutex<bool>, Condvar)>,
}

impl Wire {
    fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let cut = Arc::new((Mutex::new(false), Condvar::new()));
        let shared = Arc::clone(&cut);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(to) else { continue };
                pass(client.try_clone().unwrap(), server.try_clone().unwrap(), &shared);
                pass(server, client, &shared);
            }
        });
        Self { address, cut }
    }

    fn set(&self, cut: bool) {
        *self.cut.0.lock().unwrap() = cut;
        self.cut.1.notify_all();
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, cut: &Arc<(Mutex<bool>, Condvar)>) {
    let cut = Arc::clone(cut);
    std::thread::spawn(move || {
        let mut bytes = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let guard = cut.0.lock().unwrap();
            drop(cut.1.wait_while(guard, |cut| *cut).unwrap());
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}
