//! `Date` (RFC 9110 §6.6.1), and the form of dates in fields (§5.6.7).

use std::time::SystemTime;

use http::{HeaderMap, header};

/// Returns when a response was made, by the clock of whoever made it.
pub(crate) fn date(fields: &HeaderMap) -> Option<SystemTime> {
    parse(fields.get(header::DATE)?.to_str().ok()?)
}

/// Reads any of the three forms.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text.trim()).ok()
}
