//! What a document may grow to.

use crate::kinds::LimitError;

/// The most that a [`Document`](super::Document) may be. A patch of a few bytes can double a
/// document again and again, so each bound is checked before the work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentLimits {
    bytes: usize,
    levels: usize,
    operations: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self { bytes: 16 << 20, levels: 200, operations: 100_000 }
    }
}

impl DocumentLimits {
    /// Sets the longest text of the document, in bytes without blanks. Default: 16 MiB. In memory
    /// a document of long texts takes about as much, one of short numbers up to 30 times as much;
    /// while an update is applied, the old and the new one, and what a patch takes away, are there
    /// together.
    #[must_use]
    pub fn bytes(mut self, maximum: usize) -> Self {
        self.bytes = maximum;
        self
    }

    /// Sets how many arrays and objects a value may stand in. Default, and most: 200, as deep as
    /// the data of an event may nest.
    #[must_use]
    pub fn levels(mut self, maximum: usize) -> Self {
        self.levels = maximum.min(200);
        self
    }

    /// Sets the most operations of one patch. Default: 100,000.
    #[must_use]
    pub fn operations(mut self, maximum: usize) -> Self {
        self.operations = maximum;
        self
    }

    pub(super) fn check_bytes(&self, seen: usize) -> Result<(), LimitError> {
        check("the document's size", self.bytes, seen)
    }

    pub(super) fn check_levels(&self, seen: usize) -> Result<(), LimitError> {
        check("the document's depth", self.levels, seen)
    }

    pub(super) fn check_operations(&self, seen: usize) -> Result<(), LimitError> {
        check("the operations of a patch", self.operations, seen)
    }

    /// Checks what a patch has taken away, which is kept to be put back: two documents at the most,
    /// and 1 MiB.
    pub(super) fn check_kept(&self, seen: usize) -> Result<(), LimitError> {
        let most = self.bytes.saturating_mul(2).saturating_add(1 << 20);
        check("what a patch takes away", most, seen)
    }

    /// Returns what one patch may read, copy and move, in bytes and elements: eight documents, and
    /// 1 MiB.
    pub(super) fn budget(&self) -> Budget {
        let most = self.bytes.saturating_mul(8).saturating_add(1 << 20);
        Budget { most, spent: 0 }
    }
}

fn check(limit: &'static str, maximum: usize, seen: usize) -> Result<(), LimitError> {
    if seen > maximum { Err(LimitError::new(limit, maximum, seen)) } else { Ok(()) }
}

/// The work of one patch.
pub(super) struct Budget {
    most: usize,
    spent: usize,
}

impl Budget {
    pub(super) fn spend(&mut self, work: usize) -> Result<(), LimitError> {
        self.spent = self.spent.saturating_add(work);
        check("the work of a patch", self.most, self.spent)
    }
}
