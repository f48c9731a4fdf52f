//! One exchange: bytes in, inputs out.

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Request, StatusCode, Version, header};

use super::chunked::{Chunked, take};
use super::error::ResponseError;
use super::framing::{Framing, lists, persists_behind};
use super::head;
use crate::kinds::{LimitError, TransportError};
use crate::machine::{End, ExchangeId, Input};
use crate::read_buffer::ReadBuffer;

/// Turns what comes over the connection after a request into a machine's [`Input`]s.
///
/// Feed an exchange what was read, then [`poll`](Self::poll) until the exchange is empty. The
/// beginning of a head is kept until the head is whole. All else passes through: content comes out
/// as slices of the bytes that were fed.
#[derive(Debug)]
pub struct Exchange {
    id: ExchangeId,
    connection: Connection,
    head_limit: usize,
    method: Method,
    /// Whether another exchange on this connection is possible, as far as is known so far.
    persists: bool,
    /// What was fed and not yet polled for, the beginning of a head included.
    unread: Bytes,
    end: Option<StreamEnd>,
    state: State,
}

/// How the stream of bytes ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StreamEnd {
    /// The peer closed the stream in good order: a FIN, and with TLS `close_notify` before the FIN
    /// (RFC 8446 §6.1).
    Closed,
    /// With TLS, the connection below ended without a `close_notify`. Content that ends with the
    /// connection may have been cut by anybody, and counts as cut (RFC 9112 §9.8).
    Truncated,
    /// Reading failed.
    Failed(TransportError),
}

/// ```text
/// Unknown ──► Stands ──► Told
/// ```
#[derive(Debug)]
enum Connection {
    /// The driver can't tell, or is yet to tell.
    Unknown,
    /// The next input says that the connection stands.
    Stands,
    Told,
}

/// ```text
/// Head ──► Length, Chunked, UntilEnd ──► Complete
///   └───────────────┴──────────────────► Failed
/// ```
#[derive(Debug)]
enum State {
    /// Interim responses and empty lines of `passed` bytes are passed over already. The end of the
    /// head is not among the first `searched` bytes received.
    Head {
        passed: usize,
        searched: usize,
    },
    Length(u64),
    Chunked(Chunked),
    UntilEnd,
    Complete,
    Failed,
}

/// The default of [`Exchange::with_head_limit`], in bytes.
const HEAD_LIMIT: usize = 64 << 10;

impl Exchange {
    /// Makes the exchange that [`Output::Open`](crate::machine::Output::Open) names, whose request
    /// was written by [`request_bytes`](super::request_bytes).
    pub fn new(id: ExchangeId, request: &Request<Bytes>) -> Self {
        Self {
            id,
            connection: Connection::Unknown,
            head_limit: HEAD_LIMIT,
            method: request.method().clone(),
            persists: !lists(request.headers(), &header::CONNECTION, "close"),
            unread: Bytes::new(),
            end: None,
            state: State::Head { passed: 0, searched: 0 },
        }
    }

    /// Sets the most bytes that the head may have, with the interim responses before it; the
    /// trailer section may have as many. Default: 64 KiB. More is a
    /// [`ResponseError`](super::ResponseError).
    #[must_use]
    pub fn with_head_limit(mut self, bytes: usize) -> Self {
        self.head_limit = bytes;
        self
    }

    /// States that the connection stands, and that the request has gone out on it, or is about to.
    /// A driver that says so before anything is read gets [`Input::Connected`], once.
    pub fn handle_connected(&mut self) {
        if matches!(self.connection, Connection::Unknown) {
            self.connection = Connection::Stands;
        }
    }

    /// Takes what a read has put into the buffer: so many bytes; zero stands for the end of the
    /// stream, as sockets tell it.
    pub fn handle_read(&mut self, length: usize, buffer: &mut ReadBuffer) {
        if length == 0 {
            self.handle_end(StreamEnd::Closed);
        } else {
            buffer.advance(length);
            self.handle_data(buffer.take());
        }
    }

    /// Takes what was read, without a copy where the head is over.
    pub fn handle_data(&mut self, bytes: Bytes) {
        if self.unread.is_empty() {
            self.unread = bytes;
        } else {
            // The head comes in pieces: the memory grows by doubling, and is nobody else's.
            let mut joined = BytesMut::from(std::mem::take(&mut self.unread));
            joined.extend_from_slice(&bytes);
            self.unread = joined.freeze();
        }
    }

    /// Takes the end of the stream; what was fed before comes out first. The first end counts.
    pub fn handle_end(&mut self, end: StreamEnd) {
        self.end.get_or_insert(end);
    }

    /// Returns the next input; `None` until there is more. The last one is an [`Input::Ended`].
    pub fn poll(&mut self) -> Option<Input> {
        let exchange = self.id;
        if matches!(self.connection, Connection::Stands) {
            self.connection = Connection::Told;
            return Some(Input::Connected { exchange });
        }
        match self.next() {
            Ok(input) => input,
            Err(error) => {
                self.fail();
                Some(Input::Ended { exchange, why: End::Failed(error.into()) })
            }
        }
    }

