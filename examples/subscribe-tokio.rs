//! Follows a stream on tokio, and prints its events as lines of JSON. `--help` says more.

use std::process::ExitCode;

use restless_examples::{Cli, follow, run};
use restless_tokio::Client;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    run(Cli::from_env(), |cli| runtime.block_on(follow(Client::builder(), cli)))
}
