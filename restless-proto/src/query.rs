//! Reading a URL's query, decoded as form data is (WHATWG URL §5.1).

use percent_encoding::percent_decode_str;
use url::Url;

/// Returns a parameter's value.
pub(crate) fn value(url: &Url, name: &str) -> Option<String> {
    value_in(url.query()?, name)
}

/// Does the same for a query that stands alone.
pub(crate) fn value_in(query: &str, name: &str) -> Option<String> {
    pairs(query).find_map(|(_, key, value)| (key == name).then(|| decode(value)))
}

/// Returns each parameter: as it is spelt, its name decoded, its value as it is spelt. An empty
/// piece between two ampersands is a parameter with an empty name.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, String, &str)> {
    let pieces = Some(query).filter(|query| !query.is_empty()).into_iter();
    pieces.flat_map(|query| query.split('&')).map(|text| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        (text, decode(key), value)
    })
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
