//! Subscriptions: what to follow, and the machine that follows it.
//!
//! A [`Subscription`] is a value. An adapter's `client.subscribe(subscription)` runs the
//! subscription; without an adapter, [`Subscription::start`] makes the [`SubscriptionMachine`] to
//! drive.
//!
//! # What is promised
//!
//! - The cursor moves exactly when an item is handed out. A program that handles an item and then
//!   stores the cursor lets the next process resume there: every event comes, and comes once from a
//!   service that keeps to its cursor.
//! - After each event the cursor is the event's id, else its timestamp as Unix milliseconds, else
//!   the cursor from before. An id over 4 KiB is too long for a URL, and counts as absent. An id in
//!   a block without data moves the cursor too (WHATWG HTML §9.2.6). The id of a rejected event
//!   moves the cursor as well: otherwise one bad event would come again for ever.
//! - Each connect sends `cursor`, and until there is a cursor, `since`.
//! - Where the caller gave neither, the `Date` of the first good answer (RFC 9110 §6.6.1), in
//!   milliseconds, is the `since` of later connects until an event has given a cursor. Events of an
//!   outage before the first event therefore come. `Date` is in whole seconds, so that an event of
//!   that second may come twice.
//! - A connection that ends, breaks, or falls silent is replaced, after a [delay](crate::Backoff):
//!   see [`Event::Lost`].
//! - After [`Subscription::continuity`], each item says how it follows the item before it: live,
//!   replayed, repeated, or after a gap. See [`Continuity`].
//!
//! # When it connects again
//!
//! | what happened | again? | why |
//! | --- | --- | --- |
//! | the stream ended in good order | yes | a stream has no natural end |
//! | close codes 1012 and 1013 | no sooner than in 5s | the service restarts, or is busy: all its clients come back |
//! | close codes 1002, 1003, 1007, 1009, 1010 | no | it does not like what we say, and we would say it again |
//! | close codes 1008, 3000, 3003 | no | a refusal, such as of the key |
//! | close codes 4400 to 4499 but 4408 and 4429 | no | by custom an HTTP status plus 4000 |
//! | any other close code, 1000, 1001 and none among them | yes | a stream has no natural end, and the rest may pass |
//! | status 429 and 5xx | yes | it may pass, and never before `Retry-After` |
//! | status 401 | no | but once, and at once, with other credentials, where they come on demand |
//! | status 204 to an event stream, which is no error | no | the server's way to stop a client (WHATWG HTML §9.2.3) |
//! | any other status but a redirect and 200, over WebSocket 101 | no | it would come back the same |
//! | silence on a connection that stands, before the head of an event stream | yes, and it does not count | something in between may hold the head back until there is an event |
//! | any other silence, no answer, no connection in time | yes | the peer, or the way to it, may wake up |
//! | no such name, no connection, a proxy that can't reach the host (404, 5xx) | yes | networks and servers come back |
//! | a second time in a row no answer, but a connection that broke, with a URL over 4 KiB | no | something in between takes no URL of that length |
//! | a connection that broke, a TLS handshake that failed, what is no HTTP | yes | networks and servers come back |
//! | a proxy that refuses: 403, 407, by SOCKS | no | it does not like who we are, or where we go |
//! | a certificate that is not trusted, after a connection that stood | yes | certificates are renewed, clocks set, and networks left that ask for a login |
//! | a certificate that is not trusted; a form of HTTP or TLS that is not supported | no | it would come back the same |
//! | a request, or a key, that can't be sent | no | it never could |
//! | no credentials from whoever gives them | yes | they may come again, as networks do |
//! | frames that break the WebSocket protocol | yes | a proxy may have cut into them |
//! | content that breaks its content coding, or ends within it | yes | as frames do |
//! | a content coding that is not understood, a wrong content type | no | it was not asked for, and would come again |
//! | redirects to nowhere, no WebSocket there | no | the address is wrong |
//! | more than a limit allows, but for one event | no | it would come again, for the cursor stands before it |
//!
//! "Counts" is for [`max_reconnects`](Subscription::max_reconnects): all losses count but the loss
//! for which the table says otherwise. [`Subscription::on_status`] and [`Subscription::on_close`]
//! override the table.
//!
//! # What is not
//!
//! - Events of a service that sends no ids share the cursor of their millisecond: two events with
//!   one timestamp, parted by a cut, are one position to the service.
//! - Events take an id from their own connection only. Browsers carry an id over to the next
//!   connection; the service's contract forbids that.

mod continuity;
mod cursor;
mod document;
mod event;
mod feed;
mod loss;
mod machine;
mod policy;
mod progress;
mod reconnection;
mod standing;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use url::Url;

