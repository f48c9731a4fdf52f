use std::time::Duration;

/// Limits and timers of one connection.
///
/// ```
/// use std::time::Duration;
/// use restless_proto::ws::Options;
///
/// let options = Options::default().message_bytes(1 << 20).ping_every(Some(Duration::from_secs(45)));
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
    /// Largest message that is received, in bytes after decompression. Default 16 MiB. A larger
    /// one is passed over, and told of with [`Output::TooLarge`](super::Output::TooLarge) as soon as
    /// a frame's head or the decompressor shows it.
    #[must_use]
    pub fn message_bytes(mut self, maximum: usize) -> Self {
        self.message_bytes = maximum;
        self
    }

    /// Most fragments of one message, at least 1. Default 131,072. A message with more is passed
    /// over, as one with too many bytes.
    #[must_use]
    pub fn fragments(mut self, maximum: usize) -> Self {
        self.fragments = maximum.max(1);
        self
    }

    /// Most bytes that are handed in and not polled for, before the piece that comes last. Default
    /// 16 MiB. A driver that reads only when it is told to wait never comes near; what passes it fails
    /// the connection with [`Error::TooLarge`](super::Error::TooLarge).
    #[must_use]
    pub fn unread_bytes(mut self, maximum: usize) -> Self {
        self.unread_bytes = maximum;
        self
    }

    /// Most bytes of frames that wait to be sent. Default 32 MiB. What would pass it is refused
    /// with [`SendError::Full`](super::SendError::Full) and nothing of it is sent.
    #[must_use]
    pub fn unsent_bytes(mut self, maximum: usize) -> Self {
        self.unsent_bytes = maximum;
        self
    }

    /// Time from one ping of ours to the next (RFC 6455 §5.5.2). Default 20 s; `None` sends none, nor does
    /// zero.
    #[must_use]
    pub fn ping_every(mut self, span: Option<Duration>) -> Self {
        // Pinging without a pause would be nothing but pings.
        self.ping_every = span.filter(|span| !span.is_zero());
        self
    }

    /// How long after a ping of ours nothing at all may be heard. Default 20 s; `None` waits for
    /// ever. Then the connection ends with
    /// [`Closed::Unresponsive`](super::Closed::Unresponsive).
    ///
    /// Any byte from the peer counts as an answer, not only the pong: a pong can stand behind
    /// megabytes of messages that a slow reader has yet to take. If nobody polled at the time,
    /// the peer gets the same span once more, since its answer may be waiting to be read.
    #[must_use]
    pub fn pong_within(mut self, span: Option<Duration>) -> Self {
        self.pong_within = span;
        self
    }

    /// How long the peer has to answer our Close frame (RFC 6455 §7.1.2). Default 10 s. Then the
    /// connection ends with [`Closed::CloseUnanswered`](super::Closed::CloseUnanswered).
    #[must_use]
    pub fn close_within(mut self, span: Duration) -> Self {
        self.close_within = span;
        self
    }

    /// The limit set by [`unsent_bytes`](Self::unsent_bytes).
    pub fn unsent(&self) -> usize {
        self.unsent_bytes
    }
}
