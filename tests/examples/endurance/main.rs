//! An hour's faults in minutes, on one adapter: many subscriptions behind a proxy that cuts,
//! delays, trickles and resets; then subscriptions that come and go; then many that are idle; then
//! a program that is killed again and again, and resumes from its stored cursor. What must hold is
//! checked, and what the process holds is printed after each part.
//!
//! ```console
//! $ cargo run -p restless-tests --example endurance -- tokio
//! $ cargo run -p restless-tests --example endurance -- smol --idle 1000 --events 20000
//! $ cargo run -p restless-tests --example endurance -- tokio --soak 120
//! ```
//!
//! With `--soak` it is 500 subscriptions for so many minutes instead, with five events a second for
//! each, and the server goes away for two seconds each minute.
//!
//! The server, the proxy and the program that is killed are processes of their own, so that what is
//! counted is the client's alone.

mod follower;
mod held;
mod server;

use std::pin::Pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::{Duration, Instant};

use held::Held;
use restless_hyper::proto::Subscription;
use restless_hyper::proto::subscription::Event;
use restless_hyper::{Client, ClientBuilder, Events, Runtime};
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
    match words.as_slice() {
        ["serve"] => server::serve(),
        ["follow", adapter, url, key, file] => {
            let (url, key, file) = (*url, *key, std::path::Path::new(file));
            match *adapter {
                "tokio" => on_tokio(follower::follow(restless_tokio::Tokio, url, key, file)),
                "async-std" => async_std::task::block_on(follower::follow(
                    restless_async_std::AsyncStd,
                    url,
                    key,
                    file,
                )),
                "blocking" => follower::follow_blocking(url, key, file),
                _ => async_io::block_on(follower::follow(restless_smol::Smol, url, key, file)),
            }
        }
        [adapter, options @ ..] => {
            let Some(plan) = plan(options) else {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            };
            match *adapter {
                "tokio" => on_tokio(endure(adapter, restless_tokio::Tokio, &plan)),
                "async-std" => {
                    let all = endure(adapter, restless_async_std::AsyncStd, &plan);
                    async_std::task::block_on(all);
                }
                // The blocking client polls the same machine by the same runtime.
                "smol" | "blocking" => {
                    async_io::block_on(endure(adapter, restless_smol::Smol, &plan));
                }
                _ => {
                    eprintln!("{USAGE}");
                    return ExitCode::from(2);
                }
            }
        }
        [] => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn plan(options: &[&str]) -> Option<Plan> {
    let mut plan = Plan {
        subscriptions: 200,
        events: 2_000,
        cycles: 2_000,
        idle: 10_000,
        kills: 100,
        soak: None,
    };
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
    Some(plan)
}

fn on_tokio(all: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(all);
}

async fn endure<R: Runtime>(adapter: &str, runtime: R, plan: &Plan) {
    let mut server = Server::start();
    let client = client(runtime.clone(), &server.direct, &server.key);
    if let Some(minutes) = plan.soak {
        server.soak();
        return soak(adapter, &client, &server.stream, minutes).await;
    }
    // What a runtime sets up once, it sets up here.
    come_and_go(&client, &server.stream, 50).await;
    let before = Held::now();
    println!("{adapter}: {before} before");

    let weathered = self::client(runtime, &server.weather, &server.key);
    let began = Instant::now();
    server.publish(plan.events);
    let losses = weather(&weathered, &server.stream, plan).await;
    drop(weathered);
    println!(
        "{adapter}: {} subscriptions had all of {} events in order and once, over {losses} losses, \
         in {:.0} s; {}",
        plan.subscriptions,
        plan.events,
        began.elapsed().as_secs_f64(),
        Held::settled(&before),
    );

    come_and_go(&client, &server.stream, plan.cycles).await;
    println!("{adapter}: {} came and went; {}", plan.cycles, Held::settled(&before));

    // Twice, since an allocator keeps what it had: the second time takes what the first has left.
    let mut taken = [0; 2];
    for taken in &mut taken {
        let mut idle = Vec::with_capacity(plan.idle);
        for n in 0..plan.idle {
            let subscription = subscription(&server.stream, n);
            let mut events = client.subscribe(subscription).expect("a subscription");
            opened(&mut events).await;
            idle.push(events);
        }
        let held = Held::now();
        *taken = held.memory_kib;
        println!("{adapter}: {} are idle; {held}", idle.len());
        drop(idle);
        println!("{adapter}: they are gone; {}", Held::settled(&before));
    }
    assert!(taken[1] <= taken[0] + taken[0] / 10, "memory of idle ones, in KiB: {taken:?}");

    let stored = follower::kill_and_restart(adapter, &server, plan.kills, plan.events);
    println!(
        "{adapter}: killed {} times, the file has all of {stored} events in order and once; {}",
        plan.kills,
        Held::settled(&before),
    );
    Held::settled(&before).assert_no_more_than(&before);
}

fn client<R: Runtime>(runtime: R, base: &str, key: &str) -> Client<R> {
    let builder = ClientBuilder::new(runtime).no_proxy().api_key(key).stream_base_url(base);
    builder.build().expect("a client")
}

/// Over either transport by turns.
fn subscription(stream: &str, n: usize) -> Subscription {
    let subscription = Subscription::stream(stream).retry(Duration::from_millis(20));
    if n.is_multiple_of(2) { subscription } else { subscription.websocket() }
}

/// Follows the stream many times at once, to the last event; how often a connection was lost.
async fn weather<R: Runtime>(client: &Client<R>, stream: &str, plan: &Plan) -> u64 {
    let follow = async |n: usize| {
        let subscription = subscription(stream, n).since("0").max_retry(Duration::from_millis(200));
        follow(client, subscription, |number| number == plan.events).await
    };
    all((0..plan.subscriptions).map(follow)).await.into_iter().sum()
}

/// Follows to where `is_last` says; how often a connection was lost.
async fn follow<R: Runtime>(
    client: &Client<R>,
    subscription: Subscription,
    mut is_last: impl FnMut(u64) -> bool,
) -> u64 {
    let mut events = client.subscribe(subscription).expect("a subscription");
    let (mut last, mut losses) = (0, 0);
    loop {
        match events.next_event().await.expect("it goes on") {
            Event::Item(item) => {
                let data = item.event().expect("an event").data().expect("data");
                let number: u64 = data.parse().expect("a number");
                assert_eq!(number, last + 1, "in order, and once");
                last = number;
                if is_last(number) {
                    return losses;
                }
            }
            Event::Ended(ended) => panic!("it ended: {ended:?}"),
            Event::Lost(_) => losses += 1,
            _ => {}
        }
    }
}

/// Many subscriptions for so many minutes, with a line for each minute.
async fn soak<R: Runtime>(adapter: &str, client: &Client<R>, stream: &str, minutes: u64) {
    const SUBSCRIPTIONS: usize = 500;
    let (began, span) = (Instant::now(), Duration::from_secs(60 * minutes));
    let follow = async |n: usize| {
        let subscription = subscription(stream, n).since("0").max_retry(Duration::from_secs(1));
        let mut told = 0;
        let is_last = |number| {
            let minute = began.elapsed().as_secs() / 60;
            if n == 0 && minute > told {
                told = minute;
                println!("{adapter}: minute {minute}, event {number}; {}", Held::now());
            }
            began.elapsed() >= span
        };
        follow(client, subscription, is_last).await
    };
    let losses: u64 = all((0..SUBSCRIPTIONS).map(follow)).await.into_iter().sum();
    println!("{adapter}: all had each event in order and once, over {losses} losses");
}

/// Subscribes and drops, each once its connection stands.
async fn come_and_go<R: Runtime>(client: &Client<R>, stream: &str, cycles: usize) {
    for n in 0..cycles {
        let mut events = client.subscribe(subscription(stream, n)).expect("a subscription");
        opened(&mut events).await;
    }
}

async fn opened<R: Runtime>(events: &mut Events<R>) {
    while !matches!(events.next_event().await.expect("it goes on"), Event::Opened(_)) {}
}

/// Polls futures side by side until all are ready.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Option<Pin<Box<F>>>> = futures.map(|it| Some(Box::pin(it))).collect();
    let mut done = Vec::with_capacity(running.len());
    std::future::poll_fn(|cx| {
        for slot in &mut running {
            let polled = slot.as_mut().map(|future| future.as_mut().poll(cx));
            if let Some(Poll::Ready(output)) = polled {
                done.push(output);
                *slot = None;
            }
        }
        if running.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done
}
