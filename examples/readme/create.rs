//! Makes a stream of a REST API.

use restless_tokio::{Client, Error, streams};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = Client::from_env()?;
    let orders = client
        .send(streams::create("Orders", "https://api.example.com/orders").polling_interval(30))
        .await?;
    println!("{} is {}", orders.id, orders.status);
    Ok(())
}
