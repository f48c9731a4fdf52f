//! Serves the present document of a stream on, with axum, as server-sent events: who comes gets the
//! document whole, and again after each change. Who connects again sends `Last-Event-ID`, as a
//! browser does by itself, and gets the document only if it is another one by now. While the
//! document is stale, an event `stale` says so.
//!
//! `cargo run --example how-to-serve-document -- STREAM`: the service is that of the environment.
//! The first line of output says where it listens.

use std::convert::Infallible;
use std::error::Error;
use std::io::Write as _;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use axum::routing::get;
use futures_util::Stream;
use futures_util::stream::unfold;
use restless_tokio::subscription::{self, Change, Document};
use restless_tokio::{Client, Subscription, streams};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What is served: the document under the cursor behind it, or why it is stale.
#[derive(Clone)]
enum Present {
    Nothing,
    Document { id: String, text: String },
    Stale(String),
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stream = std::env::args().nth(1).ok_or("which stream?")?;
    let client = Client::from_env()?;
    let mode = client.send(streams::get(&stream)).await?.payload_mode;
    // Gaps and repetitions are told, so that the document knows of them.
    let mut events = client.subscribe(Subscription::stream(stream).continuity())?;

    let (present, seen) = watch::channel(Present::Nothing);
    let routes = axum::Router::new().route("/", get(serve)).with_state(seen);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "http://{}/", listener.local_addr()?)?;
    // It has no end: what fails is a connection, and not the server.
    tokio::spawn(async move { axum::serve(listener, routes).await });

    let mut document = Document::new(mode);
    while let Some(event) = events.next_event().await {
        let was_stale = matches!(*present.borrow(), Present::Stale(_));
        match document.take_event(&event) {
            // What took a stale document's place may say the same.
            Change::Value(paths)
                if !paths.is_empty() || (was_stale && document.stale().is_none()) =>
            {
                if let (Some(id), Some(text)) = (events.cursor(), document.text()) {
                    // An event stream has lines, so that no line end may be in an id.
                    let id = id.replace(['\r', '\n', '\0'], " ");
                    present.send_replace(Present::Document { id, text });
                }
            }
            Change::Stale => {
                let why = document.stale().map(ToString::to_string).unwrap_or_default();
                present.send_replace(Present::Stale(why));
            }
            // Nothing has changed, or the service could not ask: the last value stays.
            _ => {}
        }
        if document.wants_snapshot() {
            events.ask_for_snapshot();
        }
        if let subscription::Event::Ended(ended) = event {
            return ended.into_error().map_or(Ok(()), |error| Err(error.into()));
        }
    }
    Ok(())
}

/// The document, unless the browser has it already, then each that takes its place.
async fn serve(
    State(mut seen): State<watch::Receiver<Present>>,
    fields: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = fields.get("last-event-id").and_then(|id| id.to_str().ok());
    let has_it = match &*seen.borrow_and_update() {
        Present::Document { id, .. } => Some(id.as_str()) == last,
        Present::Nothing | Present::Stale(_) => false,
    };
    if !has_it {
        seen.mark_changed();
    }
    let events = unfold(seen, |mut seen| async move {
        loop {
            seen.changed().await.ok()?;
            let event = match seen.borrow_and_update().clone() {
                Present::Nothing => continue,
                Present::Document { id, text } => Event::default().id(id).data(text),
                Present::Stale(why) => Event::default().event("stale").data(why),
            };
            return Some((Ok(event), seen));
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}
