//! What is polled and how: the part that managed streams, direct streams and sessions share.

use http::{HeaderName, HeaderValue, Method};
use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use crate::fields::{Fields, Given, Invalid};
use crate::filter::Engine;
use crate::json::{self, Kind};
use crate::time;

/// Seconds between polls where a request names none.
pub(crate) const DEFAULT_INTERVAL: u64 = 60;
/// Longest polling interval: a day of seconds.
const MAX_INTERVAL: u64 = 86_400;

/// `FULL_DATA` or `JSON_PATCH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum PayloadMode {
    #[serde(rename = "FULL_DATA")]
    FullData,
    #[serde(rename = "JSON_PATCH")]
    JsonPatch,
}

impl PayloadMode {
    fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "FULL_DATA" => Ok(Self::FullData),
            "JSON_PATCH" => Ok(Self::JsonPatch),
            _ => Err(Invalid::new("payloadMode must be FULL_DATA or JSON_PATCH")),
        }
    }
}

/// A polling interval for a part of the day. Times are `HH:MM` or `HH:MM:SS` in UTC; a window whose
/// end is before its start goes over midnight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Strategy {
    start_time: String,
    end_time: String,
    interval_seconds: u64,
}

impl Strategy {
    fn window(&self) -> Option<(Time, Time)> {
        Some((self.start_time.parse().ok()?, self.end_time.parse().ok()?))
    }

    fn covers(&self, now: Time) -> bool {
        self.window().is_some_and(|(start, end)| {
            if start <= end { start <= now && now < end } else { start <= now || now < end }
        })
    }
}

/// An upstream endpoint and how it is polled. Serialised, it is the part of a model that the
/// models have in common, with `headers` and `body` as they were given.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Source {
    #[serde(serialize_with = "as_text")]
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Option<Box<RawValue>>,
    pub(crate) body: Option<Box<RawValue>>,
    pub(crate) payload_mode: PayloadMode,
    pub(crate) jq_filter: Option<String>,
    pub(crate) polling_interval: u64,
    pub(crate) polling_strategies: Option<Vec<Strategy>>,
    /// What the source's filter is warned of.
    #[serde(skip)]
    pub(crate) warnings: Vec<String>,
}

impl Source {
    /// Makes a `GET` of `url` with the defaults.
    pub(crate) fn new(url: String) -> Result<Self, Invalid> {
        Ok(Self {
            method: Method::GET,
            url: checked_url(url)?,
            headers: None,
            body: None,
            payload_mode: PayloadMode::FullData,
            jq_filter: None,
            polling_interval: DEFAULT_INTERVAL,
            polling_strategies: None,
            warnings: Vec::new(),
        })
    }

    /// Reads a new source from a body; `url` is required.
    pub(crate) async fn create(engine: &Engine, fields: &mut Fields) -> Result<Self, Invalid> {
        let url =
            fields.take_text("url")?.value().ok_or_else(|| Invalid::new("url is required"))?;
        let mut source = Self::new(url)?;
        // In a new source null is what absent is; only an update has something to clear.
        for name in ["method", "payloadMode", "pollingInterval"] {
            if let Given::Value(value) = fields.take_raw(name) {
                fields.put(name, value);
            }
        }
        source.update(engine, fields).await?;
        Ok(source)
    }

    /// Takes the source's fields out of `fields` and applies them; on an error nothing is to be
    /// kept of `self`.
    pub(crate) async fn update(
        &mut self,
        engine: &Engine,
        fields: &mut Fields,
    ) -> Result<(), Invalid> {
        fields.take_text("url")?.map(checked_url)?.store_required("url", &mut self.url)?;
        fields
            .take_text("method")?
            .map(|method| checked_method(&method))?
            .store_required("method", &mut self.method)?;
        fields
            .take_text("payloadMode")?
            .map(|mode| PayloadMode::parse(&mode))?
            .store_required("payloadMode", &mut self.payload_mode)?;
        fields
            .take("pollingInterval", INTERVAL)?
            .map(|seconds| checked_interval("pollingInterval", seconds))?
            .store_required("pollingInterval", &mut self.polling_interval)?;
        fields.take_raw("headers").map(checked_headers)?.store(&mut self.headers);
        fields.take_raw("body").store(&mut self.body);
        fields
            .take("pollingStrategies", STRATEGIES)?
            .map(checked_strategies)?
            .store(&mut self.polling_strategies);
        let jq = fields.take_text("jqFilter")?;
        match &jq {
            Given::Value(jq) => self.warnings = check_filter(engine, jq).await?,
            Given::Null => self.warnings.clear(),
            Given::Absent => {}
        }
        jq.store(&mut self.jq_filter);
        Ok(())
    }

