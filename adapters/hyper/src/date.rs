//! `Date`, where a response lacks one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, header};

/// Adds the time of receipt, which is now, where a readable date is missing (RFC 9110 §6.6.1) and
/// `Retry-After` is there, a date in which is read against `Date`. Elsewhere a `Date` is a position
/// to resume at, by the clock of the service, which this machine's clock may be years away from.
pub(crate) fn add(fields: &mut HeaderMap) {
    if !fields.contains_key(header::RETRY_AFTER) {
        return;
    }
    let sent = fields.get(header::DATE).and_then(|value| value.to_str().ok());
    if sent.is_some_and(|sent| httpdate::parse_http_date(sent.trim()).is_ok()) {
        return;
    }
    let now = SystemTime::now();
    // A clock that was never set may be anywhere, and years far before or after have no text.
    if !now.duration_since(UNIX_EPOCH).is_ok_and(|since| since < YEAR_9999) {
        return;
    }
    if let Ok(now) = HeaderValue::try_from(httpdate::fmt_http_date(now)) {
        fields.insert(header::DATE, now);
    }
}

/// The time from 1970 to the beginning of that year.
const YEAR_9999: Duration = Duration::from_secs(253_370_764_800);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_that_can_be_read_stays_and_any_other_is_now() {
        for (sent, stays) in [
            (Some("Sun, 06 Nov 1994 08:49:37 GMT"), true),
            (Some("Sunday, 06-Nov-94 08:49:37 GMT"), true),
            (Some("yesterday"), false),
            (Some(""), false),
            (None, false),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            fields.extend(sent.map(|sent| (header::DATE, HeaderValue::from_static(sent))));
            add(&mut fields);
            let date = fields.get(header::DATE).unwrap().to_str().unwrap().to_owned();
            assert_eq!(sent.is_some_and(|sent| sent == date), stays, "{date}");
            let age = SystemTime::now().duration_since(httpdate::parse_http_date(&date).unwrap());
            assert_eq!(age.unwrap() < Duration::from_secs(60), !stays, "{date}");
            assert_eq!(fields.len(), 2);
        }
    }

    #[test]
    fn without_retry_after_no_date_is_added() {
        let mut fields = HeaderMap::new();
        add(&mut fields);
        assert!(fields.is_empty());
    }
}
