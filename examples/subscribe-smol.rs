//! Follows a stream on smol, and prints its events as lines of JSON:
//! `cargo run --example subscribe-smol -- --since 0 --stream ID`.

use std::ops::ControlFlow;
use std::process::ExitCode;

use restless_examples::{Cli, Printer, run};
use restless_smol::{Client, Error};

fn main() -> ExitCode {
    // `smol::block_on` is this one.
    run(Cli::from_env(), |cli| async_io::block_on(follow(cli)))
}

/// Follows the stream to its end or to the limit, and says with which status to exit.
async fn follow(cli: Cli) -> Result<u8, Error> {
    // The key, and where the service is, come from the environment.
    let mut events = Client::from_env()?.subscribe(cli.subscription)?;
    let mut printer = Printer::new(cli.limit);
    // Connecting again, and resuming where it was, happens in here.
    while let Some(event) = events.next_event().await {
        // Opened, an item, lost, ended: the printer has a line for each.
        if let ControlFlow::Break(status) = printer.print(event, events.cursor()) {
            return Ok(status);
        }
    }
    Ok(0)
}
