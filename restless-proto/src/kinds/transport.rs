//! What failed between us and the peer.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What failed between us and the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The host's name could not be resolved.
    Resolve,
    /// A connection could not be made: refused, unreachable, or broken before the TLS handshake was
    /// over.
    Connect,
    /// The proxy on the way refused: the proxy wants other credentials, or does not allow this
    /// host.
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
    /// The request can never be sent, such as one whose URL lacks a host.
    Request,
}

/// A connection could not be made, or broke.
///
/// Drivers make the error from what their HTTP stack reports; the kind decides whether to try
/// again.
#[derive(Clone, Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    retry_after: Option<Duration>,
    /// The length of the URL, where that may be the reason.
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

    /// States how long a box on the way asks to wait, such as a proxy that answers CONNECT with a
    /// `Retry-After` ([`retry_after`](crate::retry_after) reads the field): the next connect comes
    /// no sooner.
    pub fn with_retry_after(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.retry_after = wait.into();
        self
    }

    /// States the length of the URL where the connection broke: the length may be the reason.
    pub(crate) fn blame_long_url(&mut self, bytes: usize) {
        if self.kind == TransportErrorKind::Broken {
            self.long_url = Some(bytes);
        }
    }

    /// Returns what failed.
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// Returns how long a box on the way asks to wait (RFC 9110 §10.2.3); `None` where none does.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// Prints what may be said of a URL that is too long for what stands in between.
pub(crate) struct LongUrl(pub(crate) Option<usize>);

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
