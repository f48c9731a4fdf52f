//! What happens, in lines.

use std::error::Error as StdError;
use std::io::{self, Write};
use std::ops::ControlFlow;

use restless_proto::event::Kind;
use restless_proto::subscription::{Continuity, Ended, Event, Item, LossReason, Rejected};
use restless_proto::{Error, StreamEvent};

/// Prints events to stdout and everything else to stderr.
#[derive(Debug)]
pub struct Printer {
    left: Option<u64>,
    /// How the next event follows the one before it, as far as it was told.
    continuity: Option<Continuity>,
}

impl Printer {
    /// Stops after this many events.
    pub fn new(limit: Option<u64>) -> Self {
        Self { left: limit, continuity: None }
    }

    /// Whether the limit is reached before anything came.
    pub fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    /// Prints what happened; `cursor` is the subscription's, after it. Breaks with the exit status
    /// when it is over or the limit is reached.
    pub fn print(&mut self, event: Event, cursor: Option<&str>) -> ControlFlow<u8> {
        match event {
            Event::Continuity(continuity) => self.continuity = Some(continuity),
            Event::Item(Item::Event(event)) => {
                if let Err(status) = write(&(self.line(&event, cursor) + "\n")) {
                    return ControlFlow::Break(status);
                }
                if let Some(left) = &mut self.left {
                    *left -= 1;
                    if *left == 0 {
                        return ControlFlow::Break(0);
                    }
                }
            }
            Event::Item(Item::Rejected(rejected)) => note(&rejection(&rejected)),
            Event::Opened(opened) => match opened.cursor {
                Some(cursor) => note(&format!("connected, resuming after {cursor}")),
                None => note("connected"),
            },
            Event::Unanswered => {
                note("no answer yet: something in between may hold it back until the first event");
            }
            Event::Lost(lost) => {
                note(&format!(
                    "lost: {}; reconnect {} follows",
                    causes(&lost.reason),
                    lost.attempt
                ));
            }
            Event::Ended(ended) => {
                let status = match ended {
                    Ended::Complete => {
                        note("the server ended the stream");
                        0
                    }
                    Ended::NoContent => {
                        note("the server said: no more (204)");
                        0
                    }
                    // To the library no error, as the last connection ended in good order.
                    Ended::GaveUp { reconnects, last: LossReason::Complete } => {
                        let s = if reconnects == 1 { "" } else { "s" };
                        note(&format!("gave up: {reconnects} reconnect{s} brought no event"));
                        4
                    }
                    _ => ended.into_error().map_or(0, |error| {
                        note(&causes(&error));
                        exit_code(&error)
                    }),
                };
                return ControlFlow::Break(status);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// One JSON object, in one line. `data` is byte for byte what arrived, save that a line end,
    /// which JSON allows only between tokens, becomes a space.
    fn line(&self, event: &StreamEvent, cursor: Option<&str>) -> String {
        let text = |value: Option<&str>| serde_json::json!(value).to_string();
        let kind = event.kind().as_str();
        let meta = serde_json::to_string(&event.meta()).unwrap_or_else(|_| "null".to_owned());
        let (name, payload) = if event.kind() == Kind::Update {
            ("data", event.data().map(|data| data.get().replace(['\n', '\r'], " ")))
        } else {
            ("error", event.error().and_then(|error| serde_json::to_string(&error).ok()))
        };
        format!(
            r#"{{"type":"{kind}","event_id":{},"cursor":{},"continuity":{}{},"meta":{meta},"{name}":{}}}"#,
            text(event.event_id()),
            text(cursor),
            text(self.continuity.as_ref().map(Continuity::as_str)),
            self.continuity.as_ref().map(gap).unwrap_or_default(),
            payload.unwrap_or_else(|| "null".to_owned()),
        )
    }
}

/// The exit status that an error calls for.
pub fn exit_code(error: &Error) -> u8 {
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

/// Writes to stdout, to the exit status.
pub(crate) fn say(text: &str) -> u8 {
    write(text).err().unwrap_or(0)
}

/// Writes to stdout; else the exit status.
fn write(text: &str) -> Result<(), u8> {
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
pub(crate) fn causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn rejection(rejected: &Rejected) -> String {
    let excerpt: String = String::from_utf8_lossy(&rejected.data)
        .chars()
        .take(200)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("{}: {excerpt}", causes(rejected))
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
