//! Restless Stream for code that is not async.
//!
//! ```no_run
//! use restless_blocking::{Client, Subscription, streams};
//!
//! # fn run() -> Result<(), restless_blocking::Error> {
//! let client = Client::new("rs_0123456789abcdef");
//! let stream = client
//!     .send(streams::create("Orders", "https://api.example.com/orders").polling_interval(30))?;
//! for item in client.subscribe(Subscription::stream(stream.id))? {
//!     if let Some(event) = item?.event() {
//!         println!("{}", event.raw());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The client is that of `restless-smol`, whose futures the calling thread polls while the thread
//! waits. A client takes no thread or runtime of its own. A client may be used on any thread, a
//! worker of an async runtime included, and blocks that thread. A future that the client waits for,
//! a [`credentials`](ClientBuilder::credentials) function's above all, must not wait for a task of
//! the same thread: on a runtime of one thread, such as tokio's `current_thread`, only a timeout
//! ends such a wait.
//!
//! A subscription moves only within a call of its methods, and in between leaves a WebSocket's
//! pings unanswered. A program that does other things for long calls [`Events::next_timeout`] again
//! and again, or gives the subscription a thread.
//!
//! # How do I …
//!
//! | … | answer |
//! | --- | --- |
//! | pause, and resume | Nothing is asked of a subscription for a while, or it is dropped, and the next one begins at its [`cursor`](Events::cursor). |
//! | keep the cursor in a database | The event and [`cursor`](Events::cursor) go into one transaction, as in [`how_to`](restless_hyper::how_to#the-cursor-in-a-database). |
//! | hold the present document | [`Document`](subscription::Document) and [`Events::ask_for_snapshot`], as in [`how_to`](restless_hyper::how_to#the-present-document). |
//! | know what lies between two events, drop what comes twice | [`how_to`](restless_hyper::how_to#what-lies-between-two-events) |
//! | follow 1,000 streams | Each takes a thread here: the async adapters do it in one task, as in [`how_to`](restless_hyper::how_to#a-thousand-subscriptions). |
//! | shut down gracefully | A loop of [`next_timeout`](Events::next_timeout) looks at a flag that the signal sets; then [`close`](Events::close), and the loop goes on to the end. |
//! | serve a stream on, with axum | axum is async: `restless-tokio` is made for it. |
//! | see what happens: tracing | [`how_to`](restless_hyper::how_to#see-what-happens) |
//! | test without a network | [`how_to`](restless_hyper::how_to#test-without-a-network) |
//! | take key and service from the environment | [`Client::from_env`] |
//! | set timeouts, retries, a proxy, TLS, fields, the user agent | [`ClientBuilder`](client::ClientBuilder) |
//! | read data as a type of my own | [`RawJson::parse`](event::RawJson::parse) |
//! | read the fields of a good reply: request id, rate limits | [`Call::with_head`] |
//!
//! The program below pauses, and ends in good order:
//!
//! ```no_run
//! use std::sync::atomic::{AtomicBool, Ordering};
//! use std::time::Duration;
//!
//! use restless_blocking::{Client, Error, Subscription};
//!
//! /// Set by the signal's handler, such as that of the crate `ctrlc`.
//! static TOLD: AtomicBool = AtomicBool::new(false);
//!
//! /// Follows a stream until it is told to end, and gives the position to go on from.
//! fn follow(stream: &str, cursor: Option<String>) -> Result<Option<String>, Error> {
//!     let mut subscription = Subscription::stream(stream);
//!     if let Some(cursor) = cursor {
//!         subscription = subscription.cursor(cursor);
//!     }
//!     let mut events = Client::from_env()?.subscribe(subscription)?;
//!     loop {
//!         match events.next_timeout(Duration::from_millis(200)) {
//!             Ok(Some(item)) => println!("{:?}", item?),
//!             Ok(None) => break,
//!             // Nothing has come: time to look up.
//!             Err(_) => {}
//!         }
//!         if TOLD.load(Ordering::Relaxed) {
//!             events.close();
//!         }
//!     }
//!     Ok(events.cursor().map(str::to_owned))
//! }
//! ```
//!
//! # Features
//!
//! All are off by default.
//!
//! - `zstd`: the content coding of that name; its decoder is in C.
//! - `webpki-roots`: `ClientBuilder::webpki_roots`, by which a client trusts Mozilla's roots in the
//!   place of the platform's.
//! - `aws-lc-rs`: `ClientBuilder::aws_lc_rs`, by which a client takes that TLS provider in the
//!   place of ring.
//! - `tracing`: spans and events of what the client does; the front page of [`restless_hyper`] has
//!   a table of the spans and events.
//!
//! [Known limits](restless_hyper::known_limits) lists what other clients read and this one does
//! not.

#![cfg_attr(docsrs, feature(doc_cfg))]

use std::future::Future;
use std::iter::FusedIterator;
use std::task::Poll;
use std::time::Duration;

