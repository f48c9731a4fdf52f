//! permessage-deflate (RFC 7692).

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::error::MESSAGE;
use super::extension::Extension;
use crate::kinds::{ConfigError, LimitError};

/// How messages are compressed: what the client offers (RFC 7692 §7.1), and what the client does
/// itself.
///
/// The default offers compression with all that makes compression work well: windows of 32 KiB that
/// are kept from message to message in both directions. The windows cost memory from a direction's
/// first compressed message on, for as long as the connection lives:
///
/// | direction | with context takeover | without |
/// | --- | --- | --- |
/// | receiving, any window | 47 KiB | nothing between messages |
/// | sending, 15 window bits | 372 KiB | nothing between messages |
/// | sending, 9 window bits | 246 KiB | nothing between messages |
///
/// A direction takes memory from its first compressed message on: a connection that only listens is
/// free of the cost of sending. With
/// [`server_no_context_takeover`](Self::server_no_context_takeover) and
/// [`client_no_context_takeover`](Self::client_no_context_takeover), a connection at rest takes no
/// memory for compression; messages that resemble each other then come out larger.
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
    /// Asks the server to compress each message on its own (RFC 7692 §7.1.1.1). The client then
    /// keeps no window between messages, and small messages compress less. Default: `false`. A
    /// server that refuses this declines compression.
    #[must_use]
    pub fn server_no_context_takeover(mut self, ask: bool) -> Self {
        self.agreed.server_no_context_takeover = ask;
        self
    }

    /// Compresses each message on its own, and tells the server so (RFC 7692 §7.1.1.2). Default:
    /// `false`, which does so only where the server asks for it.
    #[must_use]
    pub fn client_no_context_takeover(mut self, tell: bool) -> Self {
        self.agreed.client_no_context_takeover = tell;
        self
    }

    /// Asks the server for a window of at most two to the power of this, in bytes (RFC 7692
    /// §7.1.2.1). Default: 15, which asks for nothing. A server that can't do this declines
    /// compression. A smaller window saves the server memory; the decompressor here takes the same
    /// memory for each window.
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

    /// Compresses with a window of at most two to the power of this, in bytes, and tells the server
    /// so (RFC 7692 §7.1.2.2). Default: 15; the server may ask for less. For a server that asks for
    /// 8, messages are sent uncompressed: the compressor lacks such a window.
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

    /// Sets how hard to compress, from 1 (fast) to 9 (small). Default: 6.
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

    /// Sets the smallest message that is worth the work, in bytes. Default: 64. A larger message
    /// that does not get smaller is sent uncompressed too.
    #[must_use]
    pub fn min_bytes(mut self, minimum: usize) -> Self {
        self.min_bytes = minimum;
        self
    }

    /// Returns the offer, as it stands in `Sec-WebSocket-Extensions`.
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
        // Without a value, the parameter only says that the server may use it in its response.
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

    /// Returns what was agreed on.
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
    /// The decompressor, made for the first compressed message, and dropped between messages where
    /// nothing is kept.
    state: Option<Decompress>,
    bits: u8,
    takeover: bool,
    /// Whether there was DEFLATE data since the last boundary: the start, a final block, a
    /// message's end.
    open: bool,
    /// The bytes that were decompressed of the message that is passed over.
    passed: usize,
    /// The bytes of the message that were read, and how many final blocks were in them.
    read: usize,
    final_blocks: usize,
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
            // A decompressor for 8 bits is missing; the one for 9 reads such data too.
            bits: parameters.server_max_window_bits.clamp(9, 15),
            takeover: !parameters.server_no_context_takeover,
            open: false,
            passed: 0,
            read: 0,
            final_blocks: 0,
        }
    }

    /// Decompresses the next piece of a message to the end of `output`, which may come to hold
    /// `limit` bytes. Memory is taken as output comes, for at most one byte over the limit. After
    /// an error, `input` is what was not read.
    pub(crate) fn push(
        &mut self,
        input: &mut &[u8],
        output: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), InflateError> {
        let most_likely = input.len().saturating_mul(4).max(SPARE_OUTPUT_BYTES);
        if output.capacity() - output.len() < most_likely {
            make_room(output, most_likely.max(output.len()), limit);
        }
        loop {
            let ran = self.run(input, output);
            // The limit goes before the fault. With the output full, the decompressor may have
            // looked at what follows and found it wrong, or not, depending on how the input was
            // cut.
            if output.len() > limit {
                let error = LimitError::new(MESSAGE, limit, limit.saturating_add(1));
                return Err(InflateError::TooLarge(error));
            }
            ran?;
            if output.len() < output.capacity() {
                if input.is_empty() {
                    return Ok(());
                }
            } else {
                make_room(output, output.len().max(SPARE_OUTPUT_BYTES), limit);
            }
        }
    }

    /// Ends a message: what the sender cut off (§7.2.2) is put back.
    pub(crate) fn finish(
        &mut self,
        output: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), InflateError> {
        // The tail is left out after a final block, and for a message of no bytes at all: neither
        // has a flush that the tail could end.
        let mut tail = &TAIL[..];
        let pushed = if self.open { self.push(&mut tail, output, limit) } else { Ok(()) };
        if matches!(pushed, Err(InflateError::TooLarge(_))) {
            self.keep_window(output);
            self.pass(tail, output, limit)?;
        }
        self.end();
        pushed
    }

    /// Decompresses the next piece of a message that is passed over: `window` comes to hold the end
    /// of the message, as far as the next block or message can refer to it, and what is
    /// decompressed next. Does nothing where messages are compressed one by one.
    ///
    /// Fails where far more than `limit` bytes of the message are passed over: a message that never
    /// ends could keep the program busy with a thousandth of that.
    pub(crate) fn pass(
        &mut self,
        mut input: &[u8],
        window: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), InflateError> {
        let most = limit.saturating_mul(PASSED_OVER_TIMES).max(LEAST_PASSED_OVER);
        while self.takeover {
            if window.len() >= 2 * WINDOW_BYTES {
                self.keep_window(window);
            }
            window.reserve_exact((2 * WINDOW_BYTES).saturating_sub(window.len()));
            let before = window.len();
            let ran = self.run(&mut input, window);
            self.passed = self.passed.saturating_add(window.len() - before);
            // The limit goes before the fault, as in `push`.
            if self.passed > most {
                let error = LimitError::new(PASSED_OVER, most, most.saturating_add(1));
                return Err(InflateError::TooLarge(error));
            }
            ran?;
            if input.is_empty() && window.len() < window.capacity() {
                break;
            }
        }
        Ok(())
    }

    /// Ends a message that was passed over.
    pub(crate) fn finish_pass(
        &mut self,
        window: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), InflateError> {
        if self.open {
            self.pass(&TAIL, window, limit)?;
        }
        self.end();
        Ok(())
    }

    /// Leaves in the output of a message that is passed over from here what may be referred to.
    pub(crate) fn keep_window(&self, output: &mut Vec<u8>) {
        let kept = if self.takeover { WINDOW_BYTES } else { 0 };
        output.drain(..output.len().saturating_sub(kept));
        output.shrink_to(2 * kept);
    }

    fn end(&mut self) {
        self.open = false;
        self.passed = 0;
        self.read = 0;
        self.final_blocks = 0;
        if !self.takeover {
            self.state = None;
        }
    }

    /// Lets the decompressor fill the room that `output` has.
    fn run(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<(), InflateError> {
        let bits = self.bits;
        let state = self.state.get_or_insert_with(|| Decompress::new_with_window_bits(false, bits));
        let (before, given) = (state.total_in(), output.len());
        let status = state.decompress_vec(input, output, FlushDecompress::Sync);
        let taken = usize::try_from(state.total_in() - before).unwrap_or(usize::MAX);
        *input = input.get(taken..).unwrap_or_default();
        self.open |= taken > 0;
        self.read = self.read.saturating_add(taken);
        match status.map_err(|_| InflateError::Invalid)? {
            Status::StreamEnd => {
                // §7.2.3.4: a final block does not end the stream of messages. What this message
                // gave stays in reach of the next block; what earlier ones gave does not, as
                // compressors that do this start over.
                state.reset(false);
                let reach = output.len().saturating_sub(1 << bits);
                state
                    .set_dictionary(output.get(reach..).unwrap_or_default())
                    .map_err(|_| InflateError::Invalid)?;
                self.open = false;
                self.final_blocks += 1;
                let most = FINAL_BLOCKS + self.read / FINAL_BLOCK_BYTES;
                if self.final_blocks > most {
                    let error = LimitError::new(BLOCKS, most, self.final_blocks);
                    return Err(InflateError::InVain(error.counted_in("blocks")));
                }
            }
            Status::Ok | Status::BufError => {
                let stuck = taken == 0 && output.len() == given;
                if stuck && !input.is_empty() && given < output.capacity() {
                    return Err(InflateError::Invalid);
                }
            }
        }
        Ok(())
    }
}

