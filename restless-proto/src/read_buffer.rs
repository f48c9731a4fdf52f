//! The memory that a driver reads into.

use bytes::{Bytes, BytesMut};

use crate::ws::FrameWalk;

/// The memory that a driver reads its socket into. A machine gets slices of a large read, and a
/// copy of a small one.
///
/// ```
/// # use std::io::{self, Read};
/// use restless_proto::ReadBuffer;
///
/// fn read(socket: &mut impl Read, buffer: &mut ReadBuffer) -> io::Result<bytes::Bytes> {
///     let length = socket.read(buffer.space())?;
///     buffer.advance(length);
///     Ok(buffer.take())
/// }
/// # let mut buffer = ReadBuffer::new();
/// # assert_eq!(read(&mut "abc".as_bytes(), &mut buffer).unwrap(), "abc");
/// # assert_eq!(read(&mut "d".as_bytes(), &mut buffer).unwrap(), "d");
/// ```
///
/// A driver that reads without blocking goes on while [`advance`](Self::advance) says that reading
/// on pays, and then takes all bytes at once. A message that lies in one piece is lent instead of
/// copied. For a WebSocket, a piece ends between two frames where possible
/// ([`for_websocket`](Self::for_websocket)).
///
/// The size of the block that is read into:
///
/// | when | plain | for a WebSocket |
/// | --- | --- | --- |
/// | at first | 16 KiB | 16 KiB |
/// | each time that it was filled as far as pays | twice as much, up to 64 KiB | twice as much, up to 128 KiB |
/// | at a head of a frame that needs more | | 128 KiB; for more than that twice what has come, up to 1 MiB |
/// | each time that less than a quarter of it was filled | half | half, of more than 128 KiB 128 KiB |
/// | each time that no more than half of it was filled | | of more than 128 KiB half |
/// | at rest ([`rest`](Self::rest)), once that is down to 16 KiB | none | none |
///
/// The memory that a read keeps:
///
/// | read | handed over as | kept in memory by a slice |
/// | --- | --- | --- |
/// | less than a quarter of the block | a copy | the copy |
/// | more | the block | the whole block |
/// | a frame of more than 1 MiB | pieces | the blocks of the pieces |
///
/// The buffer may keep the block that was handed over last, to read into that block again.
#[derive(Debug)]
pub struct ReadBuffer {
    /// The block that is read into now, empty before the first call of `space`. The block has room
    /// for `size` bytes, and as much of the room is cleared as was asked for.
    block: BytesMut,
    filled: usize,
    size: usize,
    /// The block that was handed over last. Once every slice of the block is dropped, the block is
    /// read into again, as it is.
    lent: Bytes,
    /// Whether the last read would have found room in a quarter of the smallest block, or is still
    /// to come.
    scarce: bool,
    /// Where the frames end, for a WebSocket.
    frames: Option<FrameWalk>,
}

const LEAST_BYTES: usize = 16 << 10;
/// The number of bytes at which a buffer stops reading on, save to the end of a frame. More bytes
/// would leave the processor's cache before they are looked at, and so cost time.
const GOOD_BLOCK_BYTES: usize = 64 << 10;
const MOST_BYTES: usize = 1 << 20;

/// A read that gave less than this has most likely left nothing behind.
const GOOD_READ_BYTES: usize = 8 << 10;

impl ReadBuffer {
    /// An empty buffer, which takes memory at the first use.
    pub fn new() -> Self {
        Self {
            block: BytesMut::new(),
            filled: 0,
            size: LEAST_BYTES,
            lent: Bytes::new(),
            scarce: true,
            frames: None,
        }
    }

    /// An empty buffer for the bytes of a WebSocket, from the first byte behind the opening
    /// handshake on.
    ///
    /// The buffer reads frames' heads (RFC 6455 §5.2) to end a block between two frames, because a
    /// message that two blocks shared would have to be copied. A driver puts bytes that came with
    /// the response's head into [`space`](Self::space) first, so that the buffer knows where frames
    /// begin. Bytes that are no frames come out as they are, cut anywhere.
    pub fn for_websocket() -> Self {
        Self { frames: Some(FrameWalk::default()), ..Self::new() }
    }

