//! Randomness as a parameter. The program uses the operating system's source, through the crypto provider.

/// A source of unpredictable bytes.
pub trait Random: Send + Sync {
    /// Fills `bytes` with unpredictable bytes.
    ///
    /// # Errors
    /// [`Exhausted`] if the source fails; the caller must not continue with weaker bytes.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Exhausted>;
}

/// Makes a text of `length` random digits and lowercase letters, all equally likely. Each character holds more than 5 random bits.
///
/// # Errors
/// [`Exhausted`] if the source fails.
pub fn text(random: &dyn Random, length: usize) -> Result<String, Exhausted> {
    let mut text = String::with_capacity(length);
    let mut pool = [0; 64];
    while text.len() < length {
        random.fill(&mut pool)?;
        // 252 is the greatest multiple of 36 that fits in a byte. Bytes from 252 on would make some digits likelier.
        let digits =
            pool.iter().filter(|byte| **byte < 252).filter_map(|byte| char::from_digit(u32::from(*byte) % 36, 36));
        text.extend(digits.take(length - text.len()));
    }
    Ok(text)
}

/// The source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;
