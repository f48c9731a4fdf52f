//! The SDK's keyword arguments for direct streams, as our builder.

use std::collections::BTreeMap;

use restless_proto::direct::{Target, target as new_target};
use restless_proto::model::PollingStrategy;
use restless_proto::{Service, Subscription};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::python::Python;

/// Named arguments, each as it is spelt.
#[derive(Deserialize)]
pub(crate) struct Arguments(BTreeMap<String, Box<RawValue>>);

impl Arguments {
    fn value<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(raw) = self.0.get(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map_err(|error| format!("{name}: {error}"))
    }

    /// A text, or the text of what is given in its place.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.value::<String>(name) {
            Ok(text) => text,
            Err(_) => self.0.get(name).map(|raw| raw.get().to_owned()),
        }
    }
}

pub(crate) fn target(arguments: &Arguments) -> Result<Target, String> {
    let mut target = new_target(arguments.text("url").unwrap_or_default());
    if let Some(method) = arguments.text("method") {
        target = target.method(method);
    }
    if let Some(headers) = arguments.0.get("headers") {
        target = target.headers(Python(headers));
    }
    if let Some(body) = arguments.0.get("body") {
        target = target.body(Python(body));
    }
    if let Some(filter) = arguments.text("jq_filter") {
        target = target.jq_filter(filter);
    }
    if let Some(mode) = arguments.text("payload_mode") {
        target = target.payload_mode(mode);
    }
    if let Some(seconds) = arguments.value::<u64>("polling_interval")? {
        target = target.polling_interval(seconds);
    }
    if let Some(strategies) = arguments.value::<Vec<PollingStrategy>>("polling_strategies")? {
        target = target.polling_strategies(strategies);
    }
    if let Some(key) = arguments.text("api_key") {
        target = target.api_key_in_url(key);
    }
    Ok(target)
}

/// A direct subscription from its arguments, which may name another service.
pub(crate) fn subscription(raw: &str, service: &mut Service) -> Result<Subscription, String> {
    let arguments: Arguments = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    if let Some(base) = arguments.text("stream_base_url") {
        *service =
            service.clone().with_stream_base_url(&base).map_err(|error| error.to_string())?;
    }
    let mut subscription = Subscription::direct(target(&arguments)?);
    if let Some(cursor) = arguments.text("cursor") {
        subscription = subscription.cursor(cursor);
    }
    if let Some(since) = arguments.text("since") {
        subscription = subscription.since(since);
    }
    Ok(subscription)
}
