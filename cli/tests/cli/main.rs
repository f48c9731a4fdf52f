//! `restless` as a command, against the emulator: what it prints and where, and how it exits.

mod manners;
mod stage;
mod streams;
mod tail;
mod watch;
