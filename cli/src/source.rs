//! What to follow, and how: the options that `tail` and others share.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use restless_tokio::model::PayloadMode;
use restless_tokio::signature::Signer;
use restless_tokio::{Client, Subscription, streams};
use url::Url;

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
    pub(crate) mode: Mode,
}

/// Who knows whether updates are patches. A patch that is taken for all data, or the other way
/// round, gives a wrong document, so nothing is guessed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Known(PayloadMode),
    /// The service, which has a stream with this id.
    OfStream(String),
    Unknown,
}

/// How long what is not needed is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

impl Source {
    /// Looks up what has to be looked up.
    pub(crate) async fn find(&self, client: &Client) -> Result<Followed, Failure> {
        if let (None, Some(flag)) = (&self.target, self.polling.given()) {
            let message = format!("{flag} goes with --direct: a stream has its own");
            return Err(Failure::message(2, message));
        }
        let mode = self.polling.payload_mode();
        if mode.is_some() && self.target.is_none() && !self.what.as_deref().is_some_and(is_url) {
            let message = "--payload-mode goes with --direct or a URL: a stream has its own";
            return Err(Failure::message(2, message));
        }
        let found = match (&self.what, &self.stream, &self.target) {
            (Some(what), None, None) => find(what, client).await?.told(mode)?,
            (None, Some(id), None) => Followed {
                name: id.clone(),
                subscription: Subscription::stream(id.as_str()),
                mode: Mode::OfStream(id.clone()),
            },
            (None, None, Some(url)) => Followed {
                name: url.clone(),
                subscription: Subscription::direct(self.polling.target(url)),
                mode: Mode::Known(mode.unwrap_or(PayloadMode::FullData)),
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

impl Followed {
    /// With the mode that a flag says.
    fn told(mut self, flag: Option<PayloadMode>) -> Result<Self, Failure> {
        let Some(flag) = flag else { return Ok(self) };
        let told = Mode::Known(flag);
        if matches!(self.mode, Mode::Known(_)) && self.mode != told {
            let message = "--payload-mode is another mode than the URL's own";
            return Err(Failure::message(2, message));
        }
        self.mode = told;
        Ok(self)
    }
}

impl Mode {
    /// Asks the service, where the service knows; `None` where nobody does.
    pub(crate) async fn ask(self, client: &Client) -> Result<Option<PayloadMode>, Failure> {
        match self {
            Self::Known(mode) => Ok(Some(mode)),
            Self::OfStream(id) => Ok(Some(client.send(streams::get(id)).await?.payload_mode)),
            Self::Unknown => Ok(None),
        }
    }

    /// Asks where an answer helps, and is not needed. The time that a failure takes is gone from
    /// `patience`, so that a service that is silent holds up many feeds no longer than one.
    pub(crate) async fn ask_within(
        self,
        client: &Client,
        patience: &mut Duration,
    ) -> Option<PayloadMode> {
        let start = Instant::now();
        if let Ok(Ok(mode)) = tokio::time::timeout(*patience, self.ask(client)).await {
            return mode;
        }
        *patience = patience.saturating_sub(start.elapsed());
        None
    }

    /// As far as a runtime URL says it; the streams of the service at `base` can be looked up.
    fn of_url(url: &str, base: &str) -> Self {
        let (Ok(url), Ok(base)) = (Url::parse(url.trim()), Url::parse(base)) else {
            return Self::Unknown;
        };
        let value = |name| {
            let mut pairs = url.query_pairs();
            pairs.find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
        };
        if let Some(id) = value("streamId") {
            // Elsewhere, another stream may have the id.
            let is_ours = origin(&url) == origin(&base);
            return if is_ours { Self::OfStream(id.into_owned()) } else { Self::Unknown };
        }
        if value("sessionId").is_some() {
            return Self::Unknown;
        }
        match (value("payloadMode"), value("url")) {
            (Some(mode), _) => Self::Known(PayloadMode::from(&*mode.to_uppercase())),
            // The service's URL of a REST API's stream names each mode but the default.
            (None, Some(_)) if origin(&url) == origin(&base) => Self::Known(PayloadMode::FullData),
            (None, _) => Self::Unknown,
        }
    }
}

/// Where a URL's requests go; those of WebSocket begin as HTTP.
fn origin(url: &Url) -> (&str, Option<&str>, Option<u16>) {
    let scheme = match url.scheme() {
        "ws" => "http",
        "wss" => "https",
        scheme => scheme,
    };
    (scheme, url.host_str(), url.port_or_known_default())
}

fn is_url(what: &str) -> bool {
    what.contains("://")
}

/// A URL, or a stream by its id or its name.
pub(crate) async fn find(what: &str, client: &Client) -> Result<Followed, Failure> {
    if is_url(what) {
        return Ok(Followed {
            // It may hold a key.
            name: restless_tokio::redacted(what),
            subscription: Subscription::url(what),
            mode: Mode::of_url(what, client.service().stream_base_url()),
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
        mode: Mode::Known(stream.payload_mode),
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

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://stream.test";

    #[test]
    fn a_url_of_the_service_has_the_mode_of_its_stream() {
        for url in [
            "https://stream.test/?streamId=a%20b",
            "https://stream.test:443/?payloadMode=FULL_DATA&streamId=a+b",
            "wss://STREAM.test/ws?cursor=7&streamId=a+b",
        ] {
            assert_eq!(Mode::of_url(url, BASE), Mode::OfStream("a b".to_owned()), "{url}");
        }
    }

    #[test]
    fn a_stream_of_another_origin_is_not_looked_up() {
        for url in [
            "http://stream.test/?streamId=a",
            "https://stream.test:8443/?streamId=a",
            "https://stream.test.evil/?streamId=a",
            "ws://stream.test/ws?streamId=a&payloadMode=JSON_PATCH",
        ] {
            assert_eq!(Mode::of_url(url, BASE), Mode::Unknown, "{url}");
        }
    }

    #[test]
    fn a_direct_url_says_its_mode() {
        for (url, due) in [
            ("https://a.test/?url=https%3A%2F%2Fb.test&payloadMode=JSON_PATCH", "JSON_PATCH"),
            ("wss://a.test/ws?url=https%3A%2F%2Fb.test&payloadMode=json_patch", "JSON_PATCH"),
            ("https://stream.test/?url=https%3A%2F%2Fb.test", "FULL_DATA"),
            ("wss://stream.test/ws?url=https%3A%2F%2Fb.test&payloadMode=", "FULL_DATA"),
        ] {
            assert_eq!(Mode::of_url(url, BASE), Mode::Known(PayloadMode::from(due)), "{url}");
        }
    }

    #[test]
    fn a_url_of_no_known_form_says_nothing_of_its_mode() {
        for url in [
            "https://a.test/",
            "https://stream.test/?sessionId=a",
            // Another service's may name a default of its own by silence.
            "https://a.test/?url=https%3A%2F%2Fb.test",
            "https://",
        ] {
            assert_eq!(Mode::of_url(url, BASE), Mode::Unknown, "{url}");
        }
    }
}
