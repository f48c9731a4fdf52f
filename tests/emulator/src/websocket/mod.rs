//! Event streams over WebSocket (RFC 6455).
//!
//! Everything that is well formed goes through async-tungstenite, so that a client's codec meets
//! another's. What a fault wants malformed is written by hand, beneath async-tungstenite.

mod fault;
mod frame;
mod session;
mod wire;

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use crate::body;
use crate::reply::Reply;

pub(crate) use fault::Order;
pub(crate) use session::{Session, Source};

/// Checks an opening handshake and answers it (RFC 6455 §4.2). The error is the reply that refuses
/// the handshake.
pub(crate) fn accept(parts: &Parts) -> Result<Reply, Box<Reply>> {
    if parts.method != Method::GET {
        let refused = Reply::error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
        return Err(Box::new(refused.with(ALLOW, HeaderValue::from_static("GET"))));
    }
    if parts.version != Version::HTTP_11
        || !has_token(&parts.headers, UPGRADE, "websocket")
        || !has_token(&parts.headers, CONNECTION, "upgrade")
    {
        return Err(upgrade_required("A WebSocket handshake is required"));
    }
    if only(&parts.headers, SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(upgrade_required("Sec-WebSocket-Version must be 13"));
    }
    let Some(key) = only(&parts.headers, SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()))
    else {
        let message = "Sec-WebSocket-Key must be 16 bytes in base64";
        return Err(Box::new(Reply::error(StatusCode::BAD_REQUEST, message)));
    };
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| {
        // Base64 is always a field value.
        Box::new(Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "no Sec-WebSocket-Accept"))
    })?;
    Ok(Reply::new(StatusCode::SWITCHING_PROTOCOLS, body::Source::Bytes(Bytes::new()))
        .with(UPGRADE, HeaderValue::from_static("websocket"))
        .with(CONNECTION, HeaderValue::from_static("Upgrade"))
        .with(SEC_WEBSOCKET_ACCEPT, accept))
}

fn upgrade_required(message: &str) -> Box<Reply> {
    let refused = Reply::error(StatusCode::UPGRADE_REQUIRED, message)
        .with(UPGRADE, HeaderValue::from_static("websocket"))
        .with(CONNECTION, HeaderValue::from_static("Upgrade"))
        .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    Box::new(refused)
}

/// Whether a list-valued field has this token, in any case (RFC 9110 §5.6.1).
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// Returns the field's value, if there is exactly one.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether a key is sixteen bytes in base64: twenty-two digits, the last with four bits to spare,
/// and the padding.
fn is_key(key: &[u8]) -> bool {
    let Some(([digits @ .., last], b"==")) = key.split_last_chunk::<2>() else { return false };
    digits.len() == 21
        && digits.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        && matches!(last, b'A' | b'Q' | b'g' | b'w')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_sixteen_bytes_in_base64() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        for not in [
            &b""[..],
            b"==",
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZR==",
            b"dGhlIHNhbXBsZSBub25j!Q==",
            b"dGhlIHNhbXBsZSBub25jZGRkZQ==",
        ] {
            assert!(!is_key(not), "{not:?}");
        }
    }
}
