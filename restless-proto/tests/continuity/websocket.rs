//! A WebSocket server in one function: fragments with pings between them, and compression with its
//! context taken over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use sha1::{Digest, Sha1};

use super::after_cursor;

/// Each event as a message: every third in three fragments with a ping between two of them, every
/// second compressed.
pub(crate) fn serve(request: &http::Request<Bytes>) -> (http::Response<()>, Vec<u8>) {
    let mut deflater = Compress::new(Compression::fast(), false);
    let mut bytes = Vec::new();
    for (n, (id, _)) in after_cursor(request).iter().enumerate() {
        let text = format!(
            r#"{{"type":"update","meta":{{"timestamp":"2026-03-24T00:00:00Z"}},"data":"é","event_id":"{id}"}}"#
        );
        let (payload, compressed) = match n % 2 {
            0 => (deflate(&mut deflater, text.as_bytes()), COMPRESSED),
            _ => (text.into_bytes(), 0),
        };
        if n % 3 == 0 {
            let (first, rest) = payload.split_at(payload.len() / 3);
            let (second, third) = rest.split_at(rest.len() / 2);
            frame(&mut bytes, TEXT | compressed, first);
            frame(&mut bytes, FIN | PING, b"still there?");
            frame(&mut bytes, CONTINUATION, second);
            frame(&mut bytes, FIN | CONTINUATION, third);
        } else {
            frame(&mut bytes, FIN | TEXT | compressed, &payload);
        }
    }
    (accepted(request, "permessage-deflate"), bytes)
}

/// The answer that opens the WebSocket, with these extensions.
pub(crate) fn accepted(request: &http::Request<Bytes>, extensions: &str) -> http::Response<()> {
    let key = request.headers()["sec-websocket-key"].as_bytes();
    let guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(guid).finalize());
    let mut head = http::Response::builder()
        .status(101)
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-accept", accept);
    if !extensions.is_empty() {
        head = head.header("sec-websocket-extensions", extensions);
    }
    head.body(()).unwrap()
}

/// A text message in one frame.
pub(crate) fn message(to: &mut Vec<u8>, text: &str) {
    frame(to, FIN | TEXT, text.as_bytes());
}

const FIN: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const PING: u8 = 9;

fn frame(to: &mut Vec<u8>, head: u8, payload: &[u8]) {
    to.push(head);
    match u8::try_from(payload.len()) {
        Ok(length @ ..126) => to.push(length),
        _ => {
            to.push(126);
            to.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    to.extend(payload);
}

/// RFC 7692 §7.2.1.
fn deflate(deflater: &mut Compress, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    deflater.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
    let tail = out.split_off(out.len() - 4);
    assert_eq!(tail, [0, 0, 0xff, 0xff]);
    out
}