    /// Returns the space to read into. The space has room as long as [`advance`](Self::advance)
    /// says to go on.
    pub fn space(&mut self) -> &mut [u8] {
        if self.block.is_empty() {
            self.block = match std::mem::take(&mut self.lent).try_into_mut() {
                Ok(block) if block.capacity() == self.size => block,
                _ => BytesMut::with_capacity(self.size),
            };
        }
        let aim = self.aim();
        if self.block.len() < aim {
            self.block.resize(aim, 0);
        }
        self.block.get_mut(self.filled..aim).unwrap_or_default()
    }

    /// States that a read has put this many bytes at the beginning of [`space`](Self::space).
    /// Returns whether another read pays that does not wait: the buffer has space, and the socket
    /// is likely to have more bytes.
    pub fn advance(&mut self, length: usize) -> bool {
        let asked = self.aim().min(self.block.len());
        self.filled = self.filled.saturating_add(length).min(asked);
        walk(&mut self.frames, self.block.get(..self.filled).unwrap_or_default());
        if length < GOOD_READ_BYTES && self.filled < asked {
            return false;
        }
        let (size, frame_end) = (self.size, self.frame_end());
        if self.filled == size && (size + 1..=MOST_BYTES).contains(&frame_end) {
            // A head alone is a reason to take as much as is usual; beyond that, twice what has
            // come.
            let usual = self.usual_bytes();
            let more = if frame_end <= usual { usual } else { size.saturating_mul(2) };
            self.size = more.clamp(LEAST_BYTES, MOST_BYTES);
            self.block.reserve(self.size.saturating_sub(self.block.len()));
        }
        self.filled < self.aim()
    }

    /// Gives the block back after a last read of less than a quarter of the smallest block. A
    /// driver whose socket is silent for now calls this, and reads the next bytes into memory of
    /// the driver's own ([`is_at_rest`](Self::is_at_rest)). Does nothing before
    /// [`take`](Self::take).
    pub fn rest(&mut self) {
        if self.scarce && self.is_empty() {
            self.block = BytesMut::new();
            self.lent = Bytes::new();
        }
    }

    /// Whether the buffer holds no memory, and the next read is likely to be small. A few KiB on
    /// the stack are then enough for that read; [`put`](Self::put) takes the bytes.
    pub fn is_at_rest(&self) -> bool {
        self.scarce && self.block.is_empty() && self.lent.is_empty()
    }

    /// Takes bytes that were read into other memory, while the buffer is empty. Returns whether
    /// reading on pays. Less than 4 KiB are kept as a copy of their size, and reading on does not
    /// pay; more bytes are the start of a block.
    pub fn put(&mut self, read: &[u8]) -> bool {
        let much = read.len() >= LEAST_BYTES / 4;
        self.size = self.size.max(read.len());
        self.block = BytesMut::with_capacity(if much { self.size } else { read.len() });
        self.block.extend_from_slice(read);
        self.filled = read.len();
        walk(&mut self.frames, read);
        much && self.filled < self.aim()
    }

    /// Whether nothing has been read since the last [`take`](Self::take).
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Takes the bytes that have been read since the last call.
    pub fn take(&mut self) -> Bytes {
        if self.block.is_empty() {
            return Bytes::new();
        }
        let (size, usual) = (self.size, self.usual_bytes());
        let (filled, good) = (std::mem::take(&mut self.filled), self.good_bytes());
        let read = self.block.get(..filled).unwrap_or_default();
        if let Some(frames) = &mut self.frames {
            frames.leave(read);
        }
        self.scarce = filled < LEAST_BYTES / 4 && size == LEAST_BYTES;
        if self.block.capacity() < size {
            // The bytes have memory of their own size already: they were put here.
            self.block.truncate(filled);
            return std::mem::take(&mut self.block).freeze();
        }
        if filled < size / 4 {
            let read = Bytes::copy_from_slice(read);
            if size > LEAST_BYTES {
                self.size = (size / 2).min(usual);
                self.block = BytesMut::new();
            }
            return read;
        }
        if size > usual && filled <= size / 2 {
            self.size = size / 2;
        } else if size < usual && filled >= good {
            self.size = size.saturating_mul(2).min(usual);
        }
        self.lent = std::mem::take(&mut self.block).freeze();
        self.lent.slice(..filled)
    }

