//! Follows a stream on smol, and prints its events as lines of JSON. `--help` says more.

use std::process::ExitCode;

use restless_examples::{Cli, follow, run};
use restless_smol::Client;

fn main() -> ExitCode {
    // `smol::block_on` is this one.
    run(Cli::from_env(), |cli| async_io::block_on(follow(Client::builder(), cli)))
}
