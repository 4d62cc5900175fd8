//! Users: the records that the layers above exchange, and the rules for names.

use super::clock::Timestamp;
use super::customer::Status;
use super::id::{RoleId, UserId};
use super::name::check_name;
use super::permission::Actions;
use super::rights::Rights;
use super::role::Role;
use super::text::{Text, text};

/// Maximum number of characters in a login name, a display name, an e-mail address or a phone number.
pub const USERNAME_MAX: usize = 255;

/// Value of the contract's UserSource for users that keytower creates.
pub const LOCAL: &str = "LOCAL";

/// A stored user, with the members that the rules need.
#[derive(Debug, Clone)]
pub struct User {
    /// Id of the user.
    pub id: UserId,
    /// Login name.
    pub username: String,
    /// E-mail address.
    pub email_address: Option<String>,
    /// Roles of the user.
    pub roles: Vec<Role>,
    /// Actions that the user's own permissions allow, in addition to the actions of the roles.
    pub own: Actions,
}

impl User {
    /// Returns the rights that the roles and the user's own permissions give.
    #[must_use]
    pub fn rights(&self) -> Rights {
        self.roles.iter().fold(Rights::from(self.own), |sum, role| sum.union(&role.rights()))
    }

    /// Returns whether the user has the role of a preset.
    #[must_use]
    pub fn has_preset(&self, preset: &str) -> bool {
        self.roles.iter().any(|role| role.preset.as_deref() == Some(preset))
    }
}

/// A user to be stored. The password is hashed already.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Id of the user.
    pub id: UserId,
    /// Login name, unique among local users.
    pub username: String,
    /// Display name.
    pub name: String,
    /// PHC text of the argon2id hash; `None` means that the user can't log in with a password.
    pub password_hash: Option<String>,
    /// Id of the user's only role.
    pub role: RoleId,
    /// Contact details.
    pub contact: Contact,
    /// Whether the user belongs to the system rather than to a person.
    pub internal: bool,
    /// Id of the user who created this user; `None` for the first user.
    pub parent: Option<UserId>,
}

/// Contact details of a user.
#[derive(Debug, Clone, Default)]
pub struct Contact {
    /// E-mail address.
    pub email_address: Option<String>,
    /// Number of a mobile phone.
    pub mobile_phone: Option<String>,
}

/// Changes to a user. A field that is `None` stays as it is. The password is hashed already.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// New login name.
    pub username: Option<String>,
    /// New display name.
    pub name: Option<String>,
    /// PHC text of the argon2id hash of the new password.
    pub password_hash: Option<String>,
    /// New e-mail address; `Some(None)` removes the address.
    pub email_address: Option<Option<String>>,
    /// New number of a mobile phone; `Some(None)` removes the number.
    pub mobile_phone: Option<Option<String>>,
    /// Whether the user belongs to the system rather than to a person.
    pub internal: Option<bool>,
}

impl UserChange {
    /// Checks every text that changes.
    ///
    /// # Errors
    /// The text names the member, then says what is wrong and what is allowed.
    pub fn check(&self) -> Result<(), Text> {
        let texts = [
            ("username", self.username.as_deref()),
            ("name", self.name.as_deref()),
            ("email_address", self.email_address.as_ref().and_then(Option::as_deref)),
            ("mobile_phone", self.mobile_phone.as_ref().and_then(Option::as_deref)),
        ];
        check_texts(texts)
    }

    /// Lists the changed members for the audit log; `role` is the name of the new role.
    #[must_use]
    pub fn told(&self, role: Option<&str>) -> String {
        let named = |what: &str, value: Option<&str>| value.map(|value| format!("{what} {value}"));
        let counted = |what: &str, changes: bool| changes.then(|| what.to_owned());
        let members = [
            named("username", self.username.as_deref()),
            named("role", role),
            counted("name", self.name.is_some()),
            counted("password", self.password_hash.is_some()),
            counted("email_address", self.email_address.is_some()),
            counted("mobile_phone", self.mobile_phone.is_some()),
            counted("internal", self.internal.is_some()),
        ];
        members.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Checks the given texts of a user: names, e-mail address and phone number.
///
/// # Errors
/// The text names the member, then says what is wrong and what is allowed.
pub fn check_texts<'a>(texts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Result<(), Text> {
    texts.into_iter().try_for_each(|(what, text)| text.map_or(Ok(()), |text| check_name(what, text, USERNAME_MAX)))
}

/// A user, with the members that a login needs.
#[derive(Debug, Clone)]
pub struct LoginUser {
    /// Id of the user.
    pub id: UserId,
    /// Login name.
    pub username: String,
    /// PHC text of the argon2id hash; `None` means that the user can't log in with a password.
    pub password_hash: Option<String>,
    /// When the password was set.
    pub password_updated_at: Option<Timestamp>,
    /// Number that the SoftLayer API uses as the id of the user.
    pub number: i64,
    /// Status of the user; only an active user can log in.
    pub status: Status,
    /// Addresses and networks that logins are restricted to, separated by commas; `None` means no restriction.
    pub address_restriction: Option<String>,
    /// Whether a login needs the answer to a security question.
    pub answers_required: bool,
}

/// Checks the source of a new user. Only [`LOCAL`] and `None` are allowed; `None` means [`LOCAL`].
///
/// # Errors
/// The text says what is wrong and what is allowed.
pub fn check_source(source: Option<&str>) -> Result<(), Text> {
    match source {
        Some(other) if other != LOCAL => Err(text!(
            "source {other} is not served here: allowed is {LOCAL}, or none",
            "此处不支持 source {other}：只允许 {LOCAL}，或不填"
        )),
        _ => Ok(()),
    }
}
