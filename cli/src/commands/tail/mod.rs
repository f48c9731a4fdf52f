//! `restless tail`: follows a stream, and prints its events.

mod cursor_file;
mod paragraph;
mod print;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use restless_tokio::streams;
use restless_tokio::subscription::{Ended, Event, Item, LossReason};

use self::cursor_file::CursorFile;
use self::print::Printer;
use crate::context::Context;
use crate::failure::{Failure, causes};
use crate::output::{note, sync_output};
use crate::source::Source;
use crate::stop::Stop;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// How to print; else ndjson, and on a terminal pretty
    #[arg(long, short, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    output: Option<Format>,
    /// Print the present document with each event, and what has changed in it
    #[arg(long)]
    document: bool,
    /// Stop after N events
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<u64>,
    /// Say nothing of connections
    #[arg(long, short)]
    quiet: bool,
    /// Keep the position in this file, at most every 200 ms and at the end; the file is whole at
    /// each moment
    #[arg(long, value_name = "FILE")]
    save_cursor: Option<PathBuf>,
    /// Start at the position in the file of --save-cursor, where there is one
    #[arg(long, requires = "save_cursor", conflicts_with = "cursor")]
    resume: bool,
    #[command(flatten)]
    source: Source,
}

const HELP: &str = "\
Forms of output:
  ndjson  one JSON object a line
  json    the same over several lines
  csv     a line of comma-separated values, below one with their names
  raw     the data alone, in one line, as it came
  pretty  a paragraph: when, which, and what has changed

A position is saved when what was printed before it is on the disk:
after a crash or a reboot, --resume prints the events of the last 200 ms
again in a file, and loses none. `restless relay` stores each event
once.

Examples:
  restless tail Orders
  restless tail Orders --since 0 -n 10 -o raw
  restless tail Orders --save-cursor o.cursor --resume >> orders.ndjson
  restless tail --direct https://api.example.com/a --polling-interval 30";

/// How events are printed, as [`HELP`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Ndjson,
    Json,
    Csv,
    Raw,
    Pretty,
}

/// The position is written at most so often: each time costs a turn of the disk.
const SAVE_EVERY: Duration = Duration::from_millis(200);

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let mut stop = Stop::listen().map_err(|error| Failure::new(1, "no signals", error))?;
    let mut followed = args.source.find(&client).await?;
    let format = args.format();
    if let Some(id) = &args.source.stream {
        // Whether it sends patches counts where the document is shown.
        if args.document {
            followed.payload_mode = client.send(streams::get(id)).await?.payload_mode;
        } else if format == Format::Pretty
            && let Ok(stream) = client.send(streams::get(id)).await
        {
            followed.payload_mode = stream.payload_mode;
        }
    }
    let mut file = args.save_cursor.as_deref().map(CursorFile::open).transpose()?;
    if args.resume
        && let Some(cursor) = file.as_ref().and_then(CursorFile::cursor)
    {
        followed.subscription = followed.subscription.cursor(cursor);
    }
    let mut printer =
        Printer::new(format, context.is_colored(), followed.payload_mode, args.document);
    let mut events = client.subscribe(followed.subscription).map_err(Failure::usage)?;
    if args.limit == Some(0) {
        return Ok(());
    }
    let mut left = args.limit;
    loop {
        let is_unsaved = file.as_ref().is_some_and(|file| file.is_behind(events.cursor()));
        let event = tokio::select! {
            biased;
            () = stop.asked() => {
                // What has been printed is saved below; over WebSocket the peer is told.
                events.close();
                continue;
            }
            event = events.next_event() => event,
            () = tokio::time::sleep(SAVE_EVERY), if is_unsaved => {
                save(&mut file, events.cursor())?;
                continue;
            }
        };
        let Some(event) = event else { return Ok(()) };
        let is_event = matches!(event, Event::Item(Item::Event(_)));
        printer.print(&event, events.cursor())?;
        if printer.wants_snapshot() {
            events.ask_for_snapshot();
        }
        if is_event {
            left = left.map(|left| left - 1);
            if file.as_ref().is_some_and(CursorFile::is_due) || left == Some(0) {
                save(&mut file, events.cursor())?;
            }
        }
        if left == Some(0) {
            return Ok(());
        }
        if !args.quiet {
            tell(&event);
        }
        if let Event::Ended(ended) = event {
            save(&mut file, events.cursor())?;
            return end(ended);
        }
    }
}

impl Args {
    fn format(&self) -> Format {
        match self.output {
            Some(format) => format,
            None if std::io::stdout().is_terminal() => Format::Pretty,
            None => Format::Ndjson,
        }
    }
}

fn save(file: &mut Option<CursorFile>, cursor: Option<&str>) -> Result<(), Failure> {
    match (file, cursor) {
        (Some(file), Some(cursor)) => {
            // The position may not be on the disk before what leads to it.
            sync_output()?;
            file.save(cursor)
        }
        _ => Ok(()),
    }
}

/// Says what happened beside the events.
fn tell(event: &Event) {
    match event {
        Event::Opened(opened) => match &opened.cursor {
            Some(cursor) => note(&format!("connected, resuming after {cursor}")),
            None => note("connected"),
        },
        Event::Unanswered => {
            note(
                "no answer yet: something in between may hold it back until the first event; \
                 `restless doctor` looks for it",
            );
        }
        Event::Item(Item::Rejected(rejected)) => note(&causes(rejected).join(": ")),
        Event::Lost(lost) => {
            let reason = causes(&lost.reason).join(": ");
            note(&format!("lost: {reason}; reconnect {} follows", lost.attempt));
        }
        Event::Ended(Ended::Complete) => note("the server ended the stream"),
        Event::Ended(Ended::NoContent) => note("the server said: no more (204)"),
        _ => {}
    }
}

fn end(ended: Ended) -> Result<(), Failure> {
    match ended {
        Ended::GaveUp { reconnects, last: LossReason::Complete | LossReason::Snapshot } => {
            let s = if reconnects == 1 { "" } else { "s" };
            let message = format!("gave up: {reconnects} reconnect{s} brought no event");
            Err(Failure::message(4, message))
        }
        ended => match ended.into_error() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        },
    }
}
