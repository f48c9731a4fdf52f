//! How it is going: a line on a terminal that is written anew, JSON lines elsewhere.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::ProgressBar;
use restless_relay::{Ended, Progress, RelayError};
use serde_json::{Value, json};

use crate::failure::causes;
use crate::output::harmless;
use crate::progress;
use crate::relay::{Destination, Handles, word};

/// Between two status lines, and between two lines of progress in the log.
const ON_TERMINAL: Duration = Duration::from_millis(500);
const IN_LOG: Duration = Duration::from_secs(30);

pub(super) struct Report {
    /// Hidden where standard error is no terminal.
    line: ProgressBar,
    ticks: tokio::time::Interval,
    /// The last trouble told of each feed, so that each is told once.
    troubles: std::collections::BTreeMap<String, Option<String>>,
    last: Option<(Instant, u64)>,
}

impl Report {
    pub(super) fn begin(to: &Destination, metrics: Option<SocketAddr>) -> Self {
        // In a log troubles are told as soon, progress is not.
        let mut ticks = tokio::time::interval(ON_TERMINAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let report =
            Self { line: progress::line(), ticks, troubles: Default::default(), last: None };
        report.say("started", json!({ "sink": to.kind(), "metrics": metrics }));
        report
    }

    /// When it is time to say something.
    pub(super) async fn due(&mut self) {
        self.ticks.tick().await;
    }

    pub(super) fn progress(&mut self, handles: &Handles) {
        for (name, handle) in handles {
            let trouble = handle.progress().trouble;
            let told = self.troubles.entry(name.clone()).or_default();
            if *told != trouble {
                told.clone_from(&trouble);
                let what = if trouble.is_some() { "trouble" } else { "well_again" };
                self.say(what, json!({ "feed": name, "trouble": trouble }));
            }
        }
        let total = Total::of(handles);
        let now = Instant::now();
        if !self.line.is_hidden() {
            let rate = self.last.map_or(0.0, |(then, events)| {
                let span = now.duration_since(then).as_secs_f64().max(0.001);
                total.events.saturating_sub(events) as f64 / span
            });
            self.last = Some((now, total.events));
            self.line.set_message(total.line(rate));
            self.line.tick();
        } else if self.last.is_none_or(|(then, _)| now.duration_since(then) >= IN_LOG) {
            self.last = Some((now, total.events));
            self.say("progress", total.json());
        }
    }

    pub(super) fn ended(&self, name: &str, ended: &Ended) {
        self.say("ended", json!({ "feed": name, "how": word(ended) }));
    }

    pub(super) fn failed(&self, name: &str, error: &RelayError) {
        self.say("failed", json!({ "feed": name, "error": causes(error).join(": ") }));
    }

    pub(super) fn draining(&self) {
        self.say("draining", json!({}));
    }

    pub(super) fn finish(&self, handles: &Handles) {
        self.line.finish_and_clear();
        self.say("finished", Total::of(handles).json());
    }

    /// Where standard error is gone there is nobody to tell; the store and the exit code are left.
    fn say(&self, what: &str, mut fields: Value) {
        if !self.line.is_hidden() {
            let fields = fields.as_object().into_iter().flatten();
            let told = fields.filter(|(_, value)| !value.is_null()).map(|(name, value)| {
                format!(" {name}={}", value.as_str().map_or_else(|| value.to_string(), Into::into))
            });
            let told = harmless(&format!("{what}{}", told.collect::<String>()));
            return self.line.suspend(|| drop(writeln!(std::io::stderr(), "{told}")));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("unix_ms".to_owned(), json!(now.as_millis() as u64));
            fields.insert("message".to_owned(), json!(what));
        }
        let _ = writeln!(std::io::stderr(), "{fields}");
    }
}

/// All feeds together.
#[derive(Default)]
struct Total {
    feeds: usize,
    connected: usize,
    troubled: usize,
    events: u64,
    dead_letters: u64,
    bytes: u64,
    losses: u64,
    lag: Option<Duration>,
}

impl Total {
    fn of(handles: &Handles) -> Self {
        handles.values().map(|handle| handle.progress()).fold(Self::default(), Self::and)
    }

    fn and(self, one: Progress) -> Self {
        Self {
            feeds: self.feeds + 1,
            connected: self.connected + usize::from(one.connected),
            troubled: self.troubled + usize::from(one.trouble.is_some()),
            events: self.events + one.events,
            dead_letters: self.dead_letters + one.dead_letters,
            bytes: self.bytes + one.bytes,
            losses: self.losses + one.losses,
            lag: self.lag.max(one.lag),
        }
    }

    fn line(&self, rate: f64) -> String {
        let lag =
            self.lag.map_or_else(|| "–".to_owned(), |lag| format!("{:.1} s", lag.as_secs_f64()));
        let Self { feeds, connected, troubled, events, losses, dead_letters, .. } = self;
        format!(
            "{connected}/{feeds} feeds, {troubled} in trouble | {events} events, {rate:.0}/s | \
             lag {lag} | {losses} losses | {dead_letters} dead"
        )
    }

    fn json(&self) -> Value {
        json!({
            "feeds": self.feeds, "connected": self.connected, "in_trouble": self.troubled,
            "events": self.events, "dead_letters": self.dead_letters, "bytes": self.bytes,
            "losses": self.losses, "lag_ms": self.lag.map(|lag| lag.as_millis() as u64),
        })
    }
}
