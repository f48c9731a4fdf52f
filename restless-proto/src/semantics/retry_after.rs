//! `Retry-After` (RFC 9110 §10.2.3).

use std::time::Duration;

use http::{HeaderMap, header};

use super::date;

/// Returns how long the fields of a response ask to wait (RFC 9110 §10.2.3), in seconds or until a
/// date.
///
/// A date is read against the `Date` of the same response, since the crate lacks a clock; where
/// that `Date` is missing, the date is passed over. A date in the past is a wait of zero. More
/// seconds than 64 bits hold are as many as 64 bits hold.
pub fn retry_after(fields: &HeaderMap) -> Option<Duration> {
    let value = fields.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = date::parse(value)?;
    Some(until.duration_since(date::date(fields)?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_anything_else_is_not() {
        const DATE: &str = "Tue, 24 Nov 2026 00:00:00 GMT";
        for (value, date, due) in [
            ("3", "", Some(3)),
            ("0", "", Some(0)),
            ("99999999999999999999999", "", Some(u64::MAX)),
            ("Tue, 24 Nov 2026 00:01:00 GMT", DATE, Some(60)),
            ("Tuesday, 24-Nov-26 00:01:00 GMT", DATE, Some(60)),
            ("Mon, 23 Nov 2026 00:00:00 GMT", DATE, Some(0)),
            ("Tue, 24 Nov 2026 00:01:00 GMT", "", None),
            ("-1", DATE, None),
            ("1.5", DATE, None),
            ("soon", DATE, None),
            ("", DATE, None),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::RETRY_AFTER, value.parse().unwrap());
            if !date.is_empty() {
                fields.insert(header::DATE, date.parse().unwrap());
            }
            assert_eq!(retry_after(&fields), due.map(Duration::from_secs), "{value:?} {date:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
