//! The runtime side: event streams of managed streams, sessions and direct streams.

use std::sync::Arc;

use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::body::{self, Live};
use crate::feed::{Start, Subscription, Transport};
use crate::fields::Invalid;
use crate::filter::Engine;
use crate::hub::{self, Hub};
use crate::replay::Replay;
use crate::reply::{Refused, Reply};
use crate::source::{Source, query_value};
use crate::{time, websocket};

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Where WebSocket is served.
pub(crate) const WEBSOCKET_PATH: &str = "/ws";

/// What a runtime URL asks for.
pub(crate) enum Subject {
    Stream(String),
    Session(String),
    Direct(Box<Source>),
}

impl Subject {
    pub(crate) async fn parse(
        engine: &Engine,
        query: &[(String, String)],
    ) -> Result<Self, Invalid> {
        let value = |name| query_value(query, name);
        match (value("streamId"), value("sessionId"), value("url")) {
            (Some(id), None, None) => Ok(Self::Stream(id.to_owned())),
            (None, Some(id), None) => Ok(Self::Session(id.to_owned())),
            (None, None, Some(_)) => {
                let source = Source::from_query(engine, query).await?;
                Ok(Self::Direct(Box::new(source)))
            }
            _ => Err(Invalid::new("exactly one of streamId, sessionId and url is required")),
        }
    }

    /// Returns what a filter is warned of that this request brings.
    fn warnings(&self) -> &[String] {
        match self {
            Self::Direct(source) => &source.warnings,
            Self::Stream(_) | Self::Session(_) => &[],
        }
    }

    /// Returns the id of the subject's feed, which may not exist.
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

/// What a runtime request wants its events to come by.
pub(crate) fn transport(parts: &Parts) -> Transport {
    if parts.uri.path() == WEBSOCKET_PATH { Transport::WebSocket } else { Transport::Sse }
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
    let warnings = subject.as_ref().map_or_else(|_| Vec::new(), |one| one.warnings().to_vec());
    if transport(parts) == Transport::WebSocket {
        let subscribed = |accepted: Reply| match subscribe(hub, parts, query, subject) {
            Ok(subscription) => accepted
                .upgrading(websocket::Source::Feed(Box::new(subscription)))
                .warning_of(&warnings),
            Err(refused) => Reply::from(refused),
        };
        return websocket::accept(parts).map_or_else(|refused| *refused, subscribed);
    }
    if parts.method != Method::GET {
        return Reply::error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
            .with(ALLOW, HeaderValue::from_static("GET"));
    }
    match subscribe(hub, parts, query, subject) {
        Ok(subscription) => {
            let live = Live::new(subscription, hub.config.heartbeat);
            event_stream(body::Source::Feed(Box::new(live))).warning_of(&warnings)
        }
        Err(refused) => Reply::from(refused),
    }
}

/// Answers a runtime request with a recorded feed, to everybody and whatever the feed's id.
pub(crate) fn replay(feed: &Replay, parts: &Parts, query: &[(String, String)]) -> Reply {
    let seen = match asked(parts, query) {
        None => Ok(0),
        Some(asked) => match feed.behind(asked.text) {
            Some(seen) => Ok(seen),
            None => asked.ms().map(|ms| feed.after(ms)),
        },
    };
    let seen = match seen {
        Ok(seen) => seen,
        Err(invalid) => return Reply::from(Refused::from(invalid)),
    };
    match transport(parts) {
        Transport::Sse => event_stream(body::Source::Script(feed.content(seen))),
        Transport::WebSocket => websocket::accept(parts).map_or_else(
            |refused| *refused,
            |accepted| accepted.upgrading(websocket::Source::Replay(feed.messages(seen))),
        ),
    }
}

/// The answer that an event stream comes in.
pub(crate) fn event_stream(content: body::Source) -> Reply {
    Reply::new(StatusCode::OK, content)
        .with(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))
        .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
        // Tells nginx and its kin to hand each event on at once.
        .with(X_ACCEL_BUFFERING, HeaderValue::from_static("no"))
}

fn subscribe(
    hub: &Arc<Hub>,
    parts: &Parts,
    query: &[(String, String)],
    subject: Result<Subject, Invalid>,
) -> Result<Subscription, Refused> {
    let start = start(parts, query)?;
    let missing = |what| Refused::new(StatusCode::NOT_FOUND, what);
    Ok(match subject? {
        Subject::Direct(source) => hub.subscribe_direct(*source, start),
        Subject::Stream(id) => {
            hub.managed_feed(&id).ok_or_else(|| missing("Stream not found"))?.subscribe(start)
        }
        Subject::Session(id) => hub
            .session_feed(&id)
            .ok_or_else(|| missing("Session not found or expired"))?
            .subscribe(start),
    })
}

/// Where a request says to start, as it is spelt.
struct Asked<'a> {
    name: &'static str,
    text: &'a str,
    start: fn(i64) -> Start,
}

impl Asked<'_> {
    fn ms(&self) -> Result<i64, Invalid> {
        time::position(self.text).ok_or_else(|| {
            let name = self.name;
            Invalid(format!("{name} must be Unix milliseconds or an ISO 8601 timestamp"))
        })
    }
}

/// Reads where to start: `Last-Event-ID` goes before `cursor`, and `cursor` before `since`. A
/// browser that reconnects by itself has the old URL and the new header.
fn asked<'a>(parts: &'a Parts, query: &'a [(String, String)]) -> Option<Asked<'a>> {
    let header = parts.headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let (name, text, start): (_, _, fn(i64) -> Start) =
        if let Some(text) = header.filter(|id| !id.is_empty()) {
            ("Last-Event-ID", text, Start::Cursor)
        } else if let Some(text) = query_value(query, "cursor") {
            ("cursor", text, Start::Cursor)
        } else {
            ("since", query_value(query, "since")?, Start::Since)
        };
    Some(Asked { name, text, start })
}

fn start(parts: &Parts, query: &[(String, String)]) -> Result<Start, Invalid> {
    asked(parts, query).map_or(Ok(Start::Latest), |asked| asked.ms().map(asked.start))
}

/// Whether a request says where to resume, rightly or not.
pub(crate) fn resumes(parts: &Parts, query: &[(String, String)]) -> bool {
    asked(parts, query).is_some()
}

/// Whether the key is right: a bearer token, or `apiKey` in the query of a direct URL.
fn is_authorised(hub: &Hub, parts: &Parts, query: &[(String, String)]) -> bool {
    let bearer = parts.headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let in_query = query_value(query, "url").and_then(|_| query_value(query, "apiKey"));
    bearer.or(in_query) == Some(hub.config.api_key.as_str())
}
