//! What the tests of this crate share.

#[cfg(feature = "nats")]
pub(crate) mod nats;
#[cfg(any(feature = "nats", feature = "postgres"))]
pub(crate) mod port;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;

use restless_emulator::Emulator;
use restless_relay::proto::Subscription;
use restless_relay::{Feed, Record};
use restless_tokio::Client;

/// An emulator with a stream that is fed by `publish` alone, and that stream's id.
pub(crate) fn emulator() -> (Emulator, String) {
    let emulator = Emulator::builder().ring(100_000).log_requests(false).start().unwrap();
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).unwrap();
    (emulator, id)
}

pub(crate) fn client(api_key: &str, base_url: &str) -> Client {
    Client::builder().api_key(api_key).stream_base_url(base_url).build().unwrap()
}

pub(crate) fn client_of(emulator: &Emulator) -> Client {
    client(emulator.api_key(), &emulator.stream_base_url())
}

/// The stream from its first event on.
pub(crate) fn feed(id: &str) -> Feed {
    Feed::new("orders", Subscription::stream(id).since("0").retry(std::time::Duration::ZERO))
}

/// The texts of events.
pub(crate) fn texts(records: &[Record]) -> Vec<String> {
    records.iter().filter_map(Record::event).map(|event| event.raw().to_owned()).collect()
}

/// The server's truth.
pub(crate) fn log(emulator: &Emulator, id: &str) -> Vec<String> {
    emulator.log(id).into_iter().map(|event| event.envelope).collect()
}

/// A number that a variable of the environment says, or the usual one.
pub(crate) fn asked(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |number| number.parse().unwrap())
}
