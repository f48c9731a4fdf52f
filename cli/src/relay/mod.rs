//! `restless relay`: many feeds, one store.

#![cfg_attr(
    not(any(feature = "sqlite", feature = "ndjson", feature = "postgres", feature = "nats")),
    allow(
        unused_variables,
        unused_mut,
        reason = "without any sink there is no store to go on with"
    )
)]

mod config;
mod metrics;
mod report;
mod sink;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use restless_relay::{Ended, Handle, Relay, RelayError};
use tokio::task::JoinSet;

pub(crate) use config::{Config, Destination};

use crate::context::Context;
use crate::failure::{Failure, causes};
use crate::output::note;
use crate::relay::metrics::Metrics;
use crate::relay::report::Report;
use crate::relay::sink::Store;
use crate::stop::Stop;

/// What each feed is doing, by its name.
type Handles = BTreeMap<String, Handle>;

/// Relays until every feed is over, or a signal comes.
pub(crate) async fn serve(
    config: Config,
    to: Option<Destination>,
    metrics: Option<SocketAddr>,
    context: &Context,
) -> Result<(), Failure> {
    let client = context.client()?;
    let Some(to) = to.or_else(|| config.to.clone()) else {
        return Err(Failure::message(2, "no store: say --to, or `to` in the file"));
    };
    let mut stop = Stop::listen().map_err(|error| Failure::new(1, "no signals", error))?;
    let store = tokio::select! {
        store = Store::open(&to, context) => store?,
        // Nothing has been read yet.
        () = stop.asked() => return Ok(()),
    };
    let mut relays = JoinSet::new();
    let (mut handles, mut names) = (Handles::new(), HashMap::new());
    for feed in config.feeds()? {
        let name = feed.name().to_owned();
        let relay = Relay::new(client.clone(), feed, store.clone());
        handles.insert(name.clone(), relay.handle());
        let task = relays.spawn({
            let name = name.clone();
            async move { (name, relay.run().await) }
        });
        names.insert(task.id(), name);
    }
    let metrics = match metrics {
        Some(address) => Some(Metrics::listen(address, handles.clone()).await?),
        None => None,
    };
    let mut report = Report::begin(&to, metrics.as_ref().map(Metrics::address));
    let served = async {
        match &metrics {
            Some(metrics) => metrics.serve().await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(served);
    let (mut failed, mut broken) = (None, None);
    let mut draining = false;
    loop {
        tokio::select! {
            ended = relays.join_next() => match ended {
                None => break,
                Some(Ok((name, Ok(ended)))) => report.ended(&name, &ended),
                Some(Ok((name, Err(error)))) => {
                    report.failed(&name, &error);
                    failed = failed.or(Some((name, error)));
                }
                // The others go on: their ends are told before this one ends the program.
                Some(Err(panicked)) => {
                    let name = names.get(&panicked.id()).map_or("", String::as_str);
                    note(&format!("feed {name}: {panicked}"));
                    broken.get_or_insert_with(|| Failure::new(1, format!("feed {name}"), panicked));
                }
            },
            () = stop.asked(), if !draining => {
                draining = true;
                report.draining();
                handles.values().for_each(Handle::stop);
            }
            () = report.due() => report.progress(&handles),
            () = &mut served => {}
        }
    }
    report.finish(&handles);
    if let Some(broken) = broken {
        return Err(broken);
    }
    failed.map_or(Ok(()), |(name, error)| Err(failure(error).of(&format!("feed {name}"))))
}

/// What a feed's end means for the process: settings, the store, or the service.
fn failure(error: RelayError) -> Failure {
    let code = match error {
        RelayError::Stream(error) => return error.into(),
        RelayError::Config(_) => 2,
        _ => 5,
    };
    Failure::message(code, causes(&error).join(": "))
}

/// How a feed has ended, in a word.
fn word(ended: &Ended) -> &'static str {
    match ended {
        Ended::Stopped => "stopped",
        _ => "over",
    }
}
