//! Bodies of the routes that change users and roles (contract section 3.2). Unknown members are rejected, so that keytower ignores no
//! requested change.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::input::UserSource;
use crate::domain::id::RoleId;
use crate::domain::secret::Password;
use crate::domain::text::text;
use crate::domain::user::{Contact, UserChange};
use crate::error::{Error, Result};
use crate::service::people::roles::{self, RoleRequest};
use crate::service::people::users::{self, UserRequest};

/// `UserCreationParams` in the contract: a user to create.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserCreation {
    username: String,
    name: String,
    role_id: String,
    password: Option<String>,
    source: Option<UserSource>,
    internal: Option<bool>,
    email_address: Option<String>,
    mobile_phone: Option<String>,
    ldap_dn: Option<String>,
    auth_config_id: Option<String>,
}

/// `UserUpdationParams` in the contract: changes to the users that `where` selects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserUpdation {
    /// Must not be null: in a list request, a null `where` matches every row.
    #[serde(rename = "where")]
    conditions: Map<String, Value>,
    data: UserData,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserData {
    #[serde(default, deserialize_with = "given")]
    username: Option<String>,
    #[serde(default, deserialize_with = "given")]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    password: Option<String>,
    #[serde(default, deserialize_with = "given")]
    role_id: Option<String>,
    #[serde(default, deserialize_with = "given")]
    internal: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    email_address: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    mobile_phone: Option<Option<String>>,
}

/// `RoleCreationParams` in the contract: a role to create.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleCreation {
    name: String,
    actions: Vec<String>,
}

/// `RoleUpdationParams` in the contract: changes to the roles that `where` selects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleUpdation {
    #[serde(rename = "where")]
    conditions: Map<String, Value>,
    data: RoleData,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleData {
    #[serde(default, deserialize_with = "given")]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    actions: Option<Vec<String>>,
}

/// `UserDeletionParams` and `RoleDeletionParams` in the contract: selects the rows to delete.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletion {
    #[serde(rename = "where")]
    pub(super) conditions: Map<String, Value>,
}

/// Deserializes an optional member; `None` means that the member is absent. If the member is null, `T` accepts or rejects the null.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Converts a list of `UserCreationParams` to requests for new users.
pub(super) fn users(given: Vec<UserCreation>) -> Result<Vec<UserRequest>> {
    given
        .into_iter()
        .enumerate()
        .map(|(index, user)| user.read().map_err(|error| error.at(&format!("[{index}]"))))
        .collect()
}

/// Converts a list of `RoleCreationParams` to requests for new roles.
pub(super) fn roles(given: Vec<RoleCreation>) -> Vec<RoleRequest> {
    given.into_iter().map(|RoleCreation { name, actions }| RoleRequest { name, actions }).collect()
}

impl UserCreation {
    fn read(self) -> Result<UserRequest> {
        for (name, value) in [("ldap_dn", &self.ldap_dn), ("auth_config_id", &self.auth_config_id)] {
            if value.is_some() {
                let text = text!(
                    "{name} belongs to users of other sources, and only LOCAL is served here",
                    "{name} 属于其他来源的用户，此处只支持 LOCAL"
                );
                return Err(Error::invalid(text));
            }
        }
        Ok(UserRequest {
            username: self.username,
            name: self.name,
            password: self.password.map(Password::from),
            role: RoleId::from(self.role_id).into(),
            source: self.source.map(|source| source.as_str().to_owned()),
            contact: Contact { email_address: self.email_address, mobile_phone: self.mobile_phone },
            internal: self.internal.unwrap_or_default(),
        })
    }
}

impl UserUpdation {
    /// Returns the conditions that select users, and the change to these users.
    pub(super) fn read(self) -> (Map<String, Value>, users::UpdateRequest) {
        let UserData { username, name, password, role_id, internal, email_address, mobile_phone } = self.data;
        let change = UserChange { username, name, password_hash: None, email_address, mobile_phone, internal };
        let (password, role) = (password.map(Password::from), role_id.map(Into::into));
        (self.conditions, users::UpdateRequest { change, password, role })
    }
}

impl RoleUpdation {
    /// Returns the conditions that select roles, and the change to these roles.
    pub(super) fn read(self) -> (Map<String, Value>, roles::UpdateRequest) {
        let RoleData { name, actions } = self.data;
        (self.conditions, roles::UpdateRequest { name, actions })
    }
}
