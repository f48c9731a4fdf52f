//! JSON that comes on the command line: `--data @file.json`, or the text itself.

use serde_json::{Map, Value};

use crate::failure::Failure;

/// The object of `--data`; an empty one where there is none.
pub(crate) fn object(data: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let Some(data) = data else { return Ok(Map::new()) };
    let (name, text) = match data.strip_prefix('@') {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            (path, text.map_err(|error| Failure::new(2, path, error))?)
        }
        None => ("--data", data.to_owned()),
    };
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(2, format!("{name}: no object"), error))
}

/// A value of a flag that is JSON.
pub(crate) fn value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// A field for the upstream: `Name: value`.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Interval for a time of day: `09:00-17:00=30`, in seconds.
pub(crate) fn strategy(text: &str) -> Result<Value, String> {
    let parts = text.split_once('=').and_then(|(times, seconds)| {
        let (start, end) = times.split_once('-')?;
        Some((start, end, seconds.parse::<u64>().ok()?))
    });
    let (start, end, seconds) = parts.ok_or("an interval is START-END=SECONDS, 09:00-17:00=30")?;
    Ok(serde_json::json!({"startTime": start, "endTime": end, "intervalSeconds": seconds}))
}
