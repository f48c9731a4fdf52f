//! `restless streams`: the streams of an account.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use restless_tokio::{Client, snippets, streams, usage};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::call::Calling;
use crate::context::Context;
use crate::data;
use crate::failure::Failure;
use crate::output::{Output, code, harmless, note, print, reply};
use crate::polling::{Polling, put};
use crate::progress;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    calling: Calling,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List streams.
    Ls {
        /// Show at most so many; the default is all
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Show a stream.
    Get(Id),
    /// Create a stream, which polls a REST API.
    Create(Box<Fields>),
    /// Change a stream; what is not named stays.
    Update(Box<Update>),
    /// Let a stream poll.
    Start(Id),
    /// Let a stream poll no more.
    Stop(Id),
    /// Delete streams for good.
    Rm {
        /// The streams' ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Do not ask first; outside of a terminal the flag is needed
        #[arg(long, short)]
        yes: bool,
    },
    /// Show what a stream has cost, day by day.
    Usage(Id),
    /// Print code that follows a stream.
    Snippets {
        #[command(flatten)]
        stream: Id,
        /// In which language; the languages are listed below the code
        #[arg(long, value_name = "NAME")]
        language: Option<String>,
    },
}

/// Which stream.
#[derive(Debug, clap::Args)]
struct Id {
    /// The stream's id, as `restless streams ls` has it
    id: String,
}

/// What a stream can be given.
#[derive(Debug, clap::Args)]
struct Fields {
    /// All fields as a JSON object: @FILE, or the text; a flag wins over the object
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// The stream's name
    #[arg(long)]
    name: Option<String>,
    /// The REST API's URL
    #[arg(long)]
    url: Option<String>,
    /// What the stream is for
    #[arg(long)]
    description: Option<String>,
    /// Whether the stream polls: ACTIVE (the default) or INACTIVE
    #[arg(long)]
    status: Option<String>,
    /// Whether the service signs updates
    #[arg(long, value_name = "BOOL")]
    hmac_signature_enabled: Option<bool>,
    #[command(flatten)]
    polling: Polling,
}

#[derive(Debug, clap::Args)]
struct Update {
    #[command(flatten)]
    stream: Id,
    /// Take this field away; can be given again
    #[arg(long, value_name = "FIELD", value_parser = CLEARABLE)]
    clear: Vec<String>,
    #[command(flatten)]
    fields: Fields,
}

const CLEARABLE: [&str; 5] = ["description", "headers", "body", "jqFilter", "pollingStrategies"];
const COLUMNS: &[&str] = &["id", "name", "status", "pollingInterval", "payloadMode", "url"];

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let calling = &args.calling;
    let answer = match args.command {
        Command::Ls { limit } => return list(limit, calling, &client, context).await,
        Command::Rm { ids, yes } => return remove(&ids, yes, calling, &client, context).await,
        Command::Usage(Id { id }) => return show_usage(&id, calling, &client, context).await,
        Command::Snippets { stream, language } => {
            let mut call = snippets::connection_snippets().stream_id(stream.id);
            if let Some(language) = language {
                call = call.language(language);
            }
            let answer = calling.send(call, &client, context).await?;
            return answer.map_or(Ok(()), |answer| code(&answer, calling.output));
        }
        Command::Get(Id { id }) => calling.send(streams::get(id), &client, context).await?,
        Command::Create(fields) => {
            let call = streams::create_from(fields.object()?);
            calling.send(call, &client, context).await?
        }
        Command::Update(update) => {
            let mut object = update.fields.object()?;
            object.extend(update.clear.into_iter().map(|field| (field, Value::Null)));
            if object.is_empty() {
                return Err(Failure::message(2, "nothing to change: give a flag or --data"));
            }
            let call = streams::update(update.stream.id).fields(object);
            calling.send(call, &client, context).await?
        }
        Command::Start(Id { id }) => calling.send(streams::start(id), &client, context).await?,
        Command::Stop(Id { id }) => calling.send(streams::stop(id), &client, context).await?,
    };
    match answer {
        Some(answer) => reply(&answer, calling.output, COLUMNS),
        None => Ok(()),
    }
}

impl Fields {
    fn object(&self) -> Result<Map<String, Value>, Failure> {
        let mut object = data::object(self.data.as_deref())?;
        put(&mut object, "name", &self.name);
        put(&mut object, "url", &self.url);
        put(&mut object, "description", &self.description);
        put(&mut object, "status", &self.status);
        put(&mut object, "hmacSignatureEnabled", self.hmac_signature_enabled);
        self.polling.put_into(&mut object);
        Ok(object)
    }
}

