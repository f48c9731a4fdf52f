//! `restless doctor`: the steps of a way to a feed, each tried by itself.

mod case;
mod finding;
mod heard;
mod held;
mod steps;

pub(crate) use case::{Case, Options, Wanted};
pub(crate) use finding::{Finding, Verdict};
pub(crate) use steps::STEPS;

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// A step: its name, what the process ends with where it is the first that fails, and what it does.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) exit_code: u8,
    pub(crate) run: for<'a> fn(&'a mut Case) -> Running<'a>,
}

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Finding> + Send + 'a>>;

/// A step that was tried.
pub(crate) struct Tried {
    pub(crate) step: &'static Step,
    pub(crate) finding: Finding,
    pub(crate) took: Duration,
}

/// Tries each step in turn, and tells each before and when it is done.
pub(crate) async fn examine(
    case: &mut Case,
    begin: impl Fn(&Step),
    mut tell: impl FnMut(&Tried),
) -> Vec<Tried> {
    let mut tried = Vec::new();
    for step in STEPS {
        begin(step);
        let begun = Instant::now();
        let finding = (step.run)(case).await;
        let one = Tried { step, finding, took: begun.elapsed() };
        tell(&one);
        tried.push(one);
    }
    tried
}
