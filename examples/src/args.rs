//! The command lines of the examples.

use std::time::Duration;

use lexopt::prelude::*;
use restless_proto::signature::Signer;
use restless_proto::{ConfigError, Service, Subscription, direct};

/// How to call an example that follows a stream; its name goes before it.
pub(crate) const USAGE: &str = "\
[OPTIONS] (URL | --stream ID | --direct TARGET [DIRECT OPTIONS])

Prints one JSON object a line for each event of a stream.

  URL                      a runtime URL, such as a stream's sseUrl
  --stream ID              a stream, by its id
  --direct TARGET          a REST API, without a stream of its own
    --method M             how to ask it: GET, POST, ...            (GET)
    --polling-interval S   seconds between two questions
    --payload-mode MODE    FULL_DATA or JSON_PATCH                  (FULL_DATA)
    --jq FILTER            a jq filter over its answers

  --ws                     over WebSocket instead of server-sent events

  --cursor C               start after this position
  --since T                start at this time, until an event gave a cursor; 0 is
                           from the first event that is kept
  --no-reconnect           end when the connection does
  --max-reconnects N       give up after N reconnects without an event
  --retry-seconds S        delay before the first reconnect         (1)
  --idle-seconds S         longest silence accepted                 (300)
  --limit N                stop after N events
  --subscriptions N        as many of the same, on one thread; byo-mio only (1)
  --dedupe N               drop an event whose id was among the last N
  --verify SECRET          reject updates that are not signed with it; these go to
                           stderr and are not counted
  --help                   this text
  --version                the version of this program

Environment: RESTLESS_API_KEY, RESTLESS_API_BASE_URL, RESTLESS_STREAM_BASE_URL
Exit status: 0 ended or limit reached, 1 stdout can't be written, 2 bad arguments,
             3 refused, 4 gave up
";

/// What a command line asks for.
#[derive(Debug)]
pub enum Asked<C> {
    /// How to call the program.
    Help,
    /// Which version of the program it is.
    Version,
    /// What the program is for.
    Run(C),
}

/// What was asked for on the command line and in the environment.
#[derive(Debug)]
#[non_exhaustive]
pub struct Cli {
    /// What to follow.
    pub subscription: Subscription,
    /// How many events to print.
    pub limit: Option<u64>,
    /// `RESTLESS_API_KEY`.
    pub api_key: Option<String>,
    /// `RESTLESS_API_BASE_URL`.
    pub base_url: Option<String>,
    /// `RESTLESS_STREAM_BASE_URL`.
    pub stream_base_url: Option<String>,
}

/// What was asked of an example that makes a stream before it follows it.
#[derive(Debug)]
pub struct CreateCli {
    /// The REST API to make a stream of.
    pub target: String,
    /// How many events to print.
    pub limit: Option<u64>,
    /// How many of the same to follow.
    pub subscriptions: usize,
    /// The service, by its environment variables.
    pub service: Service,
    options: Given,
}

#[derive(Debug, Default)]
struct Given {
    url: Option<String>,
    stream: Option<String>,
    target: Option<String>,
    method: Option<String>,
    polling_interval: Option<u64>,
    payload_mode: Option<String>,
    jq: Option<String>,
    cursor: Option<String>,
    since: Option<String>,
    ws: bool,
    no_reconnect: bool,
    max_reconnects: Option<u32>,
    retry: Option<Duration>,
    idle: Option<Duration>,
    limit: Option<u64>,
    subscriptions: Option<usize>,
    dedupe: Option<usize>,
    verify: Option<String>,
}

impl<C> Asked<C> {
    fn map<D>(self, read: impl FnOnce(C) -> Result<D, String>) -> Result<Asked<D>, String> {
        Ok(match self {
            Self::Help => Asked::Help,
            Self::Version => Asked::Version,
            Self::Run(cli) => Asked::Run(read(cli)?),
        })
    }
}