    /// The filling up to which the next read may go.
    fn aim(&self) -> usize {
        let (size, frame_end) = (self.size, self.frame_end());
        if frame_end > size { size } else { self.good_bytes().max(frame_end) }
    }

    /// The filling from which the bytes are worth looking at. The rest of the block is for the end
    /// of a frame.
    fn good_bytes(&self) -> usize {
        let size = self.size;
        if self.frames.is_some() { (size / 2).min(GOOD_BLOCK_BYTES) } else { size }
    }

    /// The size of the block for all but a frame that needs more.
    fn usual_bytes(&self) -> usize {
        if self.frames.is_some() { 2 * GOOD_BLOCK_BYTES } else { GOOD_BLOCK_BYTES }
    }

    /// Where the last frame ends whose head has come, counted from the start of the block.
    fn frame_end(&self) -> usize {
        let end = self.frames.as_ref().map_or(0, FrameWalk::end);
        usize::try_from(end).unwrap_or(usize::MAX)
    }
}

/// Walks on over the bytes that have come.
fn walk(frames: &mut Option<FrameWalk>, read: &[u8]) {
    if frames.as_mut().is_some_and(|walk| walk.skip(read).is_err()) {
        // Whoever parses the bytes says what is wrong.
        *frames = None;
    }
}

