//! A driver on trial, as the trial sees it.

use std::error::Error as StdError;
use std::time::Duration;

use restless_proto::subscription::{Ended, Event as Happened, Item};
use restless_proto::{ConfigError, Error, Service, Subscription};

/// A driver that is tried. A driver in any other language is a [`Program`](crate::Program).
///
/// Each rule has a service of its own, and rules are tried side by side: several threads ask a
/// driver at once.
pub trait Driver: Send + Sync {
    /// Says what the driver can do. Rules about the rest are left out, and the report says so.
    fn skills(&self) -> Skills;

    /// Runs a call to its end.
    ///
    /// # Errors
    ///
    /// A [`Failure`], which says what the user of the driver is told.
    fn call(&self, call: &Call) -> Result<Answer, Failure>;

    /// Follows a stream.
    fn follow(&self, follow: &Follow) -> Box<dyn Following>;

    /// Ends all that runs for this service, which each rule has of its own: the rule took too long,
    /// and its thread still waits for the driver. Told apart by
    /// [`api_base_url`](Endpoint::api_base_url), as a rule may change the other parts. By default
    /// nothing is ended.
    fn give_up(&self, _service: &Endpoint) {}
}

/// A subscription that a driver runs.
pub trait Following {
    /// Waits for what happens next. [`Told::Ended`] is the last answer that is asked for.
    fn next(&mut self) -> Told;

    /// Ends the subscription, and its connection, without waiting for the peer's answer. Comes at
    /// most once; then the subscription is dropped.
    fn close(&mut self);

    /// Returns what the user has been told up to the end, and no other answer says. Is asked for
    /// once, behind [`close`](Self::close). By default that is nothing.
    fn last_words(&mut self) -> Option<String> {
        None
    }
}

/// What a driver can do, and what its stack tells and leaves to it: a browser keeps to itself what
/// other stacks tell.
///
/// ```
/// # use restless_trial::Skills;
/// let no_websocket = Skills { websocket: false, ..Skills::ALL };
/// # let _ = no_websocket;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skills {
    /// The driver runs [`Call::Create`].
    pub creates: bool,
    /// The driver runs [`Call::Get`].
    pub gets: bool,
    /// The driver follows over server-sent events.
    pub events: bool,
    /// The driver follows over WebSocket.
    pub websocket: bool,
    /// The driver makes a stream first, by [`Call::Create`], instead of following one that is
    /// there. The trial answers that call with the stream to follow.
    pub creates_first: bool,
    /// The driver is told where a redirect leads, and goes there. A driver without this skill ends
    /// with the redirect.
    pub redirects: bool,
    /// The driver is told the answer that refuses a WebSocket.
    pub websocket_answers: bool,
    /// The driver gives a WebSocket's opening request fields, such as the key. In place of a driver
    /// without this skill, something in between has to.
    pub websocket_fields: bool,
    /// The driver is told of the pings on a WebSocket.
    pub websocket_pings: bool,
    /// The driver gets all that has come before a connection breaks. A `ReadableStream` that fails
    /// loses what was not read by then (WHATWG Streams §4.5.4).
    pub reads_to_the_break: bool,
    /// The driver decodes the content codings that it offers, or `br`, `deflate` and `gzip` where
    /// it offers none of these.
    pub codings: bool,
    /// The driver offers `permessage-deflate` on a WebSocket.
    pub websocket_deflate: bool,
    /// The driver can be told how long a call may take.
    pub call_timeout: bool,
    /// The driver's stack sends a request once. Some send it again by themselves where a connection
    /// that was kept breaks before an answer.
    pub sends_once: bool,
}

impl Skills {
    /// All skills that there are, save that no stream is made first.
    pub const ALL: Self = Self {
        creates: true,
        gets: true,
        events: true,
        websocket: true,
        creates_first: false,
        redirects: true,
        websocket_answers: true,
        websocket_fields: true,
        websocket_pings: true,
        reads_to_the_break: true,
        codings: true,
        websocket_deflate: true,
        call_timeout: true,
        sends_once: true,
    };

    /// Neither a call nor a transport, to name those that there are.
    pub const NONE: Self =
        Self { creates: false, gets: false, events: false, websocket: false, ..Self::ALL };
}

/// Which service to use, and with whose key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// The key for calls and streams.
    pub api_key: String,
    /// The base of calls' URLs.
    pub api_base_url: String,
    /// The base of streams' URLs.
    pub stream_base_url: String,
}

impl Endpoint {
    /// Makes the same service for a machine.
    ///
    /// # Errors
    ///
    /// When a base can't be a base, which the bases of a trial can.
    pub fn service(&self) -> Result<Service, ConfigError> {
        Service::new(self.api_key.as_str())
            .with_api_base_url(&self.api_base_url)?
            .with_stream_base_url(&self.stream_base_url)
    }
}

/// A call to run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Call {
    /// `POST /streams`: a stream of this name, of the REST API at this URL.
    Create {
        /// Where the service is.
        endpoint: Endpoint,
        /// The stream's name.
        name: String,
        /// The REST API's URL.
        url: String,
        /// The longest that the call may take; none leaves the driver's own.
        timeout: Option<Duration>,
    },
    /// `GET /streams/{id}`.
    Get {
        /// Where the service is.
        endpoint: Endpoint,
        /// The stream's id, whatever is in it.
        id: String,
        /// The longest that the call may take; none leaves the driver's own.
        timeout: Option<Duration>,
    },
}

