//! permessage-deflate (RFC 7692).

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::extension::Extension;
use crate::{ConfigError, LimitError};

/// How messages are compressed: what the client offers (RFC 7692 §7.1), and what it does itself.
///
/// The default offers compression with all that makes it work well: windows of 32 KiB that are
/// kept from message to message in both directions. What that costs in memory, once a direction
/// has carried its first compressed message, and for as long as the connection lives:
///
/// | direction | with context takeover | without |
/// | --- | --- | --- |
/// | receiving, any window | 47 KiB | nothing between messages |
/// | sending, 15 window bits | 372 KiB | nothing between messages |
/// | sending, 9 window bits | 246 KiB | nothing between messages |
///
/// Before that a connection holds nothing for compression: one that only listens never pays for
/// sending. To hold nothing at all at rest, ask for
/// [`server_no_context_takeover`](Self::server_no_context_takeover) and set
/// [`client_no_context_takeover`](Self::client_no_context_takeover); messages that resemble each
/// other then come out larger.
///
/// ```
/// use restless_proto::ws::Deflate;
///
/// let thrifty =
///     Deflate::default().server_no_context_takeover(true).client_no_context_takeover(true);
/// # let _ = thrifty;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deflate {
    agreed: DeflateParameters,
    level: u32,
    min_bytes: usize,
}

impl Default for Deflate {
    fn default() -> Self {
        Self { agreed: DeflateParameters::default(), level: 6, min_bytes: 64 }
    }
}

impl Deflate {
    /// Asks the server to compress each message on its own (RFC 7692 §7.1.1.1). Then the client
    /// keeps no window between messages, and small messages compress less. Default `false`. A
    /// server that won't do it declines compression.
    #[must_use]
    pub fn server_no_context_takeover(mut self, ask: bool) -> Self {
        self.agreed.server_no_context_takeover = ask;
        self
    }

    /// Compresses each message on its own, and tells the server so (RFC 7692 §7.1.1.2). Default
    /// `false`: only where the server asks for it.
    #[must_use]
    pub fn client_no_context_takeover(mut self, tell: bool) -> Self {
        self.agreed.client_no_context_takeover = tell;
        self
    }

    /// Asks the server for a window of at most two to the power of this, in bytes (RFC 7692
    /// §7.1.2.1). Default 15, which asks for nothing. A server that can't do it declines
    /// compression. This saves the server memory; the decompressor here takes the same for each.
    ///
    /// # Errors
    ///
    /// For less than 8 or more than 15.
    pub fn server_max_window_bits(mut self, bits: u8) -> Result<Self, ConfigError> {
        if !(8..=15).contains(&bits) {
            let accepted = "window bits are 8 to 15";
            return Err(ConfigError::new("server_max_window_bits", bits.to_string(), accepted));
        }
        self.agreed.server_max_window_bits = bits;
        Ok(self)
    }

    /// Compresses with a window of at most two to the power of this, in bytes, and tells the
    /// server so (RFC 7692 §7.1.2.2). Default 15; the server may ask for less. Where it asks for
    /// 8, messages are sent uncompressed: there is no compressor with such a window.
    ///
    /// # Errors
    ///
    /// For less than 9 or more than 15.
    pub fn client_max_window_bits(mut self, bits: u8) -> Result<Self, ConfigError> {
        if !(9..=15).contains(&bits) {
            let accepted = "window bits are 9 to 15 for what we compress";
            return Err(ConfigError::new("client_max_window_bits", bits.to_string(), accepted));
        }
        self.agreed.client_max_window_bits = bits;
        Ok(self)
    }

    /// How hard to compress, 1 (fast) to 9 (small). Default 6.
    ///
    /// # Errors
    ///
    /// For anything else.
    pub fn level(mut self, level: u8) -> Result<Self, ConfigError> {
        if !(1..=9).contains(&level) {
            let accepted = "levels are 1 to 9";
            return Err(ConfigError::new("level", level.to_string(), accepted));
        }
        self.level = u32::from(level);
        Ok(self)
    }

    /// The smallest message that is worth the work, in bytes. Default 64. A larger one that does
    /// not get smaller is sent uncompressed too.
    #[must_use]
    pub fn min_bytes(mut self, minimum: usize) -> Self {
        self.min_bytes = minimum;
        self
    }