impl Default for ReadBuffer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ws::{FrameHeader, Opcode};

    /// Reads from `wire` as from a socket that has all of it, `most` bytes at once, until reading
    /// on no longer pays.
    fn read(buffer: &mut ReadBuffer, wire: &mut &[u8], most: usize) -> Bytes {
        pour(buffer, wire, most);
        buffer.take()
    }

    /// Does the same, and leaves the bytes in the buffer.
    fn pour(buffer: &mut ReadBuffer, wire: &mut &[u8], most: usize) {
        loop {
            let space = buffer.space();
            let length = space.len().min(most).min(wire.len());
            let (now, later) = wire.split_at(length);
            space[..length].copy_from_slice(now);
            *wire = later;
            if !buffer.advance(length) {
                return;
            }
        }
    }

    /// Reads this many bytes of a value, or as many as pays.
    fn fill(buffer: &mut ReadBuffer, length: usize, value: u8) -> Bytes {
        read(buffer, &mut vec![value; length].as_slice(), 16 << 10)
    }

    fn frames(lengths: &[usize]) -> Vec<u8> {
        let mut wire = BytesMut::new();
        for &length in lengths {
            FrameHeader::new(Opcode::Binary, length as u64).encode(&mut wire);
            wire.resize(wire.len() + length, 7);
        }
        wire.to_vec()
    }

    #[test]
    fn to_take_twice_changes_nothing() {
        let mut buffer = ReadBuffer::new();
        for _ in 0..3 {
            fill(&mut buffer, 1 << 20, 1);
        }
        let size = buffer.size;
        assert!(buffer.take().is_empty() && buffer.take().is_empty());
        assert_eq!((buffer.size, buffer.space().len()), (size, size));
    }

    #[test]
    fn a_slice_that_is_kept_is_not_read_over() {
        let mut buffer = ReadBuffer::new();
        let kept = fill(&mut buffer, 10_000, 1);
        let next = fill(&mut buffer, 10_000, 2);
        assert_eq!((kept, next), (vec![1; 10_000].into(), vec![2; 10_000].into()));
    }

    #[test]
    fn a_block_that_nobody_keeps_is_read_into_again() {
        let mut buffer = ReadBuffer::new();
        let first = fill(&mut buffer, 10_000, 1);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(fill(&mut buffer, 10_000, 2).as_ptr(), address);
    }

    #[test]
    fn it_grows_while_it_is_filled_and_no_further_than_its_limit() {
        let mut buffer = ReadBuffer::new();
        for size in [16, 32, 64, 64, 64] {
            assert_eq!(fill(&mut buffer, 1 << 20, 1).len(), size << 10);
        }
    }

    #[test]
    fn it_is_back_at_its_least_after_a_few_small_reads() {
        let mut large = ReadBuffer::for_websocket();
        let wire = frames(&[MOST_BYTES - 100]);
        assert_eq!(read(&mut large, &mut &wire[..], 16 << 10), wire);
        let mut usual = ReadBuffer::for_websocket();
        let (wire, mut rest) = (frames(&[1_000; 200]), 200 * 1_004);
        while rest > 100_000 {
            rest -= read(&mut usual, &mut &wire[200 * 1_004 - rest..], 16 << 10).len();
        }
        for (mut buffer, size, reads) in [(large, MOST_BYTES, 4), (usual, 2 * GOOD_BLOCK_BYTES, 3)]
        {
            buffer.space();
            assert_eq!(buffer.block.capacity(), size);
            for _ in 0..reads {
                assert_eq!(read(&mut buffer, &mut &b"\x89\0"[..], 16), &b"\x89\0"[..]);
            }
            buffer.space();
            assert_eq!(buffer.block.capacity(), LEAST_BYTES);
        }
    }

    #[test]
    fn a_small_read_keeps_no_block_in_memory() {
        let mut buffer = ReadBuffer::new();
        let small = fill(&mut buffer, 100, 1);
        // Nobody else has the memory, and the memory is as large as it says.
        assert_eq!(small.try_into_mut().expect("nobody else has it").capacity(), 100);
    }

    #[test]
    fn at_rest_it_holds_no_memory_and_knows_where_frames_end() {
        let mut buffer = ReadBuffer::for_websocket();
        assert!(buffer.is_at_rest());
        assert!(!buffer.put(&[0x82, 100, 7]));
        assert_eq!(buffer.take(), &[0x82, 100, 7][..]);
        assert!(buffer.is_at_rest());
        assert_eq!(buffer.frame_end(), 99);
        // A burst, and small reads behind it.
        let wire = frames(&[1_000; 200]);
        read(&mut buffer, &mut &[&[7; 99][..], &wire].concat()[..], 16 << 10);
        buffer.rest();
        assert!(!buffer.is_at_rest(), "what comes often has its block");
        for _ in 0..4 {
            read(&mut buffer, &mut &b"\x89\0"[..], 16);
            buffer.rest();
        }
        assert!(buffer.is_at_rest());
        assert_eq!((buffer.block.capacity(), buffer.lent.len()), (0, 0));
    }

    #[test]
    fn what_was_put_comes_out_and_what_is_read_behind_it() {
        for mut buffer in [ReadBuffer::new(), ReadBuffer::for_websocket()] {
            let wire = frames(&[1_000; 100]);
            for first in [0, 1, 4095, 4096, 5_000, 20_000] {
                let (put, mut rest) = wire.split_at(first);
                let mut seen = Vec::new();
                if buffer.put(put) {
                    seen.extend(read(&mut buffer, &mut rest, 16 << 10));
                }
                seen.extend(buffer.take());
                assert_eq!(seen, wire[..wire.len() - rest.len()], "{first} bytes were put");
                while !rest.is_empty() {
                    read(&mut buffer, &mut rest, 16 << 10);
                }
            }
        }
    }

    #[test]
    fn what_was_not_taken_is_not_given_back() {
        let mut buffer = ReadBuffer::new();
        pour(&mut buffer, &mut &b"abc"[..], 16);
        buffer.rest();
        assert_eq!(buffer.take(), "abc");
    }

    #[test]
    fn more_than_there_was_space_for_is_not_believed() {
        for mut buffer in [ReadBuffer::new(), ReadBuffer::for_websocket()] {
            let space = buffer.space().len();
            assert!(!buffer.advance(usize::MAX));
            assert_eq!(buffer.take().len(), space);
            assert_eq!(buffer.take().len(), 0);
        }
    }

    #[test]
    fn there_is_space_whatever_was_said_to_have_been_read() {
        let mut buffer = ReadBuffer::for_websocket();
        read(&mut buffer, &mut &frames(&[900_000])[..10_000], 5_000);
        // No space was asked for.
        buffer.advance(usize::MAX);
        assert!(!buffer.space().is_empty());
    }

    #[test]
    fn what_a_websocket_gives_without_waiting_ends_with_a_frame() {
        let lengths = [3, 70, 20_000, 65_536, 65_536, 200, 0, 130_000, 90, 900_000, 1];
        let mixed = frames(&lengths.repeat(3));
        for wire in [mixed, frames(&[600; 1_000]), frames(&[10_000; 100]), frames(&[20_000; 50])] {
            for most in [9_000, 10_004, 16 << 10, 20_000, usize::MAX] {
                let (mut buffer, mut rest) = (ReadBuffer::for_websocket(), &wire[..]);
                while !rest.is_empty() {
                    let taken = read(&mut buffer, &mut rest, most);
                    let mut walk = FrameWalk::default();
                    walk.skip(&taken).expect("heads of frames");
                    assert_eq!(walk.end(), taken.len() as u64, "reads of {most}");
                }
            }
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_comes_in_pieces_and_is_no_reason_to_grow() {
        let wire = frames(&[3 * MOST_BYTES]);
        let (mut buffer, mut rest) = (ReadBuffer::for_websocket(), &wire[..]);
        while rest.len() > MOST_BYTES {
            read(&mut buffer, &mut rest, 16 << 10);
            assert!(buffer.size <= 2 * GOOD_BLOCK_BYTES);
        }
        while !rest.is_empty() {
            read(&mut buffer, &mut rest, 16 << 10);
            assert!(buffer.size <= MOST_BYTES);
        }
    }

    #[test]
    fn a_head_is_believed_as_far_as_128_kib_or_twice_what_has_come() {
        for (length, come, size) in [
            (100_000, 5_000, 16 << 10),
            (100_000, 20_000, 128 << 10),
            (900_000, 5_000, 16 << 10),
            (900_000, 20_000, 32 << 10),
            (900_000, 300_000, 512 << 10),
        ] {
            let mut buffer = ReadBuffer::for_websocket();
            pour(&mut buffer, &mut &frames(&[length])[..come], 16 << 10);
            assert_eq!(buffer.block.capacity(), size, "of {length} bytes {come} have come");
        }
    }

    #[test]
    fn a_block_for_a_large_frame_is_not_kept_for_small_ones() {
        let mut buffer = ReadBuffer::for_websocket();
        let wire = [frames(&[200_000; 4]), frames(&[600; 1_000])].concat();
        let mut rest = &wire[..];
        while rest.len() > 100_000 {
            read(&mut buffer, &mut rest, 16 << 10);
        }
        assert_eq!(buffer.size, 2 * GOOD_BLOCK_BYTES);
    }

    proptest! {
        #[test]
        fn all_that_was_read_comes_out_frames_or_not(
            pieces in proptest::collection::vec(
                prop_oneof![
                    (0usize..200_000).prop_map(|length| frames(&[length])),
                    proptest::collection::vec(any::<u8>(), 0..50),
                ],
                0..6,
            ),
            reads in proptest::collection::vec(1usize..40_000, 1..6),
            keep: bool,
        ) {
            for mut buffer in [ReadBuffer::new(), ReadBuffer::for_websocket()] {
                let (wire, mut kept, mut seen) = (pieces.concat(), Vec::new(), Vec::new());
                let (mut rest, mut reads) = (&wire[..], reads.iter().cycle());
                while let (false, Some(&most)) = (rest.is_empty(), reads.next()) {
                    let mut taken = Bytes::new();
                    if buffer.is_at_rest() {
                        let (put, behind) = rest.split_at(rest.len().min(most).min(4096));
                        rest = behind;
                        if !buffer.put(put) {
                            taken = buffer.take();
                        }
                    }
                    if taken.is_empty() {
                        taken = read(&mut buffer, &mut rest, most);
                    }
                    buffer.rest();
                    prop_assert!(!taken.is_empty());
                    seen.extend_from_slice(&taken);
                    kept.extend(keep.then_some(taken));
                }
                prop_assert!(seen == wire);
                prop_assert!(!keep || kept.concat() == wire);
            }
        }
    }
}
