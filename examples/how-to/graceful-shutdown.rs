//! Ends when it is told to, by SIGTERM or Ctrl-C, in good order: what has come is printed, the
//! service is told that nobody listens any more, and where to go on stands in a file.
//!
//! `cargo run --example how-to-graceful-shutdown -- STREAM FILE`: the service is that of the
//! environment; at the next start, it goes on where the file says.

use std::error::Error;
use std::io::Write as _;
use std::pin::pin;

use restless_tokio::subscription::Item;
use restless_tokio::{Client, Subscription};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(stream), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("which stream, and which file?".into());
    };
    // From here on, a signal is for us.
    let mut told = pin!(told_to_end()?);

    let mut subscription = Subscription::stream(stream).websocket().since("0");
    if std::fs::exists(&file)? {
        subscription = subscription.cursor(std::fs::read_to_string(&file)?);
    }
    let mut events = Client::from_env()?.subscribe(subscription)?;
    let mut outcome = Ok(());
    let mut ending = false;
    loop {
        let item = tokio::select! {
            item = events.next() => item,
            () = &mut told, if !ending => {
                ending = true;
                // Over WebSocket the service answers, and `next` waits for that.
                events.close();
                continue;
            }
        };
        let Some(item) = item else { break };
        match item.as_ref().map(Item::event) {
            Ok(Some(event)) => writeln!(std::io::stdout(), "{}", event.raw())?,
            // What was rejected is passed.
            Ok(None) => {}
            // It is the last item, and what has come before it was printed.
            Err(_) => outcome = item.map(drop),
        }
    }
    if let Some(cursor) = events.cursor() {
        // Whole or not at all: a crash in the middle of it leaves the old one.
        let new = format!("{file}.new");
        std::fs::write(&new, cursor)?;
        std::fs::rename(&new, &file)?;
    }
    Ok(outcome?)
}

/// Completes on the first signal after this function has returned.
#[cfg(unix)]
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Completes on Ctrl-C.
#[cfg(not(unix))]
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler, the system's own ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
