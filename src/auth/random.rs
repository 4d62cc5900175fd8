//! The operating system's randomness, through the crypto provider.

use aws_lc_rs::rand;

use crate::domain::random::{Exhausted, Random};

/// The source of randomness in production.
#[derive(Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Exhausted> {
        rand::fill(bytes).map_err(|_| Exhausted)
    }
}
