//! Content codings (RFC 9110 §8.4.1): what `Content-Encoding` says, and a decoder to pull from.
//!
//! Bytes under an unregistered name are read as they are.
//!
//! Calls and subscriptions decode on their own. The module is for a program that reads a response
//! by other means.
//!
//! ```
//! use restless_proto::coding::Decoder;
//!
//! let mut fields = http::HeaderMap::new();
//! fields.insert("content-encoding", "deflate".parse()?);
//! let mut decoder = Decoder::of(&fields)?.expect("the content is coded");
//! decoder.feed(bytes::Bytes::from_static(b"\x78\x9c\xcb\xc8\x04\x00\x01\x3b\x00\xd2"));
//! decoder.end();
//! assert_eq!(decoder.poll()?.as_deref(), Some(&b"hi"[..]));
//! assert_eq!(decoder.poll()?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codec;

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::chunks::Chunks;
use crate::redact::shown;
use codec::{Codec, Outcome};

/// A content coding that is understood here (RFC 9110 §8.4.1 and the IANA registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentCoding {
    /// `br` (RFC 7932), with windows of at most 16 MiB, as the coding has them.
    Brotli,
    /// `deflate`: the zlib format (RFC 1950), or bare DEFLATE (RFC 1951), as some servers have it.
    Deflate,
    /// `gzip`, and `x-gzip`, its old name (RFC 1952), of one member or several.
    Gzip,
    /// `zstd` (RFC 8878), with windows of at most 8 MiB (RFC 9659).
    #[cfg(feature = "zstd")]
    Zstd,
}

/// Prints the name as the registry spells it.
impl fmt::Display for ContentCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Brotli => "br",
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
        })
    }
}

/// Why content can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodingError {
    /// The content breaks the rules of its coding, or goes on behind its end with more than zeros
    /// and line ends.
    #[error("the content's {coding} coding is broken: {cause}")]
    Corrupt {
        /// The coding.
        coding: ContentCoding,
        /// What is wrong, as the decoder tells it.
        cause: String,
    },
    /// The content ended too early, although HTTP takes the end for a good one.
    #[error("the content ended in the middle of its {coding} coding")]
    Truncated {
        /// The coding.
        coding: ContentCoding,
    },
    /// The content is in a registered coding that the decoder lacks, or in several codings, and the
    /// request asked for neither.
    #[error("the content is in a coding that is not understood: {coding}")]
    Unknown {
        /// The codings' names, as the registry spells them: at most 300 characters of them.
        coding: String,
    },
    /// The content came in a transfer coding beside `chunked`, which the request did not ask for
    /// (RFC 9112 §7). HTTP stacks pass over it, and hand out the coded bytes.
    #[error("the response is in a transfer coding that is not understood: {coding}")]
    Transfer {
        /// The codings' names, as the registry spells them: at most 300 characters of them.
        coding: String,
    },
}

/// Makes what a request asks for (RFC 9110 §12.5.3): all that is understood.
pub(crate) fn accepted() -> HeaderValue {
    HeaderValue::from_static(if cfg!(feature = "zstd") {
        "gzip, deflate, br, zstd"
    } else {
        "gzip, deflate, br"
    })
}

/// Returns the coding that was applied (RFC 9110 §8.4).
///
/// An unregistered name is passed over: many a server means a charset or a storage format by such a
/// name (`utf-8`, `binary`, `none`, `aws-chunked`).
///
/// One coding at most is accepted. A second coding brings little, and is a danger: with two, 20 kB
/// can stand for 20 GB of an inner coding that decodes to nothing, and a limit counts decoded bytes
/// only.
fn applied(fields: &HeaderMap) -> Result<Option<ContentCoding>, CodingError> {
    let transfer = registered(fields, &header::TRANSFER_ENCODING, TRANSFER_CODINGS);
    if !transfer.is_empty() {
        return Err(CodingError::Transfer { coding: shown(&transfer.join(", ")) });
    }
    let names = registered(fields, &header::CONTENT_ENCODING, CONTENT_CODINGS);
    let known = match *names.as_slice() {
        [] => return Ok(None),
        [name] => known(name),
        _ => None,
    };
    known.map(Some).ok_or_else(|| CodingError::Unknown { coding: shown(&names.join(", ")) })
}

/// Returns which of these names a field has, in its order. Other names are left out.
fn registered(
    fields: &HeaderMap,
    field: &HeaderName,
    registry: &[&'static str],
) -> Vec<&'static str> {
    let values = fields.get_all(field).into_iter();
    values
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter_map(|name| {
            registry.iter().copied().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        })
        .collect()
}

/// The names in the IANA registry of content codings, save `identity`, which stands for no coding.
const CONTENT_CODINGS: &[&str] = &[
    "aes128gcm",
    "br",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "exi",
    "gzip",
    "pack200-gzip",
    "x-compress",
    "x-gzip",
    "zstd",
];

/// The IANA registry of transfer codings, without `chunked`, which is the HTTP stack's to take off.
const TRANSFER_CODINGS: &[&str] = &["compress", "deflate", "gzip", "x-compress", "x-gzip"];

/// Returns the coding of this name in the registry.
fn known(name: &str) -> Option<ContentCoding> {
    Some(match name {
        "br" => ContentCoding::Brotli,
        "deflate" => ContentCoding::Deflate,
        "gzip" | "x-gzip" => ContentCoding::Gzip,
        #[cfg(feature = "zstd")]
        "zstd" => ContentCoding::Zstd,
        _ => return None,
    })
}

