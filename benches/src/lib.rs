//! What the benchmarks share: contests between contenders, and an allocator that counts.
//!
//! A [`Contest`] gives the same work to several contenders in one run, in turns, so that whatever
//! else the machine does meets them all alike. Every contender gives an answer each time, and each
//! answer is checked: a wrong answer is not worth measuring.
//!
//! `cargo bench -p restless-benches` measures. With `RESTLESS_BENCH_QUICK` in the environment, and
//! under `cargo test --benches`, a contest only checks each answer.

mod alloc;
mod contest;

pub use alloc::{Allocations, allocations};
pub use contest::{Contest, Outcome, is_measuring};
