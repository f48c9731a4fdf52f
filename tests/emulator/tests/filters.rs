//! jq filters and the process that they run in, which is that of the test: alone in this file, so
//! that its threads can be counted.

mod common;

use std::time::Duration;

use common::call;
use restless_emulator::{Emulator, Upstream};
use serde_json::json;

/// Whether a thread is there that filters run on.
#[cfg(target_os = "linux")]
fn a_filter_runs() -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the threads of this process");
    tasks.flatten().any(|task| {
        // It may end while it is looked at.
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        name.trim() == "restless-worker"
    })
}

#[test]
fn filter_that_could_end_the_process_is_answered_with_400_and_one_without_end_is_stopped() {
    let emulator = Emulator::builder().seconds_are(Duration::from_millis(5)).start();
    let emulator = emulator.expect("an emulator");
    let upstream = Upstream::start("1").expect("an upstream");
    let deep = format!("1{}", "|1".repeat(201));
    for (filter, why) in [("def f: [f]; f", "calls itself"), (&deep, "200 levels")] {
        let body = json!({"name":"n","url":upstream.url(),"jqFilter":filter}).to_string();
        let response = call(&emulator, "POST", "/streams", &body);
        assert_eq!(response.status, 400);
        assert!(response.message().contains(why), "{}", response.message());
    }
    // Two that poll all the time, and take a little more than the limit.
    let ids = ["last(range(1.1e7))", "last(limit(1.1e7; repeat(1)))"].map(|filter| {
        let body = json!({"name":"n","url":upstream.url(),"jqFilter":filter,"pollingInterval":1});
        emulator.add_stream(&body.to_string()).expect("a stream")
    });
    for id in ids {
        emulator.until_logged(&id, 1).wait_for(Duration::from_secs(60)).expect("an error");
        assert!(emulator.log(&id)[0].envelope.contains("JQ_FILTER_FAILED"));
    }
    #[cfg(target_os = "linux")]
    assert!(a_filter_runs(), "both poll all the time");
    drop(emulator);
    // It was told to stop at its next step.
    #[cfg(target_os = "linux")]
    {
        let by = std::time::Instant::now() + Duration::from_secs(60);
        while a_filter_runs() {
            assert!(std::time::Instant::now() < by, "a filter outlives its emulator");
            std::thread::yield_now();
        }
    }
}
