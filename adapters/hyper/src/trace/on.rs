//! Spans and events of `tracing`.

use std::fmt;

use bytes::Bytes;
use http::{Request, StatusCode};
use restless_proto::machine::{End, ExchangeId};
use restless_proto::subscription::{Continuity, Ended, Event, Item, LossReason};
use restless_proto::{Instant, TransportError, redacted};
use tracing::field::Empty;
use tracing::span::Entered;
use tracing::{debug, debug_span, info, info_span, trace, warn};

/// A span that is entered while its subject is polled.
#[derive(Clone)]
pub(crate) struct Span(tracing::Span);

impl Span {
    pub(crate) fn call() -> Self {
        Self(debug_span!("call"))
    }

    pub(crate) fn subscription() -> Self {
        Self(info_span!("subscription"))
    }

    pub(crate) fn websocket() -> Self {
        Self(info_span!("websocket"))
    }

    pub(crate) fn exchange(id: ExchangeId, request: &Request<Bytes>) -> Self {
        let uri = request.uri();
        let span = debug_span!(
            "exchange",
            exchange = id.number(),
            http.request.method = %request.method(),
            url.scheme = uri.scheme_str(),
            server.address = uri.host(),
            server.port = Empty,
            url.path = uri.path(),
            http.response.status_code = Empty,
            error.type = Empty,
        );
        let known = match uri.scheme_str() {
            Some("https") => Some(443),
            Some("http") => Some(80),
            _ => None,
        };
        if let Some(port) = uri.port_u16().or(known) {
            span.record("server.port", port);
        }
        Self(span)
    }

    pub(crate) fn enter(&self) -> Entered<'_> {
        self.0.enter()
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        self.0.record("http.response.status_code", status.as_u16());
        if status.is_client_error() || status.is_server_error() {
            self.0.record("error.type", status.as_str());
        }
        debug!(http.response.status_code = status.as_u16(), "answered");
    }

    pub(crate) fn ended(&self, why: &End) {
        match why {
            End::Failed(error) => {
                self.0.record("error.type", kind(error));
                debug!(error = %Chain(error), "failed");
            }
            End::TimedOut(error) => {
                self.0.record("error.type", "timeout");
                debug!(error = %Chain(error), "timed out");
            }
            _ => debug!("complete"),
        }
    }
}

/// What a subscription tells its user. The clock is asked where the time is told.
pub(crate) fn happened(event: &Event, now: impl FnOnce() -> Instant) {
    match event {
        Event::Opened(opened) => info!(
            cursor = opened.cursor.as_deref().map(redacted),
            request_id = opened.request_id.as_deref().map(redacted),
            "opened"
        ),
        Event::Unanswered => warn!(
            "no head of an answer within 10 s of a connection: something in between may hold it back \
             (X-Accel-Buffering: no, proxy_buffering off)"
        ),
        Event::Continuity(Continuity::Gap { from, to, why }) => warn!(
            from = from.as_deref().map(redacted),
            to = to.as_deref().map(redacted),
            why = %why,
            "gap"
        ),
        Event::Continuity(continuity) => debug!(continuity = continuity.as_str(), "continuity"),
        Event::Item(Item::Event(event)) => {
            trace!(event_id = event.event_id().map(redacted), bytes = event.raw().len(), "event");
        }
        Event::Item(Item::Rejected(rejected)) => warn!(
            event_id = rejected.id.as_deref().map(redacted),
            bytes = rejected.data.len(),
            error = %Chain(rejected),
            "rejected"
        ),
        Event::Lost(lost) => warn!(
            attempt = lost.attempt,
            retry_in = ?lost.retry_at.saturating_duration_since(now()),
            error = %Chain(&lost.reason),
            "lost"
        ),
        Event::Ended(Ended::GaveUp { reconnects, last: last @ LossReason::Error(_) }) => {
            warn!(reconnects, error = %Chain(last), "gave up");
        }
        Event::Ended(Ended::Failed(error)) => warn!(error = %Chain(error), "failed"),
        Event::Ended(_) => info!("ended"),
        _ => {}
    }
}

/// In a word that is the same each time, for counting.
fn kind(error: &TransportError) -> String {
    format!("{:?}", error.kind()).to_ascii_lowercase()
}

/// An error with all that caused it, in one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
