//! Polling an upstream over http, and what comes of it: an update, an error, or nothing new.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

use crate::due::Due;
use crate::feed::{Attempt, Feed};
use crate::filter::Engine;
use crate::hub::Hub;
use crate::source::Source;
use crate::time;

/// The longest time for one answer of the upstream.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of one answer.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Times between two looks at whether anybody still listens: the longest, and the shortest.
const LOOK: (Duration, Duration) = (Duration::from_millis(250), Duration::from_millis(1));

/// How long a feed is polled.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Life {
    /// A managed stream, until its task is aborted.
    UntilAborted,
    /// A session, until this time.
    Until(Due),
    /// A direct stream, until nobody has listened for so long.
    WhileSubscribed(Duration),
}

/// Polls `source` into `feed` for as long as `life` says: no longer for an answer that is slow.
pub(crate) async fn poll(hub: Arc<Hub>, feed: Arc<Feed>, source: Source, life: Life) {
    let polling = async {
        loop {
            once(&hub.config.engine, &feed, &source).await;
            let seconds = u32::try_from(source.seconds_at(time::now_ms())).unwrap_or(u32::MAX);
            Due::after(hub.config.second.saturating_mul(seconds)).comes().await;
        }
    };
    tokio::select! {
        biased;
        () = life.over(&hub, &feed) => {}
        () = polling => {}
    }
}

impl Life {
    /// Completes when the feed's life is over, and the feed is gone.
    async fn over(self, hub: &Hub, feed: &Arc<Feed>) {
        match self {
            Self::UntilAborted => std::future::pending().await,
            Self::Until(end) => {
                end.comes().await;
                hub.expire(feed);
            }
            Self::WhileSubscribed(linger) => loop {
                tokio::time::sleep(linger.min(LOOK.0).max(LOOK.1)).await;
                if hub.drop_idle(feed, linger) {
                    return;
                }
            },
        }
    }
}

/// Polls once.
async fn once(engine: &Engine, feed: &Feed, source: &Source) {
    let started = Instant::now();
    let answer = tokio::time::timeout(TIMEOUT, fetch(source)).await.unwrap_or_else(|_| {
        Err(Failure::new("UPSTREAM_TIMEOUT", format!("no answer in {} s", TIMEOUT.as_secs())))
    });
    let latency_ms = u64::try_from(started.elapsed().as_millis()).ok();
    let (status, outcome) = match answer {
        Ok((status, body)) => (Some(status), read(engine, source, status, &body).await),
        Err(failure) => (None, Err(failure)),
    };
    let attempt = Attempt { status: status.map(|status| status.as_u16()), latency_ms };
    let outcome = outcome.and_then(|data| match data {
        Some(data) => feed
            .update(&data, attempt, true)
            .map(drop)
            .map_err(|error| Failure::new("UPSTREAM_INVALID_JSON", error.to_string())),
        None => Ok(()),
    });
    if let Err(failure) = outcome {
        feed.error(failure.code, &failure.message, attempt, true);
    }
}

/// Why there is no data: an `error` event's code and message.
#[derive(Debug)]
struct Failure {
    code: &'static str,
    message: String,
}

impl Failure {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    fn unreachable(error: impl std::fmt::Display) -> Self {
        Self::new("UPSTREAM_UNREACHABLE", error.to_string())
    }
}

/// Returns the data in an answer, filtered; `None` where the filter lets nothing through.
async fn read(
    engine: &Engine,
    source: &Source,
    status: StatusCode,
    body: &[u8],
) -> Result<Option<String>, Failure> {
    if !status.is_success() {
        return Err(Failure::new("UPSTREAM_STATUS", format!("upstream answered {status}")));
    }
    let invalid = |why: String| Failure::new("UPSTREAM_INVALID_JSON", why);
    let text = std::str::from_utf8(body).map_err(|error| invalid(error.to_string()))?;
    crate::json::parse(text).map_err(|error| invalid(error.to_string()))?;
    match &source.jq_filter {
        Some(jq) if !jq.is_empty() => {
            engine.apply(jq, text).await.map_err(|why| Failure::new("JQ_FILTER_FAILED", why))
        }
        _ => Ok(Some(text.to_owned())),
    }
}

/// Asks the upstream, on a connection of its own.
async fn fetch(source: &Source) -> Result<(StatusCode, Bytes), Failure> {
    let url = Url::parse(&source.url).map_err(Failure::unreachable)?;
    let (Some(host), Some(port), "http") =
        (url.host_str(), url.port_or_known_default(), url.scheme())
    else {
        let why = format!("the emulator polls http upstreams only, and this is {}", url.scheme());
        return Err(Failure::new("UPSTREAM_UNSUPPORTED", why));
    };
    // An IPv6 address comes in brackets; the resolver wants none.
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port))
        .await
        .map_err(Failure::unreachable)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(Failure::unreachable)?;
    let exchange = async {
        let response =
            sender.send_request(request(source, &url)?).await.map_err(Failure::unreachable)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BYTES)
            .collect()
            .await
            .map_err(Failure::unreachable)?;
        Ok((status, body.to_bytes()))
    };
    // The connection lives inside this future: an aborted poll leaves nothing behind.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}

fn request(source: &Source, url: &Url) -> Result<Request<Full<Bytes>>, Failure> {
    let body = source.body.as_ref().map(|body| Bytes::copy_from_slice(body.get().as_bytes()));
    let mut request = Request::new(Full::new(body.clone().unwrap_or_default()));
    *request.method_mut() = source.method.clone();
    *request.uri_mut() =
        url[url::Position::BeforePath..url::Position::AfterQuery].parse().map_err(|error| {
            Failure::new("UPSTREAM_UNSUPPORTED", format!("not a request target: {error}"))
        })?;
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(authority).map_err(Failure::unreachable)?);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("restless-emulator"));
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    // A field of the caller's own takes the place of one above.
    headers.extend(HeaderMap::from_iter(source.header_fields()));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}
