//! Memory that a driver reads into.

use bytes::{Bytes, BytesMut};

/// What a driver reads its socket into, so that a machine gets slices of it and not copies.
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
/// Who reads without blocking goes on while [`advance`](Self::advance) says that it pays, and takes
/// all of it at once: a message that comes in one piece is not copied.
///
/// It holds 16 KiB, twice as much after each time that it was full, up to 256 KiB, and half as much
/// after each time that less than a quarter of it was used. So a connection that only pings is back
/// at 16 KiB after four pings; until then it may keep the block that it handed over last. What fills less than a quarter is handed over as a copy of its own
/// size, and keeps nothing else in memory.
#[derive(Debug)]
pub struct ReadBuffer {
    /// What is read into now: `size` bytes, or none before the first one is asked for.
    block: BytesMut,
    filled: usize,
    size: usize,
    /// The block that was handed over last. Once nobody else has a slice of it, it is read into
    /// again, as it is: it needs no clearing.
    lent: Bytes,
}

const LEAST_BYTES: usize = 16 << 10;
const MOST_BYTES: usize = 256 << 10;

/// A read that gave less than this has most likely left nothing behind.
const GOOD_READ_BYTES: usize = 8 << 10;

impl ReadBuffer {
    /// An empty one, which takes its memory when it is first used.
    pub fn new() -> Self {
        Self { block: BytesMut::new(), filled: 0, size: LEAST_BYTES, lent: Bytes::new() }
    }

    /// Where to read into; never empty before [`take`](Self::take) while
    /// [`advance`](Self::advance) says to go on.
    pub fn space(&mut self) -> &mut [u8] {
        if self.block.is_empty() {
            self.block = match std::mem::take(&mut self.lent).try_into_mut() {
                Ok(block) if block.len() == self.size => block,
                _ => BytesMut::zeroed(self.size),
            };
        }
        self.block.get_mut(self.filled..).unwrap_or_default()
    }

    /// States that a read has put this many bytes at the beginning of [`space`](Self::space).
    /// Whether it pays to read on, if that can be had without waiting: there is space, and the
    /// socket is likely to have more.
    pub fn advance(&mut self, length: usize) -> bool {
        self.filled = self.filled.saturating_add(length).min(self.block.len());
        length >= GOOD_READ_BYTES && self.filled < self.block.len()
    }

    /// Whether nothing has been read since the last [`take`](Self::take).
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// What has been read since the last time.
    pub fn take(&mut self) -> Bytes {
        if self.block.is_empty() {
            return Bytes::new();
        }
        let filled = std::mem::take(&mut self.filled);
        let size = self.block.len();
        if filled == size {
            self.size = size.saturating_mul(2).clamp(LEAST_BYTES, MOST_BYTES);
        } else if filled < size / 4 {
            let read = Bytes::copy_from_slice(self.block.get(..filled).unwrap_or_default());
            if size > LEAST_BYTES {
                self.size = size / 2;
                self.block = BytesMut::new();
            }
            return read;
        }
        self.lent = std::mem::take(&mut self.block).freeze();
        self.lent.slice(..filled)
    }
}

impl Default for ReadBuffer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_take_twice_changes_nothing() {
        let mut buffer = ReadBuffer::new();
        for _ in 0..3 {
            fill(&mut buffer, usize::MAX, usize::MAX, 1);
        }
        let size = buffer.size;
        assert!(buffer.take().is_empty() && buffer.take().is_empty());
        assert_eq!((buffer.size, buffer.space().len()), (size, size));
    }

    /// Puts this many bytes of a value into the space, as reads of at most `most` do.
    fn fill(buffer: &mut ReadBuffer, length: usize, most: usize, value: u8) -> Bytes {
        let mut left = length;
        loop {
            let space = buffer.space();
            let read = space.len().min(most).min(left);
            space[..read].fill(value);
            left -= read;
            if !buffer.advance(read) {
                return buffer.take();
            }
        }
    }

    #[test]
    fn what_was_read_comes_out_whatever_follows() {
        let mut buffer = ReadBuffer::new();
        let lengths = [1, 5_000, 16_384, 30_000, 3, 65_536, 300_000, 0, 17, 512 << 10];
        let taken: Vec<Bytes> = (0..)
            .zip(lengths)
            .map(|(value, length)| {
                let mut whole = BytesMut::new();
                while whole.len() < length {
                    whole.extend_from_slice(&fill(
                        &mut buffer,
                        length - whole.len(),
                        16 << 10,
                        value,
                    ));
                }
                whole.freeze()
            })
            .collect();
        for ((value, length), taken) in (0..).zip(lengths).zip(taken) {
            assert_eq!(taken, vec![value; length]);
        }
    }

    #[test]
    fn a_slice_that_is_kept_is_not_read_over() {
        let mut buffer = ReadBuffer::new();
        let kept = fill(&mut buffer, 10_000, usize::MAX, 1);
        let next = fill(&mut buffer, 10_000, usize::MAX, 2);
        assert_eq!((kept, next), (vec![1; 10_000].into(), vec![2; 10_000].into()));
    }

    #[test]
    fn a_block_that_nobody_keeps_is_read_into_again() {
        let mut buffer = ReadBuffer::new();
        let first = fill(&mut buffer, 10_000, usize::MAX, 1);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(fill(&mut buffer, 10_000, usize::MAX, 2).as_ptr(), address);
    }

    #[test]
    fn it_grows_while_it_is_filled_and_no_further_than_its_limit() {
        let mut buffer = ReadBuffer::new();
        for size in [16, 32, 64, 128, 256, 256, 256] {
            assert_eq!(fill(&mut buffer, usize::MAX, 16 << 10, 1).len(), size << 10);
        }
    }

    #[test]
    fn it_is_back_at_its_least_after_four_small_reads() {
        let mut buffer = ReadBuffer::new();
        while buffer.space().len() < MOST_BYTES {
            fill(&mut buffer, usize::MAX, usize::MAX, 1);
        }
        for _ in 0..4 {
            fill(&mut buffer, 2, usize::MAX, 2);
        }
        assert_eq!(buffer.space().len(), LEAST_BYTES);
    }

    #[test]
    fn a_small_read_keeps_no_block_in_memory() {
        let mut buffer = ReadBuffer::new();
        let small = fill(&mut buffer, 100, usize::MAX, 1);
        // Alone with its memory, and that is no more than it says.
        assert_eq!(small.try_into_mut().expect("nobody else has it").capacity(), 100);
    }

    #[test]
    fn more_than_there_was_space_for_is_not_believed() {
        let mut buffer = ReadBuffer::new();
        let space = buffer.space().len();
        assert!(!buffer.advance(usize::MAX));
        assert_eq!(buffer.take().len(), space);
        assert_eq!(buffer.take().len(), 0);
    }
}
