//! The commands, a file or a folder each.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod direct;
pub(crate) mod doctor;
pub(crate) mod emulator;
pub(crate) mod man;
pub(crate) mod record;
pub(crate) mod relay;
pub(crate) mod replay;
pub(crate) mod streams;
pub(crate) mod tail;
pub(crate) mod verify;
pub(crate) mod watch;
