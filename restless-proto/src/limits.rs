//! The most memory that one peer may make a machine hold.

/// The most bytes that a line, an event, a reply and an error's excerpt may take. An honest peer
/// stays below each default.
///
/// Input that would pass a limit yields a [`LimitError`](crate::LimitError). Memory stays within
/// the limit, rounded up to a power of two, plus one chunk of input. A limit counts bytes after
/// their content coding is taken off; at most 16 KiB are decoded ahead.
///
/// A coded event stream has one more limit, since a few bytes can be coded to comments without end.
/// What counts is the bytes that are decoded in one minute and bring no event: at most the line's
/// limit and the event's limit together, or 32 MiB where that is more. A subscription that passes
/// this limit ends, since the same bytes would come again. Heartbeats stay far below the limit.
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
    /// Sets the longest line of an event stream, in bytes without the line's end. Default: 16 MiB.
    #[must_use]
    pub fn line_bytes(mut self, maximum: usize) -> Self {
        self.line_bytes = maximum;
        self
    }

    /// Sets the most data of one event, in bytes after the data's lines are joined. Default: 16
    /// MiB.
    #[must_use]
    pub fn event_bytes(mut self, maximum: usize) -> Self {
        self.event_bytes = maximum;
        self
    }

    /// Sets the most content of one REST reply, in bytes. Default: 16 MiB.
    #[must_use]
    pub fn content_bytes(mut self, maximum: usize) -> Self {
        self.content_bytes = maximum;
        self
    }

    /// Sets how much of a refusal's content an error keeps, in bytes. Default: 8 KiB. Longer
    /// content is cut there, and is no error.
    #[must_use]
    pub fn excerpt_bytes(mut self, maximum: usize) -> Self {
        self.excerpt_bytes = maximum;
        self
    }

    /// Returns the limit set by [`line_bytes`](Self::line_bytes).
    pub fn line(&self) -> usize {
        self.line_bytes
    }

    /// Returns the limit set by [`event_bytes`](Self::event_bytes).
    pub fn event(&self) -> usize {
        self.event_bytes
    }

    /// Returns the limit set by [`content_bytes`](Self::content_bytes).
    pub fn content(&self) -> usize {
        self.content_bytes
    }

    /// Returns the limit set by [`excerpt_bytes`](Self::excerpt_bytes).
    pub fn excerpt(&self) -> usize {
        self.excerpt_bytes
    }
}
