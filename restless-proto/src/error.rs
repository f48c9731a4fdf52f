//! Errors, one type for each party that must act.

mod refused;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::de::Error as _;

pub use refused::Refused;

use crate::http::coding::CodingError;
use crate::redact::{self, Keys, shown};
use crate::ws::{self, HandshakeError};
use crate::{event, signature};
use refused::Message;

/// Why a call or a subscription ended without what was asked for.
///
/// | variant | who acts |
/// | --- | --- |
/// | [`Config`](Self::Config), [`Misuse`](Self::Misuse) | the developer |
/// | [`Limit`](Self::Limit) | whoever set the limit |
/// | [`Credentials`](Self::Credentials) | whoever wrote the function that gives keys |
/// | [`Refused`](Self::Refused) | the operator: the service said no |
/// | [`Content`](Self::Content) | the service: its reply is not what the contract says |
/// | [`Event`](Self::Event), [`Signature`](Self::Signature) | whoever reads events: see [below](#from-events) |
/// | [`Redirect`](Self::Redirect) | the service: its redirect leads nowhere |
/// | [`Handshake`](Self::Handshake), [`Protocol`](Self::Protocol) | the service: it does not speak WebSocket as it should |
/// | [`Closed`](Self::Closed) | the operator: the code says what is wrong |
/// | [`Transport`](Self::Transport), [`Timeout`](Self::Timeout) | the network |
/// | [`GaveUp`](Self::GaveUp) | whoever the last error, its source, names |
///
/// # From events
///
/// No call and no subscription ends with [`Event`](Self::Event) or [`Signature`](Self::Signature):
/// an event that can't be read is an item of its own. They are here for a caller's function that
/// reads data and returns this type:
///
/// ```
/// use restless_proto::{Error, StreamEvent};
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     total: f64,
/// }
///
/// fn total(event: &StreamEvent) -> Result<f64, Error> {
///     let order: Order = event.data().unwrap_or_default().parse()?;
///     Ok(order.total)
/// }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value that can't work was given, before anything was sent.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A call came in a state that forbids it.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// The peer sent more than a limit allows.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The function that gives keys gave an error.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The service answered, and said no.
    #[error(transparent)]
    Refused(#[from] Box<Refused>),
    /// The service's reply can't be read as what is due.
    #[error(transparent)]
    Content(#[from] Box<ContentError>),
    /// An event's data can't be read as what was asked for.
    #[error(transparent)]
    Event(#[from] event::Error),
    /// A payload can't be signed, or its signature is not to be trusted.
    #[error(transparent)]
    Signature(#[from] signature::Error),
    /// A redirect could not be followed.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// No connection, or it broke.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Something took longer than its timer allows.
    #[error(transparent)]
    Timeout(#[from] TimeoutError),
    /// The server answered a WebSocket's opening handshake as no WebSocket server does.
    #[error(transparent)]
    Handshake(#[from] Box<HandshakeError>),
    /// The server broke the WebSocket protocol.
    #[error("the server broke the WebSocket protocol")]
    Protocol(#[source] Box<ws::Error>),
    /// The server closed a WebSocket connection, and said why.
    #[error(transparent)]
    Closed(#[from] PeerClosed),
    /// Trying again has not helped as often as is allowed.
    #[error(transparent)]
    GaveUp(#[from] Box<GaveUp>),
}

impl Error {
    /// The status of the service's answer, where it gave one that was refused.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(refused) => Some(refused.status()),
            Self::Content(content) => content.status(),
            Self::GaveUp(gave_up) => gave_up.last.status(),
            _ => None,
        }
    }

    /// The id that the service gave this request, for a support ticket.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused(refused) => refused.request_id(),
            Self::GaveUp(gave_up) => gave_up.last.request_id(),
            _ => None,
        }
    }

    /// Takes these keys out of all that is printed of it.
    pub(crate) fn hide(&mut self, keys: &Keys) {
        match self {
            Self::Refused(refused) => refused.hide(keys),
            Self::Content(content) => content.hide(keys),
            Self::Redirect(RedirectError::BadLocation { location }) => keys.hide(location),
            Self::Handshake(error) => match &mut **error {
                HandshakeError::Upgrade { seen }
                | HandshakeError::Connection { seen }
                | HandshakeError::Accept { seen, .. }
                | HandshakeError::DeflateParameter { seen, .. } => {
                    seen.iter_mut().for_each(|seen| keys.hide(seen));
                }
                HandshakeError::Extensions { seen }
                | HandshakeError::UnofferedExtension { seen, .. }
                | HandshakeError::Subprotocol { seen, .. } => keys.hide(seen),
                HandshakeError::Status { .. } => {}
            },
            Self::Closed(closed) => keys.hide(&mut closed.shown),
            Self::GaveUp(gave_up) => gave_up.last.hide(keys),
            // Nothing in them is the peer's own words.
            Self::Config(_)
            | Self::Misuse(_)
            | Self::Limit(_)
            | Self::Credentials(_)
            | Self::Event(_)
            | Self::Signature(_)
            | Self::Redirect(_)
            | Self::Transport(_)
            | Self::Timeout(_)
            | Self::Protocol(_) => {}
        }
    }

    /// Says how long the URL was, where that may be why: with 400, 414 and 431, and without a status
    /// where the connection broke.
    pub(crate) fn blame_long_url(&mut self, bytes: usize) {
        match self {
            Self::Refused(refused) => refused.blame_long_url(bytes),
            Self::Transport(error) if error.kind == TransportErrorKind::Broken => {
                error.long_url = Some(bytes);
            }
            _ => {}
        }
    }

    /// Of a subscription.
    pub(crate) fn no_event(retries: u32, last: Self) -> Self {
        let what = if retries == 1 {
            "reconnect without an event"
        } else {
            "reconnects in a row without an event"
        };
        Self::GaveUp(Box::new(GaveUp { retries, what, last }))
    }

    /// Of a call.
    pub(crate) fn no_answer(retries: u32, last: Self) -> Self {
        let what = if retries == 1 { "further try" } else { "further tries" };
        Self::GaveUp(Box::new(GaveUp { retries, what, last }))
    }
}

/// The server closed a WebSocket connection with a code that says that something is wrong.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server closed with {code}{}", Message(.shown))]
pub struct PeerClosed {
    code: ws::CloseCode,
    reason: String,
    /// The reason without keys.
    shown: String,
}

/// The reason without keys.
impl fmt::Debug for PeerClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerClosed({}{})", self.code, Message(&self.shown))
    }
}

impl PeerClosed {
    pub(crate) fn new(code: ws::CloseCode, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { code, shown: redact::text(&reason), reason }
    }

    /// The code of its Close frame (RFC 6455 §7.4).
    pub fn code(&self) -> ws::CloseCode {
        self.code
    }

    /// The reason in it, at most 123 bytes.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Trying again has not helped as often as is allowed, or as time allows: the reconnects of a
/// subscription brought no event, or the further tries of a call no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("gave up after {retries} {what}")]
pub struct GaveUp {
    retries: u32,
    what: &'static str,
    #[source]
    last: Error,
}

impl GaveUp {
    /// How many reconnects or further tries were made, the first one not counted.
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// How the last one failed.
    pub fn last(&self) -> &Error {
        &self.last
    }
}

/// A value that can't work, found before anything was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    field: &'static str,
    value: Given,
    accepted: &'static str,
}

/// What may be told of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    Shown(String),
    /// What is wrong with it.
    Hidden(String),
}

impl ConfigError {
    /// States the field, the value that it was given (never a secret) and what it accepts. Of the
    /// value one line is kept, without what looks like a key: one may have been given by mistake.
    pub fn new(field: &'static str, value: impl Into<String>, accepted: &'static str) -> Self {
        Self { field, value: Given::Shown(shown(&value.into())), accepted }
    }

    /// States the field and what it accepts, of a value that may hold a secret. In the value's place
    /// stands `wrong`: what is wrong with it.
    pub fn hidden(field: &'static str, wrong: impl Into<String>, accepted: &'static str) -> Self {
        Self { field, value: Given::Hidden(shown(&wrong.into())), accepted }
    }

    /// The field or option, as the caller spells it.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// What was given; or, of a value that may hold a secret, what is wrong with it.
    pub fn value(&self) -> &str {
        match &self.value {
            Given::Shown(value) => value,
            Given::Hidden(wrong) => wrong,
        }
    }

    /// What would be accepted.
    pub fn accepted(&self) -> &'static str {
        self.accepted
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, accepted } = self;
        match value {
            Given::Shown(value) if value.is_empty() => {
                write!(f, "{field} is missing: {accepted}")
            }
            Given::Shown(value) => write!(f, "{field} can't be {value:?}: {accepted}"),
            Given::Hidden(wrong) => write!(f, "{field} must be {accepted}; {wrong}"),
        }
    }
}

