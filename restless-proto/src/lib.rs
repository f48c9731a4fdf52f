//! The Restless Stream protocol without I/O.

mod entropy;
mod error;
mod limits;
mod secret;

pub use entropy::Entropy;
pub use error::{
    ConfigError, ContentError, Error, LimitError, Misuse, RedirectError, Refused, TimeoutError,
    Timer, TransportError, TransportErrorKind,
};
pub use limits::Limits;
pub use secret::ApiKey;
