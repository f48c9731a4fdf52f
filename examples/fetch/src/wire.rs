//! What the page and the test that opens it say to each other: JSON in WebSocket messages.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the test asks the page for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// The run that it begins, or ends.
    pub run: u64,
    /// What to do.
    pub what: What,
}

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
pub enum What {
    /// Run `GET /streams/{id}`.
    Get {
        /// Where the service is.
        service: Service,
        /// The stream's id.
        id: String,
        /// The longest that the call may take.
        timeout: Option<Duration>,
    },
    /// Run `POST /streams`.
    Create {
        /// Where the service is.
        service: Service,
        /// The stream's name.
        name: String,
        /// The URL of the REST API.
        url: String,
        /// The longest that the call may take.
        timeout: Option<Duration>,
    },
    /// Follow a stream.
    Follow(Box<Follow>),
    /// End what runs, and its connection.
    Close,
}

/// Which service to use, and with whose key.
#[derive(Debug, Serialize, Deserialize)]
pub struct Service {
    /// The key; empty for none.
    pub api_key: String,
    /// The base of calls' URLs.
    pub api_base_url: String,
    /// The base of streams' URLs.
    pub stream_base_url: String,
}

/// What to follow, and how.
#[derive(Debug, Serialize, Deserialize)]
pub struct Follow {
    /// Where the service is.
    pub service: Service,
    /// The stream's id.
    pub stream: String,
    /// Over WebSocket instead of server-sent events.
    pub websocket: bool,
    /// The position to start at.
    pub cursor: Option<String>,
    /// The position to start at until there is a cursor.
    pub since: Option<String>,
    /// The reconnection time.
    pub retry: Option<Duration>,
    /// The longest silence accepted.
    pub idle: Option<Duration>,
    /// The most reconnects in a row that bring no event.
    pub max_reconnects: Option<u32>,
}

/// What the page tells the test.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The run; 0 for the page itself.
    pub run: u64,
    /// What happened in it.
    pub told: Told,
}

/// What happened.
#[derive(Debug, Serialize, Deserialize)]
pub enum Told {
    /// A call was answered with the stream of this id.
    Answer(String),
    /// A call failed, or the page itself; in words.
    Failed(String),
    /// A connection stands.
    Opened,
    /// An event came.
    Event {
        /// Its id.
        id: Option<String>,
        /// The position behind it.
        cursor: Option<String>,
        /// The JSON text of its data.
        data: Option<String>,
        /// The JSON text of its error.
        error: Option<String>,
    },
    /// Something came that is no event; in words.
    Rejected(String),
    /// The connection is gone, and another one follows; in words.
    Lost(String),
    /// The subscription is over.
    Ended {
        /// In which way.
        how: How,
        /// In words.
        text: String,
    },
}

/// The way in which a subscription ended.
#[derive(Debug, Serialize, Deserialize)]
pub enum How {
    /// In good order.
    Complete,
    /// The service's answer was such that to ask again is of no use.
    Refused,
    /// As many reconnects as allowed brought no event.
    GaveUp,
    /// In any other way.
    Failed,
}
