//! A driver as a program in any language may be one, for the trial of drivers: a line of JSON on
//! standard input says what to do, lines of JSON on standard output say what happens, and the end
//! of standard input closes it. `restless_trial::Program` says what is in the lines.
//!
//! ```console
//! $ cargo build --example driver-by-stdin
//! $ cargo run -p restless-trial -- --stdin target/debug/examples/driver-by-stdin
//! ```

use std::error::Error as StdError;
use std::io::{self, Read as _, Write as _};
use std::process::exit;
use std::time::Duration;

use restless_blocking::subscription::{Ended, Event, Item};
use restless_blocking::{Client, Error, StreamEvent, Subscription, model, streams};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Told {
    service: Service,
    follow: Option<Follow>,
    get: Option<Get>,
    create: Option<Create>,
}

#[derive(Deserialize)]
struct Service {
    api_key: String,
    api_base_url: String,
    stream_base_url: String,
}

/// `limit` is left out: standard input ends once there are enough.
#[derive(Deserialize)]
struct Follow {
    stream: String,
    transport: String,
    cursor: Option<String>,
    since: Option<String>,
    retry_seconds: Option<f64>,
    idle_seconds: Option<f64>,
    max_reconnects: Option<u32>,
}

#[derive(Deserialize)]
struct Get {
    id: String,
    timeout_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct Create {
    name: String,
    url: String,
    timeout_seconds: Option<f64>,
}

fn main() -> Result<(), Box<dyn StdError>> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let told: Told = serde_json::from_str(&line)?;
    std::thread::spawn(|| {
        // Whatever comes now is the end. The system closes what is open.
        let _ = io::stdin().read(&mut [0]);
        exit(0);
    });
    let service = &told.service;
    let timeout = match &told {
        Told { get: Some(get), .. } => get.timeout_seconds,
        Told { create: Some(create), .. } => create.timeout_seconds,
        _ => None,
    };
    let mut client = Client::builder()
        .api_key(service.api_key.as_str())
        .base_url(service.api_base_url.as_str())
        .stream_base_url(service.stream_base_url.as_str());
    if let Some(seconds) = timeout {
        client = client.timeout(Duration::try_from_secs_f64(seconds)?);
    }
    let client = client.build()?;
    match told {
        Told { follow: Some(follow), .. } => run(&client, &follow)?,
        Told { get: Some(get), .. } => answer(client.send(streams::get(get.id))),
        Told { create: Some(create), .. } => {
            answer(client.send(streams::create(create.name, create.url)));
        }
        _ => return Err("nothing to do".into()),
    }
    Ok(())
}

fn answer(answer: Result<model::Stream, Error>) {
    match answer {
        Ok(stream) => say(&json!({ "answer": { "id": stream.id } }).to_string()),
        Err(error) => say(&json!({ "failed": causes(&error) }).to_string()),
    }
}

fn run(client: &Client, follow: &Follow) -> Result<(), Box<dyn StdError>> {
    let mut subscription = Subscription::stream(follow.stream.as_str());
    if follow.transport == "websocket" {
        subscription = subscription.websocket();
    }
    if let Some(cursor) = &follow.cursor {
        subscription = subscription.cursor(cursor.as_str());
    }
    if let Some(since) = &follow.since {
        subscription = subscription.since(since.as_str());
    }
    if let Some(seconds) = follow.retry_seconds {
        subscription = subscription.retry(Duration::try_from_secs_f64(seconds)?);
    }
    if let Some(seconds) = follow.idle_seconds {
        subscription = subscription.idle_timeout(Duration::try_from_secs_f64(seconds)?);
    }
    if let Some(most) = follow.max_reconnects {
        subscription = subscription.max_reconnects(most);
    }
    let mut events = client.subscribe(subscription)?;
    while let Some(event) = events.next_event() {
        match event {
            Event::Item(Item::Event(event)) => say(&line(&event, events.cursor())),
            Event::Ended(ended) => say(&end(ended)),
            _ => {}
        }
    }
    Ok(())
}

/// `data` goes out as it came, save that a line end between two tokens becomes a space.
fn line(event: &StreamEvent, cursor: Option<&str>) -> String {
    let (name, payload) = match event.data() {
        Some(data) => ("data", data.get().replace(['\n', '\r'], " ")),
        None => ("error", json!(event.error()).to_string()),
    };
    let (kind, id, cursor) = (event.kind(), json!(event.event_id()), json!(cursor));
    format!(r#"{{"type":"{kind}","event_id":{id},"cursor":{cursor},"{name}":{payload}}}"#)
}

fn end(ended: Ended) -> String {
    let gave_up = matches!(ended, Ended::GaveUp { .. });
    let (how, text) = match ended.into_error() {
        None if gave_up => ("gave-up", String::new()),
        None => ("complete", String::new()),
        Some(error) if gave_up => ("gave-up", causes(&error)),
        Some(error) => ("refused", causes(&error)),
    };
    json!({ "ended": how, "text": text }).to_string()
}

fn say(line: &str) {
    // With standard output gone there is nobody left to tell.
    if writeln!(io::stdout().lock(), "{line}").is_err() {
        exit(1);
    }
}

/// An error and its causes, in one line.
fn causes(error: &dyn StdError) -> String {
    let errors = std::iter::successors(Some(error), |error| (*error).source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
