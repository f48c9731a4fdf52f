//! Running the rules.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::driver::Driver;
use crate::report::{Entry, Report, Verdict};
use crate::rule::{Check, Over, Rule, rules};
use crate::stage::Stage;

/// A trial of a driver: which rules, and how thoroughly.
#[derive(Clone, Debug)]
#[must_use = "a trial does nothing before `run`"]
pub struct Trial {
    only: Vec<String>,
    step: usize,
    jobs: usize,
    patience: Duration,
}

impl Default for Trial {
    fn default() -> Self {
        Self { only: Vec::new(), step: 1, jobs: 4, patience: Duration::from_secs(30) }
    }
}

impl Trial {
    /// Takes all rules, cut at every byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes only rules whose name has this part. A second call adds the rules with another part.
    /// Default: all.
    pub fn only(mut self, part: impl Into<String>) -> Self {
        self.only.push(part.into());
        self
    }

    /// Sets the distance between two cuts, in bytes: a driver that is a process of its own takes a
    /// while to start. Default: 1, which cuts at every byte.
    pub fn step(mut self, bytes: usize) -> Self {
        self.step = bytes.max(1);
        self
    }

    /// Sets how many rules are tried at once. Default: 4; at least 1.
    pub fn jobs(mut self, count: usize) -> Self {
        self.jobs = count.max(1);
        self
    }

    /// Sets how long a rule may take. Default: 30 s. A rule that takes longer is broken; what the
    /// driver runs for the rule is given up ([`Driver::give_up`]), and the rule's thread is left
    /// behind.
    pub fn patience(mut self, span: Duration) -> Self {
        self.patience = span;
        self
    }

    /// Tries a driver.
    pub fn run(&self, driver: impl Driver + 'static) -> Report {
        let driver: Arc<dyn Driver> = Arc::new(driver);
        let wanted = |rule: &Rule| {
            self.only.is_empty() || self.only.iter().any(|part| rule.name.contains(part.as_str()))
        };
        let tasks: Vec<_> = rules()
            .into_iter()
            .filter(wanted)
            .flat_map(|rule| rule.over.iter().map(move |over| (rule, *over)))
            .collect();
        let (next, entries) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        let Some((rule, over)) = tasks.get(n) else { break };
                        let entry = self.one(&driver, *rule, *over);
                        entries.lock().unwrap_or_else(PoisonError::into_inner).push((n, entry));
                    }
                });
            }
        });
        let mut entries = entries.into_inner().unwrap_or_else(PoisonError::into_inner);
        entries.sort_by_key(|(n, _)| *n);
        Report { entries: entries.into_iter().map(|(_, entry)| entry).collect() }
    }

    fn one(&self, driver: &Arc<dyn Driver>, rule: Rule, over: Over) -> Entry {
        let begun = Instant::now();
        let verdict = match rule.missing(over, driver.skills()) {
            Some(why) => Verdict::LeftOut(why.to_owned()),
            None => self.check(driver, rule, over).map_or_else(Verdict::Broken, |()| Verdict::Held),
        };
        Entry { rule, over, verdict, took: begun.elapsed() }
    }

    /// Checks a rule on a thread of its own: a driver that falls silent must not hold up the
    /// others.
    fn check(&self, driver: &Arc<dyn Driver>, rule: Rule, over: Over) -> Check {
        let (driver, step) = (Arc::clone(driver), self.step);
        let (sender, done) = channel();
        let (begins, service) = channel();
        let on_trial = Arc::clone(&driver);
        thread::spawn(move || {
            let checked = Stage::new(on_trial, over, step).and_then(|stage| {
                // Where the rule was too late, nobody listens any more: here, and below.
                let _ = begins.send(stage.endpoint());
                (rule.check)(&stage).and_then(|()| stage.kept_the_key())
            });
            let _ = sender.send(checked);
        });
        done.recv_timeout(self.patience).unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => {
                service.try_iter().for_each(|service| driver.give_up(&service));
                Err(format!("no end within {:?}", self.patience))
            }
            RecvTimeoutError::Disconnected => Err("the driver panicked".to_owned()),
        })
    }
}
