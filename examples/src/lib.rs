//! What the examples share: their command lines, and how they print what happens.
//!
//! Events go to stdout, one JSON object a line; everything else goes to stderr. The exit status
//! says how it ended: 0 when the stream ended or the limit was reached, 1 when stdout could not be
//! written, 2 for bad arguments, 3 when the server refused, 4 when reconnecting was given up.

mod args;
mod configure;
mod print;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

use args::USAGE;
pub use args::{Asked, Cli, CreateCli};
pub use configure::configure;
pub use print::{Printer, exit_code};
use restless_proto::{Entropy, Error, Instant, TransportError, TransportErrorKind};

/// Runs an example with what was read from its command line, to the exit status.
pub fn run<C>(
    cli: Result<Asked<C>, String>,
    follow: impl FnOnce(C) -> Result<u8, Error>,
) -> ExitCode {
    let status = match cli {
        Ok(Asked::Run(cli)) => follow(cli).unwrap_or_else(|error| {
            print::note(&print::causes(&error));
            exit_code(&error)
        }),
        Ok(Asked::Help) => print::say(&format!("usage: {} {USAGE}", name())),
        Ok(Asked::Version) => print::say(&format!("{} {}\n", name(), env!("CARGO_PKG_VERSION"))),
        Err(error) => {
            print::note(&format!("{error}\n\nusage: {} {}", name(), USAGE.trim_end()));
            2
        }
    };
    ExitCode::from(status)
}

/// What this example was called as.
fn name() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&path).file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
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
