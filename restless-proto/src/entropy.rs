//! Randomness comes in: the same seed gives the same run.

use std::fmt;

/// A source of random numbers, from a seed that the driver draws from its operating system.
///
/// This crate asks nobody for randomness. Jitter needs numbers that differ between clients, which
/// a seed and SplitMix64 give. The numbers follow from the seed, so a seed in a recording repeats
/// the run; whoever needs unpredictable numbers (masking keys, RFC 6455 §10.3) gives a seed that
/// nobody else knows.
///
/// ```
/// use restless_proto::Entropy;
///
/// let (mut a, mut b) = (Entropy::from_seed(7), Entropy::from_seed(7));
/// assert_eq!(a.next_u64(), b.next_u64());
/// ```
#[derive(Clone)]
pub struct Entropy {
    state: u64,
}

impl Entropy {
    /// Starts from a seed. Draw it from the operating system, save in tests.
    pub fn from_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits (SplitMix64).
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound`, both included.
    pub fn up_to(&mut self, bound: u64) -> u64 {
        let scaled = (u128::from(self.next_u64()) * (u128::from(bound) + 1)) >> 64;
        u64::try_from(scaled).unwrap_or(bound)
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_stays_within_its_bound_and_reaches_both_ends() {
        let mut entropy = Entropy::from_seed(1);
        let drawn: Vec<u64> = (0..200).map(|_| entropy.up_to(3)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&0), Some(&3)));
        assert_eq!(entropy.up_to(0), 0);
        entropy.up_to(u64::MAX);
    }
}
