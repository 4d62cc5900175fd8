//! Tokens: JSON Web Tokens (RFC 7519) signed with Ed25519 (`EdDSA`, RFC 8037), and the signing keys behind them.
//!
//! No claim is trusted before the signature is verified. Of the header, only `kid` is used: it picks one of keytower's own signing keys
//! (RFC 8725, sections 3.1, 3.2, 3.10). A header with any member other than `alg`, `kid` and `typ` is rejected; that includes `crit`,
//! `jku`, `jwk`, `x5u` and `b64`. `alg` must be `EdDSA`, and `typ` must be `at+jwt` (RFC 9068), so that no other kind of token passes
//! (section 3.11).
//!
//! A signing key is published some time before it signs the first token, so that every node knows the key by then. The key is deleted after
//! its last token has expired:
//!
//! ```text
//! made ── published (JWKS) ──> active_from ── signs ──> the next key's active_from ── verifies ──> retired_at, deleted
//! ```

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::vault::Vault;
use crate::domain::clock::Timestamp;
use crate::domain::id::{SessionId, SigningKeyId, UserId};
use crate::domain::random::Random;
use crate::domain::secret::SignedToken;
use crate::domain::session::Session;
use crate::error::{Error, Result};
use crate::store::SigningKeyRow;

/// The only accepted algorithm.
const ALGORITHM: Algorithm = Algorithm::EdDSA;
const ALGORITHM_NAME: &str = "EdDSA";
const TYPE: &str = "at+jwt";
/// Maximum length of a token in bytes; keytower's own tokens are shorter.
const MAX_LEN: usize = 2048;
/// Time between the publication of a signing key and its first signature. It is several times as long as [`REFRESH`].
pub const LEAD: Duration = Duration::from_secs(60);
/// Maximum difference between the clocks of nodes on one database (RFC 7519, section 4.1.5). A new token works at once on a node whose
/// clock is behind by no more than this.
const SKEW: TimeDelta = TimeDelta::seconds(30);
/// How often a node reads the signing keys from the database.
pub const REFRESH: Duration = Duration::from_secs(15);

/// Signs and verifies tokens.
#[derive(Debug)]
pub struct Tokens {
    issuer: String,
    keys: RwLock<Arc<Vec<LiveKey>>>,
}

struct LiveKey {
    id: SigningKeyId,
    signing: EncodingKey,
    verifying: DecodingKey,
    public: Vec<u8>,
    active_from: Timestamp,
}

impl std::fmt::Debug for LiveKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LiveKey({})", self.id)
    }
}

/// The claims of a token, after the signature and all claims were verified.
#[derive(Debug, Clone)]
pub struct Claims {
    /// Claim `jti`: id of the session.
    pub session: SessionId,
    /// Claim `sub`: id of the user.
    pub user: UserId,
}

/// The claims as a token contains them. Every claim is required, so that a claim of a wrong type is an error and does not count as absent.
#[derive(Serialize, Deserialize)]
struct WireClaims {
    iss: String,
    aud: String,
    sub: String,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    amr: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHeader {
    alg: String,
    kid: String,
    typ: String,
}

impl Tokens {
    /// Creates a signer and verifier without signing keys. `issuer` is both the issuer and the audience of all tokens.
    #[must_use]
    pub fn new(issuer: String) -> Self {
        Self { issuer, keys: RwLock::default() }
    }

