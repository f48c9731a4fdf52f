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
