//! What a proxy says before a tunnel stands.

use std::error::Error as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::HeaderValue;
use restless_hyper::proxy::Proxy;
use restless_proto::http1::connect_response;
use restless_proto::{TransportError, TransportErrorKind};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// However a proxy's answer is cut, the same comes of it, which is what a plain twin says. Interim
/// heads are passed over, a head over the limit is an error, and what follows the answer is left
/// to the origin. The proxy's credentials are in no error.
///
/// | bytes of `data` | mean |
/// | --- | --- |
/// | 0 | bit 0: the proxy speaks SOCKS5, else HTTP; bit 1: it is given credentials |
/// | 1 | how many lengths of reads follow, modulo 8 |
/// | the lengths | used over and over until the answer is cut up |
/// | the rest | what the proxy says, and then its end; each `~` stands for 4 KiB of `a` |
pub fn proxy_reply(data: &[u8]) {
    let [options, count, rest @ ..] = data else { return };
    let Some((lengths, said)) = rest.split_at_checked(usize::from(count % 8)) else { return };
    let (socks, keyed) = (options & 1 != 0, options & 2 != 0);
    let wire = expanded(said);
    let whole = tunnel(socks, keyed, &wire, &[]);
    for lengths in [lengths, &[1]] {
        let cut = tunnel(socks, keyed, &wire, lengths);
        assert!(cut == whole, "cut by {lengths:?}: {cut:?}, and whole: {whole:?}");
    }
    let (told, behind) = if socks { by_socks5(keyed, &wire) } else { by_http(&wire) };
    assert_eq!(whole.told, told);
    if told == Told::Stands {
        assert!(whole.left == behind, "what follows the answer is the origin's");
    }
    if socks {
        assert!(whole.sent.starts_with(if keyed { b"\x05\x02\x00\x02" } else { b"\x05\x01\x00" }));
    } else {
        let request = String::from_utf8(whole.sent).expect("a request is text");
        assert!(request.starts_with("CONNECT s.test:8443 HTTP/1.1\r\n"), "{request}");
        assert_eq!(request.contains("Proxy-Authorization: Basic "), keyed);
        assert_eq!(request.find("\r\n\r\n"), Some(request.len() - 4), "there is one request");
    }
}

const SECRET: &str = "canary";
/// `user:canary` in Base64.
const SECRET_IN_BASE64: &str = "dXNlcjpjYW5hcnk";

/// The most bytes that a proxy's heads have together.
const MOST_HEAD_BYTES: usize = 16 << 10;

/// What an answer comes to.
#[derive(Debug, PartialEq)]
enum Told {
    Stands,
    /// The way to the origin failed, and may not the next time.
    MayPass(String),
    /// The proxy would say the same the next time.
    Refused(String),
}

#[derive(Debug, PartialEq)]
struct Outcome {
    told: Told,
    sent: Vec<u8>,
    left: Vec<u8>,
}

fn expanded(said: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for byte in said {
        match byte {
            b'~' if wire.len() <= 2 * MOST_HEAD_BYTES => wire.extend([b'a'; 4 << 10]),
            byte => wire.push(*byte),
        }
    }
    wire
}

fn tunnel(socks: bool, keyed: bool, wire: &[u8], lengths: &[u8]) -> Outcome {
    let scheme = if socks { "socks5" } else { "http" };
    let user = if keyed { "user:canary@" } else { "" };
    let proxy = Proxy::parse("--proxy", &format!("{scheme}://{user}proxy.test:1080"));
    let proxy = proxy.expect("a proxy's URL");
    let mut socket = Socket { unread: wire, lengths, reads: 0, ready: false, sent: Vec::new() };
    let user_agent = HeaderValue::from_static("fuzz/1");
    let done = {
        let mut tunnel = pin!(proxy.tunnel(&mut socket, "s.test", 8443, &user_agent));
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(done) = tunnel.as_mut().poll(&mut cx) {
                break done;
            }
        }
    };
    let told = done.map_or_else(|error| told(&error), |()| Told::Stands);
    Outcome { told, sent: socket.sent, left: socket.unread.to_vec() }
}

fn told(error: &TransportError) -> Told {
    // First which proxy it was, then why.
    let why = error.source().and_then(|proxy| proxy.source()).expect("a reason").to_string();
    let printed = format!("{error} {why} {error:?}");
    assert!(!printed.contains(SECRET) && !printed.contains(SECRET_IN_BASE64), "{printed}");
    match error.kind() {
        TransportErrorKind::Connect => Told::MayPass(why),
        TransportErrorKind::Proxy => Told::Refused(why),
        other => panic!("{other:?}"),
    }
}

