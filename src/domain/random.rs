//! Randomness as a parameter. The program's source is the operating system's, through the crypto provider.

/// A source of bytes that nobody can predict.
pub trait Random: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`Exhausted`] when the source can't answer; nothing may go on with weaker bytes.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Exhausted>;
}

/// Makes text of digits and lowercase letters, each as likely as any other: more than 5 bits in each.
///
/// # Errors
/// [`Exhausted`] when the source can't answer.
pub fn text(random: &dyn Random, length: usize) -> Result<String, Exhausted> {
    let mut text = String::with_capacity(length);
    let mut pool = [0; 64];
    while text.len() < length {
        random.fill(&mut pool)?;
        // 252 is the last multiple of 36 that a byte holds: above it, digits would not be equally likely.
        let digits =
            pool.iter().filter(|byte| **byte < 252).filter_map(|byte| char::from_digit(u32::from(*byte) % 36, 36));
        text.extend(digits.take(length - text.len()));
    }
    Ok(text)
}

/// The source of randomness did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;
