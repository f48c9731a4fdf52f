//! `/metrics` in OpenMetrics and `/healthz`, on loopback.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use restless_relay::Progress;
use tokio::net::TcpListener;

use crate::failure::Failure;
use crate::relay::Handles;

pub(super) struct Metrics {
    listener: TcpListener,
    address: SocketAddr,
    handles: Handles,
}

impl Metrics {
    pub(super) async fn listen(address: SocketAddr, handles: Handles) -> Result<Self, Failure> {
        if !address.ip().is_loopback() {
            let line = format!("--metrics {address}: only a loopback address, as 127.0.0.1:9464");
            return Err(Failure::message(2, line));
        }
        let failed = |error| Failure::new(1, format!("--metrics {address}"), error);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, handles })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves for ever. A connection that fails is its peer's loss.
    pub(super) async fn serve(&self) {
        loop {
            let Ok((socket, _)) = self.listener.accept().await else {
                // Out of sockets, most likely: others have to be closed first.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let handles = self.handles.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(&handles, &request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let mut http = hyper::server::conn::http1::Builder::new();
                let served =
                    http.timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service);
                drop(served.await);
            });
        }
    }
}

fn answer(handles: &Handles, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let progress = || handles.iter().map(|(name, handle)| (name.as_str(), handle.progress()));
    let (status, kind, text) = match request.uri().path() {
        "/metrics" => (StatusCode::OK, OPEN_METRICS, open_metrics(progress())),
        "/healthz" => {
            let ill: Vec<_> = progress().filter(|(_, one)| one.trouble.is_some()).collect();
            let status =
                if ill.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let lines = ill.iter().map(|(name, one)| {
                format!("{name}: {}\n", one.trouble.as_deref().unwrap_or_default())
            });
            let text = if ill.is_empty() { "ok\n".to_owned() } else { lines.collect() };
            (status, "text/plain; charset=utf-8", text)
        }
        _ => (StatusCode::NOT_FOUND, "text/plain", "/metrics and /healthz are here\n".to_owned()),
    };
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A metric: its name, its kind, its unit or nothing, what it is, and its value.
type Metric =
    (&'static str, &'static str, &'static str, &'static str, fn(&Progress) -> Option<f64>);

const METRICS: [Metric; 8] = [
    ("restless_events", "counter", "", "Events stored.", |p| Some(p.events as f64)),
    ("restless_dead_letters", "counter", "", "Dead letters stored.", |p| {
        Some(p.dead_letters as f64)
    }),
    ("restless_stored_bytes", "counter", "bytes", "Bytes of what was stored.", |p| {
        Some(p.bytes as f64)
    }),
    ("restless_losses", "counter", "", "Connections lost.", |p| Some(p.losses as f64)),
    ("restless_connected", "gauge", "", "Whether a connection stands.", |p| {
        Some(f64::from(u8::from(p.connected)))
    }),
    ("restless_trouble", "gauge", "", "Whether store or connection is in trouble.", |p| {
        Some(f64::from(u8::from(p.trouble.is_some())))
    }),
    ("restless_position", "gauge", "", "Records of the feed in the store.", |p| {
        p.position.as_ref().map(|position| position.sequence as f64)
    }),
    (
        "restless_lag_seconds",
        "gauge",
        "seconds",
        "Age of the last event when it was stored.",
        |p| p.lag.map(|lag| lag.as_secs_f64()),
    ),
];

/// The text that the OpenMetrics specification 1.0 calls the text format.
fn open_metrics<'a>(progress: impl Iterator<Item = (&'a str, Progress)>) -> String {
    let progress: Vec<_> = progress.collect();
    let mut text = String::new();
    for (name, kind, unit, help, value) in METRICS {
        let suffix = if kind == "counter" { "_total" } else { "" };
        // Writing to a string can't fail.
        let _ = writeln!(text, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name} {help}");
        for (feed, one) in &progress {
            if let Some(value) = value(one) {
                let feed = feed.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
                let _ = writeln!(text, "{name}{suffix}{{feed=\"{feed}\"}} {value}");
            }
        }
    }
    text.push_str("# EOF\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_ends_in_total_and_the_text_in_eof() {
        let mut one = Progress::default();
        one.events = 3;
        let text = open_metrics([("a\"b", one)].into_iter());
        assert!(text.contains("# TYPE restless_events counter\n"), "{text}");
        assert!(text.contains("restless_events_total{feed=\"a\\\"b\"} 3\n"), "{text}");
        assert!(!text.contains("restless_lag_seconds{"), "what is not known is not told: {text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
