//! Events as paragraphs, for people at a terminal.

use restless_tokio::StreamEvent;
use restless_tokio::event::Kind;
use restless_tokio::model::PayloadMode;
use restless_tokio::subscription::{Change, Continuity, Document, Event};

use super::print::pretty;
use crate::output::harmless;

/// What was before, to be shown beside what is.
pub(super) struct Before {
    change: Change,
    document: Document,
}

/// Writes paragraphs: when, which, how it follows; then the whole document the first time, and
/// afterwards what has changed in it.
pub(super) struct Paragraphs {
    is_colored: bool,
    document: Document,
}

/// More changes than these are shown as the whole document.
const MOST_CHANGES: usize = 40;

impl Paragraphs {
    pub(super) fn new(is_colored: bool, mode: PayloadMode) -> Self {
        Self { is_colored, document: Document::new(mode) }
    }

    pub(super) fn take(&mut self, event: &Event) -> Before {
        let document = self.document.clone();
        Before { change: self.document.take_event(event), document }
    }

    pub(super) fn wants_snapshot(&mut self) -> bool {
        self.document.wants_snapshot()
    }

    pub(super) fn write(
        &self,
        event: &StreamEvent,
        continuity: Option<&Continuity>,
        before: &Before,
    ) -> String {
        let mut head = vec![self.paint(BOLD, &event.meta().timestamp())];
        head.extend(event.event_id().map(|id| self.paint(DIM, id)));
        head.extend(self.follows(continuity));
        let body = match (event.kind(), &before.change) {
            (Kind::Error, _) => {
                let error = event.error().map(|error| error.to_string());
                self.paint(RED, &error.unwrap_or_else(|| "an error".to_owned())) + "\n"
            }
            (Kind::Update, Change::Value(places)) => self.changes(places, &before.document),
            (_, _) => {
                let stale = self.document.stale().map(ToString::to_string).unwrap_or_default();
                let data = event.data().map_or("null", |data| data.get());
                format!(
                    "{}\n{}",
                    self.paint(YELLOW, &format!("stale: {stale}")),
                    harmless(&pretty(data))
                )
            }
        };
        format!("{}\n{body}\n", head.join("  "))
    }

    fn follows(&self, continuity: Option<&Continuity>) -> Option<String> {
        match continuity? {
            Continuity::Live => None,
            Continuity::Gap { why, .. } => Some(self.paint(YELLOW, &format!("after a gap: {why}"))),
            other => Some(self.paint(DIM, other.as_str())),
        }
    }

    fn changes(&self, places: &[String], before: &Document) -> String {
        let is_whole = places.iter().any(String::is_empty) || places.len() > MOST_CHANGES;
        if before.is_empty() || is_whole {
            return harmless(&pretty(&self.document.text().unwrap_or_else(|| "null".to_owned())));
        }
        if places.is_empty() {
            return self.paint(DIM, "no change") + "\n";
        }
        places.iter().map(|place| self.change(place, before)).collect()
    }

    fn change(&self, place: &str, before: &Document) -> String {
        let line = |sign: char, color: &str, value: String| {
            self.paint(color, &format!("{sign} {place}: {value}")) + "\n"
        };
        let old = before.at(place).map(|old| line('-', RED, old));
        let new = self.document.at(place).map(|new| line('+', GREEN, new));
        old.unwrap_or_default() + &new.unwrap_or_default()
    }

    fn paint(&self, color: &str, text: &str) -> String {
        // Nothing that a feed sends may steer the terminal.
        let text: String =
            text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect();
        if self.is_colored { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text }
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