    /// Whether the response has ended, in whatever way.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Complete | State::Failed)
    }

    /// Whether the connection may be used for another exchange (RFC 9112 §9.3): the response is
    /// complete and strictly well-formed, its head and its framing allow another exchange, and its
    /// last byte is the last byte that came.
    pub fn is_reusable(&self) -> bool {
        let quiet = self.unread.is_empty() && self.end.is_none();
        matches!(self.state, State::Complete) && self.persists && quiet
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Input>, ResponseError> {
        let exchange = self.id;
        let piece = match &mut self.state {
            State::Head { passed, searched } => {
                let at = (*passed, *searched);
                return self.read_head(at);
            }
            State::Length(0) => return Ok(Some(self.complete())),
            State::Length(left) => {
                let piece = take(&mut self.unread, *left);
                *left -= piece.len() as u64;
                piece
            }
            State::Chunked(chunked) => match chunked.next(&mut self.unread)? {
                Some(piece) => piece,
                None if chunked.is_over() => {
                    self.persists &= chunked.was_strict();
                    return Ok(Some(self.complete()));
                }
                None => Bytes::new(),
            },
            State::UntilEnd => take(&mut self.unread, u64::MAX),
            State::Complete | State::Failed => {
                // A connection that talks out of turn is not used again.
                self.persists &= self.unread.is_empty();
                self.unread = Bytes::new();
                return Ok(None);
            }
        };
        if !piece.is_empty() {
            return Ok(Some(Input::Data { exchange, bytes: piece }));
        }
        self.read_end()
    }

    fn complete(&mut self) -> Input {
        self.state = State::Complete;
        Input::Ended { exchange: self.id, why: End::Complete }
    }

    fn fail(&mut self) {
        self.state = State::Failed;
        self.unread = Bytes::new();
    }

    /// Decides what it means that all input is read: that may be the end.
    fn read_end(&mut self) -> Result<Option<Input>, ResponseError> {
        let Some(end) = self.end.take() else { return Ok(None) };
        self.persists = false;
        let whole = match (&self.state, &end) {
            (State::UntilEnd, StreamEnd::Closed) => true,
            (State::Chunked(chunked), _) => chunked.is_complete(),
            (
                State::Head { .. }
                | State::Length(_)
                | State::UntilEnd
                | State::Complete
                | State::Failed,
                _,
            ) => false,
        };
        if whole {
            return Ok(Some(self.complete()));
        }
        let StreamEnd::Failed(error) = end else { return Err(ResponseError::Incomplete) };
        self.fail();
        Ok(Some(Input::Ended { exchange: self.id, why: End::Failed(error) }))
    }

    fn over_head_limit(&self, passed: usize) -> ResponseError {
        let (limit, seen) = (self.head_limit, self.head_limit.saturating_add(1));
        if passed == 0 {
            let error = LimitError::new("the head of a response", limit, seen);
            return ResponseError::HeadTooLarge(error);
        }
        LimitError::new("what comes up to the head of a response", limit, seen).into()
    }

    /// Takes the head once it is there, and the interim heads before it (RFC 9110 §15.2). Each byte
    /// is looked at a bounded number of times, whatever the cuts: a head is parsed once its end has
    /// come, and the search for the end goes on where the last search stopped.
    fn read_head(
        &mut self,
        (mut passed, mut searched): (usize, usize),
    ) -> Result<Option<Input>, ResponseError> {
        loop {
            passed += skip_empty_lines(&mut self.unread);
            if !head::looks_like_http(&self.unread) && self.unread[..] != b"\r"[..] {
                return Err(ResponseError::NotHttp);
            }
            let end = head::end(&self.unread, searched);
            let length = passed.saturating_add(end.unwrap_or(self.unread.len()));
            if length > self.head_limit {
                return Err(self.over_head_limit(passed));
            }
            let Some(end) = end else {
                self.state = State::Head { passed, searched: self.unread.len() };
                return self.read_end();
            };
            let parts = head::parse(self.unread.get(..end).unwrap_or_default())?;
            self.unread.advance(end);
            if self.unread.is_empty() {
                self.unread = Bytes::new();
            }
            let interim = parts.status.is_informational();
            if interim && parts.version == Version::HTTP_10 {
                return Err(ResponseError::InterimOfHttp10);
            }
            if interim && parts.status != StatusCode::SWITCHING_PROTOCOLS {
                passed += end;
                searched = 0;
                continue;
            }
            let framing = Framing::of(&parts, &self.method)?;
            self.persists &= persists_behind(&parts, framing);
            self.state = match framing {
                Framing::Length(length) => State::Length(length),
                Framing::Chunked { claimed } => {
                    State::Chunked(Chunked::new(claimed, self.head_limit))
                }
                Framing::UntilEnd => State::UntilEnd,
            };
            return Ok(Some(Input::Response { exchange: self.id, head: Box::new(parts) }));
        }
    }
}

/// Passes over empty lines: some servers end what they sent before with one line end too many. The
/// search for the end of a head begins behind these lines.
fn skip_empty_lines(bytes: &mut Bytes) -> usize {
    let before = bytes.len();
    while let [b'\n', ..] | [b'\r', b'\n', ..] = bytes[..] {
        let length = if bytes.starts_with(b"\r") { 2 } else { 1 };
        bytes.advance(length);
    }
    before - bytes.len()
}

#[cfg(test)]
mod tests;