/// Makes room for this much more, where the limit allows it.
#[cold]
fn make_room(output: &mut Vec<u8>, more: usize, limit: usize) {
    let room = limit.saturating_add(1).saturating_sub(output.len());
    // The last step goes all the way: to double once more would take as much again while the buffer
    // is moved.
    let last = output.len().saturating_add(more) > limit / 2;
    output.reserve_exact(if last { room } else { more });
}

/// How many times its limit may be decompressed of a message that is over the limit, and the least
/// of it, however low the limit is.
const PASSED_OVER_TIMES: usize = 8;
const LEAST_PASSED_OVER: usize = 256 << 20;
const PASSED_OVER: &str = "what is decompressed of a message over its limit";

/// How many final blocks a message may have whatever its size, and the number of compressed bytes
/// for each further one. To start over costs as much as to decompress a window, and a block that
/// holds nothing takes two bytes.
const FINAL_BLOCKS: usize = 8;
const FINAL_BLOCK_BYTES: usize = 64;
const BLOCKS: &str = "final blocks that bring little";

/// Why a message can't be decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    Invalid,
    /// The message is over its limit, or what is passed over of the message.
    TooLarge(LimitError),
    /// The message takes work that its size is no reason for.
    InVain(LimitError),
}

/// Compresses the messages of one direction.
pub(crate) struct Deflater {
    /// The compressor, made for the first message that is worth it, and dropped between messages
    /// where nothing is kept.
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

    /// Returns the compressed form of a message, or `None` where compressing does not pay.
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

/// The largest window, which is what one message can refer to in those before it.
const WINDOW_BYTES: usize = 32 << 10;

/// Room that is left for output: with less room, the decompressor leaves its fast loop, which costs
/// half as much again for the last 260 bytes.
const SPARE_OUTPUT_BYTES: usize = 512;

/// What a flush ends with, and the sender leaves out (§7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Room that is left for a flush's own bytes; with too little of it the flush would be repeated.
const SPARE_BYTES: usize = 64;

#[cfg(test)]
mod tests;
