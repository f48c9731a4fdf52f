//! Content codings (RFC 9110 §8.4.1): what `Content-Encoding` says, and a decoder to pull from.
//!
//! Calls and subscriptions decode on their own. This is for whoever reads a response by other means.
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

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use crate::error::one_line;
use codec::{Codec, Outcome};

/// A content coding that is understood here (RFC 9110 §8.4.1 and the IANA registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentCoding {
    /// `br` (RFC 7932), with windows of at most 16 MiB, as the coding has them.
    Brotli,
    /// `deflate`: the zlib format (RFC 1950), or as some servers have it bare DEFLATE (RFC 1951).
    Deflate,
    /// `gzip`, and by its old name `x-gzip` (RFC 1952), of one member or several.
    Gzip,
    /// `zstd` (RFC 8878), with windows of at most 8 MiB (RFC 9659).
    #[cfg(feature = "zstd")]
    Zstd,
}

/// As the registry spells it.
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
    /// It is not what its coding allows, or goes on after its end.
    #[error("the content's {coding} coding is broken: {cause}")]
    Corrupt {
        /// The coding.
        coding: ContentCoding,
        /// What is wrong, as the decoder tells it.
        cause: String,
    },
    /// More codings are piled up than anyone needs.
    #[error("the content has more than {limit} codings")]
    TooMany {
        /// How many are accepted.
        limit: usize,
    },
    /// It ended too early, though in good order as far as HTTP goes.
    #[error("the content ended in the middle of its {coding} coding")]
    Truncated {
        /// The coding.
        coding: ContentCoding,
    },
    /// It is in a coding that is not understood here, and was not asked for.
    #[error("the content is in a coding that is not understood: {coding}")]
    Unknown {
        /// The coding's name as it came, at most 300 characters of it.
        coding: String,
    },
}

/// What a request asks for (RFC 9110 §12.5.3): all that is understood.
pub(crate) fn accepted() -> HeaderValue {
    HeaderValue::from_static(if cfg!(feature = "zstd") {
        "gzip, deflate, br, zstd"
    } else {
        "gzip, deflate, br"
    })
}

/// The most codings on top of each other.
const MOST_CODINGS: usize = 3;

/// The codings in the order that they were applied in (RFC 9110 §8.4).
fn applied(fields: &HeaderMap) -> Result<Vec<ContentCoding>, CodingError> {
    let mut codings = Vec::new();
    let values = fields.get_all(header::CONTENT_ENCODING).into_iter();
    for name in values.flat_map(|value| value.as_bytes().split(|&byte| byte == b',')) {
        codings.push(match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => continue,
            b"br" => ContentCoding::Brotli,
            b"deflate" => ContentCoding::Deflate,
            b"gzip" | b"x-gzip" => ContentCoding::Gzip,
            #[cfg(feature = "zstd")]
            b"zstd" => ContentCoding::Zstd,
            _ => {
                let coding = one_line(&String::from_utf8_lossy(name.trim_ascii()));
                return Err(CodingError::Unknown { coding });
            }
        });
        if codings.len() > MOST_CODINGS {
            return Err(CodingError::TooMany { limit: MOST_CODINGS });
        }
    }
    Ok(codings)
}

/// Decodes the content of one response, piece by piece as it is asked for.
///
/// [`feed`](Self::feed) it what has come, then [`poll`](Self::poll) until there is nothing left.
/// What the peer has flushed comes out without waiting for more. It holds what was fed and is not
/// decoded yet, one piece, and the window of each coding: 32 KiB for `gzip` and `deflate`, up to
/// 16 MiB for `br` where the content is as long, up to 8 MiB for `zstd`. However much comes of a few
/// bytes, it only comes as fast as it is polled.
///
/// No content at all is none in any coding, and no error.
pub struct Decoder {
    /// The coding that was applied last comes first.
    stages: Vec<Stage>,
    source: VecDeque<Bytes>,
    ended: bool,
    piece: Box<[u8]>,
}

/// The most that one `poll` gives, in bytes.
const PIECE_BYTES: usize = 16 << 10;

