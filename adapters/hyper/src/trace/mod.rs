//! What happens, told to `tracing` where that feature is on; what is told stands in the crate's
//! docs.

#[cfg(feature = "tracing")]
mod on;
#[cfg(feature = "tracing")]
pub(crate) use on::{Span, happened};

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(not(feature = "tracing"))]
pub(crate) use off::{Span, happened};