use restless_hyper::Runtime;
use restless_proto::subscription::{Continuity, Event, Item, Status};
use restless_smol::Smol;

pub use restless_hyper::rustls;
/// The type behind the alias: [`ClientBuilder`] is one of these.
pub mod client {
    #[doc(inline)]
    pub use restless_hyper::ClientBuilder;
}

#[doc(inline)]
pub use restless_hyper::ws;
#[doc(inline)]
pub use restless_proto::{
    API_BASE_URL, ApiKey, Call, CallOptions, ConfigError, ContentError, CredentialsError, Entropy,
    Error, Excerpt, GaveUp, Instant, JsonError, JsonProblem, LimitError, Limits, Misuse,
    PeerClosed, RedirectError, Refused, Reply, STREAM_BASE_URL, Service, StreamEvent, Subscription,
    TimeoutError, Timer, TransportError, TransportErrorKind, USER_AGENT, api, coding, direct,
    event, is_loopback, model, redacted, signature, snippets, sse, streams, subscription, timing,
    url, usage, websocket,
};

/// Settings of a [`Client`].
pub type ClientBuilder = restless_hyper::ClientBuilder<Smol, Client>;

/// A client of the service. Cheap to clone; clones share their idle connections.
#[derive(Clone, Debug)]
pub struct Client(restless_hyper::Client<Smol>);

impl From<restless_hyper::Client<Smol>> for Client {
    fn from(client: restless_hyper::Client<Smol>) -> Self {
        Self(client)
    }
}

impl Client {
    /// Makes a client of the public service, with this key.
    pub fn new(api_key: impl Into<ApiKey>) -> Self {
        Self(restless_hyper::Client::new(api_key))
    }

    /// Makes a client of the service that the environment names: see
    /// [`ClientBuilder::environment`](client::ClientBuilder::environment).
    ///
    /// # Errors
    ///
    /// When `RESTLESS_API_KEY` is missing, or a variable's value can't work. The check comes before
    /// the network.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::builder().environment()?.build()
    }

    /// Starts a client with other settings than [`new`](Self::new)'s.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::wrapped(Smol)
    }

    /// Makes a call, and waits for its answer. Retries and timers are those of the settings.
    ///
    /// # Errors
    ///
    /// See [`Error`]: each variant names who must act.
    pub fn send<T>(&self, call: impl Into<Call<T>>) -> Result<T, Error> {
        async_io::block_on(self.0.send(call))
    }

    /// Returns the streams of a list, one by one; pages are asked for as they are needed.
    pub fn pages(&self, list: streams::List) -> Pages {
        Pages(self.0.pages(list))
    }

    /// Starts a subscription. The first connect comes when the subscription's events are asked for.
    ///
    /// # Errors
    ///
    /// When a value of the subscription can't work; see [`Subscription::start`].
    pub fn subscribe(&self, subscription: Subscription) -> Result<Events, ConfigError> {
        self.0.subscribe(subscription).map(Events)
    }

    /// Opens any WebSocket, the service's or another. The connect comes when the WebSocket's events
    /// are asked for.
    ///
    /// # Errors
    ///
    /// As [`restless_hyper::Client::websocket`]'s: when the handshake bears credentials that may
    /// not go where the handshake goes.
    pub fn websocket(
        &self,
        handshake: ws::Handshake,
        options: ws::Options,
    ) -> Result<WebSocket, ConfigError> {
        self.0.websocket(handshake, options).map(WebSocket)
    }

    /// Returns which service the client calls, and with whose key.
    pub fn service(&self) -> &Service {
        self.0.service()
    }
}

/// The time that was given is over, and nothing has come. The next call gives what comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing has come within {0:?}")]
pub struct Elapsed(Duration);

impl Elapsed {
    /// Returns the time that was given.
    pub fn span(&self) -> Duration {
        self.0
    }
}

/// Waits for a future; [`Elapsed`] once the time is over and the future is not ready.
fn within<T>(span: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    async_io::block_on(async {
        let mut future = std::pin::pin!(future);
        let mut sleep = std::pin::pin!(Smol.sleep(span));
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| Err(Elapsed(span))),
        })
        .await
    })
}

/// The events of a [`Subscription`], as they come: an iterator that waits for each.
///
/// An `Err` is the end, once; then comes `None`. Dropping the subscription closes its connection.
#[derive(Debug)]
#[must_use = "a subscription moves only while it is asked for events"]
pub struct Events(restless_hyper::Events<Smol>);

impl Events {
    /// Waits for the next item, this long at the most: [`Duration::ZERO`] takes what is there,
    /// [`Duration::MAX`] waits for ever. `Ok(None)` at the end.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when nothing has come; the subscription goes on with the next call.
    pub fn next_timeout(&mut self, span: Duration) -> Result<Option<Result<Item, Error>>, Elapsed> {
        within(span, self.0.next())
    }

