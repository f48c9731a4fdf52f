//! `restless replay`: a recording, served on this machine.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::PathBuf;

use restless_emulator::Emulator;

use crate::context::Context;
use crate::failure::Failure;
use crate::recording;
use crate::stop::Stop;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The recording
    file: PathBuf,
    /// How many times as fast
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    speed: f64,
    /// The port on 127.0.0.1; 0 lets the system choose
    #[arg(long, default_value_t = 8787)]
    port: u16,
}

/// Each request for any stream gets the recording from its beginning.
pub(crate) async fn run(args: Args, _: &Context) -> Result<(), Failure> {
    if !(args.speed.is_finite() && args.speed >= 0.001) {
        return Err(Failure::message(2, "--speed: at least 0.001"));
    }
    let shown = args.file.display();
    let opened = File::open(&args.file).map_err(|error| Failure::new(2, &shown, error))?;
    let feed = recording::read(BufReader::new(opened), args.speed);
    let feed = feed.map_err(|error| Failure::new(2, &shown, error))?;
    let mut stop = Stop::listen().map_err(|error| Failure::new(1, "no signals", error))?;
    let emulator = Emulator::builder().port(args.port).log_requests(true).start();
    let emulator = emulator.map_err(|error| Failure::new(1, "the emulator", error))?;
    emulator.inject(feed);
    let told = format!(
        "export RESTLESS_STREAM_BASE_URL={}\nexport RESTLESS_API_KEY={}\n# any id of a stream: {}\n",
        emulator.stream_base_url(),
        emulator.api_key(),
        emulator.sse_url("recording"),
    );
    let mut out = io::stdout();
    out.write_all(told.as_bytes()).and_then(|()| out.flush()).map_err(Failure::output)?;
    stop.asked().await;
    Ok(())
}
