//! `restless man`: the manual page, of one command or of all.

use std::io;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::failure::Failure;
use crate::output::print;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command, such as `streams create`; without one, the pages of all commands follow each
    /// other
    command: Vec<String>,
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let mut program = crate::args::Args::command();
    program.build();
    let mut text = String::new();
    let written = if args.command.is_empty() {
        all(&program, &mut text)
    } else {
        page(find(&program, &args.command)?, &mut text)
    };
    written.map_err(|error| Failure::new(1, "no page", error))?;
    print(&text)
}

/// The page of a command, then those below it.
fn all(command: &Command, text: &mut String) -> io::Result<()> {
    page(command, text)?;
    // What `help` does is said by each page.
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    below.into_iter().try_for_each(|below| all(below, text))
}

fn page(command: &Command, text: &mut String) -> io::Result<()> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    let page = String::from_utf8_lossy(&page);
    match page.split_once(".SH EXTRA\n") {
        // Tables and files stay in the lines that they are written in.
        Some((before, notes)) => {
            let end = notes.find(".SH ").unwrap_or(notes.len());
            let (notes, after) = notes.split_at(end);
            *text += &format!("{before}.SH NOTES\n.nf\n{}\n.fi\n{after}", notes.trim_end());
        }
        None => *text += &page,
    }
    Ok(())
}

fn find<'a>(program: &'a Command, names: &[String]) -> Result<&'a Command, Failure> {
    names.iter().try_fold(program, |command, name| {
        let found = command.find_subcommand(name);
        found.ok_or_else(|| Failure::message(2, format!("there is no command {name:?}")))
    })
}
