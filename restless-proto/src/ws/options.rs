use std::time::Duration;

/// Limits and timers of one connection.
///
/// ```
/// use std::time::Duration;
/// use restless_proto::ws::Options;
///
/// let often = Some(Duration::from_secs(5));
/// let options = Options::default().message_bytes(1 << 20).ping_every(often);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub(crate) message_bytes: usize,
    pub(crate) fragments: usize,
    pub(crate) unread_bytes: usize,
    pub(crate) unsent_bytes: usize,
    pub(crate) ping_every: Option<Duration>,
    pub(crate) pong_within: Option<Duration>,
    pub(crate) close_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            message_bytes: 16 << 20,
            fragments: 131_072,
            unread_bytes: 16 << 20,
            unsent_bytes: 32 << 20,
            ping_every: Some(Duration::from_secs(20)),
            pong_within: Some(Duration::from_secs(20)),
            close_within: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// Sets the largest message to receive, in bytes after decompression. Default: 16 MiB. The
    /// connection passes over a larger message, and tells of the message with
    /// [`Output::TooLarge`](super::Output::TooLarge) as soon as a frame's head or the decompressor
    /// shows its size. A compressed message of more than eight times the maximum, and 256 MiB, ends
    /// the connection.
    #[must_use]
    pub fn message_bytes(mut self, maximum: usize) -> Self {
        self.message_bytes = maximum;
        self
    }

    /// Sets the most fragments of one message, at least 1. Default: 131,072. The connection passes
    /// over a message with more fragments, as over a message with too many bytes.
    #[must_use]
    pub fn fragments(mut self, maximum: usize) -> Self {
        self.fragments = maximum.max(1);
        self
    }

    /// Sets the most bytes that may wait to be polled when another piece is handed in. Default: 16
    /// MiB. A driver that reads only when told to wait stays far below the limit. A piece over the
    /// limit fails the connection with [`Error::TooLarge`](super::Error::TooLarge).
    #[must_use]
    pub fn unread_bytes(mut self, maximum: usize) -> Self {
        self.unread_bytes = maximum;
        self
    }

    /// Sets the most bytes of frames that may wait to be sent. Default: 32 MiB. A message that
    /// would pass the limit is refused whole with [`SendError::Full`](super::SendError::Full).
    #[must_use]
    pub fn unsent_bytes(mut self, maximum: usize) -> Self {
        self.unsent_bytes = maximum;
        self
    }

    /// Sets the time from one ping of ours to the next (RFC 6455 §5.5.2). Default: 20 s. `None` and
    /// zero switch pings off.
    #[must_use]
    pub fn ping_every(mut self, span: Option<Duration>) -> Self {
        // A span of zero would send pings without end.
        self.ping_every = span.filter(|span| !span.is_zero());
        self
    }

    /// Sets how long the peer may be silent after a ping of ours. Default: 20 s. `None` waits for
    /// ever. A longer silence ends the connection with
    /// [`Closed::Unresponsive`](super::Closed::Unresponsive).
    ///
    /// Any byte from the peer counts as an answer, as a pong does: a pong can stand behind
    /// megabytes of messages that a slow reader has yet to take. A driver that polls late gives the
    /// peer the same span once more, since the peer's answer may be waiting in the socket.
    #[must_use]
    pub fn pong_within(mut self, span: Option<Duration>) -> Self {
        self.pong_within = span;
        self
    }

    /// Sets how long the peer has to answer our Close frame (RFC 6455 §7.1.2). Default: 10 s. A
    /// peer that takes longer ends the connection with
    /// [`Closed::CloseUnanswered`](super::Closed::CloseUnanswered).
    #[must_use]
    pub fn close_within(mut self, span: Duration) -> Self {
        self.close_within = span;
        self
    }

    /// Returns the limit set by [`unsent_bytes`](Self::unsent_bytes).
    pub fn unsent(&self) -> usize {
        self.unsent_bytes
    }
}