impl Decoder {
    /// The decoder for a response with these fields; `None` where the content is not coded.
    ///
    /// # Errors
    ///
    /// [`Unknown`](CodingError::Unknown) and [`TooMany`](CodingError::TooMany).
    pub fn of(fields: &HeaderMap) -> Result<Option<Self>, CodingError> {
        let codings = applied(fields)?;
        if codings.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            stages: codings.into_iter().rev().map(Stage::new).collect(),
            source: VecDeque::new(),
            ended: false,
            piece: vec![0; PIECE_BYTES].into(),
        }))
    }

    /// Takes the next bytes of the content, of any number.
    pub fn feed(&mut self, bytes: Bytes) {
        self.source.push_back(bytes);
    }

    /// Says that the content is complete.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next piece of what the content was before it was coded, at most 16 KiB and never empty.
    /// `None` when all that was fed is decoded.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](CodingError::Corrupt), and [`Truncated`](CodingError::Truncated) after
    /// [`end`](Self::end): once what was good has come out, and from then on. Of `br`, what was good
    /// before a fault in the same chunk may stay inside.
    pub fn poll(&mut self) -> Result<Option<Bytes>, CodingError> {
        let piece = pull(&mut self.stages, &mut self.source, &mut self.piece)?;
        if piece.is_none() && self.ended {
            if let Some(stage) = self.stages.iter().find(|stage| stage.place == Place::Within) {
                return Err(CodingError::Truncated { coding: stage.coding });
            }
        }
        Ok(piece)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.stages.iter().map(|stage| stage.coding)).finish()
    }
}

/// What can be read of a content whose first bytes have come, in any state: at most `most` bytes.
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

/// The next piece from the last of these stages, which asks the one before it for what it needs.
fn pull(
    stages: &mut [Stage],
    source: &mut VecDeque<Bytes>,
    piece: &mut [u8],
) -> Result<Option<Bytes>, CodingError> {
    let Some((stage, before)) = stages.split_last_mut() else { return Ok(source.pop_front()) };
    loop {
        if stage.is_idle() {
            match pull(before, source, piece)? {
                Some(bytes) => stage.input = bytes,
                None => return Ok(None),
            }
        } else {
            let given = stage.step(piece)?;
            if given > 0 {
                let piece = piece.get(..given).unwrap_or_default();
                return Ok(Some(Bytes::copy_from_slice(piece)));
            }
        }
    }
}

/// One coding, and what came for it.
struct Stage {
    coding: ContentCoding,
    codec: Codec,
    input: Bytes,
    /// There may be output that had no room.
    full: bool,
    place: Place,
    failed: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first byte.
    Start,
    /// The coding has begun, and not ended.
    Within,
    /// At what may be the end.
    End,
}

impl Stage {
    fn new(coding: ContentCoding) -> Self {
        Self {
            coding,
            codec: Codec::new(coding),
            input: Bytes::new(),
            full: false,
            place: Place::Start,
            failed: None,
        }
    }

    /// Nothing comes out before more goes in. Some codecs take empty input for an error.
    fn is_idle(&self) -> bool {
        self.input.is_empty() && !self.full && self.failed.is_none()
    }

    /// Decodes some, and gives how much of `piece` is filled. What was good comes before an error.
    fn step(&mut self, piece: &mut [u8]) -> Result<usize, CodingError> {
        if let Some(cause) = &self.failed {
            return Err(CodingError::Corrupt { coding: self.coding, cause: cause.clone() });
        }
        if let (Place::End, Some(&first)) = (self.place, self.input.first()) {
            if !self.codec.restart(first) {
                // Passing over it could lose events without a word.
                self.failed = Some("more bytes follow its end".to_owned());
                return Ok(0);
            }
        }
        let run = self.codec.run(&self.input, piece);
        let taken = run.taken.min(self.input.len());
        self.input = self.input.slice(taken..);
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
        if taken == 0 && run.given == 0 && !self.input.is_empty() && self.failed.is_none() {
            self.failed = Some("no end of it can be found".to_owned());
        }
        Ok(run.given.min(piece.len()))
    }
}
