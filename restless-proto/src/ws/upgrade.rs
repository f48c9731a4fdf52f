//! An exchange that asks for an upgrade, as bytes.

use bytes::{Buf, Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};

use crate::machine::{End, ExchangeId, Input};
use crate::{TransportError, TransportErrorKind};

/// Longest head of a response.
const MOST_HEAD_BYTES: usize = 32 * 1024;
/// Most fields in it.
const MOST_FIELDS: usize = 128;

/// HTTP/1.1 for a driver that has a socket and no HTTP stack, as far as WebSocket needs it: a
/// request without content out, the head of its response in (RFC 9112), and after a 101 whatever
/// comes. Bytes go in, [`Input`]s come out.
///
/// ```
/// # use restless_proto::machine::{Input, Machine, Output};
/// # use restless_proto::{Entropy, Instant, Service, Subscription};
/// use restless_proto::ws::UpgradeExchange;
/// # let service = Service::default();
/// # let mut machine = Subscription::stream("stream_123")
/// #     .websocket()
/// #     .start(&service, Entropy::from_seed(7), Instant::ORIGIN)?;
/// # let Output::Open { exchange, request } = machine.poll() else { panic!() };
/// // At `Output::Open`: connect, and write this.
/// let to_write = UpgradeExchange::request_bytes(&request);
/// assert!(to_write.starts_with(b"GET /ws?streamId=stream_123 HTTP/1.1\r\nhost: stream."));
///
/// // Whenever bytes were read:
/// let mut open = UpgradeExchange::new(exchange);
/// open.handle_data(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno");
/// while let Some(input) = open.poll() {
///     machine.handle(input, Instant::ORIGIN);
/// }
/// # Ok::<(), restless_proto::ConfigError>(())
/// ```
///
/// The content of a refusal ends where its `Content-Length` says, or with the connection; one in a
/// transfer coding is left out. Other requests want an HTTP stack.
#[derive(Debug)]
pub struct UpgradeExchange {
    exchange: ExchangeId,
    received: BytesMut,
    state: State,
}

/// `Head ──► Content ──► Over`
#[derive(Debug)]
enum State {
    /// The first so many bytes hold no end of a head.
    Head {
        searched: usize,
    },
    /// As much is still to come; `None` for a connection that was turned over.
    Content(Option<u64>),
    Over,
}

impl UpgradeExchange {
    /// For the exchange that [`Output::Open`](crate::machine::Output::Open) names.
    pub fn new(exchange: ExchangeId) -> Self {
        Self { exchange, received: BytesMut::new(), state: State::Head { searched: 0 } }
    }

    /// The request as it goes over the wire, with the `Host` that its URI says.
    pub fn request_bytes(request: &Request<Bytes>) -> Bytes {
        let uri = request.uri();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let slash = if target.starts_with('/') { "" } else { "/" };
        let line = format!("{} {slash}{target} HTTP/1.1\r\nhost: {host}\r\n", request.method());
        let mut bytes = line.into_bytes();
        for (name, value) in request.headers() {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.into()
    }

    /// Takes what was read, and copies it.
    pub fn handle_data(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Over) {
            self.received.extend_from_slice(bytes);
        }
    }

    /// What that comes to; `None` until there is more.
    pub fn poll(&mut self) -> Option<Input> {
        let exchange = self.exchange;
        match self.state {
            State::Head { searched } => match read_head(&mut self.received, searched) {
                Ok(None) => {
                    self.state = State::Head { searched: self.received.len() };
                    None
                }
                Ok(Some(head)) => {
                    self.state = State::Content(content_bytes(&head));
                    Some(Input::Response { exchange, head: Box::new(head) })
                }
                Err(error) => {
                    self.state = State::Over;
                    Some(Input::Ended { exchange, why: End::Failed(error) })
                }
            },
            State::Content(Some(0)) => {
                self.state = State::Over;
                Some(Input::Ended { exchange, why: End::Complete })
            }
            State::Content(_) if self.received.is_empty() => None,
            State::Content(None) => {
                Some(Input::Data { exchange, bytes: self.received.split().freeze() })
            }
            State::Content(Some(left)) => {
                let length = self.received.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.state = State::Content(Some(left - length as u64));
                let bytes = self.received.split_to(length).freeze();
                Some(Input::Data { exchange, bytes })
            }
            State::Over => None,
        }
    }
}

/// How long the content is (RFC 9112 §6.3); `None` up to the end of the connection.
fn content_bytes(head: &Parts) -> Option<u64> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return None;
    }
    let none = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if none || head.headers.contains_key(header::TRANSFER_ENCODING) {
        return Some(0);
    }
    let length = head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    // Digits alone (RFC 9110 §8.6): a sign would be read, too.
    length.parse().ok().filter(|_| length.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Takes the head of a response, once it is there, and the interim ones before it (RFC 9110 §15.2).
/// Each byte is looked at a bounded number of times, however they are cut: nothing is parsed before
/// its end has come, and that is not searched for in the first `searched` bytes again.
fn read_head(
    received: &mut BytesMut,
    mut searched: usize,
) -> Result<Option<Parts>, TransportError> {
    let broken = |why: Box<dyn std::error::Error + Send + Sync>| {
        TransportError::new(TransportErrorKind::Protocol, why)
    };
    loop {
        let Some(end) = head_end(received, searched) else {
            if received.len() > MOST_HEAD_BYTES {
                return Err(broken("the head of a response is over 32 KiB".into()));
            }
            return if looks_like_http(received) {
                Ok(None)
            } else {
                Err(broken("what came is no response of HTTP/1".into()))
            };
        };
        if end > MOST_HEAD_BYTES {
            return Err(broken("the head of a response is over 32 KiB".into()));
        }
        searched = 0;
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(received.get(..end).unwrap_or_default()) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => {
                return Err(broken("the head of a response is no head".into()));
            }
            Err(error) => return Err(broken(error.to_string().into())),
        };
        let mut head = Response::new(()).into_parts().0;
        let status = response.code.unwrap_or_default();
        head.status = StatusCode::from_u16(status).map_err(|error| broken(error.into()))?;
        if response.version == Some(0) && head.status.is_informational() {
            return Err(broken("HTTP/1.0 has no status below 200".into()));
        }
        for field in response.headers {
            let name = HeaderName::from_bytes(field.name.as_bytes());
            let value = HeaderValue::from_bytes(field.value);
            head.headers.append(
                name.map_err(|error| broken(error.into()))?,
                value.map_err(|error| broken(error.into()))?,
            );
        }
        received.advance(length);
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some(head));
        }
    }
}

