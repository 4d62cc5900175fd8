//! The one API key format: 64 characters of `[a-z0-9]`.
//!
//! ```text
//! kt1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ccccccc
//!  3                  54 random, base 36                     CRC-32 of all before, base 36
//! ```
//!
//! The random part holds more than 279 bits. The checksum lets a scanner or this service tell a key from a look-alike without asking the
//! database; it does not prove that the key exists. Scanners: `\bkt1[a-z0-9]{61}\b`.
//!
//! SoftLayer's portal tokens have the same form with the prefix `pt1`. Clients send a portal token in the place of a key, but a portal
//! token is not a key.

use super::random::{self, Exhausted, Random};
use super::secret::{Handle, PlainKey};

/// Prefix of every key. NEVER change the prefix of existing keys: a new format gets a new version digit.
pub const PREFIX: &str = "kt1";

/// Prefix of every portal token.
pub const PORTAL_PREFIX: &str = "pt1";

/// Length of a key in characters.
pub const LEN: usize = 64;

const RANDOM_LEN: usize = 54;
const CHECKSUM_LEN: usize = 7;
const BODY_LEN: usize = LEN - CHECKSUM_LEN;
const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Makes a new key.
///
/// # Errors
/// [`Exhausted`] if the source of randomness fails.
pub fn generate(random: &dyn Random) -> Result<PlainKey, Exhausted> {
    make(random, PREFIX).map(Into::into)
}

/// Makes a new portal token.
///
/// # Errors
/// [`Exhausted`] if the source of randomness fails.
pub fn generate_portal_token(random: &dyn Random) -> Result<Handle, Exhausted> {
    make(random, PORTAL_PREFIX).map(Into::into)
}

fn make(random: &dyn Random, prefix: &str) -> Result<String, Exhausted> {
    let mut text = prefix.to_owned() + &random::text(random, RANDOM_LEN)?;
    text.push_str(&checksum(&text));
    Ok(text)
}

/// Parses a key; `None` unless length, prefix, alphabet and checksum are valid.
#[must_use]
pub fn parse(text: &str) -> Option<PlainKey> {
    has_form(text, PREFIX).then(|| text.to_owned().into())
}

/// Parses a portal token; `None` unless length, prefix, alphabet and checksum are valid.
#[must_use]
pub fn parse_portal_token(text: &str) -> Option<Handle> {
    has_form(text, PORTAL_PREFIX).then(|| text.to_owned().into())
}

fn has_form(text: &str, prefix: &str) -> bool {
    let right_shape =
        text.len() == LEN && text.starts_with(prefix) && text.bytes().all(|byte| ALPHABET.contains(&byte));
    right_shape && text.split_at_checked(BODY_LEN).is_some_and(|(body, sum)| checksum(body) == sum)
}

fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LEN].map(char::from);
    for place in digits.iter_mut().rev() {
        *place = digit(rest);
        rest /= 36;
    }
    digits.iter().collect()
}

fn digit(number: u32) -> char {
    char::from_digit(number % 36, 36).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up, so that each call differs and every byte value occurs.
    struct Counting(std::sync::atomic::AtomicU8);
    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), Exhausted> {
            for byte in bytes {
                *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            Ok(())
        }
    }

    fn key() -> String {
        generate(&Counting(200.into())).unwrap().expose().to_owned()
    }

    #[test]
    fn a_new_key_reads_back() {
        let key = key();
        assert_eq!(key.len(), LEN);
        assert!(parse(&key).is_some());
    }

    /// Keys must stay valid forever: the first release minted this key.
    #[test]
    fn golden_key() {
        let golden = "kt1klmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz011u75f43";
        assert_eq!(golden.len(), LEN);
        assert_eq!(key(), golden);
    }

    #[test]
    fn a_portal_token_is_no_key_and_a_key_no_portal_token() {
        let token = generate_portal_token(&Counting(200.into())).unwrap();
        assert_eq!(token.expose().len(), LEN);
        assert!(parse_portal_token(token.expose()).is_some() && parse(token.expose()).is_none());
        assert!(parse_portal_token(&key()).is_none());
    }

    #[test]
    fn one_changed_letter_is_refused_wherever_it_stands() {
        let key = key();
        for at in 0..LEN {
            let mut changed = key.clone().into_bytes();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            assert!(parse(&String::from_utf8(changed).unwrap()).is_none(), "letter {at}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let key = key();
        let cut = &key[..LEN - 1];
        for other in [
            key.to_uppercase(),
            cut.to_owned(),
            format!("{key}{key}"),
            format!(" {key}"),
            format!("{key} "),
            format!("{}\u{0}", cut),
            format!("{} {}", &key[..30], &key[31..]),
            key.replace("kt1", "kt2"),
            "é".repeat(32),
            String::new(),
        ] {
            assert!(parse(&other).is_none(), "{other:?}");
        }
    }
}
