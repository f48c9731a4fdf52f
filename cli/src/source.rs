//! What to follow, and how: the options that `tail` and others share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use restless_tokio::model::PayloadMode;
use restless_tokio::signature::Signer;
use restless_tokio::{Client, Subscription, streams};

use crate::failure::Failure;
use crate::polling::Polling;

/// What to follow.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Source {
    /// A runtime URL, such as a stream's sseUrl, or a stream's id or name
    #[arg(value_name = "URL|STREAM", conflicts_with_all = ["stream", "target"])]
    pub(crate) what: Option<String>,
    /// The id of a stream, which is not looked up first, as a bare word is
    #[arg(long, value_name = "ID", conflicts_with = "target")]
    pub(crate) stream: Option<String>,
    /// The URL of a REST API, without a stream of its own; flags below say how the API is polled
    #[arg(long = "direct", value_name = "TARGET")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) polling: Polling,
    #[command(flatten)]
    pub(crate) following: Following,
}

/// How it is followed.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Following")]
pub(crate) struct Following {
    /// Over WebSocket instead of server-sent events
    #[arg(long)]
    pub(crate) ws: bool,
    /// Start after this position: an event's id, or the `cursor` printed with an event
    #[arg(long, value_name = "C")]
    pub(crate) cursor: Option<String>,
    /// Start at this time, in milliseconds since 1970, unless a cursor is given; 0 is the first
    /// event that the service keeps. The default is what comes from now on
    #[arg(long, value_name = "T")]
    pub(crate) since: Option<String>,
    /// End when the connection does, in place of connecting again
    #[arg(long)]
    pub(crate) no_reconnect: bool,
    /// Give up after N reconnects without an event
    #[arg(long, value_name = "N")]
    pub(crate) max_reconnects: Option<u32>,
    /// Delay before the first reconnect, in seconds; later ones take longer [default: 1]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) retry_seconds: Option<Duration>,
    /// Longest silence before another connect, in seconds [default: 300]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) idle_seconds: Option<Duration>,
    /// Drop an event whose id was among the last N
    #[arg(long, value_name = "N")]
    pub(crate) dedupe: Option<usize>,
    /// Reject updates not signed with this secret; others on this machine can read the secret here
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
        if let (None, Some(flag)) = (&self.target, self.polling.given()) {
            let message = format!("{flag} goes with --direct: a stream has its own");
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
            (None, None, Some(url)) => Followed {
                name: url.clone(),
                subscription: Subscription::direct(self.polling.target(url)),
                payload_mode: self.polling.payload_mode(),
            },
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
