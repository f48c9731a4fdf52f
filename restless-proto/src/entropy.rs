//! Randomness comes in: the same seed gives the same run.

use std::fmt;

use sha2::{Digest, Sha256};

/// A source of random numbers, from a seed that the driver draws from its operating system.
///
/// The crate takes randomness from the driver alone. The numbers are SHA-256 of the seed and a
/// counter. Whoever sees some of the numbers can't tell the others or the seed, which masking keys
/// need (RFC 6455 §10.3). A seed in a recording repeats the run.
///
/// ```
/// use restless_proto::Entropy;
///
/// let (mut a, mut b) = (Entropy::from_seed(7), Entropy::from_seed(7));
/// assert_eq!(a.next_u64(), b.next_u64());
/// ```
#[derive(Clone)]
pub struct Entropy {
    seed: [u8; 32],
    counter: u64,
    words: std::array::IntoIter<u64, 4>,
}

impl Entropy {
    /// Starts from 32 bytes. Draw them from the operating system.
    pub fn from_bytes(seed: [u8; 32]) -> Self {
        let mut words = [0; 4].into_iter();
        words.by_ref().for_each(drop);
        Self { seed, counter: 0, words }
    }

    /// Starts from a small seed, as tests and recordings have it. A small seed is enough for
    /// jitter. Masking keys, which a peer must be unable to guess, take
    /// [`from_bytes`](Self::from_bytes).
    pub fn from_seed(seed: u64) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(seed.to_le_bytes()) {
            *to = from;
        }
        Self::from_bytes(bytes)
    }

    /// Returns the next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        match self.words.next() {
            Some(word) => word,
            None => self.refill(),
        }
    }

    /// Returns a number from 0 to `bound`, both included.
    pub fn up_to(&mut self, bound: u64) -> u64 {
        let scaled = (u128::from(self.next_u64()) * (u128::from(bound) + 1)) >> 64;
        u64::try_from(scaled).unwrap_or(bound)
    }

    /// Returns the next four bytes: a masking key (RFC 6455 §5.3).
    pub(crate) fn next_key(&mut self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.next_u64().to_le_bytes();
        [a, b, c, d]
    }

    /// Returns an independent source, for a part that keeps its own: what one source draws doesn't
    /// shift what the others draw.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        for to in seed.chunks_exact_mut(8) {
            to.copy_from_slice(&self.next_u64().to_le_bytes());
        }
        Self::from_bytes(seed)
    }

    fn refill(&mut self) -> u64 {
        let block: [u8; 32] = Sha256::new()
            .chain_update(self.seed)
            .chain_update(self.counter.to_le_bytes())
            .finalize()
            .into();
        self.counter = self.counter.wrapping_add(1);
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        }
        let [first, ..] = words;
        self.words = words.into_iter();
        self.words.next();
        first
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn up_to_stays_within_its_bound_and_reaches_both_ends() {
        let mut entropy = Entropy::from_seed(1);
        let drawn: Vec<u64> = (0..200).map(|_| entropy.up_to(3)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&0), Some(&3)));
        assert_eq!(entropy.up_to(0), 0);
        entropy.up_to(u64::MAX);
    }

    #[test]
    fn numbers_do_not_repeat_and_seeds_differ() {
        let (mut a, mut b) = (Entropy::from_seed(1), Entropy::from_seed(2));
        let mut fork = a.fork();
        let drawn: HashSet<u64> =
            (0..1000).flat_map(|_| [a.next_u64(), b.next_u64(), fork.next_u64()]).collect();
        assert_eq!(drawn.len(), 3000);
    }
}
