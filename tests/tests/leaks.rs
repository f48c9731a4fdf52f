//! Subscriptions that come and go leave nothing behind: no socket, no thread, no task. The process
//! is counted, so this is the only test in it.

#![cfg(target_os = "linux")]

use std::time::Duration;

use restless_emulator::Emulator;
use restless_hyper::proto::Subscription;
use restless_hyper::{ClientBuilder, Runtime};

/// Subscribed and dropped, half of them over WebSocket.
const CYCLES: usize = 1000;

/// What a first few leave behind is what a runtime sets up once.
const WARM_UP: usize = 50;

/// Open files, sockets among them, and threads of this process.
fn counts() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).expect("Linux has it").count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// `tasks` counts those that are alive on the runtime.
async fn come_and_go<R: Runtime>(name: &str, rt: R, tasks: impl Fn() -> usize) {
    let emulator = Emulator::start().expect("an emulator");
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).expect("a stream");
    emulator.publish(&id, "1").expect("an event");
    let client = ClientBuilder::new(rt)
        .api_key(emulator.api_key())
        .stream_base_url(emulator.stream_base_url())
        .build()
        .expect("a client");
    let mut before = (0, 0);
    for cycle in 0..WARM_UP + CYCLES {
        if cycle == WARM_UP {
            emulator.until_connections(0).await;
            before = counts();
        }
        let subscription = Subscription::stream(&id).since("0").retry(Duration::ZERO);
        let subscription = if cycle % 2 == 0 { subscription } else { subscription.websocket() };
        let mut events = client.subscribe(subscription).expect("a subscription");
        events.next().await.expect("an event").expect("an event");
    }
    emulator.until_connections(0).await;
    let (files, threads) = counts();
    assert_eq!(files, before.0, "{name}: open files");
    assert!(threads <= before.1, "{name}: {threads} threads, {} before", before.1);
    assert_eq!(tasks(), 0, "{name}: tasks");
}

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

    // These have no count of tasks; a task would hold its socket or its thread.
    async_io::block_on(come_and_go("blocking", restless_smol::Smol, || 0));
    let on_async_std = come_and_go("async-std", restless_async_std::AsyncStd, || 0);
    async_std::task::block_on(on_async_std);
}