/// Reads what a proxy that speaks HTTP says, and what follows that.
fn by_http(wire: &[u8]) -> (Told, &[u8]) {
    let not_spoken = |what: &str| (Told::MayPass(format!("it does not speak {what}")), &[][..]);
    let mut rest = wire;
    loop {
        let left = MOST_HEAD_BYTES - (wire.len() - rest.len());
        let ends =
            |end: &usize| rest[..*end].ends_with(b"\n\n") || rest[..*end].ends_with(b"\n\r\n");
        let other = rest.iter().zip(b"HTTP/").position(|(byte, due)| byte != due);
        let end = (1..=rest.len()).find(ends);
        let read = other.map(|at| at + 1).or(end);
        match read {
            Some(read) if read > left => return not_spoken("HTTP: its answer has no end"),
            None if rest.len() > left => return not_spoken("HTTP: its answer has no end"),
            None => return (broken(), &[]),
            Some(_) => {}
        }
        let Some(end) = end.filter(|_| other.is_none()) else { return not_spoken("HTTP") };
        let (head, behind) = rest.split_at(end);
        let Ok(parts) = connect_response(head) else { return not_spoken("HTTP") };
        // `HTTP/1.`, a digit and a space.
        let digits = std::str::from_utf8(&head[9..12]).expect("a status");
        assert_eq!(parts.status.as_str(), digits);
        rest = behind;
        match (parts.status.as_u16(), digits.as_bytes()[0]) {
            (101, _) => {}
            (_, b'1') => continue,
            (_, b'2') => return (Told::Stands, behind),
            _ => {}
        }
        let mut why = format!("it answered with status {}", parts.status);
        if digits == "403" {
            why.push_str(": most proxies allow port 443 only");
        }
        let may_pass = matches!(digits, "404" | "408" | "429") || digits >= "500";
        return (if may_pass { Told::MayPass(why) } else { Told::Refused(why) }, &[]);
    }
}

/// Reads what a proxy that speaks SOCKS5 says, and what follows that.
fn by_socks5(keyed: bool, wire: &[u8]) -> (Told, &[u8]) {
    let refused = |why: &str| (Told::Refused(why.to_owned()), &[][..]);
    let not_spoken = || (Told::MayPass("it does not speak SOCKS5".to_owned()), &[][..]);
    let credentials = "it refused the credentials, or wants some";
    let reply = match wire {
        [5, 0, rest @ ..] => rest,
        [5, 2, _, 0, rest @ ..] if keyed => rest,
        [5, 2, _, _, ..] if keyed => return refused(credentials),
        [5, 2, ..] if keyed => return (broken(), &[]),
        [5, _, ..] => return refused(credentials),
        [_, _, ..] => return not_spoken(),
        _ => return (broken(), &[]),
    };
    let address = match reply {
        [5, 0, _, 1, ..] => 4,
        [5, 0, _, 3, length, ..] => 1 + usize::from(*length),
        [5, 0, _, 3] => return (broken(), &[]),
        [5, 0, _, 4, ..] => 16,
        [5, 0, _, _, ..] => return not_spoken(),
        [5, code, _, _, ..] => {
            let why = meaning(*code).to_owned();
            let may_pass = matches!(code, 1 | 3 | 4 | 5 | 6);
            return (if may_pass { Told::MayPass(why) } else { Told::Refused(why) }, &[]);
        }
        [_, _, _, _, ..] => return not_spoken(),
        _ => return (broken(), &[]),
    };
    match reply.split_at_checked(4 + address + 2) {
        Some((_, behind)) => (Told::Stands, behind),
        None => (broken(), &[]),
    }
}

/// Returns what RFC 1928 §6 says of a reply.
fn meaning(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "its rules do not allow the connection",
        3 => "the network is unreachable",
        4 => "the host is unreachable",
        5 => "the host refused the connection",
        6 => "the time to live ran out",
        7 => "it can't connect for others",
        8 => "it does not know this type of address",
        _ => "a failure that RFC 1928 does not know",
    }
}

fn broken() -> Told {
    Told::MayPass("the connection to it broke".to_owned())
}

/// A connection to a proxy that says this, in reads of these lengths, each of which is waited for;
/// without lengths, in one.
struct Socket<'a> {
    unread: &'a [u8],
    lengths: &'a [u8],
    reads: usize,
    ready: bool,
    sent: Vec<u8>,
}

impl AsyncRead for Socket<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if !self.lengths.is_empty() {
            self.ready = !self.ready;
            if self.ready {
                return Poll::Pending;
            }
        }
        let most = match self.lengths.get(self.reads % self.lengths.len().max(1)) {
            Some(length) => usize::from(*length).max(1),
            None => usize::MAX,
        };
        self.reads += 1;
        let (read, later) = self.unread.split_at(most.min(out.remaining()).min(self.unread.len()));
        out.put_slice(read);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        // As a full socket does, it takes a part.
        let taken =
            bytes.len().min(self.lengths.first().map_or(usize::MAX, |n| usize::from(*n) + 1));
        self.sent.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
