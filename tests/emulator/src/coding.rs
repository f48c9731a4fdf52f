//! Content codings (RFC 9110 §8.4.1), for requests that ask for one.

use std::fmt;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderMap, HeaderValue, header};

/// A content coding that the emulator can answer in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `br`
    #[cfg(feature = "brotli")]
    Brotli,
    /// `deflate`, in the zlib format
    Deflate,
    /// `gzip`
    Gzip,
}

impl Coding {
    /// Codes a whole content in this coding, for a fault's body.
    pub fn code(self, content: &[u8]) -> Bytes {
        let mut coder = Coder::new(self);
        [coder.code(content), coder.finish()].concat().into()
    }

    /// Returns the first coding that a request asks for and that is known here; a weight of 0
    /// refuses.
    pub(crate) fn asked(fields: &HeaderMap) -> Option<Self> {
        let values = fields.get_all(header::ACCEPT_ENCODING).into_iter();
        values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).find_map(
            |one| {
                let (name, weight) = one.split_once(';').unwrap_or((one, ""));
                let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
                let coding = match name.trim().to_ascii_lowercase().as_str() {
                    #[cfg(feature = "brotli")]
                    "br" => Self::Brotli,
                    "deflate" => Self::Deflate,
                    "gzip" | "x-gzip" => Self::Gzip,
                    _ => return None,
                };
                weight.is_ok_and(|weight| weight > 0.0).then_some(coding)
            },
        )
    }

    /// Returns the coding as `Content-Encoding` has it.
    pub(crate) fn field(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            #[cfg(feature = "brotli")]
            Self::Brotli => "br",
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
        })
    }
}

/// Codes one content, piece by piece.
pub(crate) enum Coder {
    #[cfg(feature = "brotli")]
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Coder {
    pub(crate) fn new(coding: Coding) -> Self {
        match coding {
            #[cfg(feature = "brotli")]
            // Quality 5 of 11, and a window of 64 KiB: more would cost more than it saves here.
            Coding::Brotli => {
                Self::Brotli(Box::new(brotli::CompressorWriter::new(Vec::new(), 4096, 5, 16)))
            }
            Coding::Deflate => Self::Deflate(ZlibEncoder::new(Vec::new(), Compression::default())),
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::default())),
        }
    }

    /// Codes and flushes this piece, so that it can be read before the next piece comes.
    pub(crate) fn code(&mut self, piece: &[u8]) -> Vec<u8> {
        match self {
            #[cfg(feature = "brotli")]
            Self::Brotli(writer) => flushed(writer.as_mut(), piece),
            Self::Deflate(writer) => flushed(writer, piece),
            Self::Gzip(writer) => flushed(writer, piece),
        }
        .expect("a vector takes what is written to it");
        std::mem::take(match self {
            #[cfg(feature = "brotli")]
            Self::Brotli(writer) => writer.get_mut(),
            Self::Deflate(writer) => writer.get_mut(),
            Self::Gzip(writer) => writer.get_mut(),
        })
    }

    /// Returns what ends the coding.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            #[cfg(feature = "brotli")]
            Self::Brotli(writer) => Ok(writer.into_inner()),
            Self::Deflate(writer) => writer.finish(),
            Self::Gzip(writer) => writer.finish(),
        }
        .expect("a vector takes what is written to it")
    }
}

fn flushed(writer: &mut impl Write, piece: &[u8]) -> std::io::Result<()> {
    writer.write_all(piece)?;
    writer.flush()
}

impl fmt::Debug for Coder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "brotli")]
            Self::Brotli(_) => "br",
            Self::Deflate(_) => "deflate",
            Self::Gzip(_) => "gzip",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_coding_that_is_not_refused_is_taken() {
        for (asked, due) in [
            ("gzip, deflate, br", Some(Coding::Gzip)),
            #[cfg(feature = "brotli")]
            ("zstd, BR;q=0.5, gzip", Some(Coding::Brotli)),
            ("gzip;q=0, deflate", Some(Coding::Deflate)),
            ("identity, *", None),
            ("", None),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(asked));
            assert_eq!(Coding::asked(&fields), due, "{asked:?}");
        }
        assert_eq!(Coding::asked(&HeaderMap::new()), None);
    }
}