impl Cli {
    /// Reads this process's arguments and environment.
    ///
    /// # Errors
    ///
    /// A sentence that says which argument is wrong, and how.
    pub fn from_env() -> Result<Asked<Self>, String> {
        given()?.map(|given| {
            if given.subscriptions.is_some() {
                return Err("--subscriptions goes with byo-mio".to_owned());
            }
            Self::of(&given)
        })
    }

    fn of(given: &Given) -> Result<Self, String> {
        Ok(Self {
            subscription: given.apply(given.source()?),
            limit: given.limit,
            api_key: var("RESTLESS_API_KEY"),
            base_url: var("RESTLESS_API_BASE_URL"),
            stream_base_url: var("RESTLESS_STREAM_BASE_URL"),
        })
    }

    /// The service that the environment names.
    ///
    /// # Errors
    ///
    /// When a base URL can't be one.
    pub fn service(&self) -> Result<Service, ConfigError> {
        service()
    }
}

impl CreateCli {
    /// As [`Cli::from_env`]; the URL is the REST API's here.
    ///
    /// # Errors
    ///
    /// A sentence that says which argument is wrong, and how.
    pub fn from_env() -> Result<Asked<Self>, String> {
        Self::with_websocket_from_env()?.map(|cli| {
            if cli.options.ws {
                return Err("--ws does not go with this HTTP client".to_owned());
            }
            Ok(cli)
        })
    }

    /// As [`from_env`](Self::from_env), for an example that speaks WebSocket too.
    ///
    /// # Errors
    ///
    /// A sentence that says which argument is wrong, and how.
    pub fn with_websocket_from_env() -> Result<Asked<Self>, String> {
        Self::many_from_env()?.map(|cli| {
            if cli.options.subscriptions.is_some() {
                return Err("--subscriptions goes with byo-mio".to_owned());
            }
            Ok(cli)
        })
    }

    /// As [`with_websocket_from_env`](Self::with_websocket_from_env), with `--subscriptions`.
    ///
    /// # Errors
    ///
    /// A sentence that says which argument is wrong, and how.
    pub fn many_from_env() -> Result<Asked<Self>, String> {
        given()?.map(|mut given| {
            let target = given.url.take().ok_or("nothing to make a stream of: give a URL")?;
            if given.stream.is_some() || given.target.is_some() {
                return Err("--stream and --direct do not go with a new stream".to_owned());
            }
            let service = service().map_err(|error| error.to_string())?;
            let (limit, subscriptions) = (given.limit, given.subscriptions.unwrap_or(1));
            Ok(Self { target, limit, subscriptions, service, options: given })
        })
    }

    /// Follows the stream that was made, as the options say.
    pub fn subscription(&self, stream_id: &str) -> Subscription {
        self.options.apply(Subscription::stream(stream_id))
    }
}

fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn service() -> Result<Service, ConfigError> {
    let mut service = Service::new(var("RESTLESS_API_KEY").unwrap_or_default());
    if let Some(url) = var("RESTLESS_API_BASE_URL") {
        service = service.with_api_base_url(&url)?;
    }
    if let Some(url) = var("RESTLESS_STREAM_BASE_URL") {
        service = service.with_stream_base_url(&url)?;
    }
    Ok(service)
}

fn given() -> Result<Asked<Given>, String> {
    let mut option = String::new();
    parse(lexopt::Parser::from_env(), &mut option).map_err(|error| format!("{option}{error}"))
}

