//! The event stream corpus: what the HTML standard and its tests make of a stream of bytes.
//!
//! Each case is decoded as given, in one piece, and byte by byte. `RESTLESS_SSE_CORPUS` names
//! another file of the same form as `tests/sse/whatwg.json`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use restless_proto::Limits;
use restless_proto::sse::{Block, Decoder};
use serde::Deserialize;

#[derive(Deserialize)]
struct Corpus {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    chunks: Vec<String>,
    events: Vec<Event>,
    events_after_chunk: Vec<usize>,
    retry_ms: Option<serde_json::Number>,
    #[serde(default)]
    retry_unchecked: bool,
    last_event_id_at_end: String,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Event {
    #[serde(rename = "type")]
    event_type: String,
    data: String,
    last_event_id: String,
}

#[derive(Debug)]
struct Decoded {
    events: Vec<Event>,
    events_after_chunk: Vec<usize>,
    retry: Option<Duration>,
    last_event_id: String,
}

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Decoded, String> {
    let mut decoder = Decoder::new(Limits::default());
    let (mut events, mut events_after_chunk) = (Vec::new(), Vec::new());
    for chunk in chunks {
        decoder.feed(Bytes::copy_from_slice(chunk));
        while let Some(block) = decoder.poll().map_err(|error| error.to_string())? {
            if let Block::Event(event) = block {
                events.push(Event {
                    event_type: event.event_type().to_owned(),
                    data: event.data().to_owned(),
                    last_event_id: event.last_event_id().to_owned(),
                });
            }
        }
        events_after_chunk.push(events.len());
    }
    let retry = decoder.reconnection_time();
    let last_event_id = decoder.last_event_id().to_owned();
    Ok(Decoded { events, events_after_chunk, retry, last_event_id })
}

impl Case {
    fn run(&self) -> Result<(), String> {
        let chunks: Vec<Vec<u8>> = self
            .chunks
            .iter()
            .map(|chunk| STANDARD.decode(chunk).map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        let whole = chunks.concat();
        let given = decode(chunks.iter().map(Vec::as_slice))?;
        self.compare("as given", &given)?;
        if given.events_after_chunk != self.events_after_chunk {
            let due = &self.events_after_chunk;
            return Err(format!(
                "after chunks: {due:?} is due, got {:?}",
                given.events_after_chunk
            ));
        }
        self.compare("in one piece", &decode([whole.as_slice()])?)?;
        self.compare("byte by byte", &decode(whole.chunks(1))?)
    }

    fn compare(&self, how: &str, got: &Decoded) -> Result<(), String> {
        // A time over 64 bits of milliseconds counts as the longest.
        let due = self.retry_ms.as_ref().map(|ms| ms.as_u64().unwrap_or(u64::MAX));
        let due = due.map(Duration::from_millis);
        if got.events != self.events {
            Err(format!("{how}: events: {:?} are due, got {:?}", self.events, got.events))
        } else if got.last_event_id != self.last_event_id_at_end {
            let due = &self.last_event_id_at_end;
            Err(format!("{how}: last event id: {due:?} is due, got {:?}", got.last_event_id))
        } else if !self.retry_unchecked && got.retry != due {
            Err(format!("{how}: retry: {due:?} is due, got {:?}", got.retry))
        } else {
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    let path = std::env::var_os("RESTLESS_SSE_CORPUS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sse/whatwg.json"),
        // Cargo runs tests in their package's folder; people stand in the project's.
        |file| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(file),
    );
    let corpus = std::fs::read(&path).map_err(|error| error.to_string()).and_then(|text| {
        serde_json::from_slice::<Corpus>(&text).map_err(|error| error.to_string())
    });
    let cases = match corpus {
        Ok(corpus) if corpus.cases.is_empty() => Err("a corpus without a case".to_owned()),
        Ok(corpus) => Ok(corpus.cases),
        Err(error) => Err(error),
    };
    let cases = match cases {
        Ok(cases) => cases,
        Err(error) => {
            println!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    };
    let mut failed = 0;
    for case in &cases {
        if let Err(why) = case.run() {
            failed += 1;
            println!("FAILED {}: {why:.2000}", case.name);
        }
    }
    println!("{} cases, each as given, in one piece and byte by byte", cases.len());
    println!("{} passed, {failed} failed", cases.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
