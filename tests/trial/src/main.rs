//! Tries a program: `restless-trial PROGRAM ARGUMENTS…`. `--help` says more.

use std::io::{self, Write as _};
use std::process::ExitCode;

use lexopt::prelude::*;
use restless_trial::{Program, Trial, rules};

const USAGE: &str = "\
usage: restless-trial [OPTIONS] PROGRAM [ARGUMENTS...]

Tries a driver of Restless Stream, which is a program, against a service on loopback
that does all that can go wrong. Prints rule by rule what held.

  --stdin         the program is told what to do by a line of JSON, not by arguments
  --creates       it makes a stream of the URL that is its argument, and follows that
  --no-sse        it has no server-sent events
  --no-websocket  it has no WebSocket
  --no-codings    it decodes no content codings
  --no-deflate    it offers no compression on a WebSocket
  --only TEXT     only rules with this in their name; may be given again
  --step BYTES    cut at every so many bytes; 1 is at every byte            (16)
  --jobs N        so many rules at once                                      (4)
  --list          print the rules
  --help          this text
  --version       the version of this program

How a program is told what to do, and what it prints: the docs of `Program`.
Exit status: 0 all held, 1 something did not, 2 bad arguments
";

enum Asked {
    Say(String),
    Run(Trial, Program),
}

fn main() -> ExitCode {
    match read() {
        Ok(Asked::Say(text)) => say(&text, 0),
        Ok(Asked::Run(trial, program)) => {
            let report = trial.run(program);
            say(&report.to_string(), u8::from(!report.is_good()))
        }
        Err(error) => {
            // With stderr gone, nobody is left to tell.
            let _ = writeln!(io::stderr().lock(), "{error}\n\n{}", USAGE.trim_end());
            ExitCode::from(2)
        }
    }
}

fn say(text: &str, status: u8) -> ExitCode {
    let written = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::from(if written.is_err() { 1 } else { status })
}

fn read() -> Result<Asked, lexopt::Error> {
    let mut arguments = lexopt::Parser::from_env();
    let (mut stdin, mut creates) = (false, false);
    let (mut events, mut websocket) = (true, true);
    let (mut codings, mut deflate) = (true, true);
    let mut trial = Trial::new().step(16);
    let mut path = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(Asked::Say(USAGE.to_owned())),
            Long("version") | Short('V') => {
                let version = env!("CARGO_PKG_VERSION");
                return Ok(Asked::Say(format!("restless-trial {version}\n")));
            }
            Long("list") => return Ok(Asked::Say(list())),
            Long("stdin") => stdin = true,
            Long("creates") => creates = true,
            Long("no-sse") => events = false,
            Long("no-websocket") => websocket = false,
            Long("no-codings") => codings = false,
            Long("no-deflate") => deflate = false,
            Long("only") => trial = trial.only(arguments.value()?.string()?),
            Long("step") => trial = trial.step(arguments.value()?.parse()?),
            Long("jobs") => trial = trial.jobs(arguments.value()?.parse()?),
            Value(program) => {
                path = Some(program.string()?);
                break;
            }
            _ => return Err(argument.unexpected()),
        }
    }
    let mut program = Program::new(path.ok_or("which program?")?);
    if !events {
        program = program.without_events();
    }
    if !websocket {
        program = program.without_websocket();
    }
    if !codings {
        program = program.without_codings();
    }
    if !deflate {
        program = program.without_deflate();
    }
    if stdin {
        program = program.by_stdin();
    }
    if creates {
        program = program.creates_first();
    }
    for argument in arguments.raw_args()? {
        program = program.arg(argument.string()?);
    }
    Ok(Asked::Run(trial, program))
}

fn list() -> String {
    let line = |rule: &restless_trial::Rule| {
        let over: Vec<_> = rule.over.iter().map(|over| over.as_str()).collect();
        format!("{:<54}{:<16}{}\n", rule.name, over.join(", "), rule.section)
    };
    rules().iter().map(line).collect()
}
