//! Reads request bodies, with messages that say where and what.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// `LoginInput` (contract section 1.1). The contract does not forbid further members, so that newer SDKs may send some.
#[derive(Debug, Deserialize)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) source: Option<UserSource>,
    #[serde(rename = "mfa_type")]
    _mfa_type: Option<MfaType>,
    #[serde(rename = "auth_config_id")]
    _auth_config_id: Option<String>,
}

/// `UserSource`.
#[derive(Debug, Deserialize)]
pub(super) enum UserSource {
    #[serde(rename = "AUTHN")]
    Authn,
    #[serde(rename = "LDAP")]
    Ldap,
    #[serde(rename = "LOCAL")]
    Local,
    #[serde(rename = "SSO")]
    Sso,
}

impl UserSource {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Authn => "AUTHN",
            Self::Ldap => "LDAP",
            Self::Local => "LOCAL",
            Self::Sso => "SSO",
        }
    }
}

/// `MfaType`, those of later SDKs included.
#[derive(Debug, Deserialize)]
enum MfaType {
    Mail,
    Sms,
    Totp,
    TotpRecoveryCode,
}

/// `RootUserCreationParams`.
#[derive(Debug, Deserialize)]
pub(super) struct RootUserCreation {
    pub(super) password: String,
}

/// Reads a body of a known shape.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let value = Value::Object(object(body)?);
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        Error::invalid(if path == "." { reason.to_string() } else { format!("{path}: {reason}") })
    })
}

/// Reads a body that must be a JSON object.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>> {
    if body.is_empty() {
        return Err(Error::invalid("the body is empty: send a JSON object, at least {}"));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Error::invalid("the body must be a JSON object")),
        Err(error) => Err(Error::invalid(format!("the body is not JSON: {error}"))),
    }
}
