//! The file that lists the feeds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use restless_relay::Feed;
use restless_tokio::Subscription;
use restless_tokio::signature::Signer;
use serde::Deserialize;

use crate::failure::Failure;
use crate::settings::unreadable;

/// The file, as it is written. A name that is not known is an error: it may be one misspelt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) to: Option<Destination>,
    #[serde(default)]
    feeds: BTreeMap<String, Settings>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    stream: Option<String>,
    session: Option<String>,
    url: Option<String>,
    since: Option<String>,
    #[serde(default)]
    websocket: bool,
    secret_env: Option<String>,
}

impl Config {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| Failure::new(2, shown, e))?;
        let read: Self = toml::from_str(&text).map_err(|e| unreadable(path, &text, &e))?;
        if read.feeds.is_empty() {
            return Err(Failure::message(2, format!("{}: it lists no feed", path.display())));
        }
        Ok(read)
    }

    /// The feeds, in the order of their names.
    pub(crate) fn feeds(&self) -> Result<Vec<Feed>, Failure> {
        self.feeds.iter().map(|(name, settings)| settings.feed(name)).collect()
    }
}

impl Settings {
    fn feed(&self, name: &str) -> Result<Feed, Failure> {
        let bad = |what: &str| Err(Failure::message(2, format!("feed {name}: {what}")));
        let mut subscription = match (&self.stream, &self.session, &self.url) {
            (Some(id), None, None) => Subscription::stream(id),
            (None, Some(id), None) => Subscription::session(id),
            (None, None, Some(url)) => Subscription::url(url),
            _ => return bad("exactly one of stream, session and url says what it is"),
        };
        if let Some(since) = &self.since {
            subscription = subscription.since(since);
        }
        if self.websocket {
            subscription = subscription.websocket();
        }
        if let Some(variable) = &self.secret_env {
            match std::env::var(variable) {
                Ok(secret) if !secret.is_empty() => {
                    subscription = subscription.verify(Signer::new(&secret));
                }
                _ => return bad(&format!("the variable {variable} holds no secret")),
            }
        }
        Ok(Feed::new(name, subscription))
    }
}

/// Where feeds go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Destination {
    Sqlite(PathBuf),
    Ndjson(PathBuf),
    /// The whole, `postgres:` included: it is a URL.
    Postgres(String),
    /// The server.
    Nats(String),
}

impl Destination {
    /// Returns the kind of the store alone: an address may hold a password.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Ndjson(_) => "ndjson",
            Self::Postgres(_) => "postgres",
            Self::Nats(_) => "nats",
        }
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let accepted = "a sink is sqlite:FILE, ndjson:FOLDER, postgres:… or nats:…";
        let (kind, rest) = text.split_once(':').ok_or(accepted)?;
        if rest.is_empty() {
            return Err(accepted.to_owned());
        }
        match kind {
            "sqlite" => Ok(Self::Sqlite(rest.into())),
            "ndjson" => Ok(Self::Ndjson(rest.into())),
            "postgres" | "postgresql" => Ok(Self::Postgres(text.to_owned())),
            "nats" => Ok(Self::Nats(text.to_owned())),
            _ => Err(accepted.to_owned()),
        }
    }
}

impl TryFrom<String> for Destination {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_is_a_kind_and_a_place() {
        assert_eq!("sqlite:a.db".parse(), Ok(Destination::Sqlite("a.db".into())));
        let url = "postgres://u@h/d";
        assert_eq!(url.parse(), Ok(Destination::Postgres(url.into())));
        for bad in ["a.db", "sqlite:", "csv:a"] {
            assert!(bad.parse::<Destination>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_feed_that_is_two_things_and_a_name_misspelt_are_errors() {
        let read = |text: &str| toml::from_str::<Config>(text);
        let two = read("[feeds.a]\nstream = \"s\"\nurl = \"u\"").unwrap();
        assert!(two.feeds().unwrap_err().told(false).contains("feed a: exactly one"));
        assert!(read("[feeds.a]\nstraem = \"s\"").is_err());
        assert_eq!(read("[feeds.a]\nstream = \"s\"").unwrap().feeds().unwrap().len(), 1);
    }
}
