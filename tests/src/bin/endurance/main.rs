//! An hour's faults in minutes, on one adapter: many subscriptions behind a proxy that cuts,
//! delays, trickles and resets; then subscriptions that come and go; then many that are idle; then
//! a program that is killed again and again, and resumes from its stored cursor. What must hold is
//! checked, and what the process holds is printed after each part. All of that is over both
//! transports; the blocking adapter's subscriptions have a thread each, so fewer of them are idle.
//!
//! ```console
//! $ cargo run -p restless-tests --bin endurance -- tokio
//! $ cargo run -p restless-tests --bin endurance -- smol --idle 1000 --events 20000
//! $ cargo run -p restless-tests --bin endurance -- tokio --soak 120
//! ```
//!
//! With `--soak` it is 500 subscriptions for so many minutes instead, with five events a second for
//! each, and the server goes away for two seconds each minute.
//!
//! The server, the proxy and the program that is killed are processes of their own, so that what is
//! counted is the client's alone.

mod adapter;
mod follower;
mod held;
mod server;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use adapter::{Adapter, Async, Blocking, OnAsyncStd, OnSmol, OnTokio};
use held::Held;
use restless_async_std::AsyncStd;
use restless_hyper::proto::Subscription;
use restless_hyper::proto::subscription::Event;
use restless_smol::Smol;
use restless_tokio::Tokio;
use server::Server;

const USAGE: &str = "usage: endurance (tokio | smol | async-std | blocking) [--subscriptions N] \
    [--events N] [--cycles N] [--idle N] [--kills N] [--soak MINUTES]";

/// How much of everything.
struct Plan {
    subscriptions: usize,
    events: u64,
    cycles: usize,
    idle: usize,
    kills: usize,
    /// Minutes of a soak, in the place of everything else.
    soak: Option<u64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["serve"] => {
            server::serve();
            Some(())
        }
        ["follow", adapter, rest @ ..] => match *adapter {
            "tokio" => follow::<Async<Tokio, OnTokio>>(rest),
            "smol" => follow::<Async<Smol, OnSmol>>(rest),
            "async-std" => follow::<Async<AsyncStd, OnAsyncStd>>(rest),
            "blocking" => follow::<Blocking>(rest),
            _ => None,
        },
        [adapter, options @ ..] => match *adapter {
            "tokio" => run::<Async<Tokio, OnTokio>>(adapter, options, 10_000),
            "smol" => run::<Async<Smol, OnSmol>>(adapter, options, 10_000),
            "async-std" => run::<Async<AsyncStd, OnAsyncStd>>(adapter, options, 10_000),
            // A thread each.
            "blocking" => run::<Blocking>(adapter, options, 1_000),
            _ => None,
        },
        [] => None,
    };
    if done.is_none() {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}

fn follow<A: Adapter>(arguments: &[&str]) -> Option<()> {
    let [base, key, stream, transport, file] = arguments else { return None };
    follower::run::<A>(base, key, stream, transport, Path::new(file));
    Some(())
}

/// `None` where the options say what is not known here.
fn run<A: Adapter>(adapter: &str, options: &[&str], idle: usize) -> Option<()> {
    let mut plan =
        Plan { subscriptions: 200, events: 2_000, cycles: 2_000, idle, kills: 100, soak: None };
    for option in options.chunks(2) {
        let [name, value] = option else { return None };
        let count: usize = value.parse().ok()?;
        match *name {
            "--subscriptions" => plan.subscriptions = count,
            "--events" => plan.events = u64::try_from(count).ok()?,
            "--cycles" => plan.cycles = count,
            "--idle" => plan.idle = count,
            "--kills" => plan.kills = count,
            "--soak" => plan.soak = Some(u64::try_from(count).ok()?),
            _ => return None,
        }
    }
    let server = Server::start();
    match plan.soak {
        Some(minutes) => soak::<A>(adapter, &server, minutes),
        None => endure::<A>(adapter, &server, &plan),
    }
    Some(())
}

fn endure<A: Adapter>(adapter: &str, server: &Server, plan: &Plan) {
    let client = A::new(&server.direct, &server.key);
    // What a runtime sets up once, it sets up here.
    come_and_go(&client, server, 50);
    let before = Held::now();
    println!("{adapter}: {before} before");

    let began = Instant::now();
    let losses = weather::<A>(server, plan);
    println!(
        "{adapter}: {} subscriptions had all of {} events in order and once, over {losses} losses, \
         in {:.0} s; {}",
        plan.subscriptions,
        plan.events,
        began.elapsed().as_secs_f64(),
        Held::settled(&before),
    );

    come_and_go(&client, server, plan.cycles);
    println!("{adapter}: {} came and went; {}", plan.cycles, Held::settled(&before));

    // Twice, since an allocator keeps what it had: the second time takes what the first has left.
    let taken = [1, 2].map(|time| {
        let held = be_idle(&client, server, plan.idle, plan.events + time);
        println!("{adapter}: {} are idle; {held}", plan.idle);
        println!("{adapter}: they are gone; {}", Held::settled(&before));
        held.memory_kib
    });
    assert!(taken[1] <= taken[0] + taken[0] / 10, "memory of idle ones, in KiB: {taken:?}");

    let killed = follower::kill_and_restart(adapter, server, plan.kills, plan.events);
    println!(
        "{adapter}: killed {} times, the file has all of {} events in order and once; {} runs went \
         on from a part of them, {} of which were torn; {}",
        plan.kills,
        killed.stored,
        killed.resumed,
        killed.torn,
        Held::settled(&before),
    );
    Held::settled(&before).assert_no_more_than(&before);
}

