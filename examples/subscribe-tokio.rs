//! Follows a stream on tokio, and prints its events as lines of JSON. `--help` says more.

use std::ops::ControlFlow;
use std::process::ExitCode;

use restless_examples::{Cli, Printer, USAGE};
use restless_tokio::Client;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::from_env() {
        Ok(Some(cli)) => cli,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match follow(cli).await {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn follow(cli: Cli) -> Result<u8, restless_tokio::ConfigError> {
    let mut builder = Client::builder();
    if let Some(key) = cli.api_key {
        builder = builder.api_key(key);
    }
    if let Some(url) = cli.base_url {
        builder = builder.base_url(url);
    }
    if let Some(url) = cli.stream_base_url {
        builder = builder.stream_base_url(url);
    }
    let mut events = builder.build()?.subscribe(cli.subscription)?;
    let mut printer = Printer::new(cli.limit);
    if printer.is_full() {
        return Ok(0);
    }
    while let Some(event) = events.next_event().await {
        if let ControlFlow::Break(status) = printer.print(event, events.cursor()) {
            return Ok(status);
        }
    }
    Ok(0)
}
