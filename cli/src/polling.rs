//! How a REST API is polled: flags that are the fields of a request, for each command that has
//! them.

use restless_tokio::direct;
use restless_tokio::model::{PayloadMode, PollingStrategy};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::data;

/// What the API is asked, and how often.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "How the API is polled")]
pub(crate) struct Polling {
    /// The method: GET (the default), POST, PUT, PATCH, DELETE or OPTIONS
    #[arg(long)]
    method: Option<String>,
    /// A field that is sent to the API, `Name: value`; can be given again
    #[arg(long = "header", value_name = "FIELD", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Content that is sent to the API, a JSON object
    #[arg(long, value_name = "JSON", value_parser = data::value)]
    body: Option<Value>,
    /// A jq filter over the API's answers
    #[arg(long, value_name = "FILTER", visible_alias = "jq")]
    jq_filter: Option<String>,
    /// Whether an update holds all data (the default), or what has changed
    #[arg(long, value_name = "MODE", value_parser = ["FULL_DATA", "JSON_PATCH"])]
    payload_mode: Option<String>,
    /// Seconds between two questions to the API; the service has a default
    #[arg(long, value_name = "S")]
    polling_interval: Option<u64>,
    /// Another interval for a time of day, 09:00-17:00=30; can be given again
    #[arg(long = "polling-strategy", value_name = "TIMES", value_parser = strategy)]
    polling_strategies: Vec<PollingStrategy>,
}

impl Polling {
    /// Puts what was given into a request's content, over what is there.
    pub(crate) fn put_into(&self, object: &mut Map<String, Value>) {
        put(object, "method", &self.method);
        put(object, "headers", self.header_map());
        put(object, "body", &self.body);
        put(object, "jqFilter", &self.jq_filter);
        put(object, "payloadMode", &self.payload_mode);
        put(object, "pollingInterval", self.polling_interval);
        let strategies = Some(&self.polling_strategies).filter(|all| !all.is_empty());
        put(object, "pollingStrategies", strategies);
    }

    /// The API at this URL, polled so, to follow it or to make a URL of it.
    pub(crate) fn target(&self, url: &str) -> direct::Target {
        let mut target = direct::target(url).polling_strategies(self.polling_strategies.clone());
        if let Some(method) = &self.method {
            target = target.method(method.as_str());
        }
        if let Some(headers) = self.header_map() {
            target = target.headers(headers);
        }
        if let Some(body) = &self.body {
            target = target.body(body);
        }
        if let Some(filter) = &self.jq_filter {
            target = target.jq_filter(filter.as_str());
        }
        if let Some(mode) = &self.payload_mode {
            target = target.payload_mode(mode.as_str());
        }
        if let Some(seconds) = self.polling_interval {
            target = target.polling_interval(seconds);
        }
        target
    }

    pub(crate) fn payload_mode(&self) -> Option<PayloadMode> {
        self.payload_mode.as_deref().map(PayloadMode::from)
    }

    /// A flag that was given, the payload mode aside: what is polled elsewhere has one too.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--method", self.method.is_some()),
            ("--header", !self.headers.is_empty()),
            ("--body", self.body.is_some()),
            ("--jq-filter", self.jq_filter.is_some()),
            ("--polling-interval", self.polling_interval.is_some()),
            ("--polling-strategy", !self.polling_strategies.is_empty()),
        ];
        flags.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    fn header_map(&self) -> Option<Map<String, Value>> {
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), json!(value)));
        Some(headers.collect()).filter(|map: &Map<_, _>| !map.is_empty())
    }
}

/// Puts a field into a request's content, where it is given.
pub(crate) fn put(object: &mut Map<String, Value>, name: &str, value: impl Serialize) {
    let value = json!(value);
    if !value.is_null() {
        object.insert(name.to_owned(), value);
    }
}

/// A field for the API: `Name: value`.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// An interval for a time of day: `09:00-17:00=30`, in seconds.
fn strategy(text: &str) -> Result<PollingStrategy, String> {
    let parts = text.split_once('=').and_then(|(times, seconds)| {
        let (start, end) = times.split_once('-')?;
        Some((start, end, seconds.parse::<u64>().ok()?))
    });
    let (start, end, seconds) = parts.ok_or("an interval is START-END=SECONDS, 09:00-17:00=30")?;
    let strategy = json!({"startTime": start, "endTime": end, "intervalSeconds": seconds});
    serde_json::from_value(strategy).map_err(|error| error.to_string())
}
