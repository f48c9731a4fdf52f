//! `restless completions`: for a shell to load.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::failure::Failure;
use crate::output::print;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

const HELP: &str = "\
Where shells look:
  bash  ~/.local/share/bash-completion/completions/restless
  fish  ~/.config/fish/completions/restless.fish
  zsh   a file _restless in a folder of $fpath

Example:
  restless completions fish > ~/.config/fish/completions/restless.fish";

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut crate::args::Args::command(), "restless", &mut script);
    print(&String::from_utf8_lossy(&script))
}
