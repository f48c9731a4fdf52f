//! Tries that were all in vain.

use super::Error;

/// All tries are used up, or all the time for them: the reconnects of a subscription brought no
/// event, or the further tries of a call failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("gave up after {retries} {what}")]
pub struct GaveUp {
    pub(super) retries: u32,
    pub(super) what: &'static str,
    #[source]
    pub(super) last: Error,
}

impl GaveUp {
    /// Returns how many reconnects or further tries were made; the first one is left out.
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// Returns how the last one failed.
    pub fn last(&self) -> &Error {
        &self.last
    }
}