/// Over either transport by turns.
fn subscription(stream: &str, n: usize) -> Subscription {
    let subscription = Subscription::stream(stream).retry(Duration::from_millis(20));
    if n.is_multiple_of(2) { subscription } else { subscription.websocket() }
}

/// The numbers that came for each of many subscriptions, which begin with 1.
struct Numbers {
    last: Vec<AtomicU64>,
    losses: AtomicU64,
}

impl Numbers {
    fn new(subscriptions: usize) -> Self {
        let last = (0..subscriptions).map(|_| AtomicU64::new(0)).collect();
        Self { last, losses: AtomicU64::new(0) }
    }

    /// The number that has come, if this is one.
    ///
    /// # Panics
    ///
    /// Where it is not the next, and where the subscription is over.
    fn hear(&self, n: usize, event: &Event) -> Option<u64> {
        match event {
            Event::Item(item) => {
                let data = item.event().expect("an event").data().expect("data");
                let number: u64 = data.parse().expect("a number");
                let last = self.last[n].swap(number, Ordering::Relaxed);
                assert_eq!(number, last + 1, "in order, and once");
                return Some(number);
            }
            Event::Ended(ended) => panic!("it ended: {ended:?}"),
            Event::Lost(_) => {
                self.losses.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        None
    }

    /// How often a connection was lost, once all have come as far as this at least.
    fn losses(self, least: u64) -> u64 {
        assert!(self.last.iter().all(|last| last.load(Ordering::Relaxed) >= least), "all have all");
        self.losses.into_inner()
    }
}

/// Follows the stream many times at once, to the last event; how often a connection was lost.
fn weather<A: Adapter>(server: &Server, plan: &Plan) -> u64 {
    let numbers = Numbers::new(plan.subscriptions);
    // Slower than they are read, so that most of them are live.
    server.publish(&server.stream, 1..=plan.events, Duration::from_millis(2));
    let follow = |n| subscription(&server.stream, n).since("0").max_retry(MOST);
    A::new(&server.weather, &server.key)
        .follow((0..plan.subscriptions).map(follow).collect(), &|n, event, _| {
            numbers.hear(n, event) != Some(plan.events)
        });
    numbers.losses(plan.events)
}

/// The longest delay in bad weather.
const MOST: Duration = Duration::from_millis(200);

/// Many subscriptions for so many minutes, with a line for each minute.
fn soak<A: Adapter>(adapter: &str, server: &Server, minutes: u64) {
    const SUBSCRIPTIONS: usize = 500;
    server.soak();
    let (began, span) = (Instant::now(), Duration::from_secs(60 * minutes));
    let (numbers, told) = (Numbers::new(SUBSCRIPTIONS), AtomicU64::new(0));
    let follow = |n| subscription(&server.stream, n).since("0").max_retry(Duration::from_secs(1));
    A::new(&server.direct, &server.key).follow(
        (0..SUBSCRIPTIONS).map(follow).collect(),
        &|n, event, _| {
            let Some(number) = numbers.hear(n, event) else { return true };
            let minute = began.elapsed().as_secs() / 60;
            if n == 0 && minute > told.swap(minute, Ordering::Relaxed) {
                println!("{adapter}: minute {minute}, event {number}; {}", Held::now());
            }
            began.elapsed() < span
        },
    );
    let losses = numbers.losses(1);
    println!("{adapter}: all had each event in order and once, over {losses} losses");
}

/// Subscribes and drops, each once its connection stands.
fn come_and_go(client: &impl Adapter, server: &Server, cycles: usize) {
    for n in 0..cycles {
        let one = vec![subscription(&server.stream, n)];
        client.follow(one, &|_, event, _| !matches!(event, Event::Opened(_)));
    }
}

/// Whether this is the event of that number.
fn is_number(event: &Event, number: u64) -> bool {
    let Event::Item(item) = event else { return false };
    let data = item.event().and_then(|event| event.data()).expect("data");
    data.get() == number.to_string()
}

/// Subscribes many times; what is held once all of them stand and wait. Then an event comes, with
/// which each is dropped.
fn be_idle(client: &impl Adapter, server: &Server, count: usize, number: u64) -> Held {
    let (opened, held) = (AtomicUsize::new(0), Mutex::new(None));
    let many = (0..count).map(|n| subscription(&server.stream, n)).collect();
    client.follow(many, &|_, event, _| {
        if matches!(event, Event::Opened(_)) && opened.fetch_add(1, Ordering::Relaxed) + 1 == count
        {
            let now = Held::now();
            assert!(now.files >= count, "each has a connection: {now}");
            *held.lock().expect("no panic before") = Some(now);
            server.publish(&server.stream, number..=number, Duration::ZERO);
        }
        !is_number(event, number)
    });
    held.into_inner().expect("no panic before").expect("all were opened")
}
