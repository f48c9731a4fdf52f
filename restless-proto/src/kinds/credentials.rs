//! A key that could not be had.

use std::error::Error as StdError;
use std::sync::Arc;

/// The function that gives keys could not give one.
///
/// The error ends a call; a subscription asks again after a delay.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no credentials could be had")]
pub struct CredentialsError {
    source: Arc<dyn StdError + Send + Sync>,
}

impl CredentialsError {
    /// States the cause. The cause is printed as it is, and must leave the key out.
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Arc::from(source.into()) }
    }
}
