//! An adapter that follows many subscriptions at once, and says all that happens to each.

use restless_hyper::proto::Subscription;
use restless_hyper::proto::subscription::Event;
use restless_hyper::{Client, ClientBuilder, Runtime};

/// What is told of each subscription, by its number: what happened, and the cursor behind it.
/// The subscription goes on until this is `false`.
pub(crate) type Hear<'a> = dyn Fn(usize, &Event, Option<&str>) -> bool + Sync + 'a;

pub(crate) trait Adapter {
    /// A client of the service whose streams are at this base.
    fn new(base: &str, key: &str) -> Self;

    /// Follows all of them beside each other, each until it is dropped. One begins when the
    /// connection of the one before it stands.
    fn follow(&self, subscriptions: Vec<Subscription>, hear: &Hear<'_>);
}

/// A client for async code, on an executor.
pub(crate) struct Async<R: Runtime, E>(Client<R>, E);

pub(crate) trait Executor: Default {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T;
}

impl<R: Runtime + Default, E: Executor> Adapter for Async<R, E> {
    fn new(base: &str, key: &str) -> Self {
        let builder = ClientBuilder::new(R::default()).no_proxy().api_key(key);
        Self(builder.stream_base_url(base).build().expect("a client"), E::default())
    }

    fn follow(&self, subscriptions: Vec<Subscription>, hear: &Hear<'_>) {
        // Whoever is woken is polled alone, as in a program of many tasks.
        let tasks = async_executor::LocalExecutor::new();
        let all = async {
            let mut running = Vec::with_capacity(subscriptions.len());
            for (n, subscription) in subscriptions.into_iter().enumerate() {
                let mut events = self.0.subscribe(subscription).expect("a subscription");
                let mut next = async move || {
                    let event = events.next_event().await.expect("it goes on");
                    (hear(n, &event, events.cursor()), matches!(event, Event::Opened(_)))
                };
                let goes_on = loop {
                    match next().await {
                        (false, _) => break false,
                        (true, true) => break true,
                        (true, false) => {}
                    }
                };
                if goes_on {
                    running.push(tasks.spawn(async move { while next().await.0 {} }));
                }
            }
            for task in running {
                task.await;
            }
        };
        self.1.block_on(tasks.run(all));
    }
}

/// The blocking client, each of whose subscriptions has a thread.
pub(crate) struct Blocking(restless_blocking::Client);

impl Blocking {
    /// A quarter of the usual, so that many threads fit.
    const STACK: usize = 512 * 1024;
}

impl Adapter for Blocking {
    fn new(base: &str, key: &str) -> Self {
        let builder = restless_blocking::Client::builder().no_proxy().api_key(key);
        Self(builder.stream_base_url(base).build().expect("a client"))
    }

    fn follow(&self, subscriptions: Vec<Subscription>, hear: &Hear<'_>) {
        std::thread::scope(|threads| {
            for (n, subscription) in subscriptions.into_iter().enumerate() {
                let mut events = self.0.subscribe(subscription).expect("a subscription");
                let mut next = move || {
                    let event = events.next_event().expect("it goes on");
                    (hear(n, &event, events.cursor()), matches!(event, Event::Opened(_)))
                };
                let goes_on = loop {
                    match next() {
                        (false, _) => break false,
                        (true, true) => break true,
                        (true, false) => {}
                    }
                };
                if goes_on {
                    let thread = std::thread::Builder::new().stack_size(Self::STACK);
                    let spawned = thread.spawn_scoped(threads, move || while next().0 {});
                    spawned.expect("a thread");
                }
            }
        });
    }
}

pub(crate) struct OnTokio(tokio::runtime::Runtime);
#[derive(Default)]
pub(crate) struct OnSmol;
#[derive(Default)]
pub(crate) struct OnAsyncStd;

impl Default for OnTokio {
    fn default() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self(runtime.expect("a runtime"))
    }
}

impl Executor for OnTokio {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

impl Executor for OnSmol {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        async_io::block_on(future)
    }
}

impl Executor for OnAsyncStd {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }
}