/// Decodes the content of one response, piece by piece as it is asked for.
///
/// [`feed`](Self::feed) a decoder what has come, then [`poll`](Self::poll) until nothing is left.
/// What the peer has flushed comes out without waiting for more. The decoder holds bytes that were
/// fed and wait to be decoded, one piece of output, and the window of the coding: 32 KiB for `gzip`
/// and `deflate`, up to 16 MiB for `br` where the content is as long, up to 8 MiB for `zstd`.
/// Output comes only as fast as the decoder is polled, however much a few bytes decode to. A `poll`
/// that decodes many bytes to nothing takes time in their number, some 0.3 µs a byte at worst.
///
/// Empty content is empty in every coding, and allowed.
pub struct Decoder {
    coding: ContentCoding,
    codec: Codec,
    /// What was fed and is yet to be decoded, in order.
    source: Chunks,
    /// Whether output may wait that had no room.
    full: bool,
    place: Place,
    failed: Option<String>,
    ended: bool,
    piece: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first byte.
    Start,
    /// The coding has begun, and not ended.
    Within,
    /// The coding may have ended here.
    End,
}

/// The most that one `poll` gives, in bytes.
const PIECE_BYTES: usize = 16 << 10;

impl Decoder {
    /// Makes the decoder for a response with these fields; `None` where the content is not coded.
    ///
    /// # Errors
    ///
    /// [`Unknown`](CodingError::Unknown), for more than one coding too, and
    /// [`Transfer`](CodingError::Transfer).
    pub fn of(fields: &HeaderMap) -> Result<Option<Self>, CodingError> {
        Ok(applied(fields)?.map(|coding| Self {
            coding,
            codec: Codec::new(coding),
            source: Chunks::default(),
            full: false,
            place: Place::Start,
            failed: None,
            ended: false,
            piece: vec![0; PIECE_BYTES].into(),
        }))
    }

    /// Takes the next bytes of the content, of any number.
    pub fn feed(&mut self, bytes: Bytes) {
        self.source.push(bytes);
    }

    /// States that the content is complete.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Returns the next piece of the decoded content, at most 16 KiB and at least one byte. `None`
    /// when all that was fed is decoded.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](CodingError::Corrupt), and [`Truncated`](CodingError::Truncated) after
    /// [`end`](Self::end). The error comes once the good pieces have come out, and at each poll
    /// from then on. With `br`, what was good before a fault in the same chunk may stay inside.
    pub fn poll(&mut self) -> Result<Option<Bytes>, CodingError> {
        while !self.is_idle() {
            let given = self.step()?;
            if given > 0 {
                return Ok(self.piece.get(..given).map(Bytes::copy_from_slice));
            }
        }
        if self.ended && self.place == Place::Within {
            return Err(CodingError::Truncated { coding: self.coding });
        }
        Ok(None)
    }

    /// Whether nothing comes out before more goes in.
    fn is_idle(&self) -> bool {
        self.source.first().is_empty() && !self.full && self.failed.is_none()
    }

    /// Decodes some, and returns how much of the piece is filled. What was good comes before an
    /// error.
    ///
    /// Each step takes some of the input or fills some of the piece; one step after either may do
    /// neither.
    fn step(&mut self) -> Result<usize, CodingError> {
        if let Some(cause) = &self.failed {
            return Err(CodingError::Corrupt { coding: self.coding, cause: cause.clone() });
        }
        if self.place == Place::End {
            // Tapes, blocks and scripts pad what they hold; no coding begins with these.
            let ended = self.source.first().iter();
            let padding = ended.take_while(|byte| b"\0\r\n".contains(byte)).count();
            if padding == self.source.first().len() {
                self.source.leave_first();
                return Ok(0);
            }
            self.source.advance(padding);
        }
        if let (Place::End, Some(&first)) = (self.place, self.source.first().first()) {
            if !self.codec.restart(first) {
                // Passing over it could lose events without a word.
                self.failed = Some("more bytes follow its end".to_owned());
                return Ok(0);
            }
        }
        let run = self.codec.run(self.source.first(), &mut self.piece);
        let left = self.source.first().len().saturating_sub(run.taken);
        self.source.advance(run.taken);
        self.full = false;
        match run.outcome {
            Outcome::End => self.place = Place::End,
            Outcome::Starved => self.place = Place::Within,
            Outcome::Full => {
                self.place = Place::Within;
                self.full = true;
            }
            Outcome::Failed(cause) => self.failed = Some(cause),
        }
        if left > 0 && run.taken == 0 && run.given == 0 && self.failed.is_none() {
            self.failed = Some("no end of it can be found".to_owned());
        }
        Ok(run.given.min(self.piece.len()))
    }
}

/// Prints the coding.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder({})", self.coding)
    }
}

/// Returns what can be read of a content whose first bytes have come, in any state: at most `most`
/// bytes.
pub(crate) fn readable(fields: &HeaderMap, content: &[u8], most: usize) -> Vec<u8> {
    let mut text = Vec::new();
    match Decoder::of(fields) {
        Ok(None) => text.extend_from_slice(content),
        Ok(Some(mut decoder)) => {
            decoder.feed(Bytes::copy_from_slice(content));
            while let (true, Ok(Some(piece))) = (text.len() < most, decoder.poll()) {
                text.extend_from_slice(&piece);
            }
        }
        Err(_) => {}
    }
    text.truncate(most);
    text
}

#[cfg(test)]
mod tests;
