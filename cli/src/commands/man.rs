//! `restless man`: the manual page, of one command or of all.

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::failure::Failure;
use crate::output::print;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of which command; else of the program
    command: Option<String>,
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let mut program = crate::args::Args::command();
    program.build();
    let command = match &args.command {
        None => program,
        Some(name) => find(&program, name)?.clone(),
    };
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(|error| Failure::new(1, "no page", error))?;
    print(&String::from_utf8_lossy(&page))
}

fn find<'a>(program: &'a Command, name: &str) -> Result<&'a Command, Failure> {
    let found = program.find_subcommand(name);
    found.ok_or_else(|| Failure::message(2, format!("there is no command {name:?}")))
}
