//! `restless record`: a feed with its times and bytes, into a file.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::header;
use url::Url;

use crate::context::Context;
use crate::doctor::{Case, Options};
use crate::exchange::{End, piece};
use crate::failure::Failure;
use crate::recording::{Ending, Line};
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
        Case::new(args.url, Options::of(context)?, context.client()?)?.reach().await?;
    let mut file = File::create(&args.file).map_err(written)?;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = kind.unwrap_or_default().to_owned();
    let status = response.status().as_u16();
    if status != 200 {
        return Err(Failure::message(3, format!("the answer is {}", response.status())));
    }
    Line::Head { recording: 1, status, content_type }.write(&mut file).map_err(written)?;
    let mut stop = Stop::listen().map_err(|error| Failure::new(1, "no signals", error))?;
    let mut last = Instant::now();
    let over = tokio::time::sleep(span.min(Duration::from_secs(u64::from(u32::MAX))));
    tokio::pin!(over);
    let end = loop {
        let came = tokio::select! {
            came = piece(&mut response) => came,
            () = stop.asked() => break Ending::Open,
            () = &mut over => break Ending::Open,
        };
        match came {
            Ok(bytes) => {
                let now = Instant::now();
                let line = Line::piece(now.duration_since(last), &bytes);
                line.write(&mut file).map_err(written)?;
                last = now;
            }
            Err(End::Clean) => break Ending::Clean,
            Err(End::Cut) => break Ending::Cut,
        }
    };
    Line::End { end }.write(&mut file).map_err(written)?;
    file.sync_all().map_err(written)
}
