//! Password hashing: argon2id (RFC 9106) at the configured cost, on a bounded number of threads.
//!
//! The text of a hash contains its cost, so a hash of another cost stays valid. [`Verdict::Stale`] reports such a hash, so that the caller
//! replaces it.

use std::sync::Arc;

use argon2::password_hash::Error as HashError;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use crate::domain::password::{HashCost, PASSWORD_MAX};
use crate::domain::random::Random;
use crate::domain::secret::Password;
use crate::error::{Error, Result};

const SALT_LEN: usize = 16;

/// The result of comparing a password with a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password is wrong.
    Wrong,
    /// The password is right.
    Right,
    /// The password is right, but the hash has other parameters than a new hash would have. The caller should replace the hash.
    Stale,
}

/// Hashes and compares passwords without starving the rest of the service.
#[derive(Debug)]
pub struct Passwords {
    at_once: Arc<Semaphore>,
    hasher: Argon2<'static>,
    /// First part of the text of every new hash: algorithm, version and cost.
    head: String,
    decoy: String,
}

impl Passwords {
    /// Creates a hasher. At most `at_once` hashes are computed at the same time, each on its own thread; further hashes wait. A hash takes
    /// as much memory as its cost says.
    ///
    /// # Errors
    /// `Internal` if the source of randomness or the hash function fails.
    pub fn new(at_once: usize, cost: HashCost, random: &dyn Random) -> Result<Self> {
        let params = Params::new(cost.memory, cost.passes, cost.lanes, None).map_err(Error::internal)?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut nobodys = [0; SALT_LEN];
        random.fill(&mut nobodys)?;
        let decoy = hash(&hasher, &nobodys, &nobodys)?;
        let head = format!("$argon2id$v=19${cost}$");
        Ok(Self { at_once: Arc::new(Semaphore::new(at_once)), hasher, head, decoy })
    }

    /// Hashes a new password. Returns the hash as text in the PHC format.
    ///
    /// # Errors
    /// `Internal` if the source of randomness or the hash function fails.
    pub async fn hash(&self, password: Password, random: &dyn Random) -> Result<String> {
        let mut salt = [0; SALT_LEN];
        random.fill(&mut salt)?;
        let hasher = self.hasher.clone();
        self.run(move || hash(&hasher, password.expose().as_bytes(), &salt)).await?
    }

    /// Compares a password with a stored hash. Without a stored hash, takes as long as with a stored hash and returns `Wrong`. Returns
    /// `Wrong` at once if the password is longer than the password of any account can be.
    ///
    /// # Errors
    /// `Internal` if the stored hash can't be parsed, or costs more than keytower allows.
    pub async fn verify(&self, password: Password, stored: Option<String>) -> Result<Verdict> {
        if password.expose().len() > PASSWORD_MAX {
            return Ok(Verdict::Wrong);
        }
        let right = match &stored {
            Some(stored) if stored.starts_with(&self.head) => Verdict::Right,
            Some(_) => Verdict::Stale,
            None => Verdict::Wrong,
        };
        let (hasher, stored) = (self.hasher.clone(), stored.unwrap_or_else(|| self.decoy.clone()));
        let same = self.run(move || is_same(&hasher, &password, &stored)).await??;
        Ok(if same { right } else { Verdict::Wrong })
    }

    /// Waits for a free permit of the semaphore, then runs `work` on its own thread. `work` keeps the permit until `work` ends. If the
    /// client disconnects, running work does not stop, so it must still count toward the limit.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(Error::internal)?;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)
    }
}

fn hash(hasher: &Argon2<'_>, password: &[u8], salt: &[u8]) -> Result<String> {
    let hash: PasswordHash = hasher.hash_password_with_salt(password, salt).map_err(Error::internal)?;
    Ok(hash.to_string())
}

