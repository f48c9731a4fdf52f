//! A tunnel through a SOCKS5 proxy (RFC 1928), with user and password (RFC 1929). Names are the
//! proxy's to resolve.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Credentials, Proxy, Why};

const VERSION: u8 = 5;
const NO_CREDENTIALS: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NOT_SOCKS5: Why = Why::NotSpoken("SOCKS5");

pub(super) async fn tunnel<S>(
    socket: &mut S,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), Why>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(host, port).ok_or(Why::HostTooLong)?;
    let credentials = proxy.credentials.as_ref();
    let greeting: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, NO_CREDENTIALS, USER_AND_PASSWORD],
        None => &[VERSION, 1, NO_CREDENTIALS],
    };
    say(socket, greeting).await?;
    match (hear(socket).await?, credentials) {
        ([VERSION, NO_CREDENTIALS], _) => {}
        ([VERSION, USER_AND_PASSWORD], Some(credentials)) => {
            say(socket, &authentication(credentials)).await?;
            // The version of this part is 1; some say 5.
            let [_, status] = hear(socket).await?;
            if status != 0 {
                return Err(Why::Credentials);
            }
        }
        ([VERSION, _], _) => return Err(Why::Credentials),
        _ => return Err(NOT_SOCKS5),
    }
    say(socket, &request).await?;
    let [version, reply, _, kind] = hear(socket).await?;
    if version != VERSION {
        return Err(NOT_SOCKS5);
    }
    if reply != 0 {
        return Err(Why::Reply(reply));
    }
    // The address that the proxy connects from is of no use here, but has to be read.
    let address_bytes = match kind {
        1 => 4,
        3 => usize::from(socket.read_u8().await?),
        4 => 16,
        _ => return Err(NOT_SOCKS5),
    };
    let mut bound = [0; 255 + 2];
    let bound = bound.get_mut(..address_bytes + 2).ok_or(NOT_SOCKS5)?;
    socket.read_exact(bound).await?;
    Ok(())
}

async fn say<S: AsyncWrite + Unpin>(socket: &mut S, bytes: &[u8]) -> Result<(), Why> {
    socket.write_all(bytes).await?;
    Ok(socket.flush().await?)
}

async fn hear<const N: usize, S: AsyncRead + Unpin>(socket: &mut S) -> Result<[u8; N], Why> {
    let mut bytes = [0; N];
    socket.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Asks for a connection to a host (RFC 1928 §4); `None` for a name over 255 bytes.
fn request(host: &str, port: u16) -> Option<Vec<u8>> {
    let mut request = vec![VERSION, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Err(_) => {
            request.extend([3, u8::try_from(host.len()).ok()?]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Some(request)
}

/// Writes user and password (RFC 1929 §2). Both fit: their lengths were checked when they were
/// read.
fn authentication(credentials: &Credentials) -> Vec<u8> {
    let mut request = vec![1];
    for part in [&credentials.user, &credentials.password] {
        request.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        request.extend(part);
    }
    request
}

/// Returns what a reply says (RFC 1928 §6).
pub(super) fn meaning(reply: u8) -> &'static str {
    match reply {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_out_as_it_is_and_an_address_as_bytes() {
        assert_eq!(request("a.test", 443).unwrap(), b"\x05\x01\x00\x03\x06a.test\x01\xbb");
        assert_eq!(request("127.0.0.1", 80).unwrap(), b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50");
        let v6 = request("::1", 1).unwrap();
        assert_eq!((v6[3], v6.len()), (4, 22));
        assert!(request(&"a".repeat(256), 1).is_none());
    }

    #[test]
    fn user_and_password_have_their_lengths_before_them() {
        let proxy = Proxy::parse("proxy", "socks5://us:word@proxy.test").unwrap();
        assert_eq!(authentication(proxy.credentials.as_ref().unwrap()), b"\x01\x02us\x04word");
    }
}
