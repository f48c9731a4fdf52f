//! More than was allowed.

/// The peer sent more than one of our [`Limits`](crate::Limits) allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} is over its limit: {seen} {unit} seen, at most {maximum} accepted")]
pub struct LimitError {
    limit: &'static str,
    unit: &'static str,
    maximum: usize,
    seen: usize,
}

impl LimitError {
    /// States which limit was passed, its maximum, and what was seen by then, in bytes.
    pub fn new(limit: &'static str, maximum: usize, seen: usize) -> Self {
        Self { limit, unit: "bytes", maximum, seen }
    }

    /// Sets another unit than bytes, such as fragments.
    #[must_use]
    pub fn counted_in(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// Returns what was too large.
    pub fn limit(&self) -> &'static str {
        self.limit
    }

    /// Returns what is counted, in the plural: `bytes`, unless something else is.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// Returns the most that is accepted, in that unit.
    pub fn maximum(&self) -> usize {
        self.maximum
    }

    /// Returns what had come when the limit was found passed, in that unit. More may have been to
    /// come.
    pub fn seen(&self) -> usize {
        self.seen
    }
}
