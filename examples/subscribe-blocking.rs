//! Follows a stream without async, and prints its events as lines of JSON. `--help` says more.

use std::ops::ControlFlow;
use std::process::ExitCode;

use restless_blocking::{Client, Error};
use restless_examples::{Cli, Printer, configure, run};

fn main() -> ExitCode {
    run(Cli::from_env(), follow)
}

/// Follows the stream to its end or to the limit, and says with which status to exit.
fn follow(cli: Cli) -> Result<u8, Error> {
    let client = configure(Client::builder(), &cli).build()?;
    let mut events = client.subscribe(cli.subscription)?;
    let mut printer = Printer::new(cli.limit);
    if printer.is_full() {
        return Ok(0);
    }
    // Connecting again, and resuming where it was, happens in here.
    while let Some(event) = events.next_event() {
        // Opened, an item, lost, ended: the printer has a line for each.
        if let ControlFlow::Break(status) = printer.print(event, events.cursor()) {
            return Ok(status);
        }
    }
    Ok(0)
}
