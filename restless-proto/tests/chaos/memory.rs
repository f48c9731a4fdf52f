//! What the process holds, by an allocator that counts.

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The process is counted, so its tests run one after the other.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that are allocated now.
pub(crate) fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

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
