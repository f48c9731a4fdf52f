//! What the `subscribe` examples share: their command line, and how they print what happens.
//!
//! Events go to stdout, one JSON object a line; everything else goes to stderr. The exit status
//! says how it ended: 0 when the stream ended or the limit was reached, 2 for bad arguments, 3 when
//! the server refused, 4 when reconnecting was given up.

mod args;
mod print;

pub use args::{Cli, USAGE};
pub use print::{Printer, exit_code};
