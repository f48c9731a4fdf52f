//! Hostile peers, from the wire up: bytes come in as a socket would bring them, through
//! [`http1`](restless_proto::http1) and a machine, and nothing here is a socket.
//!
//! Whatever a peer does:
//!
//! - it comes to a typed error, or is passed over and the next event comes;
//! - what is held stays within a bound that hangs on the limits, never on what the peer announces:
//!   an allocator counts;
//! - work is linear in the bytes. Memory that is asked for is counted always, so that nothing is
//!   copied again with each piece; instructions are counted under callgrind, where valgrind is
//!   installed, so that nothing is searched again. No clock has a say in it.
//!
//! `tests/README.md` has the table of attacks, with what takes a socket.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod attacks;
mod json;
mod lengths;
#[path = "../memory/mod.rs"]
mod memory;
mod peer;
mod signatures;
mod storms;
mod wire;
mod work;
