//! The program that endures an hour's faults in minutes, a little of it on each adapter. The whole
//! program: `cargo run -p restless-tests --example endurance -- tokio`.

#![cfg(target_os = "linux")]

use std::path::PathBuf;
use std::process::Command;

/// Where cargo puts examples, from where it puts tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("a folder");
    folder.join("examples/endurance")
}

/// A little weather, coming and going, being idle, being killed: each event comes once and in
/// order, and nothing is left.
fn a_little_of_it(adapter: &str) {
    let options = "--subscriptions 10 --events 300 --cycles 100 --idle 100 --kills 10";
    let run = Command::new(program()).arg(adapter).args(options.split(' ')).output();
    let run = run.expect("the example `endurance`, which `cargo test -p restless-tests` builds");
    let (told, error) =
        (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{told}{error}");
    assert_eq!(told.lines().filter(|line| line.contains("in order and once")).count(), 2, "{told}");
}

#[test]
fn tokio_endures() {
    a_little_of_it("tokio");
}

#[test]
fn smol_endures() {
    a_little_of_it("smol");
}

#[test]
fn async_std_endures() {
    a_little_of_it("async-std");
}

#[test]
fn blocking_endures() {
    a_little_of_it("blocking");
}
