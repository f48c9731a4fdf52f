//! Lines as the service writes them, read in the shortest way.
//!
//! Nearly all of a stream is three kinds of line that lie whole in one chunk: `id` with up to 15
//! ASCII characters, `data`, each with one space behind its colon, and the blank line. To read an
//! event of such lines takes some 300 instructions beside the search for the line's end and the
//! check of its UTF-8; with the rules for all lines that there are, 750. Any other line is left
//! where it is, to whoever knows it.

use restless_scan::Chunk;

use super::buffers::{BlockEnd, Buffers};
use super::last_event_id::LastEventId;
use crate::kinds::LimitError;
use crate::limits::Limits;

/// Where reading plain lines stopped.
pub(super) enum Plain {
    /// Behind the end of a block that has something to say.
    Block(BlockEnd),
    /// At a `data` line without an end in this chunk.
    GoesOn,
    /// At something that is not plain, or at the chunk's end.
    Other,
}

/// Reads plain lines of the chunk from `at` on, where a line starts, and moves on.
#[inline(always)]
pub(super) fn read(
    chunk: &mut Chunk,
    at: &mut usize,
    buffers: &mut Buffers,
    last_event_id: &mut LastEventId,
    limits: &Limits,
) -> Result<Plain, LimitError> {
    // The place is in a register, which saves a store and a load for each line.
    let mut here = *at;
    let read = read_from(chunk, &mut here, buffers, last_event_id, limits);
    *at = here;
    read
}

#[inline(always)]
fn read_from(
    chunk: &mut Chunk,
    at: &mut usize,
    buffers: &mut Buffers,
    last_event_id: &mut LastEventId,
    limits: &Limits,
) -> Result<Plain, LimitError> {
    loop {
        let Some(rest) = chunk.bytes().get(*at..) else { return Ok(Plain::Other) };
        if rest.starts_with(DATA) {
            let start = *at + DATA.len();
            let Some(length) = chunk.line_end(start) else { return Ok(Plain::GoesOn) };
            let chunk = chunk.bytes();
            let Some(end) = line_end_length(chunk, start + length) else { return Ok(Plain::Other) };
            *at = start + length + end;
            if !buffers.first_data_line(limits, start..start + length, DATA.len())
                && !buffers.short_data_line(limits, chunk, start..start + length, DATA.len())
            {
                buffers.data_line(limits, chunk, start..start + length, DATA.len())?;
            }
        } else if rest.starts_with(b"\n") {
            *at += 1;
            if let Some(end) = buffers.end_block(last_event_id) {
                return Ok(Plain::Block(end));
            }
        } else if rest.starts_with(ID) {
            let value = rest.get(ID.len()..).unwrap_or_default();
            let Some(block) = value.first_chunk() else { return Ok(Plain::Other) };
            // One look finds the end, and what can't be handed on as it is.
            let lines = restless_scan::block_lines(block);
            if lines.ends == 0 {
                return Ok(Plain::Other);
            }
            let length = lines.ends.trailing_zeros() as usize;
            let is_plain = lines.not_plain & lines.ends.wrapping_sub(1) & !lines.ends == 0;
            let Some(end) = line_end_length(value, length) else { return Ok(Plain::Other) };
            if !is_plain || ID.len() + length > limits.line_bytes {
                return Ok(Plain::Other);
            }
            let start = *at + ID.len();
            *at = start + length + end;
            buffers.set_plain_id(start..start + length);
        } else if rest.starts_with(b"\r\n") {
            *at += 2;
            if let Some(end) = buffers.end_block(last_event_id) {
                return Ok(Plain::Block(end));
            }
        } else {
            return Ok(Plain::Other);
        }
    }
}

/// Returns how many bytes the line's end at `length` has; `None` where there is none, or where the
/// end is a CR at the chunk's end, which an LF may follow.
#[inline(always)]
fn line_end_length(rest: &[u8], length: usize) -> Option<usize> {
    match rest.get(length..)? {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        [b'\r', _, ..] => Some(1),
        _ => None,
    }
}

const DATA: &[u8] = b"data: ";
const ID: &[u8] = b"id: ";
