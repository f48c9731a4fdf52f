//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{
    completions, config, direct, doctor, emulator, man, record, relay, replay, streams, tail,
    verify, watch,
};
use crate::context::{Context, Global};
use crate::failure::{EXIT_CODES, Failure};

/// What a new user types first.
const EXAMPLES: &str = "\
Examples:
  export RESTLESS_API_KEY=rs_…  # `restless config --help`: other places
  restless streams ls           # which streams there are
  restless tail Orders          # what comes of one; JSON to a pipe
  restless relay --config FILE  # into a store, each event once
  restless doctor Orders        # why nothing comes
  restless man | man -l -       # the manual of all commands";

/// Restless Stream from a terminal: follow feeds, manage streams, and find out what is wrong.
#[derive(Debug, Parser)]
#[command(name = "restless", version, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Follow a stream, and print its events.
    Tail(Box<tail::Args>),
    /// Follow feeds on the whole screen.
    Watch(watch::Args),
    /// List, create, change, start, stop and delete streams.
    Streams(streams::Args),
    /// Commands, sessions and URLs for a REST API without a stream of its own.
    Direct(direct::Args),
    /// Hand feeds on into a store, each event once.
    Relay(relay::Args),
    /// Find out, step by step, why events don't come.
    Doctor(doctor::Args),
    /// Keep a feed with its times and bytes in a file; keys are left out.
    Record(record::Args),
    /// Serve a recording on this machine.
    Replay(replay::Args),
    /// Check the signatures of events on standard input.
    Verify(verify::Args),
    /// Show which settings count, and where they come from.
    Config(config::Args),
    /// Serve the service's contract on this machine, for tests and tries.
    Emulator(emulator::Args),
    /// Print the completions for a shell.
    Completions(completions::Args),
    /// Print the manual.
    Man(man::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Tail(args) => tail::run(*args, context).await,
            Self::Watch(args) => watch::run(args, context).await,
            Self::Streams(args) => streams::run(args, context).await,
            Self::Direct(args) => direct::run(args, context).await,
            Self::Relay(args) => relay::run(args, context).await,
            Self::Doctor(args) => doctor::run(args, context).await,
            Self::Record(args) => record::run(args, context).await,
            Self::Replay(args) => replay::run(args),
            Self::Verify(args) => verify::run(args),
            Self::Config(args) => config::run(args, context),
            Self::Emulator(args) => emulator::run(args),
            Self::Completions(args) => completions::run(args),
            Self::Man(args) => man::run(args),
        }
    }
}