    /// Replaces the loaded signing keys with `rows`, which come from the store.
    ///
    /// # Errors
    /// `Internal` if a key can't be decrypted with the master key of `vault`.
    pub fn load(&self, rows: &[SigningKeyRow], vault: &Vault) -> Result<()> {
        let keys = rows.iter().map(|row| open(row, vault)).collect::<Result<Vec<_>>>()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Signs a token for a session.
    ///
    /// # Errors
    /// `Internal` if there is no signing key.
    pub fn sign(&self, session: &Session) -> Result<SignedToken> {
        let keys = self.current();
        // If no key is active yet, use the oldest key: the clock of the node that created the key may be ahead of this node's clock.
        let active = keys.iter().rev().find(|key| key.active_from <= session.created_at).or(keys.first());
        let key = active.ok_or_else(|| Error::internal("there is no signing key"))?;
        let issued = session.created_at.timestamp();
        let claims = WireClaims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: session.user.to_string(),
            jti: session.id.to_string(),
            iat: issued,
            nbf: issued,
            exp: session.expires_at.timestamp(),
            amr: session.amr.clone(),
        };
        let mut header = Header::new(ALGORITHM);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.id.to_string());
        jsonwebtoken::encode(&header, &claims, &key.signing).map(SignedToken::from).map_err(Error::internal)
    }

    /// Verifies a token and returns its claims.
    ///
    /// # Errors
    /// The reason why the token is rejected, as text for the log.
    pub fn read(&self, token: &str, now: Timestamp) -> std::result::Result<Claims, &'static str> {
        if token.len() > MAX_LEN {
            return Err("token: too long");
        }
        let header: WireHeader = token
            .split('.')
            .next()
            .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or("token: header malformed or with members that we don't use")?;
        if header.alg != ALGORITHM_NAME || header.typ != TYPE {
            return Err("token: another algorithm or type");
        }
        let keys = self.current();
        let key = keys.iter().find(|key| key.id.as_str() == header.kid).ok_or("token: unknown kid")?;
        let mut rules = Validation::new(ALGORITHM);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&[&self.issuer]);
        rules.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        // The library would use the system's clock; the times are checked against `now` below.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims = jsonwebtoken::decode::<WireClaims>(token, &key.verifying, &rules)
            .map_err(|_| "token: signature or claims")?
            .claims;
        let moment = |seconds| DateTime::from_timestamp(seconds, 0).ok_or("token: a time out of range");
        if now < moment(claims.nbf)? - SKEW {
            return Err("token: not valid yet");
        }
        if now >= moment(claims.exp)? {
            return Err("token: expired");
        }
        Ok(Claims { session: SessionId::from(claims.jti), user: UserId::from(claims.sub) })
    }

    /// Returns the public halves of the signing keys as a JWK Set (RFC 7517, RFC 8037).
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys = self.current();
        let keys = keys.iter().map(|key| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM_NAME,
                "kid": key.id.as_str(), "x": URL_SAFE_NO_PAD.encode(&key.public),
            })
        });
        json!({ "keys": keys.collect::<Vec<_>>() })
    }

    fn current(&self) -> Arc<Vec<LiveKey>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Generates a signing key that signs from `active_from` on. The private half of the returned key is sealed.
///
/// # Errors
/// `Internal` if the source of randomness or the crypto provider fails.
pub fn new_signing_key(
    now: Timestamp,
    active_from: Timestamp,
    vault: &Vault,
    random: &dyn Random,
) -> Result<SigningKeyRow> {
    let pair = Ed25519KeyPair::generate().map_err(Error::internal)?;
    let id = SigningKeyId::generate(now, random)?;
    let private = pair.to_pkcs8().map_err(Error::internal)?;
    Ok(SigningKeyRow {
        sealed_private_key: vault.seal(&place(&id), private.as_ref())?,
        public_key: pair.public_key().as_ref().to_vec(),
        algorithm: ALGORITHM_NAME.to_owned(),
        id,
        active_from,
        retired_at: None,
    })
}

fn open(row: &SigningKeyRow, vault: &Vault) -> Result<LiveKey> {
    let private = vault.open(&place(&row.id), &row.sealed_private_key);
    let private = private.ok_or_else(|| Error::internal(format!("signing key {} does not open", row.id)))?;
    Ok(LiveKey {
        id: row.id.clone(),
        signing: EncodingKey::from_ed_der(&private),
        verifying: DecodingKey::from_ed_der(&row.public_key),
        public: row.public_key.clone(),
        active_from: row.active_from,
    })
}

fn place(id: &SigningKeyId) -> String {
    format!("signing_keys/{id}")
}
