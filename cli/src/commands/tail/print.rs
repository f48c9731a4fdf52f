//! Events, each in the form that was asked for.

use restless_tokio::StreamEvent;
use restless_tokio::event::Kind;
use restless_tokio::model::PayloadMode;
use restless_tokio::subscription::{Change, Continuity, Document, Event, Item};
use serde_json::json;
use serde_json::value::RawValue;

use super::Format;
use super::paragraph::Paragraphs;
use crate::failure::Failure;
use crate::output::{data, print};

/// Prints the events of one subscription to standard output.
pub(super) struct Printer {
    format: Format,
    /// How the next event follows the one before it, as far as it was told.
    continuity: Option<Continuity>,
    /// The present document, where it is followed.
    document: Option<Document>,
    paragraphs: Paragraphs,
    /// Whether updates are all data or patches is not known, so that each stands alone.
    is_mode_unknown: bool,
    is_colored: bool,
    has_header: bool,
}

impl Printer {
    pub(super) fn new(
        format: Format,
        is_colored: bool,
        mode: Option<PayloadMode>,
        follows_document: bool,
    ) -> Self {
        let is_mode_unknown = mode.is_none();
        let mode = mode.unwrap_or(PayloadMode::FullData);
        Self {
            format,
            continuity: None,
            document: follows_document.then(|| Document::new(mode.clone())),
            paragraphs: Paragraphs::new(is_colored, mode),
            is_mode_unknown,
            is_colored,
            has_header: false,
        }
    }

