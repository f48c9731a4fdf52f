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
    /// States which limit, its maximum and what was seen when it was passed, in bytes.
    pub fn new(limit: &'static str, maximum: usize, seen: usize) -> Self {
        Self { limit, unit: "bytes", maximum, seen }
    }

    /// The same of what is counted in another unit, such as fragments.
    #[must_use]
    pub fn counted_in(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// What was too large.
    pub fn limit(&self) -> &'static str {
        self.limit
    }

    /// What is counted, in the plural: `bytes`, unless something else is.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// The most that is accepted, in that unit.
    pub fn maximum(&self) -> usize {
        self.maximum
    }

    /// What had come when the limit was found passed, in that unit. There may have been more to
    /// come.
    pub fn seen(&self) -> usize {
        self.seen
    }
}