async fn list(
    limit: Option<usize>,
    calling: &Calling,
    client: &Client,
    context: &Context,
) -> Result<(), Failure> {
    if calling.dry_run {
        return calling.send(streams::list(), client, context).await.map(drop);
    }
    let mut pages = client.pages(streams::list());
    let mut all = Vec::new();
    let doing = progress::spinner();
    doing.set_message("streams …");
    while all.len() < limit.unwrap_or(usize::MAX) {
        let Some(stream) = pages.next().await else { break };
        all.push(value(&stream?)?);
        doing.set_message(format!("{} streams …", all.len()));
    }
    doing.finish_and_clear();
    reply(&Value::Array(all), calling.output, COLUMNS)
}

async fn remove(
    ids: &[String],
    yes: bool,
    calling: &Calling,
    client: &Client,
    context: &Context,
) -> Result<(), Failure> {
    if !yes && !calling.dry_run && !confirm(ids)? {
        return Err(Failure::message(2, "nothing was deleted"));
    }
    let mut answers = Vec::new();
    let mut failed = Ok(());
    for id in ids {
        match calling.send(streams::delete(id), client, context).await {
            Ok(answer) => {
                // What is gone is told at once: an interrupt may come before the answers.
                if ids.len() > 1 && answer.is_some() {
                    note(&format!("{id} is deleted"));
                }
                answers.extend(answer);
            }
            Err(failure) => {
                failed = Err(failure.of(id));
                break;
            }
        }
    }
    // Of several, one document; also of those before the one that failed.
    match &*answers {
        [] => {}
        [answer] if ids.len() == 1 => reply(answer, calling.output, &[])?,
        _ => reply(&Value::Array(answers), calling.output, &["id", "affected"])?,
    }
    failed
}

/// Asks on a terminal; elsewhere nobody could answer.
fn confirm(ids: &[String]) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::message(2, "deleting for good: say --yes where nobody can be asked"));
    }
    let mut error = std::io::stderr().lock();
    let _ = write!(error, "Delete {} for good? [y/N] ", ids.join(", "));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new(2, "standard input", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn show_usage(
    id: &str,
    calling: &Calling,
    client: &Client,
    context: &Context,
) -> Result<(), Failure> {
    let Some(answer) = calling.send(usage::credit_usage_stats(id), client, context).await? else {
        return Ok(());
    };
    if calling.output != Output::Table {
        return reply(&answer, calling.output, &[]);
    }
    print(&harmless(&bars(&answer)))
}

/// The days as bars, the longest of them 40 characters.
fn bars(usage: &Value) -> String {
    let credits = |of: &Value, name: &str| of[name].as_i64().unwrap_or_default();
    let days = usage["dailyUsage"].as_array().map(Vec::as_slice).unwrap_or_default();
    let most = days.iter().map(|day| credits(day, "creditsUsed")).max().unwrap_or_default().max(1);
    let mut text = String::new();
    for day in days {
        let used = credits(day, "creditsUsed");
        let length = usize::try_from(used.saturating_mul(40) / most).unwrap_or_default();
        let date = day["date"].as_str().unwrap_or_default();
        text += format!("{date:<12}{used:>10}  {}", "█".repeat(length)).trim_end();
        text.push('\n');
    }
    let (week, month) = ("totalBurnedLastWeek", "totalBurnedLastMonth");
    text + &format!(
        "{:<12}{:>10}\n{:<12}{:>10}\n",
        "last week",
        credits(usage, week),
        "last month",
        credits(usage, month)
    )
}

fn value(stream: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(stream).map_err(|error| Failure::new(1, "a stream", error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bars_are_as_long_as_their_part_of_the_longest() {
        let usage = json!({
            "totalBurnedLastWeek": 30,
            "totalBurnedLastMonth": 90,
            "dailyUsage": [
                {"date": "2026-11-26", "creditsUsed": 20},
                {"date": "2026-11-27", "creditsUsed": 10},
                {"date": "2026-11-28", "creditsUsed": 0},
            ],
        });
        let text = bars(&usage);
        let lengths: Vec<usize> = text.lines().map(|line| line.matches('█').count()).collect();
        assert_eq!(lengths, [40, 20, 0, 0, 0], "{text}");
        assert!(text.ends_with("last week           30\nlast month          90\n"), "{text}");
    }
}
