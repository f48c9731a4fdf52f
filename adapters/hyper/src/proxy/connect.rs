//! A tunnel through an HTTP proxy: CONNECT (RFC 9110 §9.3.6).

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use restless_proto::http1::connect_response;
use restless_proto::retry_after;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Proxy, Why, authority};
use crate::date;

/// The longest head of a response that is read, with the interim heads before it: as much as common
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
        let answer = head(socket, &mut left).await?;
        let answer = connect_response(&answer).map_err(|_| Why::NotSpoken("HTTP"))?;
        match answer.status.as_u16() {
            // An interim response: the answer is still to come (RFC 9110 §15.2).
            100 | 102..=199 => {}
            200..=299 => return Ok(()),
            status => {
                return Err(Why::Status { status, port: Some(port), wait: wait(answer.headers) });
            }
        }
    }
}

/// Reads the head of a response one byte at a time, so that all that follows is left to the origin.
/// A line may end with LF alone (RFC 9112 §2.2).
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

/// Returns when to come back, as the proxy said, counted from now.
fn wait(mut fields: HeaderMap) -> Option<Duration> {
    date::add(&mut fields);
    retry_after(&fields)
}

/// Makes the request for the tunnel, which tells the proxy the user agent, and nothing else of the
/// request that is to follow.
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

#[cfg(test)]
mod tests {
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
            let answer = connect_response(head.as_bytes()).unwrap();
            assert_eq!(wait(answer.headers), due.map(Duration::from_secs), "{fields:?}");
        }
        let far = "HTTP/1.1 503 Busy\nRetry-After: Fri, 31 Dec 2100 23:59:59 GMT\n\n";
        let wait = wait(connect_response(far.as_bytes()).unwrap().headers).unwrap();
        assert!(wait > Duration::from_secs(60 * 60 * 24 * 365), "{wait:?}");
    }
}
