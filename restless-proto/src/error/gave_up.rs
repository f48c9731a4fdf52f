//! Trying again, in vain.

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
    /// How many reconnects or further tries were made, the first one not counted.
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// How the last one failed.
    pub fn last(&self) -> &Error {
        &self.last
    }
}
