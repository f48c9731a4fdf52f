//! `restless` as a command, against the emulator: what it prints and where, and how it exits.

mod doctor;
mod help;
mod manners;
#[path = "../../../adapters/relay/tests/common/port.rs"]
mod port;
mod record;
mod relay;
mod stage;
mod streams;
mod tail;
mod terminal;
mod watch;
