//! What an error of hyper's means to the protocol.

use std::error::Error;
use std::io;

use restless_proto::{TransportError, TransportErrorKind};

use super::MOST_FIELDS;
use super::head::HeadTooLong;
use crate::tls;

pub(crate) fn failure(error: hyper::Error) -> TransportError {
    if let Some((kind, meaning)) = unsupported(&error) {
        return TransportError::new(kind, Explained { meaning, source: error });
    }
    let kind = if error.is_user() {
        TransportErrorKind::Request
    } else if error.is_parse() {
        TransportErrorKind::Protocol
    } else {
        match io_error(&error) {
            Some(io) if io.get_ref().is_some_and(|why| why.is::<HeadTooLong>()) => {
                TransportErrorKind::Protocol
            }
            // In TLS 1.3 a server refuses a client's certificate, or the lack of one, only when the
            // handshake is over for the client (RFC 8446 §4.4.2.4).
            Some(io) => tls::kind(io),
            None => TransportErrorKind::Broken,
        }
    };
    TransportError::new(kind, error)
}

/// What others read and hyper does not, in words: see [`known_limits`](crate::known_limits).
#[derive(Debug, thiserror::Error)]
#[error("{meaning} (see restless_hyper::known_limits)")]
struct Explained {
    meaning: String,
    source: hyper::Error,
}

/// Tells errors apart that hyper tells apart by their text alone; a test in the suite holds each.
fn unsupported(error: &hyper::Error) -> Option<(TransportErrorKind, String)> {
    if error.is_parse() && error.to_string().contains("head is too large") {
        let meaning = format!(
            "the response's head is over {MOST_FIELDS} fields or 400 KiB, or its content-length is \
             2^64 - 2 bytes or more"
        );
        return Some((TransportErrorKind::Unsupported, meaning));
    }
    if io_error(error).is_some_and(|io| io.to_string().contains("chunk extensions over limit")) {
        // The connection counts from its beginning, and the next response has a count of its own.
        let meaning = "the response's chunk extensions are over 16 KiB together".to_owned();
        return Some((TransportErrorKind::Protocol, meaning));
    }
    None
}

/// Returns the error of the connection that caused another error.
fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}
