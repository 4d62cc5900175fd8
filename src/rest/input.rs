//! Parses request bodies. Error messages name the faulty member and say what is wrong.

use axum::http::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::domain::mfa::MfaType;
use crate::domain::permit::Permit;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::http::body;

/// Body of `login`, `LoginInput` in the contract (section 1.1). Unknown members are ignored, since the contract allows them and newer SDKs
/// may send some.
#[derive(Debug, Deserialize)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) source: Option<UserSource>,
    pub(super) mfa_type: Option<MfaType>,
    #[serde(rename = "auth_config_id")]
    _auth_config_id: Option<String>,
}

/// `UserSource` in the contract: the system that manages the user.
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

/// Body of `create-root-user`, `RootUserCreationParams` in the contract.
#[derive(Debug, Deserialize)]
pub(super) struct RootUserCreation {
    pub(super) password: String,
}

/// The parts of an authorized request that the routes use.
pub(super) struct Input<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) permit: Permit,
    /// The body, or the error from reading it.
    pub(super) body: Result<Vec<u8>>,
}

impl Input<'_> {
    /// Parses the body as a JSON object.
    pub(super) fn object(self) -> Result<Map<String, Value>> {
        match self.json("object, at least {}")? {
            Value::Object(members) => Ok(members),
            _ => Err(Error::invalid(text!("the body must be a JSON object", "请求体必须是 JSON 对象"))),
        }
    }

    /// Parses the body as a JSON object and deserializes the object.
    pub(super) fn parse<T: DeserializeOwned>(self) -> Result<T> {
        Self::read(Value::Object(self.object()?))
    }

    /// Parses the body as a JSON list and deserializes the elements.
    pub(super) fn parse_list<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        match self.json("list")? {
            list @ Value::Array(_) => Self::read(list),
            _ => Err(Error::invalid(text!(
                "the body must be a JSON list, of one element at least to change anything",
                "请求体必须是 JSON 数组，至少含一个元素才会有改动"
            ))),
        }
    }

    fn json(self, expected: &str) -> Result<Value> {
        body::expect_json(self.headers)?;
        let body = self.body?;
        if body.is_empty() {
            return Err(Error::invalid(text!(
                "the body is empty: send a JSON {expected}",
                "请求体为空：请发送 JSON {expected}"
            )));
        }
        body::json(&body)
    }

    fn read<T: DeserializeOwned>(value: Value) -> Result<T> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            let reason = error.into_inner();
            Error::invalid(match path.as_str() {
                "." => text!("{reason}", "请求体无效：{reason}"),
                _ => text!("{path}: {reason}", "{path} 无效：{reason}"),
            })
        })
    }
}
