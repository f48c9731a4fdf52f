//! Content codings of event streams, and compressed messages.

use std::io::Write;

use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Compress, Compression, FlushCompress};

use super::script::{Coding, Setting};
use super::server::Piece;

/// Its name in `Content-Encoding`.
pub(crate) fn name(coding: Coding) -> &'static str {
    match coding {
        Coding::Gzip => "gzip",
        Coding::Deflate => "deflate",
        Coding::Brotli => "br",
    }
}

/// What a server accepts of an offer to compress messages (RFC 7692 §7.1).
pub(crate) fn extension(alone: bool) -> &'static str {
    if alone { "permessage-deflate; server_no_context_takeover" } else { "permessage-deflate" }
}

/// Codes a stream, with a flush behind each piece. It never ends, as the stream does not.
pub(crate) fn coded(setting: &Setting, pieces: Vec<Piece>) -> Vec<Piece> {
    let fast = Compression::fast();
    match setting.coding {
        None => pieces,
        Some(Coding::Gzip) => {
            flushed(pieces, GzEncoder::new(Vec::new(), fast), |coder| coder.get_mut())
        }
        Some(Coding::Deflate) => {
            flushed(pieces, ZlibEncoder::new(Vec::new(), fast), |coder| coder.get_mut())
        }
        Some(Coding::Brotli) => {
            let coder = brotli::CompressorWriter::new(Vec::new(), 4096, 1, 16);
            flushed(pieces, coder, |coder| coder.get_mut())
        }
    }
}

fn flushed<C: Write>(
    mut pieces: Vec<Piece>,
    mut coder: C,
    out: impl Fn(&mut C) -> &mut Vec<u8>,
) -> Vec<Piece> {
    for piece in &mut pieces {
        coder.write_all(&piece.bytes).unwrap();
        coder.flush().unwrap();
        piece.bytes = std::mem::take(out(&mut coder));
    }
    pieces
}

/// Compresses the messages of a connection.
pub(crate) struct Compressor {
    state: Compress,
    alone: bool,
}

impl Compressor {
    /// Makes one that compresses each message alone, or with what came before it in view.
    pub(crate) fn new(alone: bool) -> Self {
        Self { state: Compress::new(Compression::fast(), false), alone }
    }

    /// Returns a message as DEFLATE data without the end of its flush (RFC 7692 §7.2.1).
    pub(crate) fn message(&mut self, message: &[u8]) -> Vec<u8> {
        if self.alone {
            self.state.reset();
        }
        let mut out = Vec::with_capacity(message.len() + 64);
        self.state.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        out.truncate(out.len() - 4);
        out
    }
}
