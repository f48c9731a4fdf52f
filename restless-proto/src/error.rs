//! Errors, one type for each party that must act.

mod closed;
mod content;
mod gave_up;
mod refused;

use std::time::Duration;

use http::StatusCode;

pub use closed::PeerClosed;
pub use content::{ContentError, Excerpt};
pub use gave_up::GaveUp;
pub use refused::Refused;

use crate::event;
use crate::kinds::{
    ConfigError, CredentialsError, LimitError, Misuse, TimeoutError, TransportError,
    TransportErrorKind,
};
use crate::redact::Keys;
use crate::semantics::redirect::RedirectError;
use crate::signature;
use crate::ws::{self, HandshakeError};

/// Says why a call or a subscription ended without what was asked for.
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
/// Calls and subscriptions never end with [`Event`](Self::Event) or [`Signature`](Self::Signature):
/// a malformed event is an item. The two variants are for a caller's function that reads data and
/// returns this type:
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
    /// The service's reply can't be read as what was asked for.
    #[error(transparent)]
    Content(#[from] Box<ContentError>),
    /// An event's data can't be read as what was asked for.
    #[error(transparent)]
    Event(#[from] event::Error),
    /// A payload has no canonical form, or a signature that is missing or wrong.
    #[error(transparent)]
    Signature(#[from] signature::Error),
    /// A redirect could not be followed.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// A connection could not be made, or broke.
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
    /// All tries that are allowed were in vain.
    #[error(transparent)]
    GaveUp(#[from] Box<GaveUp>),
}

impl Error {
    /// Returns the status of the service's answer; `None` where no answer was refused.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(refused) => Some(refused.status()),
            Self::Content(content) => content.status(),
            Self::GaveUp(gave_up) => gave_up.last.status(),
            _ => None,
        }
    }

    /// Returns the id that the service gave this request, for a support ticket.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused(refused) => refused.request_id(),
            Self::GaveUp(gave_up) => gave_up.last.request_id(),
            _ => None,
        }
    }

    /// Takes these keys out of all that the error prints.
    pub(crate) fn redact(&mut self, keys: &Keys) {
        match self {
            Self::Refused(refused) => refused.redact(keys),
            Self::Content(content) => content.redact(keys),
            Self::Redirect(RedirectError::BadLocation { location }) => keys.redact(location),
            Self::Handshake(error) => match &mut **error {
                HandshakeError::Upgrade { seen }
                | HandshakeError::Connection { seen }
                | HandshakeError::Accept { seen, .. }
                | HandshakeError::DeflateParameter { seen, .. } => {
                    seen.iter_mut().for_each(|seen| keys.redact(seen));
                }
                HandshakeError::Extensions { seen }
                | HandshakeError::UnofferedExtension { seen, .. }
                | HandshakeError::Subprotocol { seen, .. } => keys.redact(seen),
                HandshakeError::Status { .. } => {}
            },
            Self::Closed(closed) => closed.redact(keys),
            Self::GaveUp(gave_up) => gave_up.last.redact(keys),
            // None of these has words of the peer's.
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

    /// Returns how long whoever answered asks to wait (RFC 9110 §10.2.3).
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => refused.retry_after(),
            Self::Transport(failure) => failure.retry_after(),
            _ => None,
        }
    }

    /// States the length of the URL, where that may be the reason: with 400, 414 and 431, and
    /// without a status where the connection broke.
    pub(crate) fn blame_long_url(&mut self, bytes: usize) {
        match self {
            Self::Refused(refused) => refused.blame_long_url(bytes),
            Self::Transport(error) => error.blame_long_url(bytes),
            _ => {}
        }
    }

    /// Makes the error of a subscription.
    pub(crate) fn no_event(retries: u32, last: Self) -> Self {
        let what = if retries == 1 {
            "reconnect without an event"
        } else {
            "reconnects in a row without an event"
        };
        Self::GaveUp(Box::new(GaveUp { retries, what, last }))
    }

    /// Makes the error of a call.
    pub(crate) fn no_answer(retries: u32, last: Self) -> Self {
        let what = if retries == 1 { "further try" } else { "further tries" };
        Self::GaveUp(Box::new(GaveUp { retries, what, last }))
    }
}

impl From<TransportErrorKind> for Error {
    fn from(kind: TransportErrorKind) -> Self {
        Self::Transport(kind.into())
    }
}
