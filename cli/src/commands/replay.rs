//! `restless replay`: a recording, served on this machine by the emulator.

use std::ffi::OsString;
use std::path::PathBuf;

use restless_emulator::command;

use crate::failure::Failure;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The recording
    file: PathBuf,
    /// How many times as fast
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    speed: f64,
    /// The port on 127.0.0.1; 0 lets the system choose
    #[arg(long, value_name = "P", default_value_t = 8787)]
    port: u16,
}

const HELP: &str = "\
Whoever connects, over SSE or WebSocket and to whichever stream, gets
the recording from its beginning, or from where a cursor says; then
silence.

Example, with the variables set that `replay` prints:
  restless tail Replay";

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let options: [OsString; 6] = [
        "--replay".into(),
        args.file.into(),
        "--speed".into(),
        args.speed.to_string().into(),
        "--port".into(),
        args.port.to_string().into(),
    ];
    command::run("restless replay", options)
        .map_err(|error| Failure::new(error.exit_code(), "replay", error))
}
