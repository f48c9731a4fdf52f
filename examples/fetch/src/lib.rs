//! Bring your own: a browser. `driver` is the driver, to be read in one go and copied; `trial` has
//! it take the trial in a page, and `wire` is what that page and its test say to each other.
//!
//! `run.sh` builds the page and opens it in Chromium.

#[cfg(target_arch = "wasm32")]
mod driver;
#[cfg(target_arch = "wasm32")]
mod trial;
pub mod wire;
