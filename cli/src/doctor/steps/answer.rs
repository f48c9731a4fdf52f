//! What is answered to requests.

use std::time::{Duration, Instant, SystemTime};

use http::{StatusCode, header};
use restless_tokio::streams;

use super::chain;
use crate::doctor::case::{Stream, box_of, is_about_key};
use crate::doctor::{Case, Finding};
use crate::exchange::STEP;

/// The head of an event stream's answer.
pub(super) async fn http(case: &mut Case) -> Finding {
    if !case.reaches {
        return Finding::skipped("there is no connection to ask on");
    }
    let patience = case.options.listen.max(STEP);
    let asked = case.ask(&case.url, case.options.key.as_deref(), patience).await;
    let response = match asked {
        Ok(response) => response,
        Err(error) => {
            return Finding::failed(
                chain(&error),
                "the connection stands, and no head of an answer comes: something on the way holds \
                 answers back until they are whole (nginx: `proxy_buffering off;`), or the server \
                 is stuck",
            );
        }
    };
    let (status, fields) = (response.status(), response.headers());
    let named = box_of(fields).map_or_else(String::new, |name| format!(", by {name}"));
    let kind = fields.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let found =
        format!("{:?} {status}{named}, {}", response.version(), kind.unwrap_or("no content type"));
    let is_stream = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
    let coded = fields.get(header::CONTENT_ENCODING).cloned();
    let proxied = case.forwarder().is_some() || named.len() > 1;
    let head = Stream { response, opened: Instant::now(), pieces: Vec::new(), end: None };
    case.stream = Some(head);
    match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Finding::failed(
            found,
            "the proxy wants credentials: http://user:password@host:port in its variable",
        ),
        // The next step judges it.
        status if is_about_key(status) && !is_stream && !proxied => Finding::good(found),
        StatusCode::UNAUTHORIZED => Finding::good(found),
        StatusCode::FORBIDDEN => Finding::failed(
            found,
            "a box on the way says no, not the service: its administrator has to allow this host",
        ),
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Finding::failed(found, "a box on the way does not reach the service, or that is down")
        }
        status if !status.is_success() => {
            Finding::failed(found, "is it the URL of a feed? `restless streams ls` has them")
        }
        _ if !is_stream => Finding::failed(
            found,
            "that is no event stream: a box's own page, or the URL is not one of a feed",
        ),
        _ => match coded {
            Some(coding) => Finding::note(
                format!("{found}, coded by {coding:?} and nobody asked for that"),
                "whatever codes on the way may hold events back until a block is full (nginx: `gzip off;`)",
            ),
            None => Finding::good(found),
        },
    }
}

/// Whether the service takes the key.
pub(super) async fn accepted(case: &mut Case) -> Finding {
    let Some(stream) = &case.stream else { return Finding::skipped("there is no answer") };
    let status = stream.response.status();
    match status {
        status if is_about_key(status) => Finding::failed(
            format!("the answer is {status}"),
            "the key is not one of this service, or was taken back: `restless config` shows where \
             it comes from",
        ),
        status if status.is_success() => {
            // The REST side may be another host, and no part of this way.
            match case.client.send(streams::validate_api_key()).await {
                Ok(_) => Finding::good("by the stream, and by the REST API"),
                Err(error) => Finding::note(
                    format!("by the stream; the REST API: {}", chain(&error)),
                    "events come without it; RESTLESS_API_BASE_URL says where it is",
                ),
            }
        }
        _ => Finding::skipped(format!("the answer is {status}, which says nothing of it")),
    }
}

/// This machine's clock against the answer's `Date`.
pub(super) async fn clock(case: &mut Case) -> Finding {
    let Some(stream) = &case.stream else { return Finding::skipped("there is no answer") };
    let date = stream.response.headers().get(header::DATE).and_then(|value| value.to_str().ok());
    let Some(theirs) = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok()) else {
        return Finding::note("the answer has no Date", "something on the way took it out");
    };
    let ours = SystemTime::now().checked_sub(stream.opened.elapsed()).unwrap_or(theirs);
    let (off, word) = match ours.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let found = format!("{} s {word} of the answer's Date", off.as_secs());
    match off.as_secs() {
        // Date has whole seconds.
        0..=2 => Finding::good(found),
        3..=300 => Finding::note(found, "set the clock (NTP): `since` and latencies go by it"),
        _ => Finding::failed(found, "set the clock (NTP): certificates and `since` go by it"),
    }
}

/// Targets up to this length are tried.
const MOST: usize = 64 << 10;

/// The longest URL that passes. Without a key each answer is a short refusal, and no stream.
pub(super) async fn longest_url(case: &mut Case) -> Finding {
    if case.stream.is_none() {
        return Finding::skipped("there is no answer");
    }
    let short = status_of(case, 256).await;
    let (mut passes, mut fails) = (256, MOST);
    let mut said = short;
    for length in std::iter::successors(Some(1024), |length| Some(length * 2)) {
        let status = status_of(case, length.min(MOST)).await;
        if status != short {
            (fails, said) = (length, status);
            break;
        }
        passes = length;
        if length >= MOST {
            return Finding::good("over 64 KiB");
        }
    }
    while fails - passes > 64 {
        let middle = passes.midpoint(fails);
        match status_of(case, middle).await {
            status if status == short => passes = middle,
            status => (fails, said) = (middle, status),
        }
    }
    let then = said.map_or_else(|| "the connection breaks".to_owned(), |status| status.to_string());
    let found = format!("{:.1} KiB, then {then}", passes as f64 / 1024.0);
    if passes >= 7 << 10 {
        return Finding::good(found);
    }
    Finding::note(found, "`restless direct session` gives a short URL for a long target")
}

async fn status_of(case: &Case, length: usize) -> Option<StatusCode> {
    let mut url = case.url.clone();
    url.set_query(Some("streamId=none&filler="));
    let filler = length.saturating_sub(url[url::Position::BeforePath..].len());
    url.set_query(Some(&format!("streamId=none&filler={}", "a".repeat(filler))));
    case.ask(&url, None, Duration::from_secs(5)).await.ok().map(|response| response.status())
}
