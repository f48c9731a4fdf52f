//! What to follow, and how: the options that `tail` and others share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use restless_tokio::model::PayloadMode;
use restless_tokio::signature::Signer;
use restless_tokio::{Client, Subscription, direct, streams};

use crate::failure::Failure;

/// What to follow.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Source {
    /// A runtime URL, such as a stream's sseUrl, or a stream's id or name
    #[arg(value_name = "URL|STREAM", conflicts_with_all = ["stream", "target"])]
    pub(crate) what: Option<String>,
    /// A stream, by its id
    #[arg(long, value_name = "ID", conflicts_with = "target")]
    pub(crate) stream: Option<String>,
    /// A REST API, without a stream of its own
    #[arg(long = "direct", value_name = "TARGET")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) polling: Polling,
    #[command(flatten)]
    pub(crate) following: Following,
}

/// How a REST API is polled.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "With --direct")]
pub(crate) struct Polling {
    /// How to ask it: GET, POST, ...
    #[arg(long, value_name = "M")]
    pub(crate) method: Option<String>,
    /// Seconds between two questions
    #[arg(long, value_name = "S")]
    pub(crate) polling_interval: Option<u64>,
    /// FULL_DATA or JSON_PATCH
    #[arg(long, value_name = "MODE", value_parser = ["FULL_DATA", "JSON_PATCH"])]
    pub(crate) payload_mode: Option<String>,
    /// A jq filter over its answers
    #[arg(long, value_name = "FILTER")]
    pub(crate) jq: Option<String>,
}

/// How it is followed.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Following")]
pub(crate) struct Following {
    /// Over WebSocket instead of server-sent events
    #[arg(long)]
    pub(crate) ws: bool,
    /// Start after this position
    #[arg(long, value_name = "C")]
    pub(crate) cursor: Option<String>,
    /// Start at this time, until an event gave a cursor; 0 is from the first event that is kept
    #[arg(long, value_name = "T")]
    pub(crate) since: Option<String>,
    /// End when the connection does
    #[arg(long)]
    pub(crate) no_reconnect: bool,
    /// Give up after N reconnects without an event
    #[arg(long, value_name = "N")]
    pub(crate) max_reconnects: Option<u32>,
    /// Delay before the first reconnect (1)
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) retry_seconds: Option<Duration>,
    /// Longest silence accepted (300)
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) idle_seconds: Option<Duration>,
    /// Drop an event whose id was among the last N
    #[arg(long, value_name = "N")]
    pub(crate) dedupe: Option<usize>,
    /// Reject updates not signed with this secret; --secret-file is a safer place
    #[arg(long, value_name = "SECRET", conflicts_with = "secret_file")]
    pub(crate) verify: Option<String>,
    /// Reject updates not signed with the secret in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}

/// What is followed, and what its updates hold.
pub(crate) struct Followed {
    pub(crate) name: String,
    pub(crate) subscription: Subscription,
    pub(crate) payload_mode: PayloadMode,
}

impl Source {
    /// Looks up what has to be looked up.
    pub(crate) async fn find(&self, client: &Client) -> Result<Followed, Failure> {
        if self.target.is_none() && self.polling.is_given() {
            let message = "--method, --polling-interval, --payload-mode and --jq go with --direct";
            return Err(Failure::message(2, message));
        }
        let found = match (&self.what, &self.stream, &self.target) {
            (Some(what), None, None) => find(what, client).await?,
            (None, Some(id), None) => Followed {
                name: id.clone(),
                subscription: Subscription::stream(id.as_str()),
                // Whether it sends patches is asked for where it counts.
                payload_mode: PayloadMode::FullData,
            },
            (None, None, Some(target)) => self.polling.of(target),
            _ => {
                return Err(Failure::message(
                    2,
                    "nothing to follow: give a URL, a stream's id or name, or --direct TARGET",
                ));
            }
        };
        let subscription = self.following.apply(found.subscription)?;
        Ok(Followed { subscription, ..found })
    }
}

/// A URL, or a stream by its id or its name.
pub(crate) async fn find(what: &str, client: &Client) -> Result<Followed, Failure> {
    if what.contains("://") {
        return Ok(Followed {
            // It may hold a key.
            name: restless_tokio::redacted(what),
            subscription: Subscription::url(what),
            payload_mode: PayloadMode::FullData,
        });
    }
    let stream = match client.send(streams::get(what)).await {
        Ok(stream) => stream,
        Err(restless_tokio::Error::Refused(refused))
            if refused.status() == http::StatusCode::NOT_FOUND =>
        {
            named(what, client).await?
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Followed {
        name: stream.name.clone(),
        subscription: Subscription::stream(stream.id.as_str()),
        payload_mode: stream.payload_mode,
    })
}

/// The one stream of this name.
async fn named(name: &str, client: &Client) -> Result<restless_tokio::model::Stream, Failure> {
    let mut pages = client.pages(streams::list());
    let mut found = None;
    while let Some(stream) = pages.next().await {
        let stream = stream?;
        if stream.name == name && found.replace(stream).is_some() {
            let message = format!("several streams have the name {name:?}: give an id");
            return Err(Failure::message(2, message));
        }
    }
    found.ok_or_else(|| {
        Failure::message(3, format!("no stream has the id or the name {name:?}"))
            .hint("`restless streams ls` lists what there is")
    })
}

impl Polling {
    fn is_given(&self) -> bool {
        self.method.is_some()
            || self.polling_interval.is_some()
            || self.payload_mode.is_some()
            || self.jq.is_some()
    }

    fn of(&self, url: &str) -> Followed {
        let mut target = direct::target(url);
        if let Some(method) = &self.method {
            target = target.method(method.as_str());
        }
        if let Some(seconds) = self.polling_interval {
            target = target.polling_interval(seconds);
        }
        let mut payload_mode = PayloadMode::FullData;
        if let Some(mode) = &self.payload_mode {
            payload_mode = PayloadMode::from(mode.as_str());
            target = target.payload_mode(mode.as_str());
        }
        if let Some(filter) = &self.jq {
            target = target.jq_filter(filter.as_str());
        }
        Followed { name: url.to_owned(), subscription: Subscription::direct(target), payload_mode }
    }
}

impl Following {
    pub(crate) fn apply(&self, mut subscription: Subscription) -> Result<Subscription, Failure> {
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
        if let Some(delay) = self.retry_seconds {
            subscription = subscription.retry(delay);
        }
        if let Some(silence) = self.idle_seconds {
            subscription = subscription.idle_timeout(silence);
        }
        if let Some(secret) = secret(self.verify.as_deref(), self.secret_file.as_deref())? {
            subscription = subscription.verify(Signer::new(secret));
        }
        if let Some(window) = self.dedupe {
            subscription = subscription.dedupe(window);
        }
        // Each line of output says how its event follows.
        Ok(subscription.continuity().reconnect(!self.no_reconnect))
    }
}

/// The secret of signatures, by option or in a file. An empty one is most likely a variable that is
/// not set, and everything would be rejected.
pub(crate) fn secret(option: Option<&str>, file: Option<&Path>) -> Result<Option<String>, Failure> {
    let secret = match (option, file) {
        (Some(secret), _) => secret.to_owned(),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| Failure::new(2, path.display(), error))?;
            text.trim_end_matches(['\n', '\r']).to_owned()
        }
        (None, None) => return Ok(None),
    };
    if secret.is_empty() {
        Err(Failure::message(2, "the secret is empty"))
    } else {
        Ok(Some(secret))
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
