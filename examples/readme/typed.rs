//! Reads a stream's orders as values of a type of its own.

use restless_tokio::{Client, Error, Subscription};
use serde::Deserialize;

#[derive(Deserialize)]
struct Page {
    orders: Vec<Order>,
}

#[derive(Deserialize)]
struct Order {
    id: u64,
    status: String,
    total: f64,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let id = std::env::args().nth(1).unwrap_or_default();
    let mut events = Client::from_env()?.subscribe(Subscription::stream(id).since("0"))?;
    while let Some(item) = events.next().await {
        let item = item?;
        // An event of the kind `error` has no data: the API could not be asked.
        let Some(data) = item.event().and_then(|event| event.data()) else { continue };
        for Order { id, status, total } in data.parse::<Page>()?.orders {
            println!("order {id} over {total:.2} is {status}");
        }
    }
    Ok(())
}
