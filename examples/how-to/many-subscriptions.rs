//! Follows all streams of an account by one client and in one task, however many there are. Each is
//! polled only when something has come for it.
//!
//! `cargo run --example how-to-many-subscriptions -- [EVENTS]`: the service is that of the
//! environment; with an argument, it ends after so many events. Each stream takes a socket, so that
//! the limit for open files (`ulimit -n`) has to be above their number.

use std::error::Error;
use std::io::Write as _;

use futures_util::StreamExt as _;
use futures_util::stream::SelectAll;
use restless_tokio::{Client, Subscription, streams};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut left: u64 = std::env::args().nth(1).map_or(Ok(u64::MAX), |events| events.parse())?;
    let client = Client::from_env()?;

    let mut all = SelectAll::new();
    let mut pages = client.pages(streams::list().limit(100));
    while let Some(stream) = pages.next().await {
        let id = stream?.id;
        let events = client.subscribe(Subscription::stream(&id).since("0"))?;
        all.push(events.map(move |item| (id.clone(), item)));
    }
    let mut out = std::io::stdout().lock();
    while left > 0 {
        let Some((id, item)) = all.next().await else { break };
        match item {
            Ok(item) => {
                let Some(event) = item.event() else { continue };
                writeln!(out, "{id} {}", event.raw())?;
                left -= 1;
            }
            // That one is over; the others go on.
            Err(error) => eprintln!("{id}: {error}"),
        }
    }
    Ok(())
}
