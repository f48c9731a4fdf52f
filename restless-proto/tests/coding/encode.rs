//! Coding, which only tests do.

use std::io::Write;

use flate2::{Compress, Compression, FlushCompress};

/// What `encode` takes, and the field's value for it.
pub(crate) const CODINGS: &[(&str, &str)] = &[
    ("br", "br"),
    ("bare deflate", "deflate"),
    ("deflate", "deflate"),
    ("gzip", "gzip"),
    #[cfg(feature = "zstd")]
    ("zstd", "zstd"),
];

/// Codes these parts, and flushes each; the last piece is what comes after them.
pub(crate) fn encode(value: &str, parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let deflater = |mut state: Compress| {
        let mut run = |part: &[u8], flush| {
            let mut to = Vec::with_capacity(part.len() + 1024);
            state.compress_vec(part, &mut to, flush).unwrap();
            to
        };
        let mut pieces: Vec<Vec<u8>> =
            parts.iter().map(|part| run(part, FlushCompress::Sync)).collect();
        pieces.push(run(&[], FlushCompress::Finish));
        pieces
    };
    match value {
        "gzip" => deflater(Compress::new_gzip(Compression::default(), 15)),
        "deflate" => deflater(Compress::new(Compression::default(), true)),
        "bare deflate" => deflater(Compress::new(Compression::default(), false)),
        "br" => {
            let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
            let mut pieces = Vec::new();
            for part in parts {
                writer.write_all(part).unwrap();
                writer.flush().unwrap();
                pieces.push(std::mem::take(writer.get_mut()));
            }
            pieces.push(writer.into_inner());
            pieces
        }
        #[cfg(feature = "zstd")]
        "zstd" => {
            let mut state = zstd_safe::CCtx::create();
            let mut run = |part: Option<&[u8]>| {
                let mut to = vec![0; part.map_or(0, <[u8]>::len) + 1024];
                let mut out = zstd_safe::OutBuffer::around(&mut to[..]);
                if let Some(part) = part {
                    let mut from = zstd_safe::InBuffer::around(part);
                    state.compress_stream(&mut out, &mut from).unwrap();
                    assert_eq!(from.pos(), part.len());
                    assert_eq!(state.flush_stream(&mut out).unwrap(), 0);
                } else {
                    assert_eq!(state.end_stream(&mut out).unwrap(), 0);
                }
                let given = out.pos();
                to.truncate(given);
                to
            };
            let mut pieces: Vec<Vec<u8>> = parts.iter().map(|part| run(Some(part))).collect();
            pieces.push(run(None));
            pieces
        }
        _ => panic!("{value}"),
    }
}

pub(crate) fn encode_whole(value: &str, text: &[u8]) -> Vec<u8> {
    encode(value, &[text]).concat()
}
