//! The store in NATS JetStream, and workers that share feeds by leases there, against the real
//! server: Debian's, started here in a temporary folder. Where the server is missing, each test
//! says so and ends.
#![cfg(feature = "nats")]

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "each test takes what it needs")]
mod common;
mod sink;
mod workers;
