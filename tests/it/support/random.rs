//! Randomness that can be had again: a failed test prints its seed, and `KT_TEST_SEED` sets it.

/// SplitMix64.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A seed of its own, or that of `KT_TEST_SEED`, printed either way (cargo shows it when the test fails).
    pub fn seeded(name: &str) -> Self {
        let mut bytes = [0; 8];
        aws_lc_rs::rand::fill(&mut bytes).unwrap();
        let seed = std::env::var("KT_TEST_SEED").map_or(u64::from_le_bytes(bytes), |seed| seed.parse().unwrap());
        println!("{name}: KT_TEST_SEED={seed}");
        Self(seed)
    }

    /// A seed that is always the same.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// One for another task.
    pub fn split(&mut self) -> Self {
        Self(self.next())
    }
}
