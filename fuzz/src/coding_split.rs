//! Content codings: a wire that is cut anyhow.

use bytes::Bytes;
use http::HeaderMap;
use restless_proto::coding::{CodingError, Decoder};

/// The fields of a response, as the first byte picks them.
const CODINGS: [&str; 3] = ["gzip", "deflate", "br"];

/// What one `poll` may give, in bytes.
const PIECE: usize = 16 << 10;
/// How much is looked at, in bytes: a bomb goes on for ever.
const MOST: usize = 1 << 18;

#[derive(Debug, PartialEq)]
struct Seen {
    text: Vec<u8>,
    /// `None` where there was more than is looked at.
    end: Option<Result<(), CodingError>>,
}

/// Any bytes decode to the same whole and in chunks, in bounded pieces, and an error stays one. The
/// first byte picks the coding and the size of the chunks.
pub fn coding_split(data: &[u8]) {
    let Some((&plan, wire)) = data.split_first() else { return };
    let coding = CODINGS[usize::from(plan & 7) % CODINGS.len()];
    let size = usize::from(plan >> 3).max(1);
    let whole = decode(coding, std::iter::once(wire));
    for size in [size, 1] {
        let cut = decode(coding, wire.chunks(size));
        // What `br` has decoded of a chunk when it finds an error in it, it keeps to itself.
        if coding == "br" && matches!(whole.end, Some(Err(CodingError::Corrupt { .. }))) {
            assert!(cut.text.starts_with(&whole.text), "in chunks of {size}");
            assert!(!matches!(cut.end, Some(Ok(()))), "in chunks of {size}");
        } else {
            assert_eq!(cut, whole, "in chunks of {size}");
        }
    }
}

fn decode<'a>(coding: &str, chunks: impl Iterator<Item = &'a [u8]>) -> Seen {
    let mut fields = HeaderMap::new();
    fields.insert("content-encoding", coding.parse().expect("a field's value"));
    let mut decoder = Decoder::of(&fields).expect("a known coding").expect("a coding");
    let mut seen = Seen { text: Vec::new(), end: None };
    for chunk in chunks {
        decoder.feed(Bytes::copy_from_slice(chunk));
        if drain(&mut decoder, &mut seen) {
            return seen;
        }
    }
    decoder.end();
    if !drain(&mut decoder, &mut seen) {
        seen.end = Some(Ok(()));
    }
    seen
}

/// True where nothing more is to be seen.
fn drain(decoder: &mut Decoder, seen: &mut Seen) -> bool {
    loop {
        match decoder.poll() {
            Ok(None) => return false,
            Ok(Some(piece)) => {
                assert!(!piece.is_empty() && piece.len() <= PIECE, "{} bytes", piece.len());
                seen.text.extend_from_slice(&piece);
                if seen.text.len() >= MOST {
                    seen.text.truncate(MOST);
                    return true;
                }
            }
            Err(mut error) => {
                assert_eq!(decoder.poll().as_ref(), Err(&error), "an error stays one");
                // The decoder's words; how far it looks ahead may change them.
                if let CodingError::Corrupt { cause, .. } = &mut error {
                    assert!(!std::mem::take(cause).is_empty());
                }
                seen.end = Some(Err(error));
                return true;
            }
        }
    }
}