/// A call that the present state forbids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} makes no sense here: {state}")]
pub struct Misuse {
    call: &'static str,
    state: &'static str,
}

impl Misuse {
    /// States the call and the state that forbids it.
    pub fn new(call: &'static str, state: &'static str) -> Self {
        Self { call, state }
    }
}

/// The peer sent more than one of our [`Limits`](crate::Limits) allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} is over its limit: {seen} bytes seen, at most {maximum} accepted")]
pub struct LimitError {
    limit: &'static str,
    maximum: usize,
    seen: usize,
}

impl LimitError {
    /// States which limit, its maximum and what was seen when it was passed, in bytes.
    pub fn new(limit: &'static str, maximum: usize, seen: usize) -> Self {
        Self { limit, maximum, seen }
    }

    /// What was too large.
    pub fn limit(&self) -> &'static str {
        self.limit
    }

    /// The most that is accepted, in bytes.
    pub fn maximum(&self) -> usize {
        self.maximum
    }

    /// What had come when the limit was found passed, in bytes. There may have been more to come.
    pub fn seen(&self) -> usize {
        self.seen
    }
}

/// The first bytes of an answer. They may hold whatever the service says, a key among it, so
/// `Debug` tells only how many they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Bytes);

impl Excerpt {
    /// A copy: a slice would keep the whole answer alive.
    pub(crate) fn of(content: &[u8], limits: &crate::Limits) -> Self {
        let end = content.len().min(limits.excerpt());
        Self(Bytes::copy_from_slice(content.get(..end).unwrap_or_default()))
    }
}

