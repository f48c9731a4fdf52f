//! Serves a stream's events on, with axum, as server-sent events for any number of browsers: one
//! subscription, whatever comes and goes in front. Who connects again sends `Last-Event-ID`, as a
//! browser does by itself, and goes on behind it.
//!
//! `cargo run --example how-to-serve-on -- STREAM`: the service is that of the environment. The
//! first line of output says where it listens.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use axum::routing::get;
use futures_util::Stream;
use futures_util::stream::unfold;
use restless_tokio::{Client, Subscription};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How many events are kept for who connects again.
const KEPT: usize = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stream = std::env::args().nth(1).ok_or("which stream?")?;
    let mut events = Client::from_env()?.subscribe(Subscription::stream(stream).since("0"))?;

    let feed = Arc::new(Feed::new());
    let routes = axum::Router::new().route("/", get(serve)).with_state(Arc::clone(&feed));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "http://{}/", listener.local_addr()?)?;
    // It has no end: what fails is a connection, and not the server.
    tokio::spawn(async move { axum::serve(listener, routes).await });

    while let Some(item) = events.next().await {
        let item = item?;
        if let (Some(event), Some(cursor)) = (item.event(), events.cursor()) {
            feed.push(cursor, event.raw());
        }
    }
    Ok(())
}

/// What came last, and how much has come in all.
struct Feed {
    kept: Mutex<VecDeque<(String, String)>>,
    count: watch::Sender<usize>,
}

impl Feed {
    fn new() -> Self {
        Self { kept: Mutex::new(VecDeque::new()), count: watch::Sender::new(0) }
    }

    /// Takes an event in, with its cursor as its id.
    fn push(&self, cursor: &str, event: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        // An event stream has lines: line ends are white space in JSON, and none are in an id.
        let line = |text: &str| text.replace(['\r', '\n', '\0'], " ");
        kept.push_front((line(cursor), line(event)));
        self.count.send_modify(|count| *count += 1);
    }

    /// How many events are before what comes after this id: with none, before the latest event;
    /// with one that is no longer kept, before the first that is.
    fn after(&self, id: Option<&str>) -> usize {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let count = *self.count.borrow();
        let newer = match id {
            None => kept.len().min(1),
            Some(id) => kept.iter().position(|(kept, _)| kept == id).unwrap_or(kept.len()),
        };
        count - newer
    }

    /// The event with so many before it, or the first that is kept; and how many are before the
    /// next.
    fn get(&self, before: usize) -> Option<(Event, usize)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let count = *self.count.borrow();
        let back = (count - before).min(kept.len());
        let (id, event) = kept.get(back.checked_sub(1)?)?;
        Some((Event::default().id(id).data(event), count - back + 1))
    }
}

/// What comes after the browser's last event, then what comes.
async fn serve(
    State(feed): State<Arc<Feed>>,
    fields: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = fields.get("last-event-id").and_then(|id| id.to_str().ok());
    let (before, count) = (feed.after(last), feed.count.subscribe());
    let events = unfold((feed, before, count), |(feed, before, mut count)| async move {
        loop {
            // Before the look, so that nothing that comes behind it is slept through.
            count.mark_unchanged();
            if let Some((event, next)) = feed.get(before) {
                return Some((Ok(event), (feed, next, count)));
            }
            count.changed().await.ok()?;
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}