/// A call's answer, a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The stream's id, where the driver tells.
    pub id: Option<String>,
}

impl Answer {
    /// Makes the answer with this stream's id.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()) }
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What the user is told, the causes included.
    pub text: String,
}

impl Failure {
    /// States what the user is told.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(causes(&error))
    }
}

/// How events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Server-sent events (WHATWG HTML §9.2).
    Events,
    /// WebSocket (RFC 6455).
    WebSocket,
}

/// What to follow.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Follow {
    /// Where the service is.
    pub endpoint: Endpoint,
    /// The stream's id.
    pub stream: String,
    /// How its events come.
    pub transport: Transport,
    /// The position to start at.
    pub cursor: Option<String>,
    /// The position to start at until an event has given a cursor.
    pub since: Option<String>,
    /// The reconnection time; none leaves the driver's own.
    pub retry: Option<Duration>,
    /// The longest silence accepted; none leaves the driver's own.
    pub idle: Option<Duration>,
    /// The most reconnects in a row that bring no event; none leaves the driver's own.
    pub max_reconnects: Option<u32>,
    /// The most events that are taken; then the subscription is closed.
    pub limit: usize,
}

impl Follow {
    /// Makes the same subscription for a machine or a client of this SDK.
    pub fn subscription(&self) -> Subscription {
        let mut subscription = Subscription::stream(self.stream.as_str());
        if self.transport == Transport::WebSocket {
            subscription = subscription.websocket();
        }
        if let Some(cursor) = &self.cursor {
            subscription = subscription.cursor(cursor.as_str());
        }
        if let Some(since) = &self.since {
            subscription = subscription.since(since.as_str());
        }
        if let Some(retry) = self.retry {
            subscription = subscription.retry(retry);
        }
        if let Some(idle) = self.idle {
            subscription = subscription.idle_timeout(idle);
        }
        if let Some(most) = self.max_reconnects {
            subscription = subscription.max_reconnects(most);
        }
        subscription
    }
}

/// What a driver hands out of a subscription. `Opened`, `Rejected` and `Lost` are optional.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// A connection stands.
    Opened,
    /// An event.
    Event(Event),
    /// Something came that is no event; the text says why.
    Rejected(String),
    /// The connection is gone, and the text says why; another one follows.
    Lost(String),
    /// The subscription is over.
    Ended(Ending),
}

/// An event as a driver hands it out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The event's id.
    pub id: Option<String>,
    /// The subscription's position behind the event, where the driver tells.
    pub cursor: Option<String>,
    /// The JSON text of the event's data: as it came, where the driver keeps the text.
    pub data: Option<String>,
    /// The JSON text of the event's error, with `code` and `message`.
    pub error: Option<String>,
}

/// How a subscription ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ending {
    /// The way in which the subscription ended.
    pub how: How,
    /// What the user is told, the causes included.
    pub text: String,
}

/// The way in which a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// The subscription ended in good order: the server wanted so.
    Complete,
    /// The server's answer is such that to ask again is of no use.
    Refused,
    /// As many reconnects as allowed brought no event.
    GaveUp,
    /// Any other end.
    Failed,
}

impl Ending {
    /// States how the subscription ended, and what the user is told.
    pub fn new(how: How, text: impl Into<String>) -> Self {
        Self { how, text: text.into() }
    }
}

impl Told {
    /// Makes what an event of this SDK's subscriptions says, and the cursor behind it; `None` for
    /// what the trial does not ask about.
    pub fn of(happened: Happened, cursor: Option<&str>) -> Option<Self> {
        Some(match happened {
            Happened::Opened(_) => Self::Opened,
            Happened::Item(Item::Event(event)) => Self::Event(Event {
                id: event.event_id().map(str::to_owned),
                cursor: cursor.map(str::to_owned),
                data: event.data().map(|data| data.get().to_owned()),
                error: event.error().map(|error| error.raw().to_owned()),
            }),
            Happened::Item(Item::Rejected(rejected)) => Self::Rejected(causes(&rejected)),
            Happened::Lost(lost) => Self::Lost(causes(&lost.reason)),
            Happened::Ended(ended) => Self::Ended(ended.into()),
            _ => return None,
        })
    }
}

impl From<Ended> for Ending {
    fn from(ended: Ended) -> Self {
        let gave_up = matches!(ended, Ended::GaveUp { .. });
        match ended.into_error() {
            _ if gave_up => Self::new(How::GaveUp, "as many reconnects as allowed"),
            None => Self::new(How::Complete, "complete"),
            Some(error) => {
                let how = match error {
                    Error::Refused(_)
                    | Error::Content(_)
                    | Error::Redirect(_)
                    | Error::Handshake(_)
                    | Error::Closed(_) => How::Refused,
                    _ => How::Failed,
                };
                Self::new(how, causes(&error))
            }
        }
    }
}

fn causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
