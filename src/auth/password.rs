//! Passwords: argon2id (RFC 9106) with 19 MiB, 2 passes, 1 lane, on at most a few threads at a time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use crate::domain::password::PASSWORD_MAX;
use crate::domain::random::Random;
use crate::domain::secret::Password;

use crate::error::{Error, Result};

/// Memory in KiB, passes, lanes: OWASP's second recommendation.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
const SALT_LEN: usize = 16;

/// Hashes and compares passwords without starving the rest of the service.
#[derive(Debug)]
pub struct Passwords {
    at_once: Arc<Semaphore>,
    decoy: String,
}

impl Passwords {
    /// `at_once` hashes may run side by side, each on a thread of its own with 19 MiB; others wait.
    ///
    /// # Errors
    /// `Internal` when randomness or the hash fails.
    pub fn new(at_once: usize, random: &dyn Random) -> Result<Self> {
        let mut nobodys = [0; SALT_LEN];
        random.fill(&mut nobodys)?;
        Ok(Self { at_once: Arc::new(Semaphore::new(at_once)), decoy: hash(&nobodys, &nobodys)? })
    }

    /// Hashes a new password into PHC text.
    ///
    /// # Errors
    /// `Internal` when randomness or the hash fails.
    pub async fn hash(&self, password: Password, random: &dyn Random) -> Result<String> {
        let mut salt = [0; SALT_LEN];
        random.fill(&mut salt)?;
        self.run(move || hash(password.expose().as_bytes(), &salt)).await?
    }

    /// Compares a password with a stored hash. Without one, or with a password that no account can have, it takes as long and
    /// answers no.
    ///
    /// # Errors
    /// `Internal` when the stored hash can't be read.
    pub async fn verify(&self, password: Password, stored: Option<String>) -> Result<bool> {
        let possible = password.expose().len() <= PASSWORD_MAX;
        let (stored, known) = match stored {
            Some(stored) if possible => (stored, true),
            _ => (self.decoy.clone(), false),
        };
        let password = if possible { password } else { Password::from(String::new()) };
        let same = self
            .run(move || {
                let stored = PasswordHash::new(&stored).map_err(Error::internal)?;
                Ok::<_, Error>(hasher()?.verify_password(password.expose().as_bytes(), &stored).is_ok())
            })
            .await??;
        Ok(same && known)
    }

    /// The turn goes with the work, not with who waits for it: a client that hangs up stops nothing that is running already, and
    /// must not let the next one in beside it.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(Error::internal)?;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)
    }
}

fn hasher() -> Result<Argon2<'static>> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(Error::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8], salt: &[u8]) -> Result<String> {
    let hash: PasswordHash = hasher()?.hash_password_with_salt(password, salt).map_err(Error::internal)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::random::SystemRandom;

    #[tokio::test]
    async fn only_the_very_password_compares_equal() {
        let passwords = Passwords::new(1, &SystemRandom).unwrap();
        let stored = passwords.hash("correct horse".to_owned().into(), &SystemRandom).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        for (text, same) in [("correct horse", true), ("correct horse ", false), ("Correct horse", false), ("", false)]
        {
            let given = Password::from(text.to_owned());
            assert_eq!(passwords.verify(given, Some(stored.clone())).await.unwrap(), same, "{text:?}");
        }
        let given = Password::from("correct horse".to_owned());
        assert!(!passwords.verify(given, None).await.unwrap());
    }

    #[tokio::test]
    async fn a_password_beyond_the_limit_is_never_equal() {
        let passwords = Passwords::new(1, &SystemRandom).unwrap();
        let stored = passwords.hash(String::new().into(), &SystemRandom).await.unwrap();
        let long = Password::from("x".repeat(PASSWORD_MAX + 1));
        assert!(!passwords.verify(long, Some(stored)).await.unwrap());
    }

    #[tokio::test]
    async fn who_stops_waiting_gives_nobody_else_a_turn() {
        let passwords = Passwords::new(1, &SystemRandom).unwrap();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, may_end) = std::sync::mpsc::channel::<()>();
        let waiting = passwords.run(move || {
            let _ = begun.send(());
            let _ = may_end.recv();
        });
        tokio::select! {
            _ = waiting => panic!("the work ended before it was told to"),
            begun = has_begun => begun.unwrap(),
        }
        assert_eq!(passwords.at_once.available_permits(), 0, "the work runs on, though nobody waits for it");
        end.send(()).unwrap();
        passwords.run(|| ()).await.unwrap();
    }
}