/// Behind the empty line that ends a head (RFC 9112 §2.1, §2.2: a lone LF ends a line too).
fn head_end(received: &[u8], searched: usize) -> Option<usize> {
    // What was searched may end within that line.
    let from = searched.saturating_sub(3);
    memchr::memchr_iter(b'\n', received.get(from..).unwrap_or_default())
        .map(|at| from + at)
        .find_map(|at| match received.get(at + 1..) {
            Some([b'\n', ..]) => Some(at + 2),
            Some([b'\r', b'\n', ..]) => Some(at + 3),
            _ => None,
        })
}

/// Who speaks another protocol is told so at once, not after 32 KiB or never.
fn looks_like_http(received: &[u8]) -> bool {
    const VERSION: &[u8] = b"HTTP/1.";
    let start = VERSION.len().min(received.len());
    received.get(..start) == VERSION.get(..start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Entropy;
    use crate::ws::Handshake;

    /// What comes of these reads, in words.
    fn read(reads: &[&[u8]]) -> Vec<String> {
        let mut open = UpgradeExchange::new(ExchangeId::NONE.next());
        let mut inputs = Vec::new();
        for bytes in reads {
            open.handle_data(bytes);
            while let Some(input) = open.poll() {
                inputs.push(match input {
                    Input::Response { head, .. } => format!("{}", head.status.as_u16()),
                    Input::Data { bytes, .. } => String::from_utf8_lossy(&bytes).into_owned(),
                    Input::Ended { why: End::Complete, .. } => "complete".to_owned(),
                    Input::Ended { why: End::Failed(error), .. } => format!("{:?}", error.kind()),
                    other => panic!("{other:?}"),
                });
            }
        }
        inputs
    }

    #[test]
    fn a_head_is_read_however_it_is_split() {
        let bytes = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 101 Go\r\na: b\r\n\r\n";
        for at in 0..bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(read(&[first, second]), ["101"], "split at {at}");
        }
        let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&bytewise), ["101"]);
    }

    #[test]
    fn after_101_whatever_comes_is_data() {
        let head = &b"HTTP/1.1 101 Go\r\ncontent-length: 1\r\n\r\nab"[..];
        assert_eq!(read(&[head, b"cd", b""]), ["101", "ab", "cd"]);
    }

    #[test]
    fn a_refusal_ends_where_its_length_says() {
        let head = &b"HTTP/1.1 401 No\r\ncontent-length: 3\r\n\r\nab"[..];
        assert_eq!(read(&[head, b"cd", b"e"]), ["401", "ab", "c", "complete"]);
        assert_eq!(read(&[b"HTTP/1.1 500 No\r\n\r\nab", b"cd"]), ["500", "ab", "cd"]);
        assert_eq!(
            read(&[b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"]),
            ["500", "complete"]
        );
    }

    #[test]
    fn what_is_no_head_is_a_protocol_error_once() {
        assert_eq!(read(&[b"SSH-2.0-x\r\n", b"more"]), ["Protocol"]);
        assert_eq!(read(&[b"HTTP/1.1 099 No\r\n\r\n"]), ["Protocol"]);
        let endless = [b"HTTP/1.1 101 Go\r\na: ".to_vec(), vec![b'x'; MOST_HEAD_BYTES]].concat();
        assert_eq!(read(&[&endless]), ["Protocol"]);
        let whole = [&endless[..], b"\r\n\r\n"].concat();
        assert_eq!(read(&[&whole]), ["Protocol"], "whole or not");
        assert_eq!(read(&[b"HTTP/1.0 101 Go\r\n\r\n"]), ["Protocol"]);
        let many = [b"HTTP/1.1 101 Go\r\n".to_vec(), b"a: b\r\n".repeat(MOST_FIELDS + 1)].concat();
        assert_eq!(read(&[&many, b"\r\n"]), ["Protocol"]);
    }

    #[test]
    fn a_request_has_the_host_and_the_target_of_its_uri() {
        let url = "ws://s.test:81/ws?a=%20b".parse().unwrap();
        let handshake = Handshake::new(&url, &mut Entropy::from_seed(1)).unwrap();
        let mut request = handshake.request().map(|()| Bytes::new());
        request.headers_mut().remove(header::HOST);
        let bytes = UpgradeExchange::request_bytes(&request);
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.starts_with("GET /ws?a=%20b HTTP/1.1\r\nhost: s.test:81\r\n"), "{text}");
        assert!(text.contains("\r\nupgrade: websocket\r\n") && text.ends_with("\r\n\r\n"));
        let bare = Request::get("http://me:pw@s.test").body(Bytes::new()).unwrap();
        assert_eq!(
            UpgradeExchange::request_bytes(&bare),
            &b"GET / HTTP/1.1\r\nhost: s.test\r\n\r\n"[..]
        );
    }
}