    /// Reads a direct stream from the query of its URL; a parameter that is empty says nothing.
    pub(crate) async fn from_query(
        engine: &Engine,
        query: &[(String, String)],
    ) -> Result<Self, Invalid> {
        let value = |name| query_value(query, name);
        let mut source =
            Self::new(value("url").ok_or_else(|| Invalid::new("url is required"))?.to_owned())?;
        if let Some(method) = value("method") {
            source.method = checked_method(method)?;
        }
        if let Some(headers) = value("headers") {
            source.headers = Some(checked_headers(raw("headers", headers)?)?);
        }
        if let Some(body) = value("body") {
            source.body = Some(raw("body", body)?);
        }
        if let Some(jq) = value("jq") {
            source.warnings = check_filter(engine, jq).await?;
            source.jq_filter = Some(jq.to_owned());
        }
        if let Some(mode) = value("payloadMode") {
            source.payload_mode = PayloadMode::parse(mode)?;
        }
        if let Some(seconds) = value("pollingInterval") {
            let seconds = seconds
                .parse()
                .map_err(|_| Invalid(format!("pollingInterval must be {INTERVAL}")))?;
            source.polling_interval = checked_interval("pollingInterval", seconds)?;
        }
        if let Some(strategies) = value("pollingStrategies") {
            let strategies = serde_json::from_str(strategies)
                .map_err(|_| Invalid(format!("pollingStrategies must be {STRATEGIES}")))?;
            source.polling_strategies = Some(checked_strategies(strategies)?);
        }
        Ok(source)
    }

    /// Returns the source as the query of a direct URL, each parameter only when it has something
    /// to say.
    pub(crate) fn to_query(&self) -> Vec<(&'static str, String)> {
        let mut query = vec![("url", self.url.clone())];
        let mut add = |name, value: Option<String>| query.extend(value.map(|value| (name, value)));
        add("method", (self.method != Method::GET).then(|| self.method.to_string()));
        add("headers", self.headers.as_ref().map(|headers| headers.get().to_owned()));
        add("body", self.body.as_ref().map(|body| body.get().to_owned()));
        add("jq", self.jq_filter.clone());
        add(
            "payloadMode",
            (self.payload_mode == PayloadMode::JsonPatch).then(|| "JSON_PATCH".to_owned()),
        );
        add(
            "pollingInterval",
            (self.polling_interval != DEFAULT_INTERVAL).then(|| self.polling_interval.to_string()),
        );
        add("pollingStrategies", self.polling_strategies.as_ref().map(crate::fields::to_json));
        query
    }

    /// The headers to send upstream, checked when the source was made.
    pub(crate) fn header_fields(&self) -> Vec<(HeaderName, HeaderValue)> {
        let headers = self.headers.as_ref().map(|headers| header_fields(headers));
        headers.and_then(Result::ok).unwrap_or_default()
    }

    /// Seconds until the next poll: the first strategy whose window covers the time of day, else
    /// the polling interval.
    pub(crate) fn seconds_at(&self, now_ms: i64) -> u64 {
        let now = time::time_of_day(now_ms);
        self.polling_strategies
            .iter()
            .flatten()
            .find(|strategy| strategy.covers(now))
            .map_or(self.polling_interval, |strategy| strategy.interval_seconds)
    }
}

const INTERVAL: &str = "a whole number of seconds";
const STRATEGIES: &str = "an array of { startTime, endTime, intervalSeconds }";

