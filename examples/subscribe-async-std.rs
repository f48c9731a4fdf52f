//! Follows a stream on async-std, and prints its events as lines of JSON. `--help` says more.

use std::process::ExitCode;

use restless_async_std::Client;
use restless_examples::{Cli, follow, run};

fn main() -> ExitCode {
    run(Cli::from_env(), |cli| async_std::task::block_on(follow(Client::builder(), cli)))
}
