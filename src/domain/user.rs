//! A user as the rooms above exchange it, and the rules for names.

use super::clock::Timestamp;
use super::customer::Status;
use super::id::{RoleId, UserId};
use super::name::check_name;
use super::permission::Actions;
use super::rights::Rights;
use super::role::Role;
use super::text::{Text, text};

/// Most characters in a user name.
pub const USERNAME_MAX: usize = 255;

/// The source of users made here (contract: UserSource).
pub const LOCAL: &str = "LOCAL";

/// A user as decisions need one.
#[derive(Debug, Clone)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Login name.
    pub username: String,
    /// E-mail address.
    pub email_address: Option<String>,
    /// Roles.
    pub roles: Vec<Role>,
    /// What the permissions of the user's own allow, beside the roles.
    pub own: Actions,
}

impl User {
    /// What the user may do.
    #[must_use]
    pub fn rights(&self) -> Rights {
        self.roles.iter().fold(Rights::from(self.own), |sum, role| sum.union(&role.rights()))
    }

    /// Tells whether the user has the role of a preset.
    #[must_use]
    pub fn has_preset(&self, preset: &str) -> bool {
        self.roles.iter().any(|role| role.preset.as_deref() == Some(preset))
    }
}

/// A user to be stored. The password is hashed already.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Id.
    pub id: UserId,
    /// Login name, unique among local users.
    pub username: String,
    /// Name to show.
    pub name: String,
    /// PHC text of the argon2id hash; without one, no password logs them in.
    pub password_hash: Option<String>,
    /// The user's one role.
    pub role: RoleId,
    /// Where to write to.
    pub contact: Contact,
    /// Whether it belongs to the system rather than to a person.
    pub internal: bool,
    /// Who made them; nobody made the first one.
    pub parent: Option<UserId>,
}

/// How a user is reached.
#[derive(Debug, Clone, Default)]
pub struct Contact {
    /// E-mail address.
    pub email_address: Option<String>,
    /// Number of a mobile phone.
    pub mobile_phone: Option<String>,
}

/// What is to change of a user; `None` leaves as it is. The password is hashed already.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Login name.
    pub username: Option<String>,
    /// Name to show.
    pub name: Option<String>,
    /// PHC text of the argon2id hash.
    pub password_hash: Option<String>,
    /// E-mail address; `Some(None)` takes it away.
    pub email_address: Option<Option<String>>,
    /// Number of a mobile phone; `Some(None)` takes it away.
    pub mobile_phone: Option<Option<String>>,
    /// Whether it belongs to the system rather than to a person.
    pub internal: Option<bool>,
}

impl UserChange {
    /// Checks every text that is given.
    ///
    /// # Errors
    /// What is wrong and what is allowed, beginning with the member.
    pub fn check(&self) -> Result<(), Text> {
        let texts = [
            ("username", self.username.as_deref()),
            ("name", self.name.as_deref()),
            ("email_address", self.email_address.as_ref().and_then(Option::as_deref)),
            ("mobile_phone", self.mobile_phone.as_ref().and_then(Option::as_deref)),
        ];
        check_texts(texts)
    }

    /// What changes, as the audit log tells it; `role` is the name of the new one.
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

/// Checks those texts of a user that are given: names and ways to be reached.
///
/// # Errors
/// What is wrong and what is allowed, beginning with the member.
pub fn check_texts<'a>(texts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Result<(), Text> {
    texts.into_iter().try_for_each(|(what, text)| text.map_or(Ok(()), |text| check_name(what, text, USERNAME_MAX)))
}

/// What the login reads of a user.
#[derive(Debug, Clone)]
pub struct LoginUser {
    /// Id.
    pub id: UserId,
    /// Login name.
    pub username: String,
    /// PHC text of the argon2id hash; absent for users who can't log in with a password.
    pub password_hash: Option<String>,
    /// When the password was set.
    pub password_updated_at: Option<Timestamp>,
    /// Number, which stands for the id with SoftLayer.
    pub number: i64,
    /// Whether they may do anything.
    pub status: Status,
    /// From where they may log in; from everywhere where absent.
    pub address_restriction: Option<String>,
    /// Whether a login needs the answer to a security question.
    pub answers_required: bool,
}

/// Checks where a user comes from: absent, it is [`LOCAL`].
///
/// # Errors
/// What is wrong and what is allowed.
pub fn check_source(source: Option<&str>) -> Result<(), Text> {
    match source {
        Some(other) if other != LOCAL => Err(text!(
            "source {other} is not served here: allowed is {LOCAL}, or none",
            "此处不支持 source {other}：只允许 {LOCAL}，或不填"
        )),
        _ => Ok(()),
    }
}
