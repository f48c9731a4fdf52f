//! What is wrong with a response, or with a request that was to be sent.

use http::HeaderName;

use crate::kinds::{LimitError, TransportError, TransportErrorKind};

/// A response that can't be read. The peer acts, or whoever runs what stands in between.
///
/// No text of the error repeats what the peer has sent, which may hold a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The first bytes are not those of `HTTP/1.x` (RFC 9112 §2.3).
    #[error("what came is no response of HTTP/1")]
    NotHttp,
    /// The head breaks the grammar (RFC 9112 §4, §5): a bare CR, a NUL, a space before a colon.
    #[error("the head of the response can't be read: {0}")]
    Head(&'static str),
    /// The head is over its limit.
    #[error(transparent)]
    HeadTooLarge(LimitError),
    /// What comes before the head, a line before a chunk, or the trailer section is over its limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A peer that says HTTP/1.0 sent a status below 200, which HTTP/1.0 lacks (RFC 9110 §15.2).
    #[error("HTTP/1.0 has no status below 200")]
    InterimOfHttp10,
    /// `Content-Length` is another thing than one number of bytes (RFC 9110 §8.6): the field has a
    /// sign, a space or more than 63 bits, or its values differ.
    #[error("Content-Length {0}")]
    ContentLength(&'static str),
    /// `Transfer-Encoding` says something else than `chunked` alone, although no other coding was
    /// asked for (RFC 9112 §7.4).
    #[error("the transfer coding is {coding}, and only chunked alone is read")]
    TransferCoding {
        /// The codings in order; a coding that no registry names is `(unknown)`.
        coding: String,
    },
    /// The chunks break their grammar (RFC 9112 §7.1).
    #[error("the chunked content can't be read: {0}")]
    Chunk(&'static str),
    /// The chunks and the `Content-Length` beside them say different lengths (RFC 9112 §6.3).
    #[error("the chunks do not end where Content-Length says")]
    DifferentEnds,
    /// The connection ended before the response did (RFC 9112 §8).
    #[error("the connection ended before the response")]
    Incomplete,
}

impl From<ResponseError> for TransportError {
    fn from(error: ResponseError) -> Self {
        let kind = match error {
            ResponseError::Incomplete => TransportErrorKind::Broken,
            // The next answer would be the same.
            ResponseError::HeadTooLarge(_) | ResponseError::TransferCoding { .. } => {
                TransportErrorKind::Unsupported
            }
            _ => TransportErrorKind::Protocol,
        };
        Self::new(kind, error)
    }
}

/// A request that would not read the same at the other end. The developer acts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// `CONNECT` asks for a tunnel, which is no exchange (RFC 9110 §9.3.6).
    #[error("CONNECT asks for a tunnel, which is no exchange")]
    Connect,
    /// The URI lacks a scheme or a host.
    #[error("the URI is not absolute")]
    NotAbsolute,
    /// The URI's path or query has a byte outside ASCII, which RFC 3986 §2 forbids.
    #[error("the URI has a byte that must be percent-encoded")]
    Target,
    /// A field's value has CR, LF or NUL in it (RFC 9110 §5.5).
    #[error("the value of {name} has a line end or a NUL in it")]
    Value {
        /// The field's name.
        name: HeaderName,
    },
    /// `Content-Length` differs from the length of the content.
    #[error("Content-Length is not the length of the content")]
    ContentLength,
    /// `Transfer-Encoding` is given, and the content goes out by its length.
    #[error("the content goes out by its length, without a transfer coding")]
    TransferEncoding,
}

impl From<RequestError> for TransportError {
    fn from(error: RequestError) -> Self {
        Self::new(TransportErrorKind::Request, error)
    }
}
