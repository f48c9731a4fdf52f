//! What the examples share: their command lines, and how they print what happens.
//!
//! Events go to stdout, one JSON object a line; everything else goes to stderr. The exit status
//! says how it ended: 0 when the stream ended or the limit was reached, 2 for bad arguments, 3 when
//! the server refused, 4 when reconnecting was given up.

mod args;
mod follow;
mod print;

use std::process::ExitCode;

pub use args::{Cli, CreateCli, USAGE, api_key};
pub use follow::{configure, follow};
pub use print::{Printer, exit_code};
use restless_proto::{Entropy, Error};

/// Runs an example with what was read from its command line, to the exit status.
pub fn run<C>(
    cli: Result<Option<C>, String>,
    follow: impl FnOnce(C) -> Result<u8, Error>,
) -> ExitCode {
    match cli {
        Ok(Some(cli)) => ExitCode::from(follow(cli).unwrap_or_else(|error| {
            print::note(&print::causes(&error));
            exit_code(&error)
        })),
        Ok(None) => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("{error}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// What a machine draws its jitter and its masking keys from.
///
/// # Panics
///
/// Where the operating system has no randomness.
pub fn entropy() -> Entropy {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system's randomness");
    Entropy::from_bytes(seed)
}