    /// Prints what happened, where it is an event; `cursor` is the subscription's, after it.
    pub(super) fn print(&mut self, event: &Event, cursor: Option<&str>) -> Result<(), Failure> {
        let change = self.document.as_mut().map(|document| document.take_event(event));
        let was = (self.format == Format::Pretty).then(|| {
            if self.is_mode_unknown {
                // What differs between two patches is no change of a document.
                self.paragraphs = Paragraphs::new(self.is_colored, PayloadMode::FullData);
            }
            self.paragraphs.take(event)
        });
        match event {
            Event::Continuity(continuity) => self.continuity = Some(continuity.clone()),
            Event::Item(Item::Event(event)) => {
                let line = match (self.format, was) {
                    (Format::Pretty, Some(was)) => {
                        self.paragraphs.write(event, self.continuity.as_ref(), &was)
                    }
                    _ => data(self.line(event, cursor, change)?),
                };
                return print(&line);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the document that is followed waits for a snapshot. Where events are asked for, and
    /// not the document, a snapshot would skip some.
    pub(super) fn wants_snapshot(&mut self) -> bool {
        self.document.as_mut().is_some_and(Document::wants_snapshot)
    }

    fn line(
        &mut self,
        event: &StreamEvent,
        cursor: Option<&str>,
        change: Option<Change>,
    ) -> Result<String, Failure> {
        let object = match (&self.document, change) {
            (Some(document), Some(change)) => of_document(document, &change, cursor),
            _ => object(event, cursor, self.continuity.as_ref()),
        };
        Ok(match self.format {
            Format::Ndjson | Format::Pretty => object + "\n",
            Format::Json => pretty(&object),
            Format::Raw => match &self.document {
                Some(document) => document.text().unwrap_or_else(|| "null".to_owned()) + "\n",
                None => payload(event).1 + "\n",
            },
            Format::Csv => self.csv(event, cursor)?,
        })
    }

    fn csv(&mut self, event: &StreamEvent, cursor: Option<&str>) -> Result<String, Failure> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let meta = event.meta();
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        let fields = [
            event.kind().as_str().to_owned(),
            event.event_id().unwrap_or_default().to_owned(),
            cursor.unwrap_or_default().to_owned(),
            self.continuity.as_ref().map(Continuity::as_str).unwrap_or_default().to_owned(),
            meta.timestamp().into_owned(),
            number(meta.status()).unwrap_or_default(),
            number(meta.latency_ms()).unwrap_or_default(),
            payload(event).1,
        ];
        let failed = |error| Failure::new(1, "no line of comma-separated values", error);
        if !std::mem::replace(&mut self.has_header, true) {
            writer.write_record(CSV_NAMES).map_err(failed)?;
        }
        writer.write_record(&fields).map_err(failed)?;
        let bytes = writer.into_inner().unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

const CSV_NAMES: [&str; 8] =
    ["type", "event_id", "cursor", "continuity", "timestamp", "status", "latency_ms", "data"];

/// One JSON object, in one line.
fn object(event: &StreamEvent, cursor: Option<&str>, continuity: Option<&Continuity>) -> String {
    let text = |value: Option<&str>| serde_json::json!(value).to_string();
    let meta = serde_json::to_string(&event.meta()).unwrap_or_else(|_| "null".to_owned());
    let (name, payload) = payload(event);
    // Where there is one: `restless verify` reads the line.
    let signature = event.signature().map(|text| format!(r#","signature":{}"#, json!(text)));
    format!(
        r#"{{"type":"{}","event_id":{},"cursor":{},"continuity":{}{},"meta":{meta},"{name}":{payload}{}}}"#,
        event.kind().as_str(),
        text(event.event_id()),
        text(cursor),
        text(continuity.map(Continuity::as_str)),
        continuity.map(gap).unwrap_or_default(),
        signature.unwrap_or_default(),
    )
}

/// The data or the error, in one line. `data` is byte for byte what arrived, save that a line end,
/// which JSON allows only between tokens, becomes a space.
fn payload(event: &StreamEvent) -> (&'static str, String) {
    let (name, payload) = if event.kind() == Kind::Update {
        ("data", event.data().map(|data| data.get().replace(['\n', '\r'], " ")))
    } else {
        ("error", event.error().and_then(|error| serde_json::to_string(&error).ok()))
    };
    (name, payload.unwrap_or_else(|| "null".to_owned()))
}

/// The field that says which gap, where there is one.
fn gap(continuity: &Continuity) -> String {
    match continuity {
        Continuity::Gap { from, to, why } => {
            let gap = serde_json::json!({ "from": from, "to": to, "why": why.as_str() });
            format!(r#","gap":{gap}"#)
        }
        _ => String::new(),
    }
}

/// The present document, with what has changed in it, in one line.
fn of_document(document: &Document, change: &Change, cursor: Option<&str>) -> String {
    let changed = match change {
        Change::Value(places) => places.as_slice(),
        _ => &[],
    };
    format!(
        r#"{{"cursor":{},"changed":{},"stale":{},"error":{},"document":{}}}"#,
        serde_json::json!(cursor),
        serde_json::json!(changed),
        serde_json::json!(document.stale().map(ToString::to_string)),
        document.error().map(|event| payload(event).1).unwrap_or_else(|| "null".to_owned()),
        document.text().unwrap_or_else(|| "null".to_owned()),
    )
}

/// The same over several lines; numbers keep their spelling.
pub(super) fn pretty(json: &str) -> String {
    let parsed: Result<Box<RawValue>, _> = serde_json::from_str(json);
    let mut text = String::new();
    match parsed {
        Ok(value) => write_pretty(&mut text, &value, 0),
        Err(_) => text.push_str(json),
    }
    text.push('\n');
    text
}

fn write_pretty(text: &mut String, value: &RawValue, level: usize) {
    let indent = |level: usize| "  ".repeat(level);
    if let Ok(members) = serde_json::from_str::<Members<'_>>(value.get()) {
        if members.0.is_empty() {
            return text.push_str("{}");
        }
        let count = members.0.len();
        text.push_str("{\n");
        for (n, (key, value)) in members.0.into_iter().enumerate() {
            let comma = if n + 1 < count { ",\n" } else { "\n" };
            text.push_str(&format!("{}{}: ", indent(level + 1), serde_json::json!(key)));
            write_pretty(text, value, level + 1);
            text.push_str(comma);
        }
        text.push_str(&format!("{}}}", indent(level)));
    } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
        if items.is_empty() {
            return text.push_str("[]");
        }
        let count = items.len();
        text.push_str("[\n");
        for (n, value) in items.into_iter().enumerate() {
            text.push_str(&indent(level + 1));
            write_pretty(text, value, level + 1);
            text.push_str(if n + 1 < count { ",\n" } else { "\n" });
        }
        text.push_str(&format!("{}]", indent(level)));
    } else {
        text.push_str(value.get());
    }
}

/// The members of an object, in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                std::iter::from_fn(|| map.next_entry().transpose()).collect()
            }
        }
        deserializer.deserialize_map(Visitor).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_over_several_lines_keeps_order_and_numbers() {
        let text = pretty(r#"{"b":[1.0,{}],"a":{"c":12345678901234567890,"d":[]}}"#);
        let due = r#"{
  "b": [
    1.0,
    {}
  ],
  "a": {
    "c": 12345678901234567890,
    "d": []
  }
}
"#;
        assert_eq!(text, due);
    }
}
