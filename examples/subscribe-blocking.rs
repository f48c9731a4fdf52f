//! Follows a stream without async, and prints its events as lines of JSON. `--help` says more.

use std::ops::ControlFlow;
use std::process::ExitCode;

use restless_blocking::{Client, Error};
use restless_examples::{Cli, Printer, configure, run};

fn main() -> ExitCode {
    run(Cli::from_env(), follow)
}

fn follow(cli: Cli) -> Result<u8, Error> {
    let client = configure(Client::builder(), &cli).build()?;
    let mut events = client.subscribe(cli.subscription)?;
    let mut printer = Printer::new(cli.limit);
    if printer.is_full() {
        return Ok(0);
    }
    while let Some(event) = events.next_event() {
        if let ControlFlow::Break(status) = printer.print(event, events.cursor()) {
            return Ok(status);
        }
    }
    Ok(0)
}