    /// The offer, as it stands in `Sec-WebSocket-Extensions`.
    pub(crate) fn offer(&self) -> String {
        let Self { agreed, .. } = self;
        let mut offer = String::from(NAME);
        if agreed.server_no_context_takeover {
            offer.push_str("; server_no_context_takeover");
        }
        if agreed.client_no_context_takeover {
            offer.push_str("; client_no_context_takeover");
        }
        if agreed.server_max_window_bits < 15 {
            offer.push_str(&format!("; server_max_window_bits={}", agreed.server_max_window_bits));
        }
        // Without a value it only says that the server may use the parameter in its response.
        offer.push_str("; client_max_window_bits");
        if agreed.client_max_window_bits < 15 {
            offer.push_str(&format!("={}", agreed.client_max_window_bits));
        }
        offer
    }

    /// Takes the server's response to the offer (RFC 7692 §7.1), or says what is wrong with it.
    pub(crate) fn accept(&self, response: &Extension) -> Result<Self, BadParameter> {
        let mut agreed = DeflateParameters {
            // What is about our own compressor holds whether or not the server repeats it.
            server_no_context_takeover: false,
            server_max_window_bits: 15,
            ..self.agreed
        };
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in &response.parameters {
            let bad = |why| BadParameter { name: name.clone(), value: value.clone(), why };
            if seen.contains(&name.as_str()) {
                return Err(bad("a parameter stands at most once"));
            }
            seen.push(name);
            let bits = |most: u8| match value.as_deref().and_then(window_bits) {
                Some(bits) if bits <= most => Ok(bits),
                Some(_) => Err(bad("no more than was offered")),
                None => Err(bad("window bits are 8 to 15")),
            };
            let flag = || if value.is_none() { Ok(true) } else { Err(bad("it takes no value")) };
            match name.as_str() {
                "server_no_context_takeover" => agreed.server_no_context_takeover = flag()?,
                "client_no_context_takeover" => agreed.client_no_context_takeover = flag()?,
                "server_max_window_bits" => {
                    agreed.server_max_window_bits = bits(self.agreed.server_max_window_bits)?;
                }
                "client_max_window_bits" => {
                    agreed.client_max_window_bits = bits(self.agreed.client_max_window_bits)?;
                }
                _ => return Err(bad("permessage-deflate has no such parameter")),
            }
        }
        // A server that accepts these two repeats them; else memory would not be what was asked.
        for (name, asked) in [
            ("server_no_context_takeover", self.agreed.server_no_context_takeover),
            ("server_max_window_bits", self.agreed.server_max_window_bits < 15),
        ] {
            if asked && !seen.contains(&name) {
                let why = "it was asked for, and a server that can't do it declines";
                return Err(BadParameter { name: name.to_owned(), value: None, why });
            }
        }
        Ok(Self { agreed, ..self.clone() })
    }

    /// What was agreed on.
    pub(crate) fn agreed(&self) -> &DeflateParameters {
        &self.agreed
    }
}

/// The four parameters that were agreed on (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeflateParameters {
    /// The server compresses each message on its own.
    pub server_no_context_takeover: bool,
    /// The client compresses each message on its own.
    pub client_no_context_takeover: bool,
    /// The server's window is at most two to the power of this, in bytes; 8 to 15.
    pub server_max_window_bits: u8,
    /// The client's window is at most two to the power of this, in bytes; 8 to 15.
    pub client_max_window_bits: u8,
}

impl Default for DeflateParameters {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
        }
    }
}

/// What is wrong with the server's response to an offer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadParameter {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) why: &'static str,
}

/// Decimal digits without a leading zero, 8 to 15 (RFC 7692 §7.1.2).
fn window_bits(value: &str) -> Option<u8> {
    let canonical = value.bytes().all(|b| b.is_ascii_digit()) && !value.starts_with('0');
    value.parse().ok().filter(|bits| canonical && (8..=15).contains(bits))
}

/// Decompresses the messages of one direction.
pub(crate) struct Inflater {
    /// Made for the first compressed message, and dropped between messages where nothing is kept.
    state: Option<Decompress>,
    bits: u8,
    takeover: bool,
    /// There was DEFLATE data since the last boundary: the start, a final block, a message's end.
    open: bool,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inflater(2^{})", self.bits)
    }
}

impl Inflater {
    pub(crate) fn new(parameters: &DeflateParameters) -> Self {
        Self {
            state: None,
            // There is no decompressor for 8 bits; one for 9 reads it too.
            bits: parameters.server_max_window_bits.clamp(9, 15),
            takeover: !parameters.server_no_context_takeover,
            open: false,
        }
    }

