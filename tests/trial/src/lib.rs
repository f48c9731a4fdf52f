//! The trial of a driver: what a driver must hold, rule by rule, each tried against the emulator.
//!
//! A driver moves bytes for Restless Stream's protocol: an adapter of this SDK, one of your own
//! over `restless_proto` (its `guide` tells how to write one), or a client in any other language.
//! The trial runs the driver through calls, server-sent events and WebSocket, and through all that
//! a server and a network do to them: connections that are refused, reset, stalled, and cut at
//! every byte or every so many ([`Trial::step`]); answers that refuse, redirect or are late; bytes
//! one by one; codings; wrong keys; pings and Close frames. The [`Report`] says of each [`Rule`]
//! whether the rule held, and in which section the rule is written.
//!
//! A driver in Rust implements [`Driver`]; any other is a [`Program`].
//!
//! ```no_run
//! use restless_trial::{Program, Trial};
//!
//! let report = Trial::new().run(Program::new("target/debug/examples/subscribe-tokio"));
//! println!("{report}");
//! assert!(report.is_good());
//! ```
//!
//! What counts is what a user of the driver would see, and what the service saw: which events were
//! handed out, how the subscription ended, which requests came. How the driver does that is left to
//! the driver. A rule about what the driver can't do ([`Skills`]) is left out, and the report says
//! so.

mod between;
mod driver;
mod program;
mod report;
mod rule;
mod rules;
mod stage;
mod trial;

pub use driver::{
    Answer, Call, Driver, Ending, Endpoint, Event, Failure, Follow, Following, How, Skills, Told,
    Transport,
};
pub use program::Program;
pub use report::{Entry, Report, Verdict};
pub use rule::{Over, Rule, rules};
pub use trial::Trial;

/// The README's example, compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
