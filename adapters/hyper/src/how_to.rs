//! How to do what most programs do next. Each answer holds for every async adapter; the programs
//! are in the folder `examples/how-to` of the repository, on tokio, and a test runs each against
//! the emulator.
//!
//! # Pause and resume
//!
//! A subscription moves only while it is polled. For a short pause, a program stops polling: TCP
//! slows the server down, and events of the meantime come afterwards. A WebSocket at rest leaves
//! pings unanswered, so that the server may cut the connection; the next poll then connects again,
//! at the cursor.
//!
//! For a long pause, a program keeps the cursor and drops the subscription. The next subscription
//! goes on behind the cursor, for as long as the service keeps the events in between.
//!
//! ```
//! # use restless_hyper::{Client, Events, Runtime, proto::{Error, Subscription}};
//! # async fn pause<R: Runtime>(client: Client<R>, events: Events<R>) -> Result<(), Error> {
//! let cursor = events.cursor().map(str::to_owned);
//! drop(events);
//! // Some hours later:
//! let mut subscription = Subscription::stream("stream_123");
//! if let Some(cursor) = cursor {
//!     subscription = subscription.cursor(cursor);
//! }
//! let events = client.subscribe(subscription)?;
//! # drop(events);
//! # Ok(())
//! # }
//! ```
//!
//! # The cursor in a database
//!
//! The event and the cursor go into the database in one transaction, so that after a crash every
//! event is there exactly once. `store` is called with each item and with
//! [`Events::cursor`](crate::Events::cursor), the position behind the item; at the start, the row's
//! cursor goes into the subscription.
//!
//! ```
//! # use restless_hyper::proto::subscription::Item;
//! # use rusqlite::{Connection, params};
//! fn store(
//!     database: &mut Connection,
//!     stream: &str,
//!     item: &Item,
//!     cursor: Option<&str>,
//! ) -> rusqlite::Result<()> {
//!     let transaction = database.transaction()?;
//!     // What was rejected is passed, or it would come again with each start.
//!     if let Some(event) = item.event() {
//!         let insert = "INSERT INTO events (stream, cursor, event) VALUES (?1, ?2, ?3)";
//!         transaction.execute(insert, params![stream, cursor, event.raw()])?;
//!     }
//!     // Where nothing that came had an id, there is no position yet.
//!     if let Some(cursor) = cursor {
//!         let update = "INSERT INTO positions (stream, cursor) VALUES (?1, ?2)
//!             ON CONFLICT (stream) DO UPDATE SET cursor = excluded.cursor";
//!         transaction.execute(update, params![stream, cursor])?;
//!     }
//!     transaction.commit()
//! }
//! ```
//!
//! The program is for one worker: two workers that follow one stream would both store each event.
//! `restless-relay` has the rule for many workers, batches, and more stores. The program:
//! `examples/how-to/one-transaction.rs`.
//!
//! # The present document
//!
//! A [`Document`](restless_proto::subscription::Document) takes all that happens and holds the
//! present value, by full data or by patches. Where a patch does not fit, or may have been missed,
//! the document says that it is stale, and wants a snapshot; the snapshot makes the document right
//! again.
//!
//! ```
//! # use restless_hyper::{Client, Runtime, proto::{ConfigError, Subscription}};
//! use restless_proto::model::PayloadMode;
//! use restless_proto::subscription::{Change, Document};
//!
//! # async fn follow<R: Runtime>(client: Client<R>) -> Result<(), ConfigError> {
//! // Gaps and repetitions are told, so that the document knows of them.
//! let mut events = client.subscribe(Subscription::stream("stream_123").continuity())?;
//! let mut document = Document::new(PayloadMode::JsonPatch);
//! while let Some(event) = events.next_event().await {
//!     if let Change::Value(paths) = document.take_event(&event) {
//!         for path in paths {
//!             println!("{path} is {:?} now", document.at(&path));
//!         }
//!     }
//!     if document.wants_snapshot() {
//!         println!("{:?}: a snapshot is asked for", document.stale());
//!         events.ask_for_snapshot();
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What lies between two events
//!
//! [`continuity`](restless_proto::Subscription::continuity) says of each item how the item follows
//! the item before it: [live, replayed, repeated, or after a
//! gap](restless_proto::subscription::Continuity), with the cursors around the gap and the reason
//! for the gap. [`dedupe`](restless_proto::Subscription::dedupe) drops what is repeated.
//!
//! ```
//! # use restless_hyper::{Client, Runtime, proto::{Error, Subscription}};
//! use restless_proto::subscription::Continuity;
//!
//! # async fn follow<R: Runtime>(client: Client<R>) -> Result<(), Error> {
//! let subscription = Subscription::stream("stream_123").dedupe(1_000);
//! let mut events = client.subscribe(subscription)?;
//! while let Some(item) = events.next().await {
//!     let item = item?;
//!     if let Some(Continuity::Gap { from, to, why }) = events.continuity() {
//!         eprintln!("something may be missing between {from:?} and {to:?}: {why}");
//!     }
//!     println!("{:?}", item.event().map(|event| event.raw()));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # A thousand subscriptions
//!
//! One client follows any number of streams, and one task is enough: each subscription is polled
//! only when something has come for it. Each subscription takes a socket: the limit for open files
//! (`ulimit -n`) has to be above the number of subscriptions. Each subscription also takes memory
//! for reading ([`ReadBuffer`](restless_proto::ReadBuffer)): 1,000 subscriptions over plain http,
//! with small events, took 25 KiB each; TLS takes more.
//!
//! ```
//! # use futures_util::{StreamExt as _, stream::SelectAll};
//! # use restless_hyper::{Client, Runtime, proto::{Error, Subscription, streams}};
//! # async fn all<R: Runtime>(client: Client<R>) -> Result<(), Error> {
//! let mut all = SelectAll::new();
//! let mut pages = client.pages(streams::list().limit(100));
//! while let Some(stream) = pages.next().await {
//!     let id = stream?.id;
//!     let events = client.subscribe(Subscription::stream(&id).since("0"))?;
//!     all.push(events.map(move |item| (id.clone(), item)));
//! }
//! # while let Some((id, item)) = all.next().await { println!("{id}: {:?}", item?); }
//! # Ok(())
//! # }
//! ```
//!
//! `all.next()` gives each item with its stream's id. The program:
//! `examples/how-to/many-subscriptions.rs`.
//!
//! # Shut down gracefully
//!
//! [`Events::close`](crate::Events::close) ends a subscription, and `next` goes on to the end: over
//! WebSocket `next` waits for the service's answer, 10 s at the most. Items that were not handed
//! out by then come at the next start, behind the cursor.
//!
//! ```
//! # use restless_hyper::{Events, Runtime, proto::Error};
//! # async fn follow<R: Runtime>(mut events: Events<R>, told: impl Future<Output = ()>)
//! # -> Result<(), Error> {
//! # let mut told = std::pin::pin!(told);
//! let mut ending = false;
//! loop {
//!     let item = tokio::select! {
//!         item = events.next() => item,
//!         () = &mut told, if !ending => {
//!             ending = true;
//!             // Over WebSocket the service answers, and `next` waits for that.
//!             events.close();
//!             continue;
//!         }
//!     };
//!     let Some(item) = item else { break };
//! #   item?;
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! `told` is a future that completes on the signal. The program:
//! `examples/how-to/graceful-shutdown.rs`.
//!
//! # Serve it on
//!
//! One subscription feeds any number of browsers. A feed keeps the last events, with their cursors
//! as ids, so that a browser that connects again, and sends `Last-Event-ID` by itself, goes on
//! behind its last event. With axum:
//!
//! ```
//! # use std::{convert::Infallible, sync::Arc};
//! # use axum::{extract::State, http::HeaderMap, response::{Sse, sse::{Event, KeepAlive}}};
//! # use futures_util::{Stream, stream::unfold};
//! # struct Feed { count: tokio::sync::watch::Sender<usize> }
//! # impl Feed {
//! #     fn after(&self, _: Option<&str>) -> usize { 0 }
//! #     fn get(&self, before: usize) -> Option<(Event, usize)> {
//! #         Some((Event::default(), before + 1))
//! #     }
//! # }
//! async fn serve(
//!     State(feed): State<Arc<Feed>>,
//!     fields: HeaderMap,
//! ) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
//!     let last = fields.get("last-event-id").and_then(|id| id.to_str().ok());
//!     let (before, count) = (feed.after(last), feed.count.subscribe());
//!     let events = unfold((feed, before, count), |(feed, before, mut count)| async move {
//!         loop {
//!             // Before the look, so that nothing that comes behind it is slept through.
//!             count.mark_unchanged();
//!             if let Some((event, next)) = feed.get(before) {
//!                 return Some((Ok(event), (feed, next, count)));
//!             }
//!             count.changed().await.ok()?;
//!         }
//!     });
//!     Sse::new(events).keep_alive(KeepAlive::default())
//! }
//! ```
//!
//! `Feed` keeps the events and counts them. The program: `examples/how-to/serve-on.rs`. For
//! browsers that want the present document and no past, `examples/how-to/serve-document.rs` serves
//! the document whole after each change, and says when the document is stale.
//!
//! # See what happens
//!
//! With the feature `tracing`, a client tells of each exchange, loss and end; the front page of
//! `restless-hyper` has a table of the spans and events. Any subscriber takes them:
//!
//! ```no_run
//! tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).init();
//! ```
//!
//! Without the feature, [`Events::next_event`](crate::Events::next_event) gives connections and
//! losses beside items, and [`Events::watch`](crate::Events::watch) gives a handle for a health
//! check.
//!
//! # Test without a network
//!
//! `restless-emulator` plays the service on loopback: it publishes what a test says, and goes wrong
//! when a test says so.
//!
//! ```
//! # use restless_hyper::{ClientBuilder, Runtime, proto::Subscription};
//! use restless_emulator::{Emulator, Fault};
//!
//! # async fn test<R: Runtime>(builder: ClientBuilder<R>)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start()?;
//! let id = emulator.add_stream(r#"{"name":"Orders","url":"http://127.0.0.1:9/"}"#)?;
//! emulator.publish(&id, r#"{"total":1}"#)?;
//! emulator.publish(&id, r#"{"total":2}"#)?;
//! // The first connection is cut between the two.
//! emulator.inject(Fault::cut_after_events(1));
//!
//! let client = builder
//!     .api_key(emulator.api_key())
//!     .base_url(emulator.api_base_url())
//!     .stream_base_url(emulator.stream_base_url())
//!     .build()?;
//! let mut events = client.subscribe(Subscription::stream(&id).since("0"))?;
//! for due in [r#"{"total":1}"#, r#"{"total":2}"#] {
//!     let event = events.next().await.ok_or("an event is due")??.into_event()?;
//!     assert_eq!(event.data().unwrap_or_default().get(), due);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Without any socket, [`SubscriptionMachine`](restless_proto::subscription::SubscriptionMachine)
//! takes the bytes and the time as values: see [`restless_proto::guide`].
