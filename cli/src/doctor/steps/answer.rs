//! What is answered to requests.

use std::time::{Duration, Instant, SystemTime};

use http::{StatusCode, header};
use restless_tokio::streams;

use url::Url;

use super::{chain, stream};
use crate::doctor::case::{Stream, box_in, box_of, is_about_key};
use crate::doctor::{Case, Finding};
use crate::exchange::{Broken, STEP};

/// The head of an event stream's answer.
pub(super) async fn http(case: &mut Case) -> Finding {
    if !case.reaches {
        return Finding::skipped("there is no connection to ask on");
    }
    let patience = case.options.listen.max(STEP);
    let asked = case.ask(&case.url, case.options.key.as_deref(), patience).await;
    let response = match asked {
        Ok(response) => response,
        Err(error) => return unanswered(case, &error).await,
    };
    let mut head = Stream { response, opened: Instant::now(), pieces: Vec::new(), end: None };
    let is_stream = head.is_event_stream();
    // A box's own page may have its name.
    let page = if is_stream { String::new() } else { stream::page(&mut head).await };
    let (status, fields) = (head.response.status(), head.response.headers());
    let named = box_of(fields).or_else(|| box_in(&page));
    let found = told(&head.response, named);
    let coded = fields.get(header::CONTENT_ENCODING).cloned();
    let proxied = case.forwarder().is_some() || named.is_some();
    case.stream = Some(head);
    match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Finding::failed(
            found,
            "the proxy wants credentials before the host in its URL, as user:password@host",
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
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Finding::failed(
            found,
            "the URL is too long for a box on the way: `restless direct session` gives a short one",
        ),
        status if !status.is_success() => Finding::failed(
            found,
            "is it the URL of a feed? `restless streams get ID` has a stream's",
        ),
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

/// No head comes: a short answer, which is whole at once, says whether that is the way.
async fn unanswered(case: &mut Case, error: &Broken) -> Finding {
    match case.ask(&longer(&case.url, 0), None, SHORT).await {
        Ok(response) => {
            let name = case.suspect(response.headers());
            case.short = Some(response.headers().clone());
            Finding::note(
                format!(
                    "no head of the stream: {}; a short answer comes at once: {}",
                    chain(error),
                    told(&response, box_of(response.headers()))
                ),
                format!("{name} lets short answers through; `held back` below says what to do"),
            )
        }
        Err(_) => Finding::failed(
            chain(error),
            "the connection stands, and no answer comes, not a short one either: the server is \
             stuck, or something on the way that takes connections for it",
        ),
    }
}

/// An answer's head: version, status, whose it is, and the fields that boxes write.
fn told(response: &http::Response<hyper::body::Incoming>, named: Option<&str>) -> String {
    let by = named.map_or_else(String::new, |name| format!(", by {name}"));
    let mut told = format!("{:?} {}{by}", response.version(), response.status());
    for name in ["content-type", "server", "via", "cache-control", "x-accel-buffering"] {
        if let Some(value) = response.headers().get(name) {
            told.push_str(&format!(", {name}: {}", String::from_utf8_lossy(value.as_bytes())));
        }
    }
    told
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

/// Compares the machine's clock with the answer's `Date`.
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

/// Looks for the longest URL that passes. Each answer to a request without a key is a short
/// refusal.
pub(super) async fn longest_url(case: &mut Case) -> Finding {
    if case.stream.is_none() && case.short.is_none() {
        return Finding::skipped("there is no answer");
    }
    let status = case.stream.as_ref().map(|stream| stream.response.status());
    if let Some(status) = status.filter(StatusCode::is_server_error) {
        return Finding::skipped(format!("the answer is {status}, whatever the length"));
    }
    let short = status_of(case, 256).await;
    if short.is_none() {
        return Finding::skipped("a short request without a key is not answered");
    }
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
    let asked = case.ask(&longer(&case.url, length), None, SHORT).await;
    asked.ok().map(|response| response.status())
}

/// How long a short answer may take.
const SHORT: Duration = Duration::from_secs(5);

/// Returns a URL of the same server with a target at least so long. The URL's stream does not
/// exist.
fn longer(url: &Url, length: usize) -> Url {
    let mut url = url.clone();
    url.set_query(Some("streamId=none&filler="));
    let filler = length.saturating_sub(url[url::Position::BeforePath..].len());
    url.set_query(Some(&format!("streamId=none&filler={}", "a".repeat(filler))));
    url
}
