//! A tunnel through an HTTP proxy: CONNECT (RFC 9110 §9.3.6).

use http::{HeaderMap, HeaderValue, header};
use restless_proto::retry_after;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Proxy, Why, authority};
use crate::{connect, date};

/// Longest head of a response that is read, with the interim ones before it: as much as common
/// servers send at the most.
const MOST_HEAD_BYTES: usize = 16 << 10;

pub(super) async fn tunnel<S>(
    socket: &mut S,
    proxy: &Proxy,
    host: &str,
    port: u16,
    user_agent: &HeaderValue,
) -> Result<(), Why>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket.write_all(&request(proxy, host, port, user_agent)).await?;
    socket.flush().await?;
    let mut left = MOST_HEAD_BYTES;
    loop {
        let answer = parse(head(socket, &mut left).await?).ok_or(Why::NotSpoken("HTTP"))?;
        match answer.status {
            // Interim: the answer is to come (RFC 9110 §15.2).
            100 | 102..=199 => {}
            200..=299 => return Ok(()),
            status => {
                let wait = retry_after(&answer.fields);
                return Err(Why::Status { status, port: Some(port), wait });
            }
        }
    }
}

/// The head of a response, one byte at a time, so that none of what follows is taken: that is the
/// origin's. A line may end with LF alone (RFC 9112 §2.2).
async fn head<S: AsyncRead + Unpin>(socket: &mut S, left: &mut usize) -> Result<Vec<u8>, Why> {
    const START: &[u8] = b"HTTP/";
    let mut head = Vec::new();
    while !head.ends_with(b"\n\r\n") && !head.ends_with(b"\n\n") {
        *left = left.checked_sub(1).ok_or(Why::NotSpoken("HTTP: its answer has no end"))?;
        head.push(socket.read_u8().await?);
        if !head.starts_with(START) && !START.starts_with(&head) {
            return Err(Why::NotSpoken("HTTP"));
        }
    }
    Ok(head)
}

/// Nothing of the request that is to follow is in it, but for the name of what asks.
fn request(proxy: &Proxy, host: &str, port: u16, user_agent: &HeaderValue) -> Vec<u8> {
    let to = authority(host, port);
    let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n").into_bytes();
    request.extend([b"User-Agent: ", user_agent.as_bytes(), b"\r\n"].concat());
    if let Some(value) = proxy.authorization() {
        request.extend([b"Proxy-Authorization: ", value.as_bytes(), b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    request
}

struct Answer {
    status: u16,
    /// The statuses that say when to come back.
    fields: HeaderMap,
}

/// Any 1.x, any number of fields, and folded ones (RFC 9112 §5.2), as everywhere.
fn parse(mut head: Vec<u8>) -> Option<Answer> {
    if let Some(minor) = head.get_mut(b"HTTP/1.".len()) {
        connect::normalize_minor(minor);
    }
    let lines = head.iter().filter(|byte| **byte == b'\n').count();
    let mut fields = vec![httparse::EMPTY_HEADER; lines];
    let mut response = httparse::Response::new(&mut fields);
    httparse::ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .parse_response(&mut response, &head)
        .ok()?;
    let status = response.code?;
    let mut fields = HeaderMap::new();
    for name in [header::RETRY_AFTER, header::DATE] {
        let mut found = response.headers.iter().filter(|field| name == field.name);
        let value = found.next().map(|field| unfold(field.value));
        fields.extend(value.and_then(|value| HeaderValue::try_from(value).ok()).map(|v| (name, v)));
    }
    date::add(&mut fields);
    Some(Answer { status, fields })
}

/// A field's value in one line.
fn unfold(value: &[u8]) -> Vec<u8> {
    value.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_request_holds_the_host_and_the_proxy_s_credentials() {
        let proxy = Proxy::parse("proxy", "http://user:secret@proxy.test:1").unwrap();
        let user_agent = HeaderValue::from_static("a/1");
        let text = String::from_utf8(request(&proxy, "::1", 443, &user_agent)).unwrap();
        assert_eq!(
            text,
            "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nUser-Agent: a/1\r\n\
             Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n"
        );
    }

    fn status(head: &[u8]) -> Option<u16> {
        parse(head.to_vec()).map(|answer| answer.status)
    }

    #[test]
    fn a_status_is_three_digits_of_http_1() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407\r\n\r\n"), Some(407));
        assert_eq!(status(b"HTTP/1.2 200 OK\n\n"), Some(200));
        for bad in
            [&b"HTTP/2 200\r\n\r\n"[..], b"HTTP/1.1 20\r\n\r\n", b"HTTP/1.1 +20 \r\n\r\n", b""]
        {
            assert_eq!(status(bad).filter(|status| *status >= 100), None);
        }
    }

    #[test]
    fn retry_after_is_read_among_many_fields_and_folded_ones() {
        let many = "X-A: 1\r\n".repeat(300);
        for (fields, due) in [
            ("Retry-After: 7\r\n", Some(7)),
            ("Retry-After:\r\n 7\r\n", Some(7)),
            ("X-A: 1\r\n 2\r\nretry-after: 7\r\n", Some(7)),
            ("bad line\r\nretry-after: 7\r\n", Some(7)),
            ("", None),
        ] {
            let head = format!("HTTP/1.1 503 Busy\r\n{many}{fields}\r\n");
            let answer = parse(head.into_bytes()).unwrap();
            assert_eq!(retry_after(&answer.fields), due.map(Duration::from_secs), "{fields:?}");
        }
        let far = "HTTP/1.1 503 Busy\nRetry-After: Fri, 31 Dec 2100 23:59:59 GMT\n\n";
        let wait = retry_after(&parse(far.as_bytes().to_vec()).unwrap().fields).unwrap();
        assert!(wait > Duration::from_secs(60 * 60 * 24 * 365), "{wait:?}");
    }
}
