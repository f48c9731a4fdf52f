//! A Restless Stream server for loopback, with faults on demand.
//!
//! [`Emulator`] is the service as its SDKs see it: the REST API, direct streams and sessions, and
//! event streams over SSE and WebSocket with cursors, signatures and both payload modes, polled
//! from a real upstream. An emulator listens on 127.0.0.1 only, runs on a thread of its own, and
//! stops when it is dropped. [`Fault`]s make the emulator misbehave where a test wants that,
//! [`Emulator::publish`] emits events without an upstream, and [`Upstream`] is an upstream whose
//! answer a test can change.
//!
//! The crate's `README.md` lists what is emulated and what is not.
//!
//! ```
//! use std::io::{BufRead, BufReader, Write};
//! use std::net::TcpStream;
//! use restless_emulator::{Emulator, Fault};
//!
//! let emulator = Emulator::start()?;
//! let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
//! let id = emulator.add_stream(stream)?;
//! emulator.inject(Fault::end_after_events(1));
//!
//! let mut socket = TcpStream::connect(emulator.address())?;
//! write!(
//!     socket,
//!     "GET /?streamId={id} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
//!     emulator.api_key(),
//! )?;
//! emulator.until_subscribers(1).wait()?;
//! let event = emulator.publish(&id, r#"{"total":42}"#)?;
//!
//! let lines = BufReader::new(socket).lines();
//! let ids = lines.map_while(Result::ok).find(|line| line.starts_with("id: "));
//! assert_eq!(ids, Some(format!("id: {event}")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod coding;
pub mod command;
mod due;
mod emulator;
mod fault;
mod feed;
mod fields;
mod filter;
mod hub;
mod json;
mod listener;
mod log;
mod origin;
mod poll;
mod recording;
mod remote;
mod replay;
mod reply;
mod rest;
mod runtime;
mod script;
mod server;
mod signal;
mod socket;
mod source;
mod sse;
mod time;
mod treatment;
mod upstream;
mod urls;
mod websocket;

use std::net::SocketAddr;

use tokio::runtime::Runtime;

use listener::Listener;

pub use coding::Coding;
pub use emulator::{
    AddStreamError, Builder, DEFAULT_API_KEY, DEFAULT_HMAC_SECRET, Emulator, PublishError,
    StartError,
};
pub use fault::Fault;
pub use log::{LoggedEvent, LoggedKind, RecordedRequest};
pub use recording::{Recorder, Recording, RecordingError};
pub use signal::{TimedOut, Until};
pub use upstream::Upstream;

/// Makes a runtime of one thread that listens on `address`. The caller may be inside another
/// runtime, so the function must not block; when it fails, it shuts its runtime down in the
/// background.
fn listen(
    address: SocketAddr,
    builder: &mut tokio::runtime::Builder,
) -> Result<(Runtime, Listener), StartError> {
    let runtime = builder.build().map_err(StartError::Thread)?;
    let bound = {
        let _inside = runtime.enter();
        Listener::bind(address)
    };
    match bound {
        Ok(listener) => Ok((runtime, listener)),
        Err(source) => {
            runtime.shutdown_background();
            Err(StartError::Bind { address, source })
        }
    }
}

/// The README's example, compiled and run with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Draws sixty-four bits for an id that is not guessed by accident; an id is no secret.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}
