//! Values that must not leak: no `Display`, no `Serialize`, and a `Debug` that prints only the type.

use std::fmt;

use secrecy::{ExposeSecret, SecretSlice, SecretString};

macro_rules! secret_text {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Returns the secret text. Each call is a place where the text could leak.
            #[must_use]
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

secret_text! {
    /// A password, compared whole and exactly as received (ASVS 6.2.8).
    Password;
    /// The text of an API key, with a valid format.
    PlainKey;
    /// Random text that a client receives and later sends back, for example the `mid` of a challenge, or the token of a known device or of
    /// a mailed link. The store keeps only a digest of the text.
    Handle;
    /// A code of a second factor, exactly as the client sent the code.
    Code;
    /// The text of a signed token, as the client receives it.
    SignedToken;
    /// The `Authorization` credential for an upstream: an API key or a token that the upstream issued.
    UpstreamCredential;
    /// A database address, which may hold a password.
    DatabaseUrl;
}

/// The keyed digest under which an API key is stored and looked up.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyDigest(Vec<u8>);

impl KeyDigest {
    /// Wraps the bytes that the vault computed.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the digest, as the store keeps them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(..)")
    }
}

/// The 256-bit key that protects all secrets at rest.
#[derive(Clone)]
pub struct MasterKey(SecretSlice<u8>);

impl MasterKey {
    /// Length of a master key in bytes.
    pub const LEN: usize = 32;

    /// Wraps 32 bytes; `None` for any other length.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == Self::LEN).then(|| Self(bytes.into()))
    }

    /// Parses 64 hexadecimal digits and ignores surrounding white space; `None` if malformed.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.trim();
        if digits.len() != Self::LEN * 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let bytes = (0..Self::LEN)
            .map(|i| digits.get(i * 2..i * 2 + 2))
            .map(|pair| pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .collect::<Option<Vec<u8>>>()?;
        Self::new(bytes)
    }

    /// Returns the key as 64 hexadecimal digits, for the key file.
    #[must_use]
    pub fn to_hex(&self) -> SecretString {
        let mut text = String::with_capacity(Self::LEN * 2);
        for byte in self.expose() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        text.into()
    }

    /// Returns the bytes of the key.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{KeyDigest, MasterKey, Password};

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!(
            "{:?} {:?} {:?}",
            Password::from("hunter2hunter2".to_owned()),
            KeyDigest::new(vec![1, 2, 3]),
            MasterKey::new(vec![7; 32]),
        );
        assert_eq!(shown, "Password(..) KeyDigest(..) Some(MasterKey(..))");
    }

    #[test]
    fn master_key_goes_through_hex_and_back() {
        let key = MasterKey::new((0..32).collect()).unwrap();
        let hex = key.to_hex();
        let again = MasterKey::from_hex(&format!(" {}\n", hex.expose_secret())).unwrap();
        assert_eq!(again.expose(), key.expose());
    }

    #[test]
    fn a_master_key_of_another_shape_is_none() {
        for text in ["", "abc", &"0".repeat(63), &"g".repeat(64), &"é".repeat(32), &"+1".repeat(32)] {
            assert!(MasterKey::from_hex(text).is_none(), "{text:?}");
        }
    }
}