/// Compares a password with a stored hash, at the cost that the hash contains. Rejects a hash whose cost is above the limit.
fn is_same(hasher: &Argon2<'_>, password: &Password, stored: &str) -> Result<bool> {
    let stored = PasswordHash::new(stored).map_err(Error::internal)?;
    let params = Params::try_from(&stored).map_err(Error::internal)?;
    let cost = HashCost { memory: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
    if !cost.is_bearable() {
        return Err(Error::internal(format!("a stored password asks for {cost}: at most {} is borne", HashCost::MOST)));
    }
    match hasher.verify_password(password.expose().as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(error) => Err(Error::internal(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::random::SystemRandom;
    use crate::error::Kind;

    fn passwords(at_once: usize, cost: &str) -> Passwords {
        Passwords::new(at_once, HashCost::parse(cost).unwrap(), &SystemRandom).unwrap()
    }

    fn text(text: &str) -> Password {
        Password::from(text.to_owned())
    }

    const USUAL: &str = "m=19456,t=2,p=1";

    #[tokio::test]
    async fn only_the_very_password_compares_equal() {
        let passwords = passwords(1, USUAL);
        let stored = passwords.hash(text("correct horse"), &SystemRandom).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        for (given, verdict) in [
            ("correct horse", Verdict::Right),
            ("correct horse ", Verdict::Wrong),
            ("Correct horse", Verdict::Wrong),
            ("", Verdict::Wrong),
        ] {
            assert_eq!(passwords.verify(text(given), Some(stored.clone())).await.unwrap(), verdict, "{given:?}");
        }
        assert_eq!(passwords.verify(text("correct horse"), None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_compares_at_its_own_and_is_stale() {
        let costs = [USUAL, "m=7168,t=5,p=1", "m=19456,t=2,p=2", "m=19456,t=3,p=1"];
        for (made, cost) in costs.iter().enumerate() {
            let stored = passwords(1, cost).hash(text("correct horse"), &SystemRandom).await.unwrap();
            assert!(stored.contains(&format!("${cost}$")), "{stored}");
            for (asked, cost) in costs.iter().enumerate() {
                let passwords = passwords(1, cost);
                assert!(passwords.decoy.contains(&format!("${cost}$")), "an unknown name costs the same");
                let right = if made == asked { Verdict::Right } else { Verdict::Stale };
                assert_eq!(passwords.verify(text("correct horse"), Some(stored.clone())).await.unwrap(), right);
                assert_eq!(
                    passwords.verify(text("Correct horse"), Some(stored.clone())).await.unwrap(),
                    Verdict::Wrong
                );
            }
        }
    }

    #[tokio::test]
    async fn what_is_stored_and_can_not_be_borne_or_read_is_an_error() {
        let passwords = passwords(1, USUAL);
        let good = passwords.hash(text("correct horse"), &SystemRandom).await.unwrap();
        for (cost, words) in [
            ("m=1048577,t=2,p=1", "m=1048577,t=2,p=1"),
            ("m=4294967295,t=2,p=1", "m=4294967295,t=2,p=1"),
            ("m=19456,t=4294967295,p=1", "at most m=1048576,t=10,p=4"),
            ("m=19456,t=11,p=1", "at most"),
            ("m=19456,t=2,p=5", "at most"),
            ("m=19456,t=2,p=0", ""),
            ("m=99999999999,t=2,p=1", ""),
            ("m=19456,t=2,p=1,x=1", ""),
        ] {
            let error = passwords.verify(text("correct horse"), Some(good.replace(USUAL, cost))).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Internal, "{cost}");
            assert!(format!("{error:?}").contains(words), "{cost}: {error:?}");
        }
        for wrong in ["", "correct horse", "$argon2id$", "$2b$12$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
        {
            let error = passwords.verify(text("correct horse"), Some(wrong.to_owned())).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Internal, "{wrong}");
        }
    }

    /// `at_once` is 0, so that no hash can run: every verdict is reached without a hash.
    #[tokio::test]
    async fn a_password_beyond_the_limit_is_wrong_without_a_hash() {
        let passwords = passwords(0, USUAL);
        let stored = hash(&passwords.hasher, b"", &[0; SALT_LEN]).unwrap();
        for length in [PASSWORD_MAX + 1, 500_000] {
            for stored in [Some(stored.clone()), None] {
                let long = text(&"x".repeat(length));
                assert_eq!(passwords.verify(long, stored).await.unwrap(), Verdict::Wrong);
            }
        }
        tokio::select! {
            biased;
            verdict = passwords.verify(text(&"x".repeat(PASSWORD_MAX)), Some(stored)) => panic!("{verdict:?}"),
            () = tokio::task::yield_now() => {}
        }
    }

    #[tokio::test]
    async fn who_stops_waiting_gives_nobody_else_a_turn() {
        let passwords = passwords(1, USUAL);
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
