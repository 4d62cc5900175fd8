//! Randomness as a parameter. The program's source is the operating system's, through the crypto provider.

/// A source of bytes that nobody can predict.
pub trait Random: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`Exhausted`] when the source can't answer; nothing may go on with weaker bytes.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Exhausted>;
}

/// The source of randomness did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;
