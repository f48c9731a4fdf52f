//! The program that endures an hour's faults in minutes, a little of it on each adapter. The whole
//! program: `cargo run -p restless-tests --bin endurance -- tokio`.

#![cfg(target_os = "linux")]

use std::process::Command;

/// A little weather, coming and going, being idle, being killed: each event comes once and in
/// order, and nothing is left.
fn a_little_of_it(adapter: &str) {
    let options = "--subscriptions 10 --events 300 --cycles 100 --idle 100 --kills 10";
    let mut program = Command::new(env!("CARGO_BIN_EXE_endurance"));
    let run = program.arg(adapter).args(options.split(' ')).output().expect("it runs");
    let (told, error) =
        (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{told}{error}");
    assert_eq!(told.lines().filter(|line| line.contains("in order and once")).count(), 2, "{told}");
    // The followers were killed in the middle, and found what they had written.
    assert!(told.contains("; 10 runs went on from a part of them, 3 of which were torn"), "{told}");
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
