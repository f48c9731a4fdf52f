//! Following a stream, on any runtime.

use std::ops::ControlFlow;

use restless_hyper::{Client, ClientBuilder, Runtime};
use restless_proto::Error;

use crate::{Cli, Printer};

/// The settings that the environment gives.
pub fn configure<R, C>(mut builder: ClientBuilder<R, C>, cli: &Cli) -> ClientBuilder<R, C>
where
    R: Runtime,
    C: From<Client<R>>,
{
    if let Some(key) = &cli.api_key {
        builder = builder.api_key(key.as_str());
    }
    if let Some(url) = &cli.base_url {
        builder = builder.base_url(url);
    }
    if let Some(url) = &cli.stream_base_url {
        builder = builder.stream_base_url(url);
    }
    builder
}

/// Follows a stream and prints its events, to the exit status.
///
/// # Errors
///
/// When a client or a subscription can't be made of what was asked for.
pub async fn follow<R: Runtime>(builder: ClientBuilder<R>, cli: Cli) -> Result<u8, Error> {
    let client = configure(builder, &cli).build()?;
    let mut events = client.subscribe(cli.subscription)?;
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
