//! `restless man`: the manual page, of one command or of all.

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::failure::Failure;
use crate::output::print;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of which command, such as `streams create`; else of all, one after the other
    command: Vec<String>,
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let mut program = crate::args::Args::command();
    program.build();
    let mut pages = Vec::new();
    let written = if args.command.is_empty() {
        all(&program, &mut pages)
    } else {
        Man::new(find(&program, &args.command)?.clone()).render(&mut pages)
    };
    written.map_err(|error| Failure::new(1, "no page", error))?;
    print(&String::from_utf8_lossy(&pages))
}

/// The page of a command, then those below it.
fn all(command: &Command, pages: &mut Vec<u8>) -> std::io::Result<()> {
    Man::new(command.clone()).render(pages)?;
    // What `help` does is said by each page.
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    below.into_iter().try_for_each(|below| all(below, pages))
}

fn find<'a>(program: &'a Command, names: &[String]) -> Result<&'a Command, Failure> {
    names.iter().try_fold(program, |command, name| {
        let found = command.find_subcommand(name);
        found.ok_or_else(|| Failure::message(2, format!("there is no command {name:?}")))
    })
}
