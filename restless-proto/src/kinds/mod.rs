//! Errors of one kind each, which know nothing of what they come to be part of: the ground that
//! every other room may stand on. [`Error`](crate::Error) puts the kinds together.

mod config;
mod credentials;
mod limit;
mod misuse;
mod timeout;
mod transport;

pub use config::ConfigError;
pub use credentials::CredentialsError;
pub use limit::LimitError;
pub use misuse::Misuse;
pub use timeout::{TimeoutError, Timer};
pub(crate) use transport::LongUrl;
pub use transport::{TransportError, TransportErrorKind};
