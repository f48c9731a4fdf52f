//! Chaos under scripted time: a server with a log, a network that cuts, stalls and lies, a clock
//! that jumps, and a driver that is slow, late or confused, around one subscription. Sockets and
//! clocks are left out: a seed is a script, and a script always goes the same way. Event streams
//! are coded or not, messages compressed or not, and events signed or not, some of them wrongly.
//!
//! What holds whatever happens:
//!
//! - what is handed out on a connection is what the server sent on it, in order and from its first
//!   entry on, and all of it that has arrived; and each request asks for what comes behind the last
//!   item, so a server that keeps to its cursor gives its log once, in order, with nothing missing;
//! - how an item follows the one before it is told where that is asked for: an item that comes
//!   again, one from the past, and each gap that a client can know of;
//! - a document is what the server has, or says that it is stale; and at the end it is not;
//! - there is one exchange at a time, and there is always an end, a timer, or a connection that was
//!   allowed any silence;
//! - the connects of any minute stay under the ceiling that `Backoff` tells;
//! - a call beside the subscription is made as often as its rule allows, and comes to one answer; a
//!   call that may not be repeated is made once, if it was answered or may have been acted on;
//! - a key goes to its own origin, and nowhere else, errors included;
//! - memory stays within a bound, and all of it comes back.
//!
//! A seed that fails is shrunk, and printed with its script and with what happened. Of a call,
//! which is a few requests, what befell each of them is printed.
//!
//! ```console
//! $ RESTLESS_SEED=17 cargo test -p restless-proto --test chaos -- --nocapture
//! $ RESTLESS_SEEDS=100000 cargo test --profile bench -p restless-proto --test chaos
//! $ RESTLESS_SEEDS=0..10000000 cargo test --profile bench -p restless-proto --test chaos
//! ```

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod bounds;
mod calls;
mod checks;
mod coded;
mod driver;
mod log;
#[path = "../memory/mod.rs"]
#[expect(dead_code, reason = "each test takes what it needs")]
mod memory;
mod order;
mod outcome;
mod script;
mod server;
mod shrink;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use outcome::{HAPPENINGS, Outcome, Weakness};
use script::Script;

/// How many seeds `cargo test` plays.
const SEEDS: u64 = 300;

#[test]
fn whatever_happens_the_log_comes_whole_in_order_and_once() {
    let _alone = memory::alone();
    if let Some(seed) = variable("RESTLESS_SEED") {
        return replay(seed.parse().expect("RESTLESS_SEED is a number"));
    }
    let mut seen = BTreeMap::new();
    for seed in seeds() {
        match play(&Script::of_seed(seed), Weakness::None) {
            Ok(outcome) => outcome.count_into(&mut seen),
            Err(why) => panic!("{}", told(seed, &why)),
        }
    }
    println!("what the seeds met: {seen:#?}");
    for what in HAPPENINGS {
        assert!(seen.get(what).is_some_and(|count| *count > 0), "no seed met: {what}");
    }
}

/// Shows that the test can fail: a driver that is wrong is found out.
#[test]
fn a_driver_that_breaks_a_promise_is_found() {
    let _alone = memory::alone();
    for weakness in Weakness::ALL {
        let found = (0..SEEDS).find_map(|seed| play(&Script::of_seed(seed), weakness).err());
        let found = found.unwrap_or_else(|| panic!("{weakness:?} is not found"));
        let known = weakness.symptoms().iter().any(|symptom| found.contains(symptom));
        assert!(known, "{weakness:?} is found as: {found}");
    }
}

#[test]
fn a_script_that_fails_is_shrunk_to_what_it_takes() {
    let _alone = memory::alone();
    let fails = |script: &Script| play(script, Weakness::ForgetsTheCursor).is_err();
    let script = (0..SEEDS).map(Script::of_seed).find(|script| fails(script)).unwrap();
    let (before, small) = (script.size(), shrink::shrink(script, fails));
    assert!(fails(&small) && small.size() <= before.min(2), "{small}");
}

#[test]
fn a_seed_always_goes_the_same_way() {
    let _alone = memory::alone();
    for seed in 0..20 {
        let script = Script::of_seed(seed);
        let trace = || driver::run(&script, Weakness::None, true).0;
        assert_eq!(trace(), trace());
    }
}

/// `RESTLESS_SEEDS`: a number of seeds, or a range of them.
fn seeds() -> Range<u64> {
    let Some(text) = variable("RESTLESS_SEEDS") else { return 0..SEEDS };
    let number = |text: &str| text.parse().expect("RESTLESS_SEEDS is a number, or FROM..TO");
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&text),
    }
}

#[expect(clippy::disallowed_methods, reason = "a seed is chosen where the test is started")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Plays it, and gives what it came to, or which promise was broken.
fn play(script: &Script, weakness: Weakness) -> Result<Outcome, String> {
    let before = memory::held();
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut outcome = driver::run(script, weakness, false).1?;
        // Nobody's machine knows of another's: a call goes its way beside the subscription.
        calls::play(script.seed, &mut outcome)?;
        Ok(outcome)
    }));
    let outcome = played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("it panics: {}", text.unwrap_or("without a word")))
    })?;
    bounds::came_back(before)?;
    Ok(outcome)
}

/// What is printed of a seed that fails.
fn told(seed: u64, why: &str) -> String {
    let again = format!(
        "replay: RESTLESS_SEED={seed} cargo test -p restless-proto --test chaos -- --nocapture"
    );
    if traced(&Script::of_seed(seed)).1.is_ok() {
        return format!("seed {seed}: {why}\n\n{again}");
    }
    // What panics while it is shrunk has been seen.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let fails = |script: &Script| play(script, Weakness::None).is_err();
    let small = shrink::shrink(Script::of_seed(seed), fails);
    let (trace, outcome) = traced(&small);
    std::panic::set_hook(hook);
    let last = outcome.err().unwrap_or_else(|| why.to_owned());
    format!(
        "seed {seed}: {why}\n\nthe script, shrunk:\n{small}\nwhat happened:\n{trace}\n{last}\n\n\
         {again}"
    )
}

fn traced(script: &Script) -> (String, Result<Outcome, String>) {
    catch_unwind(AssertUnwindSafe(|| driver::run(script, Weakness::None, true)))
        .unwrap_or_else(|_| (String::new(), Err("it panics".to_owned())))
}

fn replay(seed: u64) {
    let script = Script::of_seed(seed);
    let (trace, outcome) = traced(&script);
    println!("{script}\n{trace}");
    if let Err(why) = outcome {
        panic!("{}", told(seed, &why));
    }
    play(&script, Weakness::None).unwrap_or_else(|why| panic!("{}", told(seed, &why)));
}