impl std::ops::Deref for Excerpt {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A reply with a good status that is not what is due.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The content's coding can't be taken off (RFC 9110 §8.4). A subscription connects again, but
    /// for a content or transfer coding that is not understood.
    #[error(transparent)]
    Coding(#[from] CodingError),
    /// The content is not JSON of the form that the call returns.
    #[error("the reply to {call} with status {status} can't be read")]
    Json {
        /// The call, as `METHOD /path`.
        call: String,
        /// The reply's status.
        status: StatusCode,
        /// What is wrong, and where in the text.
        source: Arc<serde_json::Error>,
        /// The first bytes of the content.
        excerpt: Excerpt,
    },
    /// There is no content where a model is due.
    #[error("the reply to {call} with status {status} has no content, and one is due")]
    Missing {
        /// The call, as `METHOD /path`.
        call: String,
        /// The reply's status.
        status: StatusCode,
    },
    /// A subscription's answer is no event stream (WHATWG HTML §9.2.3).
    #[error("expected content of type text/event-stream, got {}", .seen.as_deref().unwrap_or("none"))]
    NotAnEventStream {
        /// The `Content-Type` field, `None` where there was none: at most 300 characters of it, and
        /// without what looks like a key.
        seen: Option<String>,
        /// The first bytes of the content.
        excerpt: Excerpt,
    },
}

impl ContentError {
    fn hide(&mut self, keys: &Keys) {
        match self {
            Self::Json { source, .. } => {
                *source = Arc::new(serde_json::Error::custom(keys.text(&source.to_string())));
            }
            Self::NotAnEventStream { seen: Some(seen), .. } => keys.hide(seen),
            Self::Coding(_) | Self::Missing { .. } | Self::NotAnEventStream { seen: None, .. } => {}
        }
    }

    fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Json { status, .. } | Self::Missing { status, .. } => Some(*status),
            Self::NotAnEventStream { .. } => Some(StatusCode::OK),
            Self::Coding(_) => None,
        }
    }
}

/// A redirect that leads nowhere (RFC 9110 §15.4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// There is no `Location`, or an empty one.
    #[error("a redirect with status {status} has no location")]
    NoLocation {
        /// The redirect's status.
        status: StatusCode,
    },
    /// `Location` can't be read, or is not http or https.
    #[error("a redirect leads to {location:?}, which is no http or https URL")]
    BadLocation {
        /// The field's value, at most 300 characters of it.
        location: String,
    },
    /// It would take the request's content, which may hold a key, to another origin.
    #[error("a redirect with status {status} would take the request's content to another origin")]
    ContentElsewhere {
        /// The redirect's status.
        status: StatusCode,
    },
    /// It would make credentials go over plain http to another host: see
    /// [`Service`](crate::Service).
    #[error("a redirect with status {status} would send credentials over plain http")]
    PlainHttp {
        /// The redirect's status.
        status: StatusCode,
    },
    /// It asks to wait beyond the time that the call has (`Retry-After`, RFC 9110 §10.2.3).
    #[error(
        "a redirect with status {status} asks to wait for {wait:?}, and the call has less time"
    )]
    Later {
        /// The redirect's status.
        status: StatusCode,
        /// How long it asks to wait.
        wait: Duration,
    },
    /// One redirect after another.
    #[error("more than {limit} redirects in a row")]
    TooMany {
        /// How many are followed.
        limit: u8,
    },
}

/// No key could be had from the function that gives them.
///
/// For a call it is the end; a subscription asks again after a delay.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no credentials could be had")]
pub struct CredentialsError {
    source: Arc<dyn StdError + Send + Sync>,
}

impl CredentialsError {
    /// States the cause. It is printed as it is: it must not hold the key.
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Arc::from(source.into()) }
    }
}

/// What failed between us and the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The host's name could not be resolved.
    Resolve,
    /// No connection: refused, unreachable, or broken before the TLS handshake was over.
    Connect,
    /// The proxy on the way refused: it wants other credentials, or does not allow this host.
    Proxy,
    /// The TLS handshake failed for another reason than the certificate.
    Tls,
    /// The peer's certificate is not to be trusted, or ours was refused.
    Certificate,
    /// The connection broke: reset, or closed before the end of the content.
    Broken,
    /// The peer does not speak HTTP as it should.
    Protocol,
    /// The peer speaks a form of HTTP or TLS that is not supported here, and would do so again.
    Unsupported,
    /// This request can't be sent, now or later (no host in its URL, say).
    Request,
}

/// No connection, or it broke.
///
/// Drivers make it from what their HTTP stack reports; the kind decides whether to try again.
#[derive(Clone, Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    retry_after: Option<Duration>,
    /// How long the URL was, where that may be why.
    long_url: Option<usize>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl TransportError {
    /// States what failed, with the cause as the HTTP stack tells it.
    pub fn new(
        kind: TransportErrorKind,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, retry_after: None, long_url: None, source: Some(Arc::from(source.into())) }
    }

    /// States how long whoever is on the way asks to wait, such as a proxy that answers CONNECT with
    /// a `Retry-After` ([`retry_after`](crate::retry_after) reads it): nobody connects sooner.
    pub fn with_retry_after(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.retry_after = wait.into();
        self
    }

    /// What failed.
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// How long whoever is on the way asks to wait (RFC 9110 §10.2.3), where it does.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// What may be said of a URL that is too long for what stands in between.
struct LongUrl(Option<usize>);