    /// Decompresses the next piece of a message to the end of `output`, which may come to hold
    /// `limit` bytes. Memory is taken as output comes, and never for more than one byte over it.
    pub(crate) fn push(
        &mut self,
        mut input: &[u8],
        output: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), InflateError> {
        let bits = self.bits;
        let state = self.state.get_or_insert_with(|| Decompress::new_with_window_bits(false, bits));
        loop {
            if output.len() == output.capacity() {
                let more = output.len().max(input.len().saturating_mul(4)).max(512);
                let room = limit.saturating_add(1).saturating_sub(output.len());
                output.reserve_exact(more.min(room));
            }
            let (taken, given) = (state.total_in(), output.len());
            let status = state.decompress_vec(input, output, FlushDecompress::Sync);
            // Before the status: with the output full, the decompressor may have looked at what
            // follows and found it wrong, or not, depending on how the input was cut.
            if output.len() > limit {
                let error = LimitError::new(super::message::WHAT, limit, limit.saturating_add(1));
                return Err(InflateError::TooLarge(error));
            }
            let status = status.map_err(|_| InflateError::Invalid)?;
            let taken = usize::try_from(state.total_in() - taken).unwrap_or(usize::MAX);
            input = input.get(taken..).unwrap_or_default();
            self.open |= taken > 0;
            if status == Status::StreamEnd {
                // §7.2.3.4: a final block does not end the stream of messages. What this message
                // gave stays in reach of the next block; what earlier ones gave does not, as
                // compressors that do this start over.
                *state = Decompress::new_with_window_bits(false, bits);
                let reach = output.len().saturating_sub(1 << bits);
                state
                    .set_dictionary(output.get(reach..).unwrap_or_default())
                    .map_err(|_| InflateError::Invalid)?;
                self.open = false;
            }
            if input.is_empty() && output.len() < output.capacity() {
                return Ok(());
            }
            if taken == 0 && output.len() == given && output.len() < output.capacity() {
                return Err(InflateError::Invalid);
            }
        }
    }

    /// Ends a message: what the sender cut off (§7.2.2) is put back.
    pub(crate) fn finish(
        &mut self,
        output: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), InflateError> {
        // Not after a final block, nor for a message of no bytes at all: neither has a flush that
        // this could be the end of.
        if self.open {
            self.push(&TAIL, output, limit)?;
            self.open = false;
        }
        if !self.takeover {
            self.state = None;
        }
        Ok(())
    }
}

/// Why a message can't be decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    Invalid,
    TooLarge(LimitError),
}

/// Compresses the messages of one direction.
pub(crate) struct Deflater {
    /// Made for the first message worth it, and dropped between messages where nothing is kept.
    state: Option<Compress>,
    bits: u8,
    takeover: bool,
    level: Compression,
    min_bytes: usize,
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deflater(2^{})", self.bits)
    }
}

impl Deflater {
    pub(crate) fn new(deflate: &Deflate) -> Self {
        Self {
            state: None,
            bits: deflate.agreed.client_max_window_bits.min(15),
            takeover: !deflate.agreed.client_no_context_takeover,
            level: Compression::new(deflate.level),
            min_bytes: deflate.min_bytes,
        }
    }

    /// The compressed form of a message, or `None` where it does not pay.
    pub(crate) fn compress(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        if message.len() < self.min_bytes || self.bits < 9 {
            return None;
        }
        let (level, bits) = (self.level, self.bits);
        let state =
            self.state.get_or_insert_with(|| Compress::new_with_window_bits(level, false, bits));
        let compressed = compress(state, message);
        if !self.takeover {
            self.state = None;
        } else if compressed.is_none() {
            // The peer never sees this message compressed, so nothing may refer to it.
            state.reset();
        }
        compressed
    }
}

fn compress(state: &mut Compress, mut message: &[u8]) -> Option<Vec<u8>> {
    let length = message.len();
    let mut output = Vec::with_capacity(length / 2 + SPARE_BYTES);
    loop {
        let before = state.total_in();
        state.compress_vec(message, &mut output, FlushCompress::Sync).ok()?;
        let taken = usize::try_from(state.total_in() - before).ok()?;
        message = message.get(taken..)?;
        if message.is_empty() && output.len() < output.capacity() {
            break;
        }
        if output.len() > length + TAIL.len() {
            return None;
        }
        output.reserve(output.len().max(SPARE_BYTES));
    }
    let kept = output.len().checked_sub(TAIL.len()).filter(|_| output.ends_with(&TAIL))?;
    output.truncate(kept);
    if kept < length { Some(output) } else { None }
}

