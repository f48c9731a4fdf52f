//! Keys from a function of the user's.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use restless_proto::{ApiKey, CredentialsError};

/// What [`ClientBuilder::credentials`](crate::ClientBuilder::credentials) was given, in one shape.
pub(crate) type Provider = Arc<dyn Fn(bool) -> Asked + Send + Sync>;

/// An answer on its way.
pub(crate) type Asked =
    Pin<Box<dyn Future<Output = Result<Option<ApiKey>, CredentialsError>> + Send>>;

pub(crate) fn provider<F, A>(ask: F) -> Provider
where
    F: Fn(bool) -> A + Send + Sync + 'static,
    A: Future<Output = Result<ApiKey, Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    Arc::new(move |rejected| {
        let asked = ask(rejected);
        Box::pin(async move { asked.await.map(Some).map_err(CredentialsError::new) })
    })
}
