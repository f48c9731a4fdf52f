//! `restless record`: a feed with its times and bytes, into a file.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::{Response, StatusCode};
use hyper::body::Incoming;
use restless_emulator::Recorder;
use restless_tokio::url::{set_cursor, set_since};
use restless_tokio::websocket::Event;
use restless_tokio::ws::Message;
use restless_tokio::{WebSocket, redacted};
use tokio::time::timeout;
use url::Url;

use crate::context::Context;
use crate::doctor::{Case, Options, Wanted};
use crate::exchange::{End, piece};
use crate::failure::{Failure, causes};
use crate::output::note;
use crate::progress;
use crate::source::seconds;
use crate::stop::Stop;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The file to write
    file: PathBuf,
    /// The URL of the feed, or a stream's id or name
    #[arg(value_name = "URL|STREAM")]
    what: String,
    /// Over WebSocket instead of server-sent events
    #[arg(long)]
    ws: bool,
    /// Start after this position, an event's id
    #[arg(long, value_name = "C")]
    cursor: Option<String>,
    /// Start at this time, in milliseconds since 1970; 0 is the first event that the service keeps
    #[arg(long, value_name = "T", conflicts_with = "cursor")]
    since: Option<String>,
    /// Stop after this long; else at Ctrl-C, or when the feed ends
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// Longest silence before an event stream counts as cut, in seconds
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "300")]
    idle_seconds: Duration,
}

const HELP: &str = "\
The file holds an event stream: each line has what came at once, and
the pause before it. A message of a WebSocket is kept as an event, and
a ping as a comment. `restless replay` serves the file over both
transports.

Examples:
  restless record orders.ndjson Orders --duration 60
  restless record orders.ndjson Orders --ws --since 0";

/// No timer takes longer.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let span = args.duration.map(Duration::try_from_secs_f64).transpose();
    let span = span.map_err(Failure::usage)?.unwrap_or(LONGEST).min(LONGEST);
    let shown = args.file.display().to_string();
    let written = |error| Failure::new(1, &shown, error);
    let mut source = args.open(context).await?;
    let mut stop = Stop::listen().map_err(|error| Failure::new(1, "no signals", error))?;
    let mut tape = Tape::new(File::create(&args.file).map_err(written)?);
    let doing = progress::line();
    let over = tokio::time::sleep(span);
    tokio::pin!(over);
    let why = loop {
        let came = tokio::select! {
            came = source.next(args.idle_seconds) => came,
            () = stop.asked() => break None,
            () = &mut over => break None,
        };
        match came {
            Ok(came) => tape.take(came).map_err(written)?,
            Err(end) => break Some(end),
        }
        let seconds = tape.began.elapsed().as_secs();
        doing.set_message(format!("{} bytes in {seconds} s", tape.bytes));
    };
    doing.finish_and_clear();
    tape.finish().map_err(written)?;
    if let Some(why) = why {
        note(&why);
    }
    Ok(())
}

impl Args {
    async fn open(&self, context: &Context) -> Result<Source, Failure> {
        let wanted = match self.what.contains("://") {
            true => Wanted::Url(Url::parse(&self.what).map_err(Failure::usage)?),
            false => Wanted::Word(self.what.clone()),
        };
        let mut case = Case::new(wanted, Options::of(context)?, context.client()?)?;
        let from = match (&self.cursor, &self.since) {
            (Some(cursor), _) => Some(set_cursor(case.url.as_str(), cursor)),
            (None, Some(since)) => Some(set_since(case.url.as_str(), since)),
            (None, None) => None,
        };
        if let Some(url) = from {
            case.url = Url::parse(&url).map_err(Failure::usage)?;
        }
        if self.ws {
            let mut socket = case.reach_websocket().await?;
            // A file that is there already is not overwritten for a feed that is refused.
            return match socket.next().await {
                Some(Event::Open(_)) => Ok(Source::WebSocket(Box::new(socket))),
                Some(Event::Failed(error)) => Err(error.into()),
                _ => Err(Failure::message(4, "there is no answer")),
            };
        }
        let response = case.reach().await?;
        if response.status() != StatusCode::OK {
            return Err(Failure::message(3, format!("the answer is {}", response.status())));
        }
        Ok(Source::Sse(response))
    }
}

/// Where what is recorded comes from.
enum Source {
    Sse(Response<Incoming>),
    WebSocket(Box<WebSocket>),
}

/// What came at once.
enum Came {
    /// Of an event stream.
    Bytes(bytes::Bytes),
    Message(String),
    Heartbeat,
}

impl Source {
    /// Waits for what comes next; the error is why nothing more comes. Over WebSocket pings find a
    /// peer that is gone; else it is one that is silent for this long.
    async fn next(&mut self, longest_silence: Duration) -> Result<Came, String> {
        let socket = match self {
            Self::Sse(response) => {
                return match timeout(longest_silence, piece(response)).await {
                    Ok(Ok(bytes)) => Ok(Came::Bytes(bytes)),
                    Ok(Err(End::Clean)) => Err("the server ended the stream".to_owned()),
                    Ok(Err(End::Cut)) => Err("the connection was cut".to_owned()),
                    Err(_) => Err(format!("nothing came for {} s", longest_silence.as_secs_f64())),
                };
            }
            Self::WebSocket(socket) => socket,
        };
        while let Some(event) = socket.next().await {
            match event {
                Event::Message(Message::Text(text)) => return Ok(Came::Message(text.to_string())),
                Event::Ping(_) => return Ok(Came::Heartbeat),
                Event::TooLarge(error) => note(&format!("left out: {}", causes(&error).join(": "))),
                Event::Failed(error) => return Err(causes(&error).join(": ")),
                Event::Closed(closed) => return Err(closed.to_string()),
                // No event of a feed is binary.
                Event::Message(Message::Binary(_)) => note("left out: a binary message"),
                _ => {}
            }
        }
        Err("the connection is over".to_owned())
    }
}

/// The file, and the line that has come in part: a key may be split over two pieces, and stands in
/// one line.
struct Tape {
    file: Recorder<File>,
    held: Vec<u8>,
    began: Instant,
    /// What has come so far.
    bytes: usize,
}

/// In bytes, as the limit of a line of the client.
const LONGEST_LINE: usize = 16 << 20;

impl Tape {
    fn new(file: File) -> Self {
        Self { file: Recorder::new(file), held: Vec::new(), began: Instant::now(), bytes: 0 }
    }

    fn take(&mut self, came: Came) -> io::Result<()> {
        let at = self.began.elapsed();
        match came {
            Came::Bytes(bytes) => {
                self.bytes += bytes.len();
                self.held.extend_from_slice(&bytes);
                let ended = self.held.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
                // A line without an end goes out some time; every key is shorter.
                let is_too_long = self.held.len() > LONGEST_LINE;
                let whole = ended.unwrap_or(if is_too_long { self.held.len() } else { 0 });
                self.write(whole)
            }
            Came::Message(message) => {
                self.bytes += message.len();
                self.file.message(at, &redacted(&message))
            }
            Came::Heartbeat => self.file.heartbeat(at),
        }
    }

    /// Writes so many of the bytes, without what looks like a key.
    fn write(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let bytes: Vec<u8> = self.held.drain(..count).collect();
        // What is no UTF-8 is replaced, as a reader of event streams does.
        let text = redacted(&String::from_utf8_lossy(&bytes));
        self.file.content(self.began.elapsed(), text.as_bytes())
    }

    fn finish(mut self) -> io::Result<()> {
        self.write(self.held.len())?;
        self.file.into_inner().sync_all()
    }
}
