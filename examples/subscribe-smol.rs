//! Follows a stream on smol, and prints its events as lines of JSON. `--help` says more.

use std::ops::ControlFlow;
use std::process::ExitCode;

use restless_examples::{Cli, Printer, configure, run};
use restless_smol::{Client, Error};

fn main() -> ExitCode {
    // `smol::block_on` is this one.
    run(Cli::from_env(), |cli| async_io::block_on(follow(cli)))
}

/// Follows the stream to its end or to the limit, and says with which status to exit.
async fn follow(cli: Cli) -> Result<u8, Error> {
    let client = configure(Client::builder(), &cli).build()?;
    let mut events = client.subscribe(cli.subscription)?;
    let mut printer = Printer::new(cli.limit);
    if printer.is_full() {
        return Ok(0);
    }
    // Connecting again, and resuming where it was, happens in here.
    while let Some(event) = events.next_event().await {
        // Opened, an item, lost, ended: the printer has a line for each.
        if let ControlFlow::Break(status) = printer.print(event, events.cursor()) {
            return Ok(status);
        }
    }
    Ok(0)
}
