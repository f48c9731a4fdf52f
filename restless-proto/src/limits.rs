//! What one peer may make us hold in memory.

/// The most bytes that one thing may take, each with a default that no honest peer reaches.
///
/// Every limit is a hard one: what would pass it yields a [`LimitError`](crate::LimitError), and
/// memory stays within the limit, rounded up to a power of two, plus one chunk of input. All count what is left once a content
/// coding is taken off, of which at most 16 KiB are decoded ahead.
///
/// A coded event stream has a limit more: within a minute it may decode to as much as a line and an
/// event take together, and 32 MiB at least, and bring no event; a subscription ends with that, since
/// it would come again. A few bytes can be coded to comments without end; but heartbeats, however
/// well they are coded, come at their time.
///
/// ```
/// use restless_proto::Limits;
///
/// let limits = Limits::default().event_bytes(1024 * 1024);
/// assert_eq!(limits.event(), 1024 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) line_bytes: usize,
    pub(crate) event_bytes: usize,
    pub(crate) content_bytes: usize,
    pub(crate) excerpt_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes: 16 << 20,
            event_bytes: 16 << 20,
            content_bytes: 16 << 20,
            excerpt_bytes: 8 << 10,
        }
    }
}

impl Limits {
    /// Longest line of an event stream, in bytes without its end. Default 16 MiB.
    #[must_use]
    pub fn line_bytes(mut self, maximum: usize) -> Self {
        self.line_bytes = maximum;
        self
    }

    /// Most data of one event, in bytes after its lines are joined. Default 16 MiB.
    #[must_use]
    pub fn event_bytes(mut self, maximum: usize) -> Self {
        self.event_bytes = maximum;
        self
    }

    /// Most content of one REST reply, in bytes. Default 16 MiB.
    #[must_use]
    pub fn content_bytes(mut self, maximum: usize) -> Self {
        self.content_bytes = maximum;
        self
    }

    /// Most of a refusal's content that an error keeps, in bytes. Default 8 KiB; what is over it
    /// is cut off without an error.
    #[must_use]
    pub fn excerpt_bytes(mut self, maximum: usize) -> Self {
        self.excerpt_bytes = maximum;
        self
    }

    /// The limit set by [`line_bytes`](Self::line_bytes).
    pub fn line(&self) -> usize {
        self.line_bytes
    }

    /// The limit set by [`event_bytes`](Self::event_bytes).
    pub fn event(&self) -> usize {
        self.event_bytes
    }

    /// The limit set by [`content_bytes`](Self::content_bytes).
    pub fn content(&self) -> usize {
        self.content_bytes
    }

    /// The limit set by [`excerpt_bytes`](Self::excerpt_bytes).
    pub fn excerpt(&self) -> usize {
        self.excerpt_bytes
    }
}
