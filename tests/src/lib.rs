//! The shared suite: vectors, conformance, scenarios over real sockets.
//!
//! [`suite`] holds the scenarios; each adapter's test file runs all of them on its runtime.

pub mod run;
pub mod suite;

/// An error and its causes down to the first, in one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
