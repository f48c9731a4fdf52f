//! The command lines of the examples.

use std::time::Duration;

use lexopt::prelude::*;
use restless_proto::{ConfigError, Service, Subscription};

/// How to call an example; its name goes before it.
pub(crate) const USAGE: &str = "\
[OPTIONS] (URL | --stream ID)

Prints one JSON object a line for each event. URL is a runtime URL, such as a
stream's sseUrl; an example that makes its stream takes that of a REST API.

  --cursor C           start after this position
  --since T            start at this time; 0 is the first event that is kept
  --ws                 over WebSocket instead of server-sent events
  --limit N            stop after N events
  --max-reconnects N   give up after N reconnects without an event
  --retry-seconds S    delay before the first reconnect              (1)
  --idle-seconds S     longest silence accepted                      (300)
  --subscriptions N    as many of the same, on one thread; byo-mio   (1)

Environment: RESTLESS_API_KEY, RESTLESS_API_BASE_URL, RESTLESS_STREAM_BASE_URL
Exit status: 0 ended or limit reached, 1 stdout can't be written, 2 bad arguments,
             3 refused, 4 gave up

The whole program is `restless tail`: cargo run -p restless-cli -- tail --help
";

/// What an example that follows a stream is told.
#[derive(Debug)]
#[non_exhaustive]
pub struct Cli {
    /// What to follow.
    pub subscription: Subscription,
    /// How many events to print.
    pub limit: Option<u64>,
    /// The service that the environment names.
    pub service: Service,
}

/// What an example that makes a stream before it follows it is told.
#[derive(Debug)]
#[non_exhaustive]
pub struct CreateCli {
    /// The REST API to make a stream of.
    pub target: String,
    /// How many events to print.
    pub limit: Option<u64>,
    /// How many of the same to follow.
    pub subscriptions: usize,
    /// The service that the environment names.
    pub service: Service,
    options: Options,
}

#[derive(Debug, Default)]
struct Options {
    url: Option<String>,
    stream: Option<String>,
    cursor: Option<String>,
    since: Option<String>,
    ws: bool,
    limit: Option<u64>,
    max_reconnects: Option<u32>,
    retry: Option<Duration>,
    idle: Option<Duration>,
    subscriptions: Option<usize>,
}

impl Cli {
    /// Reads this process's arguments and environment.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub fn from_env() -> Result<Self, String> {
        let options = Options::read(&["stream", "ws"])?;
        let subscription = match (&options.url, &options.stream) {
            (Some(url), None) => Subscription::url(url.as_str()),
            (None, Some(id)) => Subscription::stream(id.as_str()),
            _ => return Err("what to follow? Give a URL, or --stream ID".to_owned()),
        };
        let subscription = options.apply(subscription);
        Ok(Self { subscription, limit: options.limit, service: service()? })
    }
}

impl CreateCli {
    /// As [`Cli::from_env`], for an example that has no WebSocket; the URL is the REST API's.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub fn from_env() -> Result<Self, String> {
        Self::with(&[])
    }

    /// As [`from_env`](Self::from_env), for an example that speaks WebSocket too.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub fn with_websocket_from_env() -> Result<Self, String> {
        Self::with(&["ws"])
    }

    /// As [`with_websocket_from_env`](Self::with_websocket_from_env), with `--subscriptions`.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub fn many_from_env() -> Result<Self, String> {
        Self::with(&["ws", "subscriptions"])
    }

    fn with(more: &[&str]) -> Result<Self, String> {
        let mut options = Options::read(more)?;
        let target = options.url.take().ok_or("what to make a stream of? Give a REST API's URL")?;
        let (limit, subscriptions) = (options.limit, options.subscriptions.unwrap_or(1));
        Ok(Self { target, limit, subscriptions, service: service()?, options })
    }

    /// Follows the stream that was made, as the options say.
    pub fn subscription(&self, stream_id: &str) -> Subscription {
        self.options.apply(Subscription::stream(stream_id))
    }
}

fn service() -> Result<Service, String> {
    let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let service = || -> Result<Service, ConfigError> {
        let mut service = Service::new(var("RESTLESS_API_KEY").unwrap_or_default());
        if let Some(url) = var("RESTLESS_API_BASE_URL") {
            service = service.with_api_base_url(&url)?;
        }
        if let Some(url) = var("RESTLESS_STREAM_BASE_URL") {
            service = service.with_stream_base_url(&url)?;
        }
        Ok(service)
    };
    service().map_err(|error| error.to_string())
}

impl Options {
    /// `more`: the options that not every example takes.
    fn read(more: &[&str]) -> Result<Self, String> {
        Self::parse(lexopt::Parser::from_env(), more).map_err(|error| error.to_string())
    }

    fn parse(mut arguments: lexopt::Parser, more: &[&str]) -> Result<Self, lexopt::Error> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("cursor") => options.cursor = Some(arguments.value()?.string()?),
                Long("since") => options.since = Some(arguments.value()?.string()?),
                Long("limit") => options.limit = Some(arguments.value()?.parse()?),
                Long("max-reconnects") => {
                    options.max_reconnects = Some(arguments.value()?.parse()?);
                }
                Long("retry-seconds") => {
                    options.retry = Some(arguments.value()?.parse_with(seconds)?);
                }
                Long("idle-seconds") => {
                    options.idle = Some(arguments.value()?.parse_with(seconds)?);
                }
                Long(name) if !more.contains(&name) => return Err(argument.unexpected()),
                Long("stream") => options.stream = Some(arguments.value()?.string()?),
                Long("ws") => options.ws = true,
                Long("subscriptions") => {
                    options.subscriptions = Some(arguments.value()?.parse()?);
                }
                Value(url) if options.url.is_none() => options.url = Some(url.string()?),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(options)
    }

    fn apply(&self, mut subscription: Subscription) -> Subscription {
        if self.ws {
            subscription = subscription.websocket();
        }
        if let Some(cursor) = &self.cursor {
            subscription = subscription.cursor(cursor.as_str());
        }
        if let Some(since) = &self.since {
            subscription = subscription.since(since.as_str());
        }
        if let Some(most) = self.max_reconnects {
            subscription = subscription.max_reconnects(most);
        }
        if let Some(delay) = self.retry {
            subscription = subscription.retry(delay);
        }
        if let Some(silence) = self.idle {
            subscription = subscription.idle_timeout(silence);
        }
        subscription
    }
}

fn seconds(text: &str) -> Result<Duration, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}
