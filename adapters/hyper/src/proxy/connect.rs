//! A tunnel through an HTTP proxy: CONNECT (RFC 9110 §9.3.6).

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Proxy, Why, authority};

/// Longest head of a response that is read, with the interim ones before it: as much as common
/// servers send at the most.
const MOST_HEAD_BYTES: usize = 16 << 10;

pub(super) async fn tunnel<S>(
    socket: &mut S,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), Why>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket.write_all(&request(proxy, host, port)).await?;
    socket.flush().await?;
    let mut left = MOST_HEAD_BYTES;
    loop {
        match status(&head(socket, &mut left).await?) {
            // Interim: the answer is to come (RFC 9110 §15.2).
            Some(100 | 102..=199) => {}
            Some(200..=299) => return Ok(()),
            Some(status) => return Err(Why::Status(status)),
            None => return Err(Why::NotSpoken("HTTP")),
        }
    }
}

/// The head of a response, one byte at a time, so that none of what follows is taken: that is the
/// origin's.
async fn head<S: AsyncRead + Unpin>(socket: &mut S, left: &mut usize) -> Result<Vec<u8>, Why> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        *left = left.checked_sub(1).ok_or(Why::NotSpoken("HTTP: its answer has no end"))?;
        head.push(socket.read_u8().await?);
    }
    Ok(head)
}

/// Nothing of the request that is to follow is in it.
fn request(proxy: &Proxy, host: &str, port: u16) -> Vec<u8> {
    let to = authority(host, port);
    let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n").into_bytes();
    if let Some(value) = proxy.authorization() {
        request.extend([b"Proxy-Authorization: ", value.as_bytes(), b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    request
}

/// That of a response's first line (RFC 9112 §4).
fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', a, b, c, b' ' | b'\r', ..] = rest else { return None };
    std::str::from_utf8(&[*a, *b, *c]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_the_host_and_the_proxy_s_credentials() {
        let proxy = Proxy::parse("proxy", "http://user:secret@proxy.test:1").unwrap();
        let text = String::from_utf8(request(&proxy, "::1", 443)).unwrap();
        assert_eq!(
            text,
            "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\
             Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n"
        );
    }

    #[test]
    fn a_status_is_three_digits_of_http_1() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407\r\n\r\n"), Some(407));
        for bad in
            [&b"HTTP/2 200\r\n\r\n"[..], b"HTTP/1.1 20\r\n\r\n", b"HTTP/1.1 +20 \r\n\r\n", b""]
        {
            assert_eq!(status(bad).filter(|status| *status >= 100), None);
        }
    }
}
