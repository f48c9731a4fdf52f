//! Events as paragraphs, for people at a terminal.

use restless_tokio::StreamEvent;
use restless_tokio::event::Kind;
use restless_tokio::model::PayloadMode;
use restless_tokio::subscription::{Change, Continuity, Document, Event};
use serde_json::value::RawValue;

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

/// More changes than these are shown as the whole document; of more elements of one array, which
/// went or came, these.
const MOST_CHANGES: usize = 40;
/// A place is shown up to here.
const MOST_CHARS: usize = 400;

impl Paragraphs {
    pub(super) fn new(is_colored: bool, mode: PayloadMode) -> Self {
        Self { is_colored, document: Document::new(mode) }
    }

    pub(super) fn take(&mut self, event: &Event) -> Before {
        let document = self.document.clone();
        Before { change: self.document.take_event(event), document }
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
        let changes: String = places.iter().map(|place| self.change(place, before)).collect();
        if changes.is_empty() { self.paint(DIM, "no change") + "\n" } else { changes }
    }

    /// What was at a place and what is there now; of an array only the elements that went or came.
    fn change(&self, place: &str, before: &Document) -> String {
        let (old, new) = (before.at(place), self.document.at(place));
        if old == new {
            return String::new();
        }
        let (old, new) = (old.as_deref(), new.as_deref());
        if let (Some(old), Some(new)) = (old.and_then(elements), new.and_then(elements)) {
            return self.change_of_elements(place, &old, &new);
        }
        let old = old.map(|old| self.line(Sign::Old, place, old));
        let new = new.map(|new| self.line(Sign::New, place, new));
        old.unwrap_or_default() + &new.unwrap_or_default()
    }

    /// Elements that are alike at both ends stayed, and may have moved.
    fn change_of_elements(&self, place: &str, old: &[&RawValue], new: &[&RawValue]) -> String {
        let is_same = |(old, new): &(&&RawValue, &&RawValue)| old.get() == new.get();
        let first = old.iter().zip(new).take_while(is_same).count();
        let (old, new) =
            (old.get(first..).unwrap_or_default(), new.get(first..).unwrap_or_default());
        let behind = old.iter().rev().zip(new.iter().rev()).take_while(is_same).count();
        let lines = |sign: Sign, elements: &[&RawValue]| {
            let count = elements.len() - behind;
            let mut lines: String = (first..)
                .zip(elements.iter().take(count.min(MOST_CHANGES)))
                .map(|(n, element)| self.line(sign, &format!("{place}/{n}"), element.get()))
                .collect();
            if let Some(more @ 1..) = count.checked_sub(MOST_CHANGES) {
                lines += &self.line(sign, place, &format!("and {more} more"));
            }
            lines
        };
        lines(Sign::Old, old) + &lines(Sign::New, new)
    }

    fn line(&self, sign: Sign, place: &str, value: &str) -> String {
        let (sign, color) = match sign {
            Sign::Old => ('-', RED),
            Sign::New => ('+', GREEN),
        };
        let shown: String = place.chars().take(MOST_CHARS).collect();
        let cut = if shown.len() < place.len() { "…" } else { "" };
        self.paint(color, &format!("{sign} {shown}{cut}: {value}")) + "\n"
    }

    fn paint(&self, color: &str, text: &str) -> String {
        // Nothing that a feed sends may steer the terminal.
        let text: String =
            text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect();
        if self.is_colored { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text }
    }
}

#[derive(Clone, Copy)]
enum Sign {
    Old,
    New,
}

/// The elements of an array; `None` for any other value.
fn elements(json: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(json).ok()
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

#[cfg(test)]
mod tests {
    use restless_tokio::event::SseId;

    use super::*;

    fn update(data: &str, mode: &str) -> StreamEvent {
        let meta =
            format!(r#"{{"timestamp":"2026-03-24T00:00:00Z","payload_mode_fallback":"{mode}"}}"#);
        let text = format!(r#"{{"type":"update","meta":{meta},"data":{data}}}"#);
        StreamEvent::parse(text, SseId::None).expect("an event")
    }

    /// What is shown of a patch of a document.
    fn shown(document: &str, patch: &str) -> String {
        let mut before = Document::new(PayloadMode::JsonPatch);
        before.take(&update(document, "FULL_DATA"));
        let mut paragraphs = Paragraphs::new(false, PayloadMode::JsonPatch);
        paragraphs.document = before.clone();
        let Change::Value(places) = paragraphs.document.take(&update(patch, "JSON_PATCH")) else {
            panic!("{:?}", paragraphs.document.stale())
        };
        paragraphs.changes(&places, &before)
    }

    #[test]
    fn of_an_array_the_elements_that_went_or_came_are_shown() {
        for (document, patch, due) in [
            (r#"{"l":[1]}"#, r#"[{"op":"add","path":"/l/-","value":2}]"#, "+ /l/1: 2\n"),
            (r#"{"l":[1]}"#, r#"[{"op":"add","path":"/l/0","value":2}]"#, "+ /l/0: 2\n"),
            (r#"{"l":[1,2]}"#, r#"[{"op":"remove","path":"/l/0"}]"#, "- /l/0: 1\n"),
            (r#"{"l":[1,2]}"#, r#"[{"op":"remove","path":"/l/1"}]"#, "- /l/1: 2\n"),
            (r#"{"l":[1,1,1]}"#, r#"[{"op":"remove","path":"/l/0"}]"#, "- /l/2: 1\n"),
            (
                r#"{"l":[1,[2]]}"#,
                r#"[{"op":"replace","path":"/l","value":[1,[3],4]}]"#,
                "- /l/1: [2]\n+ /l/1: [3]\n+ /l/2: 4\n",
            ),
            (
                r#"{"l":[1]}"#,
                r#"[{"op":"replace","path":"/l","value":{}}]"#,
                "- /l: [1]\n+ /l: {}\n",
            ),
            (r#"{"l":[1]}"#, r#"[{"op":"replace","path":"/l/0","value":1}]"#, "no change\n"),
            (r#"{"l":[1]}"#, "[]", "no change\n"),
        ] {
            assert_eq!(shown(document, patch), due, "{patch}");
        }
    }

    #[test]
    fn of_many_elements_the_first_are_shown_and_the_others_counted() {
        let array = |number: &str| format!("[{}]", vec![number; MOST_CHANGES + 2].join(","));
        let patch = format!(r#"[{{"op":"replace","path":"/l","value":{}}}]"#, array("1"));
        let shown = shown(&format!(r#"{{"l":{}}}"#, array("0")), &patch);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2 * (MOST_CHANGES + 1));
        assert_eq!(
            lines[MOST_CHANGES - 1..=MOST_CHANGES + 1],
            ["- /l/39: 0", "- /l: and 2 more", "+ /l/0: 1"]
        );
    }

    #[test]
    fn a_long_place_is_cut() {
        let name = "k".repeat(2 * MOST_CHARS);
        let patch = format!(r#"[{{"op":"replace","path":"/{name}","value":1}}]"#);
        let shown = shown(&format!(r#"{{"{name}":0}}"#), &patch);
        assert_eq!(shown.lines().next(), Some(&*format!("- /{}…: 0", &name[..MOST_CHARS - 1])));
    }
}
