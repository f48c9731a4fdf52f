//! Every case of every file in `tests/vectors/`: what the official Python SDK does, recorded.
//!
//! A case is to be matched, unless it says `advice: "better"`: then the runner of its file knows it
//! by name and asserts the better behaviour that its note describes. A `better` case that no runner
//! knows is run all the same, must not panic, and what came out is printed.
//!
//! With `RESTLESS_VECTORS` set, the files of that folder are run instead.

mod api_errors;
mod direct;
mod harness;
mod hmac;
mod models;
mod parse_event;
mod python;
mod requests;
mod script;
mod streams;
mod timestamp;
mod traces;
mod urls;

use std::path::PathBuf;
use std::process::ExitCode;

use harness::Runner;

/// One line a file: its name and what runs a case of it.
const RUNNERS: &[(&str, Runner)] = &[
    ("api_errors", api_errors::run),
    ("hmac", hmac::run),
    ("models", models::run),
    ("parse_event", parse_event::run),
    ("reconnect_traces", traces::run_trace),
    ("requests", requests::run),
    ("sse_streams", streams::run_stream_by_the_standard),
    ("timestamp_to_unix_ms", timestamp::run),
    ("to_websocket_url", urls::run_to_websocket),
    ("url_with_params", urls::run_with_params),
    ("urls_direct", urls::run_direct),
    ("urls_managed", urls::run_managed),
];

fn main() -> ExitCode {
    let (folder, own) = match std::env::var_os("RESTLESS_VECTORS") {
        // Cargo runs tests in their package's folder; people stand in the project's.
        Some(folder) => {
            (PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(folder), false)
        }
        None => (PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors"), true),
    };
    // Our own folder must be whole; another one may hold any subset of the files.
    harness::run_folder(&folder, RUNNERS, own)
}
