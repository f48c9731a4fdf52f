//! A recording as it is served: from its beginning or behind one of its events, over either
//! transport.

use bytes::Bytes;
use restless_proto::Limits;
use restless_proto::event::Envelope;
use restless_proto::sse::{Block, Decoder};
use tokio::time::Duration;

use crate::json::{self, Kind};
use crate::recording::{MAX_LINE_BYTES, Recording};
use crate::script::Script;
use crate::time;

/// The pieces of a recording, and the events in them.
#[derive(Debug)]
pub(crate) struct Replay {
    /// Each with the span behind the beginning at which it is due.
    pieces: Vec<(Duration, Bytes)>,
    events: Vec<Event>,
}

#[derive(Debug)]
struct Event {
    /// The piece that the event ends in, and where in that piece.
    end: (usize, usize),
    id: Option<String>,
    /// In Unix milliseconds, by the id or else by the timestamp.
    date: Option<i64>,
    /// The event as a WebSocket carries it.
    message: Bytes,
}

impl Replay {
    pub(crate) fn new(recording: Recording) -> Self {
        let limit = usize::try_from(MAX_LINE_BYTES).unwrap_or(usize::MAX);
        let limits = Limits::default().line_bytes(limit).event_bytes(limit);
        let mut decoder = Decoder::new(limits);
        let (mut pieces, mut events) = (Vec::new(), Vec::new());
        let mut due = Duration::ZERO;
        for (number, (pause, content)) in recording.into_iter().enumerate() {
            due = due.saturating_add(pause);
            let mut end = 0;
            // An event ends where a line does.
            for line in content.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
                let start = end;
                end += line.len();
                decoder.feed(content.slice(start..end));
                loop {
                    match decoder.poll() {
                        Ok(Some(Block::Event(event))) => {
                            events.push(Event::new((number, end), event.id(), event.data()));
                        }
                        Ok(None) => break,
                        // What no client takes is no event.
                        Ok(Some(_)) | Err(_) => {}
                    }
                }
            }
            pieces.push((due, content));
        }
        Self { pieces, events }
    }

    /// Returns the number of events up to the first one with this id, with that one.
    pub(crate) fn behind(&self, id: &str) -> Option<usize> {
        let found = self.events.iter().position(|event| event.id.as_deref() == Some(id));
        found.map(|at| at + 1)
    }

    /// Returns the number of events before the first one that is not known to be of this time, in
    /// Unix milliseconds, or earlier.
    pub(crate) fn after(&self, ms: i64) -> usize {
        let later = |event: &Event| event.date.is_none_or(|date| date > ms);
        self.events.iter().position(later).unwrap_or(self.events.len())
    }

    /// Returns the bytes behind the first `seen` events. The first of them are due at once.
    pub(crate) fn content(&self, seen: usize) -> Script {
        let Some(last) = seen.checked_sub(1).and_then(|at| self.events.get(at)) else {
            return Script::new(self.pieces.clone());
        };
        let (number, end) = last.end;
        let began = self.due(last);
        let left = self.pieces.iter().enumerate().skip(number).map(|(at, (due, piece))| {
            let skip = if at == number { end } else { 0 };
            (due.saturating_sub(began), piece.slice(skip..))
        });
        Script::new(left.filter(|(_, piece)| !piece.is_empty()).collect())
    }

    /// Returns the events behind the first `seen` ones, as messages of a WebSocket.
    pub(crate) fn messages(&self, seen: usize) -> Script {
        let last = seen.checked_sub(1).and_then(|at| self.events.get(at));
        let began = last.map_or(Duration::ZERO, |event| self.due(event));
        let left = self.events.iter().skip(seen);
        let due = |event| self.due(event).saturating_sub(began);
        Script::new(left.map(|event| (due(event), event.message.clone())).collect())
    }

    fn due(&self, event: &Event) -> Duration {
        self.pieces.get(event.end.0).map_or(Duration::ZERO, |(due, _)| *due)
    }
}