/// `option`: the one that was read last, as an error's beginning.
fn parse(
    mut arguments: lexopt::Parser,
    option: &mut String,
) -> Result<Asked<Given>, lexopt::Error> {
    let mut given = Given::default();
    while let Some(argument) = arguments.next()? {
        *option = match &argument {
            Long(name) => format!("--{name}: "),
            Short(_) | Value(_) => String::new(),
        };
        match argument {
            Long("help") | Short('h') => return Ok(Asked::Help),
            Long("version") | Short('V') => return Ok(Asked::Version),
            Long("stream") => given.stream = Some(arguments.value()?.string()?),
            Long("direct") => given.target = Some(arguments.value()?.string()?),
            Long("method") => given.method = Some(arguments.value()?.string()?),
            Long("polling-interval") => given.polling_interval = Some(arguments.value()?.parse()?),
            Long("payload-mode") => given.payload_mode = Some(arguments.value()?.string()?),
            Long("jq") => given.jq = Some(arguments.value()?.string()?),
            Long("cursor") => given.cursor = Some(arguments.value()?.string()?),
            Long("since") => given.since = Some(arguments.value()?.string()?),
            Long("ws") => given.ws = true,
            Long("no-reconnect") => given.no_reconnect = true,
            Long("max-reconnects") => given.max_reconnects = Some(arguments.value()?.parse()?),
            Long("retry-seconds") => given.retry = Some(arguments.value()?.parse_with(seconds)?),
            Long("idle-seconds") => given.idle = Some(arguments.value()?.parse_with(seconds)?),
            Long("limit") => given.limit = Some(arguments.value()?.parse()?),
            Long("subscriptions") => given.subscriptions = Some(arguments.value()?.parse()?),
            Long("dedupe") => given.dedupe = Some(arguments.value()?.parse()?),
            Long("verify") => given.verify = Some(arguments.value()?.parse_with(secret)?),
            Value(url) if given.url.is_none() => given.url = Some(url.string()?),
            _ => {
                option.clear();
                return Err(argument.unexpected());
            }
        }
    }
    Ok(Asked::Run(given))
}

/// Most likely it is an environment variable that is not set, and everything would be rejected.
fn secret(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("an empty secret") } else { Ok(text.to_owned()) }
}

fn seconds(text: &str) -> Result<Duration, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

impl Given {
    fn source(&self) -> Result<Subscription, String> {
        let direct_only = [
            ("--method", self.method.is_some()),
            ("--polling-interval", self.polling_interval.is_some()),
            ("--payload-mode", self.payload_mode.is_some()),
            ("--jq", self.jq.is_some()),
        ];
        if let Some((option, _)) = direct_only.iter().find(|(_, given)| *given) {
            if self.target.is_none() {
                return Err(format!("{option} goes with --direct"));
            }
        }
        Ok(match (&self.url, &self.stream, &self.target) {
            (Some(url), None, None) if !url.contains("://") => {
                return Err("the URL has no scheme; did you mean --stream?".to_owned());
            }
            (Some(url), None, None) => Subscription::url(url.as_str()),
            (None, Some(id), None) => Subscription::stream(id.as_str()),
            (None, None, Some(target)) => {
                let mut target = direct::target(target.as_str());
                if let Some(method) = &self.method {
                    target = target.method(method.as_str());
                }
                if let Some(seconds) = self.polling_interval {
                    target = target.polling_interval(seconds);
                }
                if let Some(mode) = &self.payload_mode {
                    if !matches!(mode.as_str(), "FULL_DATA" | "JSON_PATCH") {
                        return Err(format!("--payload-mode {mode}: FULL_DATA or JSON_PATCH"));
                    }
                    target = target.payload_mode(mode.as_str());
                }
                if let Some(filter) = &self.jq {
                    target = target.jq_filter(filter.as_str());
                }
                Subscription::direct(target)
            }
            (None, None, None) => {
                return Err("nothing to follow: give a URL, --stream or --direct".to_owned());
            }
            _ => return Err("one of a URL, --stream and --direct, not several".to_owned()),
        })
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
        if let Some(secret) = &self.verify {
            subscription = subscription.verify(Signer::new(secret.as_str()));
        }
        if let Some(window) = self.dedupe {
            subscription = subscription.dedupe(window);
        }
        // Each line of output says how its event follows.
        subscription.continuity().reconnect(!self.no_reconnect)
    }
}