/// Returns the first value of a query parameter that is not empty.
pub(crate) fn query_value<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, v)| v.as_str())
}

fn checked_url(text: String) -> Result<String, Invalid> {
    match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text),
        _ => Err(Invalid::new("url must be an http or https URL")),
    }
}

fn checked_method(text: &str) -> Result<Method, Invalid> {
    match text {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        "OPTIONS" => Ok(Method::OPTIONS),
        _ => Err(Invalid::new("method must be GET, POST, PUT, PATCH, DELETE or OPTIONS")),
    }
}

fn checked_interval(name: &str, seconds: u64) -> Result<u64, Invalid> {
    if (1..=MAX_INTERVAL).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(Invalid(format!("{name} must be between 1 and {MAX_INTERVAL} seconds")))
    }
}

fn checked_strategies(strategies: Vec<Strategy>) -> Result<Vec<Strategy>, Invalid> {
    for strategy in &strategies {
        checked_interval("intervalSeconds", strategy.interval_seconds)?;
        if strategy.window().is_none() {
            return Err(Invalid::new("startTime and endTime must be HH:MM or HH:MM:SS"));
        }
    }
    Ok(strategies)
}

async fn check_filter(engine: &Engine, jq: &str) -> Result<Vec<String>, Invalid> {
    engine.check(jq).await.map_err(|why| Invalid(format!("jqFilter is not a jq filter: {why}")))
}

fn checked_headers(headers: Box<RawValue>) -> Result<Box<RawValue>, Invalid> {
    header_fields(&headers).map(|_| headers)
}

fn header_fields(headers: &RawValue) -> Result<Vec<(HeaderName, HeaderValue)>, Invalid> {
    let node = json::parse(headers.get()).map_err(|error| Invalid(error.to_string()))?;
    let Kind::Object(members) = node.kind else {
        return Err(Invalid::new("headers must be an object"));
    };
    members
        .iter()
        .map(|(name, value)| {
            let value = match &value.kind {
                Kind::String(text) => text,
                Kind::Number(text) => *text,
                Kind::Word(word) if *word != "null" => *word,
                _ => return Err(Invalid(format!("header {name} must be a string"))),
            };
            Ok((
                HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| Invalid(format!("{name:?} is not a header name")))?,
                HeaderValue::from_str(value).map_err(|_| {
                    Invalid(format!("header {name} has a value that can't be sent"))
                })?,
            ))
        })
        .collect()
}

fn raw(name: &str, text: &str) -> Result<Box<RawValue>, Invalid> {
    json::parse(text).map_err(|error| Invalid(format!("{name} must be JSON: {error}")))?;
    RawValue::from_string(text.trim().to_owned())
        .map_err(|error| Invalid(format!("{name} must be JSON: {error}")))
}

pub(crate) fn as_text<S: serde::Serializer>(
    method: &Method,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strategy(start: &str, end: &str) -> Strategy {
        Strategy { start_time: start.into(), end_time: end.into(), interval_seconds: 5 }
    }

    #[test]
    fn window_includes_its_start_and_not_its_end() {
        let window = strategy("09:00", "17:00");
        assert!(window.covers("09:00".parse().expect("time")));
        assert!(!window.covers("17:00".parse().expect("time")));
    }

    #[test]
    fn window_goes_over_midnight() {
        let window = strategy("22:00", "06:00:30");
        assert!(window.covers("23:59".parse().expect("time")));
        assert!(window.covers("06:00:29".parse().expect("time")));
        assert!(!window.covers("12:00".parse().expect("time")));
    }

    #[test]
    fn first_window_that_covers_the_time_sets_the_interval() {
        let mut source = Source::new("http://127.0.0.1/".to_owned()).expect("source");
        source.polling_interval = 100;
        source.polling_strategies =
            Some(vec![strategy("01:00", "02:00"), strategy("00:00", "03:00")]);
        let hour = 3_600_000;
        assert_eq!(source.seconds_at(hour / 2), 5);
        assert_eq!(source.seconds_at(4 * hour), 100);
    }
}
