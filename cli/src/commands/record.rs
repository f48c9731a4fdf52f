//! `restless record`: a feed with its times and bytes, into a file.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::StatusCode;
use restless_emulator::Recording;
use url::Url;

use crate::context::Context;
use crate::doctor::{Case, Options, Wanted};
use crate::exchange::piece;
use crate::failure::Failure;
use crate::stop::Stop;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to write
    file: PathBuf,
    /// The URL of the feed, event streams only
    #[arg(long)]
    url: Url,
    /// Stop after this long; else at Ctrl-C, or when the feed ends
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let span = args.duration.map(Duration::try_from_secs_f64).transpose();
    let span = span.map_err(Failure::usage)?.unwrap_or(Duration::MAX);
    let shown = args.file.display().to_string();
    let written = |error| Failure::new(1, &shown, error);
    let mut response =
        Case::new(Wanted::Url(args.url), Options::of(context)?, context.client()?)?.reach().await?;
    let mut file = File::create(&args.file).map_err(written)?;
    if response.status() != StatusCode::OK {
        return Err(Failure::message(3, format!("the answer is {}", response.status())));
    }
    let mut stop = Stop::listen().map_err(|error| Failure::new(1, "no signals", error))?;
    let mut lines = Lines { held: Vec::new(), last: Instant::now() };
    let over = tokio::time::sleep(span.min(Duration::from_secs(u64::from(u32::MAX))));
    tokio::pin!(over);
    loop {
        let came = tokio::select! {
            came = piece(&mut response) => came,
            () = stop.asked() => break,
            () = &mut over => break,
        };
        let Ok(bytes) = came else { break };
        lines.held.extend_from_slice(&bytes);
        let ended = lines.held.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        // A line without an end is not kept for ever; no key is so long.
        let is_too_long = lines.held.len() > LONGEST_LINE;
        let whole = ended.unwrap_or(if is_too_long { lines.held.len() } else { 0 });
        lines.write(whole, &mut file).map_err(written)?;
    }
    lines.write(lines.held.len(), &mut file).map_err(written)?;
    file.sync_all().map_err(written)
}

/// What has come and is not written: a key may be split over two pieces, but not over two lines.
struct Lines {
    held: Vec<u8>,
    last: Instant,
}

/// In bytes, as the limit of a line of the client.
const LONGEST_LINE: usize = 16 << 20;

impl Lines {
    /// Writes so many of the bytes, without what looks like a key.
    fn write(&mut self, count: usize, file: &mut File) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let pause = now.duration_since(self.last);
        self.last = now;
        let bytes: Vec<u8> = self.held.drain(..count).collect();
        // What is no UTF-8 is replaced, as a reader of event streams does.
        let text = restless_tokio::redacted(&String::from_utf8_lossy(&bytes));
        Recording::write_piece(file, pause, text.as_bytes())
    }
}