/// The extension's name in `Sec-WebSocket-Extensions`.
pub(crate) const NAME: &str = "permessage-deflate";

/// What a flush ends with, and the sender leaves out (§7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Room that is left for a flush's own bytes; with too little of it the flush would be repeated.
const SPARE_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn bits(server: u8) -> DeflateParameters {
        DeflateParameters { server_max_window_bits: server, ..Default::default() }
    }

    fn inflate(inflater: &mut Inflater, message: &[u8]) -> Result<Vec<u8>, InflateError> {
        let mut output = Vec::new();
        inflater.push(message, &mut output, LIMIT)?;
        inflater.finish(&mut output, LIMIT)?;
        Ok(output)
    }

    fn response(text: &str) -> Extension {
        super::super::extension::parse(text).expect("a list").remove(0)
    }

    #[test]
    fn the_examples_of_rfc_7692_section_7_2_3_are_read() {
        let mut inflater = Inflater::new(&bits(15));
        let first = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflate(&mut inflater, &first), Ok(b"Hello".to_vec()), "§7.2.3.1");
        let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
        assert_eq!(inflate(&mut inflater, &second), Ok(b"Hello".to_vec()), "§7.2.3.2");
        let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        assert_eq!(inflate(&mut inflater, &stored), Ok(b"Hello".to_vec()), "§7.2.3.3");
        let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        assert_eq!(inflate(&mut inflater, &last), Ok(b"Hello".to_vec()), "§7.2.3.4");
        let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflate(&mut inflater, &two), Ok(b"Hello".to_vec()), "§7.2.3.5");
    }

    #[test]
    fn a_final_block_without_the_octet_after_it_is_read_and_so_is_what_follows() {
        let mut inflater = Inflater::new(&bits(15));
        let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        for _ in 0..3 {
            assert_eq!(inflate(&mut inflater, &last), Ok(b"Hello".to_vec()));
        }
    }

    #[test]
    fn a_message_of_no_bytes_is_empty_and_breaks_nothing_after_it() {
        let mut inflater = Inflater::new(&bits(15));
        assert_eq!(inflate(&mut inflater, &[]), Ok(Vec::new()));
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflate(&mut inflater, &hello), Ok(b"Hello".to_vec()));
        assert_eq!(inflate(&mut inflater, &[]), Ok(Vec::new()));
        assert_eq!(inflate(&mut inflater, &hello), Ok(b"Hello".to_vec()));
    }

    #[test]
    fn a_block_after_a_final_one_reaches_back_into_its_message() {
        let mut compressed = Vec::with_capacity(200);
        let mut first = Compress::new(Compression::default(), false);
        first.compress_vec(b"Hello", &mut compressed, FlushCompress::Finish).expect("compresses");
        let mut second = Compress::new(Compression::default(), false);
        second.set_dictionary(b"Hello").expect("a dictionary");
        second.compress_vec(b"Hello", &mut compressed, FlushCompress::Sync).expect("compresses");
        compressed.truncate(compressed.len() - 4);
        let mut inflater = Inflater::new(&bits(15));
        assert_eq!(inflate(&mut inflater, &compressed), Ok(b"HelloHello".to_vec()));
    }

    #[test]
    fn what_is_not_deflate_is_invalid() {
        let mut inflater = Inflater::new(&bits(15));
        assert_eq!(inflate(&mut inflater, &[0xff; 20]), Err(InflateError::Invalid));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let mut deflater = Deflater::new(&Deflate::default());
        let bomb = deflater.compress(&vec![0; 10 << 20]).expect("pays");
        let mut output = Vec::new();
        let seen = Inflater::new(&bits(15)).push(&bomb, &mut output, LIMIT);
        assert!(matches!(seen, Err(InflateError::TooLarge(_))), "{seen:?}");
        assert!(output.capacity() <= LIMIT + 1, "{} bytes taken", output.capacity());
    }

    #[test]
    fn what_does_not_get_smaller_is_left_as_it_is_and_never_referred_to() {
        let noise: Vec<u8> = {
            let mut entropy = crate::Entropy::from_seed(1);
            (0..600).map(|_| entropy.up_to(255) as u8).collect()
        };
        let mut deflater = Deflater::new(&Deflate::default());
        assert_eq!(deflater.compress(&noise), None);
        let mixed = [&noise[..], &[b'a'; 600]].concat();
        let compressed = deflater.compress(&mixed).expect("the second half pays");
        assert_eq!(inflate(&mut Inflater::new(&bits(15)), &compressed), Ok(mixed));
    }

    #[test]
    fn the_window_is_no_larger_than_agreed() {
        // The second half repeats the first from 600 bytes back: out of a window of 512.
        let mut entropy = crate::Entropy::from_seed(1);
        let half: Vec<u8> = (0..600).map(|_| entropy.up_to(255) as u8).collect();
        let twice = [&half[..], &half[..], &[b'a'; 200]].concat();
        let size = |bits| {
            let deflate = Deflate::default().client_max_window_bits(bits).expect("in range");
            Deflater::new(&deflate).compress(&twice).map(|compressed| compressed.len())
        };
        assert!(size(15) < Some(1000), "{:?}", size(15));
        assert!(size(9) > Some(1190), "{:?}", size(9));
    }

    #[test]
    fn a_window_of_eight_bits_means_no_compression() {
        let deflate = Deflate::default()
            .accept(&response("permessage-deflate; client_max_window_bits=8"))
            .expect("allowed");
        assert_eq!(Deflater::new(&deflate).compress(&[0; 1000]), None);
    }

    #[test]
    fn without_context_takeover_nothing_is_held_between_messages() {
        let parameters = DeflateParameters {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            ..Default::default()
        };
        let deflate = Deflate { agreed: parameters, ..Default::default() };
        let (mut deflater, mut inflater) = (Deflater::new(&deflate), Inflater::new(&parameters));
        let first = deflater.compress(&[b'a'; 100]).expect("pays");
        assert!(deflater.state.is_none());
        assert_eq!(deflater.compress(&[b'a'; 100]), Some(first.clone()), "each on its own");
        assert_eq!(inflate(&mut inflater, &first), Ok(vec![b'a'; 100]));
        assert!(inflater.state.is_none());
    }

    #[test]
    fn the_offer_names_what_is_asked_for_and_nothing_else() {
        assert_eq!(Deflate::default().offer(), "permessage-deflate; client_max_window_bits");
        let all = Deflate::default()
            .server_no_context_takeover(true)
            .client_no_context_takeover(true)
            .server_max_window_bits(10)
            .and_then(|deflate| deflate.client_max_window_bits(9))
            .expect("in range");
        assert_eq!(
            all.offer(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=10; client_max_window_bits=9"
        );
    }

    #[test]
    fn a_response_outside_the_offer_is_refused() {
        let offer = Deflate::default().client_max_window_bits(12).expect("in range");
        for parameters in [
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=08",
            "server_max_window_bits=+9",
            "server_max_window_bits=4294967311",
            "client_max_window_bits",
            "client_max_window_bits=13",
            "client_no_context_takeover=1",
            "server_no_context_takeover; server_no_context_takeover",
            "window=1",
        ] {
            let seen = offer.accept(&response(&format!("permessage-deflate; {parameters}")));
            assert!(seen.is_err(), "{parameters}");
        }
        let small = Deflate::default().server_max_window_bits(10).expect("in range");
        assert!(small.accept(&response("permessage-deflate")).is_err());
        assert!(small.accept(&response("permessage-deflate; server_max_window_bits=9")).is_ok());
        let alone = Deflate::default().server_no_context_takeover(true);
        assert!(alone.accept(&response("permessage-deflate")).is_err());
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_with_any_parameters_and_any_cut(
            messages in proptest::collection::vec("[a-d]{0,300}|\\PC{0,80}", 1..6),
            client in 9u8..=15, takeover: bool, level in 1u8..=9, cut in 1usize..50,
        ) {
            let deflate = Deflate::default()
                .client_no_context_takeover(!takeover)
                .min_bytes(0)
                .client_max_window_bits(client).and_then(|d| d.level(level)).expect("in range");
            // The peer's side of what we send: its decompressor has our compressor's parameters.
            let peer = DeflateParameters {
                server_max_window_bits: client,
                server_no_context_takeover: !takeover,
                ..Default::default()
            };
            let (mut deflater, mut inflater) = (Deflater::new(&deflate), Inflater::new(&peer));
            for message in &messages {
                let Some(compressed) = deflater.compress(message.as_bytes()) else { continue };
                let mut output = Vec::new();
                for piece in compressed.chunks(cut) {
                    prop_assert_eq!(inflater.push(piece, &mut output, LIMIT), Ok(()));
                }
                prop_assert_eq!(inflater.finish(&mut output, LIMIT), Ok(()));
                prop_assert_eq!(output, message.as_bytes());
            }
        }
    }
}
