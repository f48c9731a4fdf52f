//! `restless direct`: a REST API without a stream of its own.

use restless_tokio::{direct, url};
use serde_json::{Map, Value, json};

use crate::call::Calling;
use crate::context::Context;
use crate::data;
use crate::failure::Failure;
use crate::output::{print, reply};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    calling: Calling,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print commands, URLs and code for it.
    Setup {
        #[command(flatten)]
        target: Target,
        /// In which language
        #[arg(long, value_name = "NAME")]
        language: Option<String>,
    },
    /// Make a session: a URL that stays.
    Session {
        #[command(flatten)]
        target: Target,
        /// The key that the session is found again by
        #[arg(long, value_name = "KEY")]
        dedupe_key: Option<String>,
    },
    /// Print the URL to follow, without a key in it.
    Url {
        #[command(flatten)]
        target: Target,
        /// Over WebSocket
        #[arg(long)]
        ws: bool,
    },
}

/// What is polled, and how.
#[derive(Debug, clap::Args)]
struct Target {
    /// The REST API's URL
    target: Option<String>,
    /// All of it as a JSON object: @file.json, or the text; flags come before it
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// How to ask it: GET, POST, ...
    #[arg(long)]
    method: Option<String>,
    /// A field for it, `Name: value`; can be given again
    #[arg(long = "header", value_name = "FIELD", value_parser = data::header)]
    headers: Vec<(String, String)>,
    /// Content for it, a JSON object
    #[arg(long, value_name = "JSON", value_parser = data::value)]
    body: Option<Value>,
    /// A jq filter over its answers
    #[arg(long, value_name = "FILTER")]
    jq_filter: Option<String>,
    /// What updates hold: FULL_DATA or JSON_PATCH
    #[arg(long, value_name = "MODE")]
    payload_mode: Option<String>,
    /// Seconds between two questions
    #[arg(long, value_name = "S")]
    polling_interval: Option<u64>,
    /// Another interval for a time of day, 09:00-17:00=30; can be given again
    #[arg(long = "polling-strategy", value_name = "TIMES", value_parser = data::strategy)]
    polling_strategies: Vec<Value>,
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
            calling.send(call, &client, context).await?
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
        let mut set = |name: &str, value: Value| {
            if !value.is_null() {
                object.insert(name.to_owned(), value);
            }
        };
        set("url", json!(self.target));
        set("method", json!(self.method));
        set("body", json!(self.body));
        set("jqFilter", json!(self.jq_filter));
        set("payloadMode", json!(self.payload_mode));
        set("pollingInterval", json!(self.polling_interval));
        if !self.headers.is_empty() {
            set("headers", Value::Object(self.header_map()));
        }
        if !self.polling_strategies.is_empty() {
            set("pollingStrategies", json!(self.polling_strategies));
        }
        if object.is_empty() {
            return Err(Failure::message(2, "nothing to poll: give a URL or --data"));
        }
        Ok(object)
    }

    /// The same as a value to make a URL of.
    fn of_flags(&self) -> Result<direct::Target, Failure> {
        if self.data.is_some() || !self.polling_strategies.is_empty() {
            let message = "a URL is made of a target and flags, without --data or strategies";
            return Err(Failure::message(2, message));
        }
        let url = self.target.as_deref();
        let mut target = direct::target(
            url.ok_or_else(|| Failure::message(2, "nothing to poll: give the API's URL"))?,
        );
        if let Some(method) = &self.method {
            target = target.method(method.as_str());
        }
        if let Some(body) = &self.body {
            target = target.body(body);
        }
        if let Some(filter) = &self.jq_filter {
            target = target.jq_filter(filter.as_str());
        }
        if let Some(mode) = &self.payload_mode {
            target = target.payload_mode(mode.as_str());
        }
        if let Some(seconds) = self.polling_interval {
            target = target.polling_interval(seconds);
        }
        if !self.headers.is_empty() {
            target = target.headers(self.header_map());
        }
        Ok(target)
    }

    fn header_map(&self) -> Map<String, Value> {
        self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
    }
}
