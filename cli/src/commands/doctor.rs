//! `restless doctor`: why events don't come.

use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::json;
use url::Url;

use crate::context::Context;
use crate::doctor::{Case, Options, Step, Tried, Verdict, Wanted, examine};
use crate::failure::Failure;
use crate::progress;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The URL of a feed, or a stream's id or name; else a stream of the account
    #[arg(value_name = "URL|STREAM")]
    what: Option<String>,
    /// The id of a stream, which is not looked up
    #[arg(long, value_name = "ID", conflicts_with = "what")]
    stream: Option<String>,
    /// Watch how long a quiet connection lives
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "120")]
    patient: Option<u64>,
    /// How long to listen for events; a quiet feed sends a heartbeat each 15 s
    #[arg(long, value_name = "SECONDS", default_value_t = 35.0)]
    listen: f64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Exit codes, by the first step that fails:
  20 key  21 proxy  22 names  23 tcp  24 tunnel  25 tls  26 http
  27 key accepted  28 clock  29 first byte  30 held back
  31 cut or end  32 silence  33 longest URL  34 websocket
  35 feed: no stream was named, and none is to be had";

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let client = match context.client() {
        Ok(client) => client,
        // A proxy's URL that can't be read is a finding, too: nothing is sent then.
        Err(failure) => context.builder()?.no_proxy().build().map_err(|_| failure)?,
    };
    let wanted = match (args.what, args.stream) {
        (Some(url), _) if url.contains("://") => {
            Wanted::Url(Url::parse(&url).map_err(Failure::usage)?)
        }
        (Some(word), _) => Wanted::Word(word),
        (None, Some(id)) => Wanted::Id(id),
        (None, None) => Wanted::Any,
    };
    let listen = Duration::try_from_secs_f64(args.listen).map_err(Failure::usage)?;
    let patient = args.patient.map(Duration::from_secs);
    let options = Options { listen, patient, ..Options::of(context)? };
    let mut case = Case::new(wanted, options, client)?;
    let mut failed = None;
    let doing = progress::spinner();
    let begin = |step: &Step| doing.set_message(format!("{}, up to {listen:?} …", step.name));
    let tried = examine(&mut case, begin, |one| {
        if !args.json && failed.is_none() {
            failed = doing.suspend(|| say(&line(one))).err();
        }
    });
    let tried = tried.await;
    doing.finish_and_clear();
    let first = tried.iter().find(|one| one.finding.verdict == Verdict::Failed);
    if args.json {
        let steps: Vec<_> = tried.iter().map(object).collect();
        let first = first.map(|one| one.step.name);
        failed = say(&format!("{}\n", json!({ "steps": steps, "first_failure": first }))).err();
    }
    if let Some(error) = failed {
        return Err(Failure::output(error));
    }
    first.map_or(Ok(()), |one| Err(Failure::silent(one.step.exit_code)))
}

fn line(one: &Tried) -> String {
    let Tried { step, finding, took } = one;
    let (verdict, name) = (finding.verdict.word(), step.name);
    let mut line = format!("{verdict:<8} {name:<13} {:>6} ms  ", took.as_millis());
    line.push_str(&plain(&finding.found));
    line.push('\n');
    if let Some(advice) = &finding.advice {
        line.push_str(&format!("{:35}→ {}\n", "", plain(advice)));
    }
    line
}

fn object(one: &Tried) -> serde_json::Value {
    let Tried { step, finding, took } = one;
    json!({
        "step": step.name, "verdict": finding.verdict.word().to_lowercase(),
        "exit_code": step.exit_code, "ms": took.as_millis() as u64,
        "found": plain(&finding.found), "advice": finding.advice.as_deref().map(plain),
    })
}

/// What a peer sent may be in it.
fn plain(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    restless_tokio::redacted(&text)
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Finding, STEPS};

    #[test]
    fn a_key_shows_neither_in_what_was_found_nor_in_the_advice() {
        let key = format!("rs_{}", "ab".repeat(16));
        let text = format!("a header says\n{key}");
        let finding = Finding::failed(text.as_str(), text.as_str());
        let tried = Tried { step: STEPS.first().expect("a step"), finding, took: Duration::ZERO };
        let shown = format!("{} {}", line(&tried), object(&tried));
        assert!(!shown.contains(&key) && shown.contains("a header says"), "{shown}");
        assert!(!object(&tried)["advice"].as_str().expect("a text").contains('\n'));
    }
}
