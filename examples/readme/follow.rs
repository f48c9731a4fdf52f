//! Follows the stream whose id is the argument.

use restless_tokio::subscription::{Event, Item};
use restless_tokio::{Client, Error, Subscription};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let id = std::env::args().nth(1).unwrap_or_default();
    let mut events = Client::from_env()?.subscribe(Subscription::stream(id).since("0"))?;
    while let Some(event) = events.next_event().await {
        match event {
            Event::Opened(_) => eprintln!("connected"),
            Event::Unanswered => eprintln!("no answer yet: something in between may hold it back"),
            Event::Item(Item::Event(event)) => println!("{}", event.raw()),
            Event::Item(Item::Rejected(rejected)) => eprintln!("rejected: {rejected}"),
            // The subscription connects again by itself, and resumes where it was.
            Event::Lost(lost) => {
                eprintln!("lost: {}; reconnect {} follows", lost.reason, lost.attempt)
            }
            // The subscription can go no further, and says why.
            Event::Ended(ended) => return ended.into_error().map_or(Ok(()), Err),
            _ => {}
        }
        eprintln!("the position to store: {:?}", events.cursor());
    }
    Ok(())
}
