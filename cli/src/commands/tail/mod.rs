//! `restless tail`: follows a stream, and prints its events.

mod cursor_file;
mod paragraph;
mod print;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use restless_tokio::Client;
use restless_tokio::model::PayloadMode;
use restless_tokio::subscription::{Ended, Event, Item, LossReason};

use self::cursor_file::CursorFile;
use self::print::Printer;
use crate::context::Context;
use crate::failure::{Failure, causes};
use crate::output::{begin_line, note, sync_output};
use crate::source::{Mode, PATIENCE, Source};
use crate::stop::Stop;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// How to print; else ndjson, and on a terminal pretty
    #[arg(long, short, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    output: Option<Format>,
    /// Print the present document with each event, and what has changed in it; where it is made of
    /// patches, it jumps to the present after a gap. A URL that does not say whether its updates
    /// are patches wants --payload-mode
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
again in a file, and loses none: where the file ends within a line, the
next one begins on a line of its own. `restless relay` stores each event
once.

A document that is made of patches (JSON_PATCH) needs all data first.
Where a patch does not fit, or may be missed, and where --cursor starts
at a patch, --document goes on with all data of the present: the events
in between are not printed. So --save-cursor is refused there. Without
--document, each event is printed.

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
    let format = args.format();
    if args.document && format == Format::Csv {
        let message = "csv has no column for --document: ndjson, json, raw or pretty prints it";
        return Err(Failure::message(2, message));
    }
    let client = context.client()?;
    let mut followed = args.source.find(&client).await?;
    let mode = args.mode(followed.mode, format, &client).await?;
    // Until here a signal ends the process: nothing has been printed that is to be saved.
    let mut stop = Stop::listen().map_err(|error| Failure::new(1, "no signals", error))?;
    let mut file = args.save_cursor.as_deref().map(CursorFile::open).transpose()?;
    if args.resume
        && let Some(cursor) = file.as_ref().and_then(CursorFile::cursor)
    {
        followed.subscription = followed.subscription.cursor(cursor);
    }
    let mut printer = Printer::new(format, context.is_colored(), mode, args.document);
    let mut events = client.subscribe(followed.subscription).map_err(Failure::usage)?;
    if args.limit == Some(0) {
        return Ok(());
    }
    if args.resume {
        begin_line()?;
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

    /// Whether updates are patches, which counts where the document is shown; `None` where it does
    /// not count, or where nobody knows.
    async fn mode(
        &self,
        mode: Mode,
        format: Format,
        client: &Client,
    ) -> Result<Option<PayloadMode>, Failure> {
        if !self.document {
            // Each event can be printed by itself, too.
            if format != Format::Pretty {
                return Ok(None);
            }
            let mut patience = PATIENCE;
            return Ok(mode.ask_within(client, &mut patience).await);
        }
        let asked = mode.ask(client).await;
        let asked = asked.map_err(|failure| match self.source.what {
            Some(_) => failure.hint("--payload-mode says what could not be looked up"),
            None => failure,
        });
        let Some(mode) = asked? else {
            let message = "--document needs --payload-mode: this URL does not say whether its \
                           updates are all data or patches";
            return Err(Failure::message(2, message));
        };
        if self.save_cursor.is_some() && mode != PayloadMode::FullData {
            let message = "--save-cursor does not go with --document of patches, which may skip \
                           events: the position would be beyond events that were not printed";
            return Err(Failure::message(2, message).hint("without --document, none is skipped"));
        }
        Ok(Some(mode))
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