impl fmt::Display for LongUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(
                f,
                " (the URL has {bytes} bytes, and some servers take no more than 4096: \
                 direct::session takes what makes it long)"
            ),
            None => Ok(()),
        }
    }
}

impl From<TransportErrorKind> for Error {
    fn from(kind: TransportErrorKind) -> Self {
        Self::Transport(kind.into())
    }
}

impl From<TransportErrorKind> for TransportError {
    fn from(kind: TransportErrorKind) -> Self {
        Self { kind, retry_after: None, long_url: None, source: None }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::Resolve => "the host's name could not be resolved",
            TransportErrorKind::Connect => "no connection to the host",
            TransportErrorKind::Proxy => "the proxy refused",
            TransportErrorKind::Tls => "the TLS handshake failed",
            TransportErrorKind::Certificate => "the certificate is not trusted",
            TransportErrorKind::Broken => "the connection broke",
            TransportErrorKind::Protocol => "the peer broke the HTTP protocol",
            TransportErrorKind::Unsupported => "the peer speaks what is not supported here",
            TransportErrorKind::Request => "the request can't be sent",
        })?;
        LongUrl(self.long_url).fmt(f)
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Which timer ran out. The table of defaults stands at [`timing`](crate::timing).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// From looking up the host's name to a socket at whose other end the server is, a proxy on the
    /// way included; kept by the driver.
    Connect,
    /// From there to the end of the TLS handshake; kept by the driver.
    TlsHandshake,
    /// From asking the user for credentials to their answer, for a subscription. A call has its
    /// [`Total`](Self::Total) for that.
    Credentials,
    /// From asking the driver for an exchange to the head of its response, connecting included, for
    /// a subscription and a WebSocket; a redirect is an exchange of its own. Over an event stream it
    /// is [`Idle`](Self::Idle) that counts once a connection stands.
    ResponseHead,
    /// From one piece of a stream to the next, the head being the first. Over an event stream, from a
    /// connection that stands to the head as well.
    Idle,
    /// A whole call: credentials, redirects, every try and the delays between them.
    Total,
    /// From a ping of ours to the next sound of the peer, over WebSocket.
    Pong,
    /// From our Close frame to the peer's, over WebSocket.
    Close,
}

/// Something took longer than its timer allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} within {after:?}{}", match .timer {
    Timer::Connect => "no connection",
    Timer::TlsHandshake => "no end of the TLS handshake",
    Timer::Credentials => "no credentials",
    Timer::ResponseHead => "no answer to the request",
    Timer::Idle => "nothing was heard",
    Timer::Total => "the call did not finish",
    Timer::Pong => "no answer to a ping",
    Timer::Close => "no answer to our close",
}, if *.held_back { HELD_BACK } else { "" })]
pub struct TimeoutError {
    timer: Timer,
    after: Duration,
    held_back: bool,
}

/// What helps where the head of an event stream does not come.
const HELD_BACK: &str = ", no head of an answer either: something in between may hold it back, which \
    `X-Accel-Buffering: no` in the response or `proxy_buffering off` in nginx prevents";

impl TimeoutError {
    /// States which timer ran out, and what it was set to.
    pub fn new(timer: Timer, after: Duration) -> Self {
        Self { timer, after, held_back: false }
    }

    /// The same, where a connection stood and not even a head has come over it.
    pub(crate) fn before_head(self) -> Self {
        Self { held_back: true, ..self }
    }

    /// Whether a connection stood, and something in between may hold back the answer: not even its
    /// head has come.
    pub fn may_be_held_back(&self) -> bool {
        self.held_back
    }

    /// The timer that ran out.
    pub fn timer(&self) -> Timer {
        self.timer
    }

    /// What it was set to.
    pub fn after(&self) -> Duration {
        self.after
    }
}
