//! The codecs behind the codings, made to look alike. All of them are without I/O.
//!
//! A crate that wraps them all was left aside: the one that there is accepts `br` with windows of
//! up to 1 GiB, which the coding forbids; fed 247 bytes, that crate came to hold 384 MiB.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
#[cfg(feature = "zstd")]
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::ContentCoding;

pub(super) enum Codec {
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    /// A codec that is made when its first byte has told which of two formats comes.
    Deflate(Option<Decompress>),
    Gzip(Decompress),
    #[cfg(feature = "zstd")]
    Zstd(DCtx<'static>),
}

/// What one run of a codec did.
pub(super) struct Run {
    pub(super) taken: usize,
    pub(super) given: usize,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// The coding has ended; what is left of the input belongs to something else.
    End,
    /// The codec needs more input.
    Starved,
    /// The codec has filled the output, and may have more.
    Full,
    /// The input is not of this coding, for this reason.
    Failed(String),
}

/// Two to the power of this is the largest window, in bytes.
const GZIP_WINDOW_BITS: u8 = 15;
/// 8 MiB (RFC 9659 §3).
#[cfg(feature = "zstd")]
const ZSTD_WINDOW_BITS: u32 = 23;

impl Codec {
    pub(super) fn new(coding: ContentCoding) -> Self {
        match coding {
            // Strict means windows as RFC 7932 has them.
            ContentCoding::Brotli => Self::Brotli(Box::new(BrotliState::new_strict(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ))),
            ContentCoding::Deflate => Self::Deflate(None),
            ContentCoding::Gzip => Self::Gzip(Decompress::new_gzip(GZIP_WINDOW_BITS)),
            #[cfg(feature = "zstd")]
            ContentCoding::Zstd => {
                let mut context = DCtx::create();
                // zstd accepts this value; if zstd refused it, zstd's own bound would hold.
                let _ = context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_BITS));
                Self::Zstd(context)
            }
        }
    }

    /// After an end: whether what begins with this byte is more of the same coding (RFC 1952 §2.2,
    /// RFC 8878 §3.1), and the codec is ready for it.
    pub(super) fn restart(&mut self, first: u8) -> bool {
        match self {
            Self::Brotli(_) | Self::Deflate(_) => false,
            Self::Gzip(state) if first == 0x1f => {
                *state = Decompress::new_gzip(GZIP_WINDOW_BITS);
                true
            }
            Self::Gzip(_) => false,
            // The codec finds the next frame itself.
            #[cfg(feature = "zstd")]
            Self::Zstd(_) => true,
        }
    }

    /// Decodes what can be decoded of `input` into `output`, which has room.
    pub(super) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Run {
        match self {
            Self::Brotli(state) => brotli(state, input, output),
            Self::Deflate(state) => {
                let first = input.first().copied().unwrap_or_default();
                let state = state.get_or_insert_with(|| Decompress::new(is_zlib(first)));
                inflate(state, input, output)
            }
            Self::Gzip(state) => inflate(state, input, output),
            #[cfg(feature = "zstd")]
            Self::Zstd(context) => zstd(context, input, output),
        }
    }
}

/// Tells zlib's format from bare DEFLATE. The zlib format begins with an 8 in these four bits (RFC
/// 1950 §2.2). In bare DEFLATE such an 8 would be a stored block with padding other than zero (RFC
/// 1951 §3.2.4), which no compressor writes.
fn is_zlib(first: u8) -> bool {
    first & 0x0f == 8
}

fn inflate(state: &mut Decompress, input: &[u8], output: &mut [u8]) -> Run {
    let (taken, given) = (state.total_in(), state.total_out());
    let status = state.decompress(input, output, FlushDecompress::Sync);
    let since = |now: u64, then: u64| usize::try_from(now - then).unwrap_or(usize::MAX);
    let taken = since(state.total_in(), taken);
    let given = since(state.total_out(), given);
    let outcome = match status {
        Ok(Status::StreamEnd) => Outcome::End,
        Ok(Status::Ok | Status::BufError) if given == output.len() => Outcome::Full,
        Ok(Status::Ok | Status::BufError) => Outcome::Starved,
        Err(error) => Outcome::Failed(match error.message() {
            // On its fast way the decoder forgets what was wrong.
            None | Some("repeated call with bad state") => "invalid data".to_owned(),
            Some(cause) => cause.to_owned(),
        }),
    };
    Run { taken, given, outcome }
}

fn brotli(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    input: &[u8],
    output: &mut [u8],
) -> Run {
    let (mut taken, mut given, mut total) = (0, 0, 0);
    let result = BrotliDecompressStream(
        &mut input.len(),
        &mut taken,
        input,
        &mut output.len(),
        &mut given,
        output,
        &mut total,
        state,
    );
    let outcome = match result {
        BrotliResult::ResultSuccess => Outcome::End,
        BrotliResult::NeedsMoreOutput => Outcome::Full,
        // The codec asks for input first, whatever it has left to give.
        BrotliResult::NeedsMoreInput if given == output.len() => Outcome::Full,
        BrotliResult::NeedsMoreInput => Outcome::Starved,
        BrotliResult::ResultFailure => Outcome::Failed(format!("{:?}", state.error_code)),
    };
    Run { taken, given, outcome }
}

#[cfg(feature = "zstd")]
fn zstd(context: &mut DCtx<'_>, input: &[u8], output: &mut [u8]) -> Run {
    let room = output.len();
    let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(output));
    let result = context.decompress_stream(&mut to, &mut from);
    let given = to.pos();
    let outcome = match result {
        // The frame is complete, and all of it is out.
        Ok(0) => Outcome::End,
        Ok(_) if given == room => Outcome::Full,
        Ok(_) => Outcome::Starved,
        Err(code) => Outcome::Failed(get_error_name(code).to_owned()),
    };
    Run { taken: from.pos(), given, outcome }
}
