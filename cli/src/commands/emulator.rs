//! `restless emulator`: the emulator, with its own options.

use std::ffi::OsString;

use restless_emulator::command;

use crate::failure::Failure;

/// All that stands behind the command's name goes to the emulator, `--help` included.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// The emulator's options; `restless emulator --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    command::run("restless emulator", args.options)
        .map_err(|error| Failure::new(error.exit_code(), "emulator", error))
}
