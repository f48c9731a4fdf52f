//! `restless direct`: a REST API without a stream of its own.

use restless_tokio::{direct, url};
use serde_json::{Map, Value};

use crate::call::Calling;
use crate::context::Context;
use crate::data;
use crate::failure::Failure;
use crate::output::{code, print, reply};
use crate::polling::{Polling, put};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    calling: Calling,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print commands, URLs and code that follow the API.
    Setup {
        /// In which language; the languages are listed below the code
        #[arg(long, value_name = "NAME")]
        language: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Make a session: a URL that stays, and hides how the API is polled.
    Session {
        /// A name of yours: a session that has the name already is used again
        #[arg(long, value_name = "KEY")]
        dedupe_key: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Print the URL to follow, without a key in it.
    Url {
        /// For WebSocket instead of server-sent events
        #[arg(long)]
        ws: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// What is polled, and how.
#[derive(Debug, clap::Args)]
struct Target {
    /// The REST API's URL
    #[arg(value_name = "URL")]
    target: Option<String>,
    /// All fields as a JSON object: @FILE, or the text; a flag wins over the object
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    #[command(flatten)]
    polling: Polling,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let calling = &args.calling;
    let answer = match args.command {
        Command::Setup { target, language } => {
            let mut call = direct::setup_from(target.object()?);
            if let Some(language) = language {
                call = call.language(language);
            }
            let answer = calling.send(call, &client, context).await?;
            return answer.map_or(Ok(()), |answer| code(&answer, calling.output));
        }
        Command::Session { target, dedupe_key } => {
            let mut call = direct::session_from(target.object()?);
            if let Some(key) = dedupe_key {
                call = call.dedupe_key(key);
            }
            calling.send(call, &client, context).await?
        }
        Command::Url { target, ws } => {
            let target = target.of_flags()?;
            let url = if ws { url::direct_websocket(target) } else { url::direct_sse(target) };
            let url =
                url.base_url(client.service().stream_base_url()).build().map_err(Failure::usage)?;
            return print(&format!("{}\n", url.expose()));
        }
    };
    match answer {
        Some(answer) => reply(&answer, calling.output, &[]),
        None => Ok(()),
    }
}

impl Target {
    fn object(&self) -> Result<Map<String, Value>, Failure> {
        let mut object = data::object(self.data.as_deref())?;
        put(&mut object, "url", &self.target);
        self.polling.put_into(&mut object);
        if object.is_empty() {
            return Err(Failure::message(2, "nothing to poll: give a URL or --data"));
        }
        Ok(object)
    }

    /// The same as a value to make a URL of.
    fn of_flags(&self) -> Result<direct::Target, Failure> {
        match (&self.target, &self.data) {
            (Some(url), None) => Ok(self.polling.target(url)),
            (_, Some(_)) => Err(Failure::message(2, "a URL is made of flags, without --data")),
            (None, None) => Err(Failure::message(2, "nothing to poll: give the API's URL")),
        }
    }
}
