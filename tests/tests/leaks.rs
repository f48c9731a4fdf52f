//! Subscriptions that come and go leave the process as it was: sockets, threads and tasks. The
//! process is counted, so this is the only test in it.

#![cfg(target_os = "linux")]

use std::thread;
use std::time::{Duration, Instant};

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::Subscription;
use restless_hyper::proto::subscription::State;
use restless_hyper::{ClientBuilder, Runtime};
use restless_tests::run::within;

/// Subscribed and dropped.
const CYCLES: u32 = 1000;

/// What a first few leave behind is what a runtime sets up once.
const WARM_UP: u32 = 50;

/// Threads that resolve names stay in the pools of some runtimes, as many as there were names to
/// resolve at once: one, and those that nobody waited for any more.
const RESOLVING: usize = 8;

/// Open files, sockets among them, and threads of this process.
fn counts() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).expect("Linux has it").count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// A server, and what one cycle after another asks of it.
struct Stage {
    emulator: Emulator,
    id: String,
    before: (usize, usize),
    /// How many were dropped while they connected, and while they backed off.
    dropped: (u32, u32),
}

/// What one cycle does.
struct Cycle {
    subscription: Subscription,
    /// When it is dropped, if that is not upon the first event.
    after: Option<Duration>,
}

impl Stage {
    fn new() -> Self {
        let emulator = Emulator::start().expect("an emulator");
        let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
        let id = emulator.add_stream(stream).expect("a stream");
        emulator.publish(&id, "1").expect("an event");
        Self { emulator, id, before: (0, 0), dropped: (0, 0) }
    }

    fn configure<R, C>(&self, builder: ClientBuilder<R, C>) -> C
    where
        R: Runtime,
        C: From<restless_hyper::Client<R>>,
    {
        // A name takes a thread to resolve.
        let url = format!("http://localhost:{}", self.emulator.address().port());
        let builder = builder.no_proxy().api_key(self.emulator.api_key()).stream_base_url(url);
        builder.build().expect("a client")
    }

    /// Over either transport by turns. Every other one is dropped upon its first event; the others
    /// at any moment, while the name is resolved, the socket connected, the request answered, or,
    /// where there was no answer, while it backs off.
    fn cycle(&mut self, n: u32) -> Cycle {
        if n == WARM_UP {
            self.before = self.settled(|_| true);
        }
        let whole = n < WARM_UP || n % 4 < 2;
        // A few last long enough for an answer on a busy machine, too.
        let most = if n % 16 == 15 { 30_000 } else { 3_000 };
        let subscription = Subscription::stream(&self.id).since("0");
        let subscription = if whole {
            subscription.retry(Duration::ZERO)
        } else {
            if n % 16 > 11 {
                self.emulator.inject(Fault::refuse());
            }
            subscription.retry(Duration::from_secs(3600))
        };
        Cycle {
            subscription: if n.is_multiple_of(2) { subscription } else { subscription.websocket() },
            after: (!whole).then(|| Duration::from_micros(u64::from(n) * 37 % most)),
        }
    }

    fn dropped(&mut self, state: &State) {
        match state {
            State::Connecting => self.dropped.0 += 1,
            State::Waiting(_) => self.dropped.1 += 1,
            _ => {}
        }
    }

    /// The counts once no connection is left and they are `good`, or will not be.
    fn settled(&self, good: impl Fn((usize, usize)) -> bool) -> (usize, usize) {
        // To resolve a name that nobody wants any more ends in its own time.
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            self.emulator.until_connections(0).wait().expect("no connection");
            let counts = counts();
            if good(counts) || Instant::now() > patience {
                return counts;
            }
            thread::yield_now();
        }
    }

    fn assert_nothing_is_left(self, name: &str, tasks: impl Fn() -> usize) {
        let (connecting, waiting) = self.dropped;
        assert!(connecting > 0 && waiting > 0, "{name}: {:?} were dropped early", self.dropped);
        let (files, threads) = self.before;
        let most = threads + RESOLVING;
        let left = self.settled(|left| left.0 <= files && left.1 <= most);
        assert_eq!(left.0, files, "{name}: open files");
        assert!(left.1 <= most, "{name}: {} threads, {threads} before", left.1);
        assert_eq!(tasks(), 0, "{name}: tasks");
    }
}

/// `tasks` counts those that are alive on the runtime.
async fn come_and_go<R: Runtime>(name: &str, rt: R, tasks: impl Fn() -> usize) {
    let mut stage = Stage::new();
    let client = stage.configure(ClientBuilder::new(rt));
    for n in 0..WARM_UP + CYCLES {
        let Cycle { subscription, after } = stage.cycle(n);
        let mut events = client.subscribe(subscription).expect("a subscription");
        match after {
            None => drop(events.next().await.expect("an event").expect("an event")),
            Some(span) => drop(within(span, events.next()).await),
        }
        stage.dropped(&events.status().state);
    }
    stage.assert_nothing_is_left(name, tasks);
}

/// The same by the methods that block.
fn come_and_go_blocking() {
    let mut stage = Stage::new();
    let client = stage.configure(restless_blocking::Client::builder());
    for n in 0..WARM_UP + CYCLES {
        let Cycle { subscription, after } = stage.cycle(n);
        let mut events = client.subscribe(subscription).expect("a subscription");
        match after {
            None => drop(events.next().expect("an event").expect("an event")),
            Some(span) => drop(events.next_timeout(span)),
        }
        stage.dropped(&events.status().state);
    }
    stage.assert_nothing_is_left("blocking", || 0);
}

/// A thousand subscriptions on each adapter, over both transports, dropped at any moment, leave
/// every socket, thread and task ended.
#[test]
fn a_thousand_subscriptions_leave_nothing_behind() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let metrics = runtime.metrics();
    let alive = || metrics.num_alive_tasks();
    runtime.block_on(come_and_go("tokio", restless_tokio::Tokio, alive));
    drop(runtime);

    // All on one executor, which has nothing else to do.
    let executor = async_executor::LocalExecutor::new();
    let alive = || usize::from(!executor.is_empty());
    let on_smol = come_and_go("smol", restless_smol::Smol, alive);
    async_io::block_on(executor.run(on_smol));

    // These have no count of tasks: `.ci/no-runtime` sees to it that nothing is spawned.
    come_and_go_blocking();
    let on_async_std = come_and_go("async-std", restless_async_std::AsyncStd, || 0);
    async_std::task::block_on(on_async_std);
}
