//! A signing key in the hands of a test: the service's own, to sign what the service never would, or a stranger's.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Service;

/// Signs with Ed25519.
pub struct Signer {
    pub kid: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// The service's newest signing key, unsealed with its master key.
    pub async fn of(service: &Service) -> Self {
        let row = service.app.store.signing_keys().await.unwrap().pop().unwrap();
        let place = format!("signing_keys/{}", row.id);
        let private = service.app.vault.open(&place, &row.sealed_private_key).unwrap();
        Self { kid: row.id.to_string(), pair: Ed25519KeyPair::from_pkcs8(&private).unwrap() }
    }

    /// A key that the service has never seen, under a name of the test's choice.
    pub fn stranger(kid: &str) -> Self {
        Self { kid: kid.to_owned(), pair: Ed25519KeyPair::generate().unwrap() }
    }

    /// The public half.
    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The header that the service would write.
    pub fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "kid": self.kid, "typ": "at+jwt" })
    }

    /// A token with these parts, whatever stands in them.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }
}

/// Writes a part of a token.
pub fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// Reads header (0) or claims (1) of a token.
pub fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
