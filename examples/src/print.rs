//! What happens, in lines.

use std::error::Error as StdError;
use std::io::{self, Write};
use std::ops::ControlFlow;

use restless_proto::event::Kind;
use restless_proto::subscription::{Ended, Event, Item, LossReason};
use restless_proto::{Error, StreamEvent};

/// Prints events to stdout and everything else to stderr.
#[derive(Debug)]
pub struct Printer {
    left: Option<u64>,
}

impl Printer {
    /// Stops after this many events; the first is printed in any case.
    pub fn new(limit: Option<u64>) -> Self {
        Self { left: limit }
    }

    /// Prints what happened; `cursor` is the subscription's, after it. Breaks with the exit status
    /// when it is over or the limit is reached.
    pub fn print(&mut self, event: Event, cursor: Option<&str>) -> ControlFlow<u8> {
        match event {
            Event::Item(Item::Event(event)) => {
                if let Err(status) = write(&line(&event, cursor)) {
                    return ControlFlow::Break(status);
                }
                self.left = self.left.map(|left| left.saturating_sub(1));
                if self.left == Some(0) {
                    return ControlFlow::Break(0);
                }
            }
            Event::Item(Item::Rejected(rejected)) => note(&causes(&rejected)),
            Event::Opened(opened) => match opened.cursor {
                Some(cursor) => note(&format!("connected, resuming after {cursor}")),
                None => note("connected"),
            },
            Event::Unanswered => note("no answer yet: something in between may hold it back"),
            Event::Lost(lost) => {
                let reason = causes(&lost.reason);
                note(&format!("lost: {reason}; reconnect {} follows", lost.attempt));
            }
            // To the library no error, as the last connection ended in good order.
            Event::Ended(Ended::GaveUp { last: LossReason::Complete, .. }) => {
                note("gave up: no reconnect brought an event");
                return ControlFlow::Break(4);
            }
            Event::Ended(ended) => return ControlFlow::Break(ended.into_error().map_or(0, failed)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Says what ended it, to the exit status that calls for.
pub(crate) fn failed(error: Error) -> u8 {
    note(&causes(&error));
    match error {
        Error::Config(_) | Error::Misuse(_) => 2,
        Error::Refused(_)
        | Error::Content(_)
        | Error::Redirect(_)
        | Error::Handshake(_)
        | Error::Closed(_) => 3,
        _ => 4,
    }
}

/// One JSON object in one line. `data` is byte for byte what arrived, save that a line end, which
/// JSON allows only between tokens, becomes a space.
fn line(event: &StreamEvent, cursor: Option<&str>) -> String {
    let kind = event.kind();
    let (name, payload) = if kind == Kind::Update {
        ("data", event.data().map(|data| data.get().replace(['\n', '\r'], " ")))
    } else {
        ("error", serde_json::to_string(&event.error()).ok())
    };
    let text = |value: Option<&str>| serde_json::json!(value);
    format!(
        "{{\"type\":\"{kind}\",\"event_id\":{},\"cursor\":{},\"{name}\":{}}}\n",
        text(event.event_id()),
        text(cursor),
        payload.as_deref().unwrap_or("null"),
    )
}

/// Writes to stdout; else the exit status.
pub(crate) fn write(text: &str) -> Result<(), u8> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        // Whoever read us has enough: `subscribe … | head -1`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(0),
        Err(error) => {
            note(&format!("stdout can't be written: {error}"));
            Err(1)
        }
    }
}

pub(crate) fn note(text: &str) {
    // With stderr gone there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// An error and its causes, in one line.
fn causes(error: &dyn StdError) -> String {
    let errors = std::iter::successors(Some(error), |error| (*error).source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
