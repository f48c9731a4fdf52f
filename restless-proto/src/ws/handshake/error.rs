//! What can be wrong with a response that should open a WebSocket.

use std::fmt;

use http::StatusCode;

/// A response that does not open a WebSocket (RFC 6455 §4.1), each with what was seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The status is not 101: the server refused, or wants something else first.
    #[error("expected status 101 to switch protocols, got {status}")]
    Status {
        /// The response's status.
        status: StatusCode,
    },
    /// `Upgrade` is missing or not `websocket`.
    #[error("expected the field upgrade to be websocket, got {}", Seen(.seen))]
    Upgrade {
        /// The field's value.
        seen: Option<String>,
    },
    /// `Connection` is missing or does not list `Upgrade`.
    #[error("expected the field connection to list upgrade, got {}", Seen(.seen))]
    Connection {
        /// The field's value.
        seen: Option<String>,
    },
    /// `Sec-WebSocket-Accept` does not answer our key: the answer is a cache's, or that of a server
    /// that lacks WebSocket.
    #[error("expected the field sec-websocket-accept to be {expected}, got {}", Seen(.seen))]
    Accept {
        /// The only right value.
        expected: String,
        /// The field's value; of several fields, all, with commas between.
        seen: Option<String>,
    },
    /// `Sec-WebSocket-Extensions` breaks its grammar (§9.1).
    #[error("the field sec-websocket-extensions can't be read: {seen:?}")]
    Extensions {
        /// The field's value.
        seen: String,
    },
    /// The server uses an extension that was not offered, or uses one twice.
    #[error("expected at most the extension {}, once, got {seen:?}", .offered.unwrap_or("none"))]
    UnofferedExtension {
        /// What was offered.
        offered: Option<&'static str>,
        /// The extension's name.
        seen: String,
    },
    /// A parameter of permessage-deflate contradicts the offer (RFC 7692 §7.1).
    #[error(
        "the response to the offer {offered:?} has the parameter {name:?} as {}: {rule}", Seen(.seen)
    )]
    DeflateParameter {
        /// The whole offer.
        offered: String,
        /// The parameter's name.
        name: String,
        /// The parameter's value.
        seen: Option<String>,
        /// What was expected.
        rule: &'static str,
    },
    /// The server chose a subprotocol that was not offered, or more than one (§11.3.4).
    #[error("expected one of the subprotocols {offered:?}, got {seen:?}")]
    Subprotocol {
        /// What was offered.
        offered: Vec<String>,
        /// The field's value.
        seen: String,
    },
}

/// Prints on one line what the peer wrote, or that the field was missing.
struct Seen<'a>(&'a Option<String>);

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(seen) => write!(f, "{seen:?}"),
            None => f.write_str("nothing"),
        }
    }
}
