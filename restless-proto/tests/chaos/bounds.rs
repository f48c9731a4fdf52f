//! How much a machine may hold, and what of it has to come back.

use super::memory::held;

/// What a machine may hold at most, with the log that it is played against. A driver that rushes
/// hands in thousands of pieces of one byte before it polls, and each of them is kept.
const MOST: usize = 768 << 10;

/// What the test harness may take meanwhile.
const SLACK: usize = 16 << 10;

pub(crate) fn within_bounds(before: usize) -> Result<(), String> {
    let more = held().saturating_sub(before);
    if more > MOST { Err(format!("{more} bytes are held")) } else { Ok(()) }
}

pub(crate) fn came_back(before: usize) -> Result<(), String> {
    let more = held().saturating_sub(before);
    if more > SLACK { Err(format!("{more} bytes did not come back")) } else { Ok(()) }
}
