//! What a process holds: open files, threads, memory.

use std::fmt;
use std::time::{Duration, Instant};

/// As Linux counts it.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) files: usize,
    threads: usize,
    pub(crate) memory_kib: u64,
}

/// Threads that resolve names, or block, stay in the pools of some runtimes.
const POOLED: usize = 16;

impl Held {
    pub(crate) fn now() -> Self {
        let count = |path| std::fs::read_dir(path).map_or(0, Iterator::count);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|text| text.split_whitespace().next()?.parse().ok());
        Self {
            files: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
            memory_kib: memory.unwrap_or_default(),
        }
    }

    /// What is held once it is no more than before, or will not be.
    pub(crate) fn settled(before: &Self) -> Self {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let now = Self::now();
            let is_settled = now.files <= before.files && now.threads <= before.threads + POOLED;
            if is_settled || Instant::now() > patience {
                return now;
            }
            std::thread::yield_now();
        }
    }

    /// # Panics
    ///
    /// Where files or threads are left. Memory is printed alone: an allocator keeps what it likes.
    pub(crate) fn assert_no_more_than(&self, before: &Self) {
        assert!(self.files <= before.files, "open files: {self}, {before} before");
        assert!(self.threads <= before.threads + POOLED, "threads: {self}, {before} before");
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, threads, memory_kib } = self;
        let mib = *memory_kib as f64 / 1024.0;
        write!(f, "{files} files, {threads} threads, {mib:.1} MiB resident")
    }
}
