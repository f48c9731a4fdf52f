//! The command line of the `subscribe` examples.

use std::time::Duration;

use lexopt::prelude::*;
use restless_proto::signature::Signer;
use restless_proto::{Subscription, direct};

/// How to call a `subscribe` example.
pub const USAGE: &str = "\
usage: subscribe-RUNTIME [OPTIONS] (URL | --stream ID | --direct TARGET [DIRECT OPTIONS])

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
  --since T                start at this time, until an event gave a cursor
  --no-reconnect           end when the connection does
  --max-reconnects N       give up after N reconnects without an event
  --retry-seconds S        delay before the first reconnect         (1)
  --limit N                stop after N events
  --verify SECRET          reject updates that are not signed with it; these go to
                           stderr and are not counted
  --help                   this text

Environment: RESTLESS_API_KEY, RESTLESS_API_BASE_URL, RESTLESS_STREAM_BASE_URL
Exit status: 0 ended or limit reached, 2 bad arguments, 3 refused, 4 gave up
";

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

#[derive(Default)]
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
    retry_seconds: Option<f64>,
    limit: Option<u64>,
    verify: Option<String>,
}

impl Cli {
    /// Reads this process's arguments and environment. `Ok(None)`: only help was asked for.
    ///
    /// # Errors
    ///
    /// A sentence that says which argument is wrong, and how.
    pub fn from_env() -> Result<Option<Self>, String> {
        let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(given) = parse(lexopt::Parser::from_env()).map_err(|error| error.to_string())?
        else {
            return Ok(None);
        };
        let limit = given.limit;
        Ok(Some(Self {
            subscription: given.into_subscription()?,
            limit,
            api_key: var("RESTLESS_API_KEY"),
            base_url: var("RESTLESS_API_BASE_URL"),
            stream_base_url: var("RESTLESS_STREAM_BASE_URL"),
        }))
    }
}

fn parse(mut arguments: lexopt::Parser) -> Result<Option<Given>, lexopt::Error> {
    let mut given = Given::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(None),
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
            Long("retry-seconds") => given.retry_seconds = Some(arguments.value()?.parse()?),
            Long("limit") => given.limit = Some(arguments.value()?.parse()?),
            Long("verify") => given.verify = Some(arguments.value()?.string()?),
            Value(url) if given.url.is_none() => given.url = Some(url.string()?),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(given))
}

impl Given {
    fn into_subscription(self) -> Result<Subscription, String> {
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
        let mut subscription = match (self.url, self.stream, self.target) {
            (Some(url), None, None) => Subscription::url(url),
            (None, Some(id), None) => Subscription::stream(id),
            (None, None, Some(target)) => {
                let mut target = direct::target(target);
                if let Some(method) = self.method {
                    target = target.method(method.as_str());
                }
                if let Some(seconds) = self.polling_interval {
                    target = target.polling_interval(seconds);
                }
                if let Some(mode) = self.payload_mode {
                    if !matches!(mode.as_str(), "FULL_DATA" | "JSON_PATCH") {
                        return Err(format!("--payload-mode {mode}: FULL_DATA or JSON_PATCH"));
                    }
                    target = target.payload_mode(mode.as_str());
                }
                if let Some(filter) = self.jq {
                    target = target.jq_filter(filter);
                }
                Subscription::direct(target)
            }
            (None, None, None) => {
                return Err("nothing to follow: give a URL, --stream or --direct".to_owned());
            }
            _ => return Err("one of a URL, --stream and --direct, not several".to_owned()),
        };
        if self.ws {
            subscription = subscription.websocket();
        }
        if let Some(cursor) = self.cursor {
            subscription = subscription.cursor(cursor);
        }
        if let Some(since) = self.since {
            subscription = subscription.since(since);
        }
        if let Some(most) = self.max_reconnects {
            subscription = subscription.max_reconnects(most);
        }
        if let Some(seconds) = self.retry_seconds {
            let delay = Duration::try_from_secs_f64(seconds)
                .map_err(|error| format!("--retry-seconds {seconds}: {error}"))?;
            subscription = subscription.retry(delay);
        }
        if let Some(secret) = self.verify {
            subscription = subscription.verify(Signer::new(secret));
        }
        Ok(subscription.reconnect(!self.no_reconnect))
    }
}
