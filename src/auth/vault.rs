//! Keys derived from the master key, with HKDF-SHA-256 (RFC 5869) and a label each:
//!
//! - the **pepper**: HMAC-SHA-256 of API keys, so that guesses can't be tested against a stolen database alone;
//! - the **chain**: HMAC-SHA-256 over the rows of the audit logs;
//! - the **names**: HMAC-SHA-256 of the usernames and clients of login attempts, because people sometimes type a password as username;
//! - the **marks**: HMAC-SHA-256 of secrets that are compared and never read back: challenges, codes, known devices, mailed links, portal
//!   tokens;
//! - the **seal**: AES-256-GCM for secrets that must be read back (such as signing keys), with the place of storage as associated data. A
//!   sealed secret can't be opened for another place.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::domain::audit::Chain;
use crate::domain::secret::{KeyDigest, MasterKey, PlainKey};
use crate::error::{Error, Result};

/// Version of the layout of sealed bytes. The layout is: this byte, the nonce, the ciphertext with its tag.
const SEAL_VERSION: u8 = 1;

/// The keys derived from the master key.
#[derive(Debug)]
pub struct Vault {
    pepper: hmac::Key,
    chain: hmac::Key,
    names: hmac::Key,
    marks: hmac::Key,
    seal: RandomizedNonceKey,
}

impl Vault {
    /// Derives the keys from the master key.
    ///
    /// # Errors
    /// `Internal` if the crypto provider fails.
    pub fn new(master: &MasterKey) -> Result<Self> {
        let pepper = derive(master, b"keytower/api-key-pepper/v1")?;
        let seal = derive(master, b"keytower/seal/v1")?;
        let chain = derive(master, b"keytower/audit-chain/v1")?;
        let names = derive(master, b"keytower/login-name/v1")?;
        let marks = derive(master, b"keytower/mark/v1")?;
        Ok(Self {
            names: hmac::Key::new(hmac::HMAC_SHA256, names.as_slice()),
            marks: hmac::Key::new(hmac::HMAC_SHA256, marks.as_slice()),
            chain: hmac::Key::new(hmac::HMAC_SHA256, chain.as_slice()),
            pepper: hmac::Key::new(hmac::HMAC_SHA256, pepper.as_slice()),
            seal: RandomizedNonceKey::new(&AES_256_GCM, seal.as_slice()).map_err(Error::internal)?,
        })
    }

    /// Returns the digest by which an API key is stored and looked up.
    #[must_use]
    pub fn digest(&self, key: &PlainKey) -> KeyDigest {
        KeyDigest::new(hmac::sign(&self.pepper, key.expose().as_bytes()).as_ref().to_vec())
    }

    /// Returns the pseudonym of a username or client of a login attempt. Equal texts have equal pseudonyms. A pseudonym reveals nothing
    /// else.
    #[must_use]
    pub fn pseudonym(&self, username: &str) -> String {
        STANDARD.encode(hmac::sign(&self.names, username.as_bytes()))
    }

    /// Returns the mark by which a secret is recognized when it is presented again; `what` is the purpose of the secret. A mark made for
    /// one purpose never matches another.
    #[must_use]
    pub fn mark(&self, what: &str, secret: &str) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.marks);
        for part in [what, "\0", secret] {
            context.update(part.as_bytes());
        }
        context.sign().as_ref().to_vec()
    }

    /// Returns whether `mark` is what [`Vault::mark`] returns for this purpose and this secret. Compares in constant time.
    #[must_use]
    pub fn is_marked(&self, what: &str, secret: &str, mark: &[u8]) -> bool {
        verify_slices_are_equal(&self.mark(what, secret), mark).is_ok()
    }

    /// Encrypts a secret for one place, the name of where it is stored. [`Vault::open`] returns `None` for any other place.
    ///
    /// # Errors
    /// `Internal` if the crypto provider fails.
    pub fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>> {
        let mut text = secret.to_vec();
        let nonce = self.seal.seal_in_place_append_tag(Aad::from(place), &mut text).map_err(Error::internal)?;
        let mut sealed = vec![SEAL_VERSION];
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Decrypts what [`Vault::seal`] returned for the same place. Returns `None` if the master key, the place or any bit of `sealed`
    /// differs.
    #[must_use]
    pub fn open(&self, place: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let rest = sealed.strip_prefix(&[SEAL_VERSION])?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.seal.open_in_place(nonce, Aad::from(place), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

impl Chain for Vault {
    fn code(&self, bytes: &[u8]) -> Vec<u8> {
        hmac::sign(&self.chain, bytes).as_ref().to_vec()
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        MasterKey::LEN
    }
}

fn derive(master: &MasterKey, label: &[u8]) -> Result<Zeroizing<[u8; MasterKey::LEN]>> {
    let mut key = Zeroizing::new([0; MasterKey::LEN]);
    let extracted = Salt::new(HKDF_SHA256, b"keytower").extract(master.expose());
    let labels = [label];
    let expanded = extracted.expand(&labels, Length).map_err(Error::internal)?;
    expanded.fill(key.as_mut_slice()).map_err(Error::internal)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::new(&MasterKey::new(vec![byte; 32]).unwrap()).unwrap()
    }

    #[test]
    fn a_seal_opens_with_the_same_key_at_the_same_place_only() {
        let sealed = vault(1).seal("here", b"secret").unwrap();
        assert_eq!(vault(1).open("here", &sealed).unwrap().as_slice(), b"secret");
        assert!(vault(1).open("there", &sealed).is_none());
        assert!(vault(2).open("here", &sealed).is_none());
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(vault(1).open("here", &flipped).is_none(), "bit {bit}");
        }
        for cut in 0..sealed.len() {
            assert!(vault(1).open("here", &sealed[..cut]).is_none(), "cut to {cut}");
        }
    }

    #[test]
    fn two_seals_of_one_secret_differ() {
        let vault = vault(1);
        assert_ne!(vault.seal("here", b"secret").unwrap(), vault.seal("here", b"secret").unwrap());
    }

    #[test]
    fn a_digest_depends_on_the_master_key() {
        let key = PlainKey::from("kt1".to_owned());
        assert!(vault(1).digest(&key) == vault(1).digest(&key));
        assert!(vault(1).digest(&key) != vault(2).digest(&key));
    }
}
