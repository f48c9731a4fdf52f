//! What the benchmarks share: fixtures from a seed, and an allocator that counts
