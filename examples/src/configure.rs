//! A client of the service that the environment names.

use restless_hyper::{Client, ClientBuilder, Runtime};

use crate::Cli;

/// The settings that the environment gives. A key may be missing, unlike in
/// [`ClientBuilder::environment`]: the URL may have one.
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