pub use continuity::{Continuity, GapReason};
pub use document::{Change, Document, DocumentLimits, PatchError, Stale};
pub use event::{
    Ended, Event, Item, LossReason, Lost, Opened, RejectReason, Rejected, State, Status,
};
pub use machine::SubscriptionMachine;
pub use policy::Disposition;

use crate::api::direct::Target;
use crate::entropy::Entropy;
use crate::fields;
use crate::kinds::ConfigError;
use crate::limits::Limits;
use crate::query;
use crate::redact;
use crate::redact::Redacted;
use crate::road::{Road, Rules, Take};
use crate::runtime_url::{direct_sse, sse, to_websocket_url};
use crate::semantics::{absolute, auth, scheme};
use crate::service::Credentials;
use crate::service::Service;
use crate::signature::Signer;
use crate::timing::Backoff;
use crate::timing::Instant;
use crate::ws;
use continuity::Tracker;
use cursor::Position;
use policy::Overrides;
use progress::Progress;
use reconnection::Reconnection;
use transport::{Kind, Transport};

/// Says what to follow, from where, and how stubbornly.
///
/// ```
/// use std::time::Duration;
/// use restless_proto::Subscription;
///
/// let orders = Subscription::stream("stream_123")
///     .cursor("1700000000000")
///     .max_reconnects(10)
///     .idle_timeout(Duration::from_secs(120));
/// # let _ = orders;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a subscription is a value: give it to a client, or start it"]
pub struct Subscription {
    source: Source,
    cursor: Option<Redacted>,
    since: Option<Redacted>,
    reconnect: bool,
    max_reconnects: Option<u32>,
    retry: Duration,
    max_retry: Duration,
    head_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    limits: Limits,
    signer: Option<Box<Signer>>,
    fields: CallerFields,
    overrides: Overrides,
    accept_encoding: bool,
    websocket: bool,
    whole_messages: bool,
    subprotocols: Vec<String>,
    deflate: Option<ws::Deflate>,
    websocket_options: ws::Options,
    continuity: bool,
    dedupe: Option<usize>,
}

/// Prints the names only: a value may be a secret.
#[derive(Clone, Default)]
struct CallerFields(Vec<(String, String)>);

impl std::fmt::Debug for CallerFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[derive(Clone)]
enum Source {
    Url(String),
    Stream(String),
    Session(String),
    Direct(Box<Target>),
}

/// `Debug` hides URLs, since a URL may hold a key.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(_) => f.write_str("Url(..)"),
            Self::Stream(id) => f.debug_tuple("Stream").field(&redact::redacted(id)).finish(),
            Self::Session(id) => f.debug_tuple("Session").field(&redact::redacted(id)).finish(),
            Self::Direct(target) => f.debug_tuple("Direct").field(target).finish(),
        }
    }
}

impl Subscription {
    /// Follows a runtime URL, such as a stream's `sse_url`, or its `ws_url` over WebSocket.
    ///
    /// The client's key goes to that URL, wherever the URL leads: take URLs from the service only.
    /// A URL with a user or a password is an error from [`start`](Self::start), over each
    /// transport; [`header`](Self::header) sends such credentials, as in `Authorization`.
    pub fn url(url: impl Into<String>) -> Self {
        Self::new(Source::Url(url.into()))
    }

    /// Follows a stream by its id.
    pub fn stream(id: impl Into<String>) -> Self {
        Self::new(Source::Stream(id.into()))
    }

    /// Follows a direct session by its id.
    pub fn session(id: impl Into<String>) -> Self {
        Self::new(Source::Session(id.into()))
    }

