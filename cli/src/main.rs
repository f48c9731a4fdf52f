//! `restless`: follow, manage and examine Restless Stream feeds, without a line of Rust.

mod args;
mod call;
mod commands;
mod context;
mod data;
mod doctor;
mod exchange;
mod failure;
mod keyring;
mod output;
mod polling;
mod progress;
mod relay;
mod settings;
mod source;
mod stop;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};
use crate::commands::config;
use crate::context::Context;
use crate::failure::Failure;

fn main() -> ExitCode {
    let (is_verbose, ended) = match Args::try_parse() {
        Ok(args) => (args.global.verbose, run(args)),
        Err(error) => (false, say(&error)),
    };
    let Err(failure) = ended else { return ExitCode::SUCCESS };
    // Where standard error is gone, the exit code is left.
    let _ = std::io::stderr().write_all(failure.told(is_verbose).as_bytes());
    ExitCode::from(failure.exit_code())
}

/// Help and version, which were asked for, or what is wrong with the arguments.
fn say(error: &clap::Error) -> Result<(), Failure> {
    let printed = error.print();
    if error.use_stderr() {
        return Err(Failure::silent(2));
    }
    printed.and_then(|()| std::io::stdout().flush()).map_err(Failure::output)
}

fn run(args: Args) -> Result<(), Failure> {
    let command = match args.command {
        // These have a runtime and settings of their own, or need none: no key is asked for.
        Command::Completions(args) => return commands::completions::run(args),
        Command::Emulator(args) => return commands::emulator::run(args),
        Command::Man(args) => return commands::man::run(args),
        Command::Replay(args) => return commands::replay::run(args),
        Command::Verify(args) => return commands::verify::run(args),
        Command::Config(config::Args { store_key: Some(name), .. }) => return config::store(&name),
        command => command,
    };
    let context = Context::new(args.global)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(1, "no runtime", error))?;
    let ended = runtime.block_on(command.run(&context));
    // A name that is being resolved is not waited for: no signal would end that.
    runtime.shutdown_background();
    ended
}
