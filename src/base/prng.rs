//! A small fast generator of pseudo-random numbers, for sampling and for repeatable tests.
//!
//! xoshiro256++ (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021),
//! seeded through splitmix64 as its authors advise. Invariant: the same seed gives the same numbers
//! on every machine and in every release, so a simulation's seed names its whole run.
//!
//! Deliberately absent: secrets. Whoever sees some outputs can compute the rest; identifiers that
//! nobody may guess come from the operating system.

/// The generator; 32 bytes of state, no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prng {
    state: [u64; 4],
}

impl Prng {
    /// Makes a generator; any seed is as good as any other.
    pub fn new(seed: u64) -> Prng {
        let mut counter = seed;
        Prng { state: std::array::from_fn(|_| splitmix64(&mut counter)) }
    }

    /// Returns 64 random bits.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "an endless iterator would invite collect")]
    pub fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// Returns a number from 0 to `bound - 1`, each equally likely (Lemire, "Fast Random Integer
    /// Generation in an Interval", 2019).
    ///
    /// # Panics
    /// If `bound` is zero.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below zero");
        let mut product = self.next() as u128 * bound as u128;
        if (product as u64) < bound {
            // The 2^64 inputs do not divide evenly: the first few of each run are drawn again.
            let surplus = bound.wrapping_neg() % bound;
            while (product as u64) < surplus {
                product = self.next() as u128 * bound as u128;
            }
        }
        (product >> 64) as u64
    }

    /// Returns true `numerator` times in `denominator`.
    ///
    /// # Panics
    /// If `denominator` is zero.
    #[inline]
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }

    /// Returns a number from 0 up to but excluding 1, a multiple of 2^-53.
    #[inline]
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Fills `bytes` with random ones.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }

    /// Splits off a generator for a part of a run, so that what the part draws does not change what
    /// the rest draws.
    pub fn fork(&mut self) -> Prng {
        Prng::new(self.next())
    }
}

/// One step of splitmix64 (Steele, Lea and Flood, 2014).
fn splitmix64(counter: &mut u64) -> u64 {
    *counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*counter ^ *counter >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published test vector of splitmix64 for the seed 1234567.
    #[test]
    fn splitmix64_gives_its_published_numbers() {
        let mut counter = 1234567;
        let expected = [6457827717110365317, 3203168211198807973, 9817491932198370423];
        assert_eq!(expected.map(|_| splitmix64(&mut counter)), expected);
    }

    /// The published test vector of xoshiro256++ for the state 1, 2, 3, 4.
    #[test]
    fn xoshiro_gives_its_published_numbers() {
        let mut prng = Prng { state: [1, 2, 3, 4] };
        let expected = [41943041, 58720359, 3588806011781223, 3591011842654386];
        assert_eq!(expected.map(|_| prng.next()), expected);
    }

    #[test]
    fn numbers_are_below_their_bound_and_even() {
        let mut prng = Prng::new(7);
        let mut counts = [0; 6];
        for _ in 0..60_000 {
            counts[prng.below(6) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert_eq!(prng.below(1), 0);
        assert!((0..1000).all(|_| prng.below(u64::MAX) < u64::MAX));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&prng.fraction())));
    }

    #[test]
    fn equal_seeds_give_equal_runs() {
        let (mut left, mut right) = (Prng::new(3), Prng::new(3));
        let (mut fork, mut bytes) = (left.fork(), [0; 13]);
        fork.fill(&mut bytes);
        assert_eq!(right.fork().next().to_le_bytes()[..], bytes[..8]);
        assert_eq!(left, right);
        assert_ne!(left.next(), Prng::new(4).next());
        assert!(right.chance(1, 1) && !right.chance(0, 1));
    }
}
