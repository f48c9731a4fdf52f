//! `restless verify`: checks the signatures of events on standard input.

use std::io::BufRead as _;
use std::path::PathBuf;

use restless_tokio::StreamEvent;
use restless_tokio::event::SseId;
use restless_tokio::signature::Signer;

use crate::failure::Failure;
use crate::output::{data, note, print};
use crate::source;

/// Reads one event a line, as the service sends them; prints those whose signature is good.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The stream's secret; others on this machine can read the secret here
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// A file that holds the secret; without both flags, RESTLESS_HMAC_SECRET counts
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    secret_file: Option<PathBuf>,
}

const HELP: &str = "\
An event is a line of JSON, as the service sends it and `restless tail`
prints it. Lines that are signed well are printed, and errors without
data, which the service does not sign, as `restless tail --verify` does;
of each other one, standard error says why, and the command ends with 3.

Example:
  restless tail Orders | restless verify --secret-file FILE";

/// As the emulator prints it.
const VARIABLE: &str = "RESTLESS_HMAC_SECRET";
/// A line is read up to here, in bytes; a longer one is no event.
const LONGEST_LINE: u64 = 64 << 20;

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let signer = Signer::new(args.secret()?);
    let mut input = std::io::stdin().lock();
    let (mut line, mut number, mut bad) = (Vec::new(), 0_u64, 0_u64);
    loop {
        line.clear();
        let mut bounded = std::io::Read::take(&mut input, LONGEST_LINE);
        let read = bounded.read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::new(2, "standard input", error))? == 0 {
            break;
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match check(&signer, &line) {
            Ok(text) => print(&data(text + "\n"))?,
            Err(why) => {
                bad += 1;
                note(&format!("line {number}: {why}"));
            }
        }
    }
    match bad {
        0 => Ok(()),
        bad => Err(Failure::message(3, format!("{bad} of {number} lines are not signed well"))),
    }
}

fn check(signer: &Signer, line: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?.trim();
    let event = StreamEvent::parse(text.to_owned(), SseId::None);
    let event = event.map_err(|error| error.to_string())?;
    signer.admit(&event).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

impl Args {
    fn secret(&self) -> Result<String, Failure> {
        let given = source::secret(self.secret.as_deref(), self.secret_file.as_deref())?;
        let variable = || std::env::var(VARIABLE).ok().filter(|secret| !secret.is_empty());
        given.or_else(variable).ok_or_else(|| {
            Failure::message(2, "no secret: RESTLESS_HMAC_SECRET, --secret-file or --secret")
        })
    }
}
