//! What the examples share: a small command line, and how they print what happens.
//!
//! Events go to stdout, one JSON object a line; everything else goes to stderr. The exit status
//! says how it ended: 0 when the stream ended or the limit was reached, 1 when stdout could not be
//! written, 2 for bad arguments, 3 when the server refused, 4 when reconnecting was given up. The
//! program `restless` (crate `restless-cli`) is the one with all options and forms of output.

mod args;
mod print;

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::OnceLock;

use args::USAGE;
pub use args::{Cli, CreateCli};
pub use print::Printer;
use restless_proto::{Entropy, Error, Instant, TransportError, TransportErrorKind};

/// Runs an example with what was read from its command line, to the exit status.
pub fn run<C>(cli: Result<C, String>, follow: impl FnOnce(C) -> Result<u8, Error>) -> ExitCode {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    let status = match cli {
        _ if arguments.any(|argument| argument == "--help") => {
            print::write(&format!("usage: {name} {USAGE}")).err().unwrap_or(0)
        }
        Ok(cli) => follow(cli).unwrap_or_else(print::failed),
        Err(error) => {
            print::note(&format!("{error}; --help says more"));
            2
        }
    };
    ExitCode::from(status)
}

/// The time, since the first call of this.
pub fn now() -> Instant {
    static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
    Instant::from_origin(ORIGIN.get_or_init(std::time::Instant::now).elapsed())
}

/// What a machine draws its jitter and its masking keys from.
///
/// # Panics
///
/// Where the operating system has no randomness.
pub fn entropy() -> Entropy {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system's randomness");
    Entropy::from_bytes(seed)
}

/// The addresses of a URL's host, for a driver that has no TLS.
///
/// # Errors
///
/// When the URL is not `http`, which it will not be the next time either, or there is none.
pub fn addresses(uri: &http::Uri) -> Result<Vec<SocketAddr>, TransportError> {
    if uri.scheme_str() != Some("http") {
        let error = "https needs TLS, which is left out here";
        return Err(TransportError::new(TransportErrorKind::Request, error));
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    match (host, uri.port_u16().unwrap_or(80)).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(TransportError::new(TransportErrorKind::Resolve, error)),
    }
}