    /// Waits for the next thing that happened, connections included; `None` after [`Event::Ended`].
    pub fn next_event(&mut self) -> Option<Event> {
        async_io::block_on(self.0.next_event())
    }

    /// Does the same, and waits this long at the most.
    ///
    /// # Errors
    ///
    /// As [`next_timeout`](Self::next_timeout).
    pub fn next_event_timeout(&mut self, span: Duration) -> Result<Option<Event>, Elapsed> {
        within(span, self.0.next_event())
    }

    /// Returns the position to store, and to resume at: where the last item handed out has moved
    /// it.
    pub fn cursor(&self) -> Option<&str> {
        self.0.cursor()
    }

    /// Returns how the last item followed the item before it, as
    /// [`restless_hyper::Events::continuity`] does.
    pub fn continuity(&self) -> Option<&Continuity> {
        self.0.continuity()
    }

    /// Returns where the subscription stands.
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// Returns a handle that watches the status from elsewhere, such as another thread.
    pub fn watch(&self) -> Watch {
        Watch(self.0.watch())
    }

    /// Asks for the present data instead of what follows, as
    /// [`restless_hyper::Events::ask_for_snapshot`] does.
    pub fn ask_for_snapshot(&mut self) {
        self.0.ask_for_snapshot();
    }

    /// Ends the subscription, as [`restless_hyper::Events::close`] does: over WebSocket, the next
    /// call waits for the peer's answer.
    pub fn close(&mut self) {
        self.0.close();
    }
}

impl Iterator for Events {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        async_io::block_on(self.0.next())
    }
}

// After the end the machine below is done, and stays done; the same holds for the other two.
impl FusedIterator for Events {}

/// The status of a subscription, for a health check or a display. Cheap to clone.
///
/// The status is as of the last call for events: a subscription that nobody asks stands still.
#[derive(Clone, Debug)]
pub struct Watch(restless_hyper::Watch);

impl Watch {
    /// Returns the status now.
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// Waits for another state: opened, lost, connecting again, ended. `None` once the subscription
    /// is dropped. Events that come in do not count.
    pub fn changed(&mut self) -> Option<Status> {
        async_io::block_on(self.0.changed())
    }

    /// Does the same, and waits this long at the most.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when the state is what it was. A change that comes later comes from the next
    /// call.
    pub fn changed_timeout(&mut self, span: Duration) -> Result<Option<Status>, Elapsed> {
        within(span, self.0.changed())
    }

    /// Returns a point in time from a status, as the standard library's; a century ahead at the
    /// most, for a server may ask for any wait.
    pub fn time(&self, at: Instant) -> std::time::Instant {
        self.0.time(at)
    }
}

/// The streams of a list, one by one. An `Err` is the end, once; then comes `None`.
#[derive(Debug)]
#[must_use = "pages are asked for as they are needed"]
pub struct Pages(restless_hyper::Pages<Smol>);

impl Iterator for Pages {
    type Item = Result<model::Stream, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        async_io::block_on(self.0.next())
    }
}

impl FusedIterator for Pages {}

/// A WebSocket connection of [`Client::websocket`]: an iterator of what happens, and ways to send.
/// What the socket does not take at once goes out while events are asked for.
#[derive(Debug)]
#[must_use = "a connection moves only while it is asked for events"]
pub struct WebSocket(restless_hyper::WebSocket<Smol>);

impl WebSocket {
    /// Waits for what happens next, this long at the most; `Ok(None)` at the end.
    ///
    /// # Errors
    ///
    /// As [`Events::next_timeout`].
    pub fn next_timeout(&mut self, span: Duration) -> Result<Option<websocket::Event>, Elapsed> {
        within(span, self.0.next())
    }

    /// Sends a text message.
    ///
    /// # Errors
    ///
    /// Before [`websocket::Event::Open`], after the end, and when too much waits to go out already.
    pub fn send_text(&mut self, text: &str) -> Result<(), ws::SendError> {
        self.0.send_text(text)
    }

    /// Sends a binary message.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary(&mut self, payload: &[u8]) -> Result<(), ws::SendError> {
        self.0.send_binary(payload)
    }

    /// Sends a ping; its answer is a [`websocket::Event::Pong`].
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text), and for more than 125 bytes.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), ws::SendError> {
        self.0.ping(payload)
    }

    /// Begins the closing handshake; what happens goes on until [`websocket::Event::Closed`].
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text), and for a code or a reason that can't be sent.
    pub fn close(&mut self, code: ws::CloseCode, reason: &str) -> Result<(), ws::SendError> {
        self.0.close(code, reason)
    }
}

impl Iterator for WebSocket {
    type Item = websocket::Event;

    fn next(&mut self) -> Option<Self::Item> {
        async_io::block_on(self.0.next())
    }
}

impl FusedIterator for WebSocket {}

/// The README's example, compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
