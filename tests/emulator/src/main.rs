//! The emulator as a program of its own.

use std::error::Error as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use restless_emulator::command;

fn main() -> ExitCode {
    let Err(error) = command::run("restless-emulator", std::env::args_os().skip(1)) else {
        return ExitCode::SUCCESS;
    };
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    let causes: String = causes.map(|error| format!(": {error}")).collect();
    // Where standard error is gone, the exit code is left.
    let _ = writeln!(io::stderr(), "restless-emulator: {error}{causes}");
    ExitCode::from(error.exit_code())
}
