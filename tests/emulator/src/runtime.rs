//! The runtime side: event streams of managed streams, sessions and direct streams.

use std::sync::Arc;

use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use crate::body::{self, Live};
use crate::fields::Invalid;
use crate::hub::{self, Hub};
use crate::reply::{Refused, Reply};
use crate::source::{Source, query_value};
use crate::time;

/// Where WebSocket will be served.
pub(crate) const WEBSOCKET_PATH: &str = "/ws";

/// What a runtime URL asks for.
pub(crate) enum Subject {
    Stream(String),
    Session(String),
    Direct(Box<Source>),
}

impl Subject {
    pub(crate) async fn parse(query: &[(String, String)]) -> Result<Self, Invalid> {
        let value = |name| query_value(query, name);
        match (value("streamId"), value("sessionId"), value("url")) {
            (Some(id), None, None) => Ok(Self::Stream(id.to_owned())),
            (None, Some(id), None) => Ok(Self::Session(id.to_owned())),
            (None, None, Some(_)) => Ok(Self::Direct(Box::new(Source::from_query(query).await?))),
            _ => Err(Invalid::new("exactly one of streamId, sessionId and url is required")),
        }
    }

    /// The id of its feed, which may not exist.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Stream(id) | Self::Session(id) => id.clone(),
            Self::Direct(source) => hub::direct_id(source),
        }
    }
}

/// The decoded query of a request target.
pub(crate) fn query(parts: &Parts) -> Vec<(String, String)> {
    url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect()
}

/// Answers a runtime request.
pub(crate) fn respond(
    hub: &Arc<Hub>,
    parts: &Parts,
    query: &[(String, String)],
    subject: Result<Subject, Invalid>,
) -> Reply {
    if !is_authorised(hub, parts, query) {
        return Reply::error(StatusCode::UNAUTHORIZED, "Invalid or missing API key")
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if parts.uri.path() == WEBSOCKET_PATH {
        return Reply::error(StatusCode::NOT_IMPLEMENTED, "WebSocket is not emulated yet");
    }
    if parts.method != Method::GET {
        return Reply::error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
            .with(ALLOW, HeaderValue::from_static("GET"));
    }
    subscribe(hub, parts, query, subject).unwrap_or_else(Reply::from)
}

fn subscribe(
    hub: &Arc<Hub>,
    parts: &Parts,
    query: &[(String, String)],
    subject: Result<Subject, Invalid>,
) -> Result<Reply, Refused> {
    let start = start(parts, query)?;
    let missing = |what| Refused::new(StatusCode::NOT_FOUND, what);
    let subscription = match subject? {
        Subject::Direct(source) => hub.subscribe_direct(*source),
        Subject::Stream(id) => {
            hub.managed_feed(&id).ok_or_else(|| missing("Stream not found"))?.subscribe()
        }
        Subject::Session(id) => hub
            .session_feed(&id)
            .ok_or_else(|| missing("Session not found or expired"))?
            .subscribe(),
    };
    let position = match start {
        Some(start) => subscription.feed().position_after(start.ms, start.is_cursor),
        None => subscription.feed().position_at_end(),
    };
    let live = Live::new(subscription, position, hub.config.heartbeat);
    Ok(Reply::new(StatusCode::OK, body::Source::Feed(Box::new(live)))
        .with(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))
        .with(CACHE_CONTROL, HeaderValue::from_static("no-cache")))
}

/// Where a subscriber wants to start.
#[derive(Clone, Copy)]
struct Start {
    ms: i64,
    /// Whether it is the id of an event that the subscriber has, rather than a time.
    is_cursor: bool,
}

/// `Last-Event-ID` before `cursor` before `since`: a browser that reconnects by itself has the old
/// URL and the new header.
fn start(parts: &Parts, query: &[(String, String)]) -> Result<Option<Start>, Invalid> {
    let header = parts.headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let given = [
        ("Last-Event-ID", header.filter(|id| !id.is_empty()), true),
        ("cursor", query_value(query, "cursor"), true),
        ("since", query_value(query, "since"), false),
    ];
    let Some((name, text, is_cursor)) =
        given.into_iter().find_map(|(name, text, is_cursor)| Some((name, text?, is_cursor)))
    else {
        return Ok(None);
    };
    let ms = time::position(text).ok_or_else(|| {
        Invalid(format!("{name} must be Unix milliseconds or an ISO 8601 timestamp"))
    })?;
    Ok(Some(Start { ms, is_cursor }))
}

/// A bearer token, or `apiKey` in the query of a direct URL.
fn is_authorised(hub: &Hub, parts: &Parts, query: &[(String, String)]) -> bool {
    let bearer = parts.headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let in_query = query_value(query, "url").and_then(|_| query_value(query, "apiKey"));
    bearer.or(in_query) == Some(hub.config.api_key.as_str())
}
