//! The shared suite: vectors, conformance, scenarios over real sockets.
//!
//! [`suite`] holds the scenarios; each adapter's test file runs all of them on its runtime.

pub mod run;
pub mod suite;

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