    /// Follows a REST API directly, without a stream of its own.
    pub fn direct(target: impl Into<Target>) -> Self {
        Self::new(Source::Direct(Box::new(target.into())))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            cursor: None,
            since: None,
            reconnect: true,
            max_reconnects: None,
            retry: Duration::from_secs(1),
            max_retry: Duration::from_secs(60),
            head_timeout: None,
            idle_timeout: Some(Duration::from_secs(300)),
            limits: Limits::default(),
            signer: None,
            fields: CallerFields::default(),
            overrides: Overrides::default(),
            accept_encoding: false,
            websocket: false,
            whole_messages: false,
            subprotocols: Vec::new(),
            deflate: Some(ws::Deflate::default()),
            websocket_options: ws::Options::default(),
            continuity: false,
            dedupe: None,
        }
    }

    /// Sets the position to start at: the last [`SubscriptionMachine::cursor`], or an event's id.
    /// Default: none. An empty text stands for none.
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(Redacted(cursor.into()));
        self
    }

    /// Sets a timestamp or cursor to start at until an event has given a cursor. Default: none,
    /// which starts now; [later connects](self#what-is-promised) start at the time of the first
    /// answer.
    pub fn since(mut self, since: impl Into<String>) -> Self {
        self.since = Some(Redacted(since.into()));
        self
    }

    /// Sets whether to connect again after the stream ends or fails. Default: true.
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Sets the most reconnects in a row that bring no event; an event sets the count back.
    /// Default: unbounded. Each loss [in the table](self#when-it-connects-again) counts but one:
    /// silence on a connection that stood, before the head of an event stream. A box in between may
    /// hold that head back until there is an event, and the service may have none to send.
    pub fn max_reconnects(mut self, most: u32) -> Self {
        self.max_reconnects = Some(most);
        self
    }

    /// Sets the reconnection time, until the server's `retry:` sets another. Default: 1 s.
    /// [`Backoff`] says how the delay grows.
    pub fn retry(mut self, delay: Duration) -> Self {
        self.retry = delay;
        self
    }

    /// Sets the bound to which the delay grows while no event comes, at least 100 ms. Default: 60
    /// s. `Retry-After` and a longer reconnection time go over the bound.
    pub fn max_retry(mut self, delay: Duration) -> Self {
        self.max_retry = delay;
        self
    }

    /// Sets the longest wait for the head of the response, connecting included. A longer wait is a
    /// loss. Default over WebSocket: 30 s. Default for an event stream: the [idle
    /// time](Self::idle_timeout), counted from the moment when the connection stands; until then
    /// the idle time or 30 s, whichever is longer.
    ///
    /// Proxies and frameworks hold back the head of an event stream until the first event, which
    /// may take as long as any other silence. [`Event::Unanswered`] tells of the missing head after
    /// 10 s.
    pub fn response_head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = Some(timeout);
        self
    }

    /// Sets the longest silence to accept, also before the head of an event stream. Default: 5 min.
    /// Comments count as sound. A longer silence is a loss. For a service without comments, the
    /// time has to be above the polling interval.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Accepts any silence. A connection that dies silently then looks alive for ever.
    pub fn no_idle_timeout(mut self) -> Self {
        self.idle_timeout = None;
        self
    }

    /// Sets how much memory the stream may take. Default: [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Verifies each event that brings data. An event whose signature is missing or wrong comes out
    /// as [`Item::Rejected`]. An error event is exempt as long as the event brings no data. A
    /// signature covers the data alone; id and time are unsigned. Default: off.
    pub fn verify(mut self, signer: Signer) -> Self {
        self.signer = Some(Box::new(signer));
        self
    }

    /// Adds a field to the first request and each later one. The field takes the place of a
    /// [default](Service::with_header) of that name. `Authorization` belongs to a client that has a
    /// key.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.0.push((name.into(), value.into()));
        self
    }

    /// Asks for the events in a content coding, by `Accept-Encoding` (RFC 9110 §12.5.3). The field
    /// names all that [`coding`](crate::coding) knows; an `Accept-Encoding` that the caller set
    /// goes out instead. Default: false, because some servers and proxies hold events back to code
    /// several at once.
    ///
    /// Coded events are decoded even unasked, and an event that the server flushes comes out at
    /// once. Over WebSocket, [`deflate`](Self::deflate) is what counts.
    pub fn accept_encoding(mut self, ask: bool) -> Self {
        self.accept_encoding = ask;
        self
    }

    /// Sets a function that decides for a status outside success and redirects whether to connect
    /// again; `None` leaves the decision to the [table](self#when-it-connects-again). Default: the
    /// table decides.
    pub fn on_status(mut self, decide: fn(StatusCode) -> Option<Disposition>) -> Self {
        self.overrides.status = Some(decide);
        self
    }

    /// Follows over WebSocket (RFC 6455), as a `ws` or `wss` URL does by itself. Default: over
    /// server-sent events.
    pub fn websocket(mut self) -> Self {
        self.websocket = true;
        self
    }

    /// Sets a function that decides for the code of a peer's Close frame, 1005 for a frame without
    /// a code, whether to connect again; `None` leaves the decision to the
    /// [table](self#when-it-connects-again). Default: the table decides.
    pub fn on_close(mut self, decide: fn(ws::CloseCode) -> Option<Disposition>) -> Self {
        self.overrides.close = Some(decide);
        self
    }

    /// Offers a subprotocol in the opening handshake, after those that were offered before; the
    /// subprotocol that the server chose is in [`Opened`]. A redirect to another origin drops
    /// subprotocols, and fields of the caller's. Default: none.
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// Sets how the opening handshake offers compression (RFC 7692); `None` offers none. Default:
    /// [`Deflate::default`](ws::Deflate::default).
    pub fn deflate(mut self, deflate: Option<ws::Deflate>) -> Self {
        self.deflate = deflate;
        self
    }

    /// Sets limits and timers of the WebSocket connection. Default: [`ws::Options::default`].
    pub fn websocket_options(mut self, options: ws::Options) -> Self {
        self.websocket_options = options;
        self
    }

    /// Tells how each item follows the item before it, over each transport: by
    /// [`Event::Continuity`], by [`SubscriptionMachine::continuity`] and in [`Status`]. Default:
    /// off, which saves the memory and the time.
    ///
    /// A service may refuse the position of a request, by status 400, 410, 416 or 422, or by close
    /// code 4000 plus that status before any item. The machine then asks again without a position,
    /// as [`ask_for_snapshot`](SubscriptionMachine::ask_for_snapshot) does, and the first item
    /// comes after a [gap](GapReason::Refused). Without `continuity`, such a refusal ends the
    /// subscription, unless the position is only the time of the first answer.
    ///
    /// The last 1,024 ids are remembered, each up to 4 KiB.
    pub fn continuity(mut self) -> Self {
        self.continuity = true;
        self
    }

    /// Drops an event whose id is among the last `window` ids that were handed out (at least 1),
    /// and asks for [`continuity`](Self::continuity) too. Default: every event is handed out. A
    /// dropped event leaves the cursor and the count of reconnects alone. Of a coded stream, at
    /// most eight times a line and an event, 256 MiB at least, may be decoded in a minute to
    /// dropped events alone: then the subscription ends with
    /// [`Error::Limit`](crate::Error::Limit).
    ///
    /// Events that lack an id and rejected items are always handed out. The window begins anew
    /// after two kinds of gap: the service was asked without a position, or its ids went back. An
    /// id that is still in the window is a repeated one: where a service begins anew with ids that
    /// it has given to other events shortly before, those are dropped.
    pub fn dedupe(mut self, window: usize) -> Self {
        self.dedupe = Some(window);
        self
    }

    /// Follows over WebSocket that the driver speaks, with a stack of the driver's own. The request
    /// has a `ws` or `wss` URI; of the handshake's fields the request has `Sec-WebSocket-Protocol`
    /// alone, where there are subprotocols. The driver hands in
    ///
    /// - [`Response`](crate::machine::Input::Response) with status 101 once the connection stands,
    ///   or with the status that refused the connection,
    /// - [`Message`](crate::machine::Input::Message) for each message,
    /// - an empty [`Data`](crate::machine::Input::Data) for each ping or pong, which are sound too,
    /// - [`End::Closed`](crate::machine::End::Closed) for the peer's Close frame,
    /// - [`End::TooLarge`](crate::machine::End::TooLarge) for a message over the limit.
    ///
    /// Pings and limits are the stack's: a message that the stack refuses ends the subscription.
    pub fn whole_messages(mut self) -> Self {
        self.whole_messages = true;
        self
    }

    /// Makes the machine for this subscription. `entropy` gives the jitter of the delays.
    ///
    /// # Errors
    ///
    /// When a value can't work: a URL of another scheme than http, https, ws and wss, an empty id,
    /// a cursor or `since` over 4 KiB, a field that HTTP rules out, an `Authorization` beside the
    /// client's key. And when credentials would go over plain http to another host: see
    /// [`Service`].
    pub fn start(
        self,
        service: &Service,
        entropy: Entropy,
        now: Instant,
    ) -> Result<SubscriptionMachine, ConfigError> {
        let (url, websocket) = self.resolve(service)?;
        let credentials = credentials_for(service, &url)?;
        let given = checked_fields(&self.fields.0, &credentials)?;
        let mut fields = given.clone();
        fields::fill(&mut fields, service.defaults());
        let bears = !matches!(credentials, Credentials::None);
        if (bears || auth::has_credentials(&fields, &url)) && !service.reach().includes(&url) {
            return Err(ConfigError::new("url", absolute::redact_url(url.as_str()), auth::PRIVATE));
        }
        let mut entropy = entropy;
        let kind = if websocket {
            self.websocket_kind(&url, &given, &mut entropy)?
        } else {
            Kind::EventStream { coded: self.accept_encoding }
        };
        let backoff = Backoff::new(self.retry, self.max_retry, entropy.fork());
        let (cursor, since) = (self.cursor.map(|it| it.0), self.since.map(|it| it.0));
        let position = Position::new(&url, cursor, since)?;
        let transport = Transport {
            kind,
            fields: given,
            defaults: Arc::clone(service.defaults()),
            limits: self.limits,
            idle_timeout: self.idle_timeout,
            entropy,
            handshake: None,
        };
        let rules = Rules {
            credentials,
            credentials_wait: Some(CREDENTIALS_WAIT),
            renewal: self.overrides.renewal(),
            reach: service.reach(),
            wants: transport.wants(),
            follows: true,
            head: transport.head_timer(self.head_timeout),
            refusal: Take::Excerpt,
            limits: self.limits,
            idempotent: true,
        };
        let tracked = self.continuity || self.dedupe.is_some();
        let tracker = tracked.then(|| Tracker::new(self.dedupe, position.cursor()));
        Ok(SubscriptionMachine::new(
            transport,
            Progress::new(url, position, tracker),
            Reconnection::new(self.reconnect, self.max_reconnects, self.overrides, backoff),
            Road::new(rules, now),
            self.signer,
        ))
    }

    /// The kind of WebSocket, once a handshake has accepted what each connect will put into one.
    fn websocket_kind(
        &self,
        url: &Url,
        given: &HeaderMap,
        entropy: &mut Entropy,
    ) -> Result<Kind, ConfigError> {
        let mut handshake = ws::Handshake::new(url, entropy)?;
        for (name, value) in given {
            handshake = handshake.header(name.clone(), value.clone())?;
        }
        for name in &self.subprotocols {
            handshake = handshake.subprotocol(name)?;
        }
        let (subprotocols, options) = (self.subprotocols.clone(), self.websocket_options);
        Ok(if self.whole_messages {
            Kind::Messages { subprotocols, options }
        } else {
            Kind::WebSocket { subprotocols, deflate: self.deflate.clone(), options }
        })
    }

    /// The URL, and whether it is followed over WebSocket. The URL's scheme is that of the
    /// requests, which go out over HTTP.
    fn resolve(&self, service: &Service) -> Result<(Url, bool), ConfigError> {
        let base = service.stream_base_url();
        let url = match &self.source {
            Source::Url(url) => url.trim().to_owned(),
            Source::Stream(id) => sse().base_url(base).stream_id(id).build()?.into(),
            Source::Session(id) => sse().base_url(base).session_id(id).build()?.into(),
            Source::Direct(target) => direct_sse((**target).clone()).base_url(base).build()?.into(),
        };
        let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let is_websocket = scheme::is_websocket(&scheme);
        let websocket = self.websocket || self.whole_messages || is_websocket;
        let url = match (websocket, is_websocket) {
            // The caller's own WebSocket URL is taken as it is.
            (true, false) => to_websocket_url(&url)?.into(),
            _ => url,
        };
        let url = absolute::runtime_url("url", &url)?;
        let parsed = scheme::request_url(&url).unwrap_or(url);
        // With any cursor in its query, the URL still has to be a URI, which ends at 64 KiB.
        if parsed.as_str().len() > MOST_URL_BYTES {
            let length = format!("it is {} bytes long", parsed.as_str().len());
            return Err(ConfigError::hidden("url", length, "at most 48 KiB"));
        }
        Ok((parsed, websocket))
    }
}

const MOST_URL_BYTES: usize = 48 << 10;

/// The time that the user is given for credentials: as long as a server has for the answer to a
/// handshake.
const CREDENTIALS_WAIT: Duration = Duration::from_secs(30);

/// Whose credentials each connect has. One credential is enough: a key in the URL is the caller's
/// choice.
fn credentials_for(service: &Service, url: &Url) -> Result<Credentials, ConfigError> {
    if query::value(url, "apiKey").is_some_and(|key| !key.is_empty()) {
        return Ok(Credentials::None);
    }
    let credentials = service.credentials().clone();
    if let Credentials::Fixed(key) = &credentials {
        auth::bearer(key)?;
    }
    Ok(credentials)
}

fn checked_fields(
    given: &[(String, String)],
    credentials: &Credentials,
) -> Result<HeaderMap, ConfigError> {
    let mut fields = HeaderMap::new();
    for (name, value) in given {
        let (name, value) = fields::checked(name, value)?;
        if name == header::AUTHORIZATION && !matches!(credentials, Credentials::None) {
            let accepted = "left to the client, which has a key";
            return Err(ConfigError::new("header", name.as_str(), accepted));
        }
        fields.append(name, value);
    }
    Ok(fields)
}