impl Event {
    fn new(end: (usize, usize), id: Option<&str>, data: &str) -> Self {
        let envelope = Envelope::parse(data).ok();
        let own = envelope.as_ref().and_then(|envelope| envelope.event_id());
        let id = id.filter(|id| !id.is_empty());
        let message = match id {
            Some(id) if own.as_deref() != Some(id) => with_id(data, id),
            Some(_) | None => data.to_owned(),
        };
        let id = id.map(str::to_owned).or_else(|| own.map(Into::into));
        let dated = id.as_deref().and_then(time::position);
        let date = dated.or_else(|| time::position(&envelope.as_ref()?.meta().timestamp()));
        Self { end, id, date, message: message.into() }
    }
}

/// Writes the id into an event's JSON, which has the only place for it in a message. What is no
/// object stays as it is.
fn with_id(data: &str, id: &str) -> String {
    let Ok(node) = json::parse(data) else { return data.to_owned() };
    let Kind::Object(fields) = &node.kind else { return data.to_owned() };
    let id = serde_json::Value::from(id);
    let twins = ["event_id", "eventId"].into_iter().filter_map(|name| fields.get(name));
    match twins.max_by_key(|twin| twin.raw != "null") {
        Some(old) => {
            // A slice of the text that was parsed.
            let start = old.raw.as_ptr() as usize - data.as_ptr() as usize;
            let (before, after) = (&data[..start], &data[start + old.raw.len()..]);
            format!("{before}{id}{after}")
        }
        None => {
            let rest = node.raw.trim_start_matches('{');
            let comma = if fields.is_empty() { "" } else { "," };
            format!("{{\"event_id\":{id}{comma}{rest}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"type":"update","meta":{"timestamp":"1970-01-01T00:00:05Z"},"data":1}"#;

    fn replay(pieces: &[(u64, &str)]) -> Replay {
        let mut file = crate::Recorder::new(Vec::new());
        let mut at = Duration::ZERO;
        for (pause, content) in pieces {
            at += Duration::from_millis(*pause);
            file.content(at, content.as_bytes()).expect("room");
        }
        Replay::new(Recording::read(&*file.into_inner()).expect("a recording"))
    }

    fn texts(script: Script) -> Vec<(u64, String)> {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let each = script.left().iter().map(|(due, piece)| (due.as_millis() as u64, text(piece)));
        each.collect()
    }

    #[test]
    fn the_rest_begins_in_the_middle_of_a_piece_and_is_due_from_there() {
        let replay = replay(&[(10, "id: a\ndata: 1\n\nid: b\n"), (20, "data: 2\n\n"), (5, ":\n")]);
        let due = |text: &str, at| (at, text.to_owned());
        let rest = [due("id: b\n", 0), due("data: 2\n\n", 20), due(":\n", 25)];
        assert_eq!(texts(replay.content(replay.behind("a").expect("an event"))), rest);
        assert_eq!(texts(replay.content(replay.behind("b").expect("an event"))), [due(":\n", 5)]);
        assert_eq!(texts(replay.content(0)).len(), 3);
        assert_eq!(replay.behind("c"), None);
    }

    #[test]
    fn a_time_stands_before_what_is_later_and_before_what_has_none() {
        let dated = |id: &str| format!("id: {id}\ndata: x\n\n");
        let replay = replay(&[
            (0, &dated("1000")),
            (0, &dated("2000")),
            (0, &format!("data: {EVENT}\n\n")),
            (0, "data: no time\n\n"),
        ]);
        let seen = [0, 1000, 1999, 2000, 4999, 5000, i64::MAX].map(|ms| replay.after(ms));
        assert_eq!(seen, [0, 1, 1, 2, 2, 3, 3]);
    }

    #[test]
    fn a_message_has_the_id_that_the_event_had() {
        let replay = replay(&[
            (0, &format!("id: 7\ndata: {EVENT}\n\n")),
            (3, "id: 8\ndata: {\"event_id\":null,\"data\":1}\n\n"),
            (4, "id: 9\ndata: {}\n\nid: 9\ndata: text\n\ndata: {}\n\n"),
        ]);
        let first = EVENT.replacen('{', "{\"event_id\":\"7\",", 1);
        let due = [
            (0, &*first),
            (3, "{\"event_id\":\"8\",\"data\":1}"),
            (7, "{\"event_id\":\"9\"}"),
            (7, "text"),
            (7, "{}"),
        ];
        assert_eq!(texts(replay.messages(0)), due.map(|(at, text)| (at, text.to_owned())));
        assert_eq!(texts(replay.messages(2)).first().map(|one| one.0), Some(4));
    }
}
