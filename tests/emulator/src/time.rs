//! Unix milliseconds, and the text they are written as.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

/// Returns the wall clock in Unix milliseconds; a clock before 1970 reads 0.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Spells a time as an event's `meta.timestamp` does: `2026-06-07T00:49:36.562+00:00`.
pub(crate) fn event_timestamp(ms: i64) -> String {
    format(ms, "%Y-%m-%dT%H:%M:%S%.3f+00:00")
}

/// Spells a time as the REST models do: `2026-06-07T00:49:36.562Z`.
pub(crate) fn model_timestamp(ms: i64) -> String {
    format(ms, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

/// Returns the day in UTC: `2026-06-07`.
pub(crate) fn date(ms: i64) -> String {
    format(ms, "%Y-%m-%d")
}

/// Spells a time as a field of HTTP does (RFC 9110 §5.6.7): `Sun, 07 Jun 2026 00:49:36 GMT`.
pub(crate) fn http_date(ms: i64) -> String {
    format(ms, "%a, %d %b %Y %H:%M:%S GMT")
}

/// Returns the time of day in UTC.
pub(crate) fn time_of_day(ms: i64) -> Time {
    at(ms).to_zoned(TimeZone::UTC).time()
}

/// Reads a position: Unix milliseconds in digits, or an ISO 8601 timestamp, which is UTC where it
/// names no offset. A fraction below the millisecond is cut off.
pub(crate) fn position(text: &str) -> Option<i64> {
    if let Ok(ms) = text.parse::<i64>() {
        return Some(ms);
    }
    let timestamp = text.parse::<Timestamp>().ok().or_else(|| {
        text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })?;
    i64::try_from(timestamp.as_nanosecond().div_euclid(1_000_000)).ok()
}

fn format(ms: i64, with: &str) -> String {
    at(ms).strftime(with).to_string()
}

fn at(ms: i64) -> Timestamp {
    let nearest = if ms > 0 { Timestamp::MAX } else { Timestamp::UNIX_EPOCH };
    Timestamp::from_millisecond(ms).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_has_milliseconds_and_an_offset() {
        assert_eq!(event_timestamp(1_780_793_376_562), "2026-06-07T00:49:36.562+00:00");
        assert_eq!(event_timestamp(0), "1970-01-01T00:00:00.000+00:00");
    }

    #[test]
    fn time_that_no_calendar_has_is_the_last_one() {
        assert_eq!(model_timestamp(i64::MAX), "9999-12-30T22:00:00.999Z");
    }

    #[test]
    fn http_date_is_the_fixed_form() {
        assert_eq!(http_date(1_780_793_376_562), "Sun, 07 Jun 2026 00:49:36 GMT");
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn position_reads_what_event_timestamp_writes() {
        assert_eq!(position(&event_timestamp(1_780_793_376_562)), Some(1_780_793_376_562));
    }

    #[test]
    fn position_reads_digits_as_milliseconds() {
        assert_eq!(position("1700000000000"), Some(1_700_000_000_000));
    }

    #[test]
    fn position_without_an_offset_is_utc() {
        assert_eq!(position("2026-01-01T00:00:00"), position("2026-01-01T00:00:00Z"));
        assert_eq!(position("2026-01-01"), position("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn position_is_not_any_text() {
        assert_eq!(position("yesterday"), None);
        assert_eq!(position(""), None);
    }
}
