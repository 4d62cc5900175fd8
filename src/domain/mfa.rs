//! Second factors: types, challenges, and the policy that requires a second factor.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clock::Timestamp;
use super::id::{ChallengeId, RoleId, SessionId, UserId};
use super::text::{Text, text};

/// How long a device stays known after the last login from that device.
pub const DEVICE_LIFE: TimeDelta = TimeDelta::days(90);
/// Lifetime of a challenge: the client must send the right code within this time.
pub const CHALLENGE_LIFE: TimeDelta = TimeDelta::minutes(10);
/// Lifetime of a mailed code (ASVS 6.5.5: at most 10 minutes).
pub const CODE_LIFE: TimeDelta = TimeDelta::minutes(5);
/// Maximum number of codes that can be tried for one challenge.
pub const TRIES: i32 = 5;
/// Maximum number of mailed codes for one challenge.
pub const SENDINGS: i32 = 3;
/// Number of recovery codes that a user gets.
pub const RECOVERY_CODES: usize = 10;
/// Names of the authentication methods (RFC 8176, section 2) of a login with a password alone.
pub const AMR_PASSWORD: &[&str] = &["pwd"];
/// Names of the authentication methods of a login with a password and a code.
pub const AMR_BOTH: &[&str] = &["pwd", "otp", AMR_MFA];
/// Name of the authentication method that stands for more than one factor.
pub const AMR_MFA: &str = "mfa";

/// The contract's `MfaType` (section 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MfaType {
    /// A code by e-mail.
    Mail,
    /// A code by text message; not supported.
    Sms,
    /// A code that the user's device computes (RFC 6238).
    Totp,
    /// A recovery code, which the user wrote down in case the device is lost.
    TotpRecoveryCode,
}

impl MfaType {
    /// All types of codes.
    pub const ALL: [Self; 4] = [Self::Mail, Self::Sms, Self::Totp, Self::TotpRecoveryCode];

    /// Returns the name of the type on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "Mail",
            Self::Sms => "Sms",
            Self::Totp => "Totp",
            Self::TotpRecoveryCode => "TotpRecoveryCode",
        }
    }

    /// Finds a type by its name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// Purpose of a challenge. The challenge works for no other purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Complete a login.
    Login,
    /// Prove the user's second factor again, in this session.
    Reauthenticate(SessionId),
    /// Prove a new second factor, in this session.
    Enroll(SessionId),
}

impl Purpose {
    /// Returns the name of the purpose in the store.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Login => "Login",
            Self::Reauthenticate(_) => "Reauthenticate",
            Self::Enroll(_) => "Enroll",
        }
    }

    /// Returns the id of the session that the challenge belongs to; `None` for a login.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Login => None,
            Self::Reauthenticate(session) | Self::Enroll(session) => Some(session),
        }
    }
}

/// Description of a challenge for the client that must send the code (contract: `MfaMeta`).
#[derive(Debug, Clone)]
pub struct MfaMeta {
    /// Masked e-mail address to which the code was sent; `None` if the code is not sent.
    pub recipient: Option<String>,
    /// Secret name of the challenge. Only a client that has already proven the password receives this name.
    pub mid: String,
    /// Type of the expected code.
    pub mfa_type: MfaType,
}

impl MfaMeta {
    /// Returns the description in the JSON form that all APIs share.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { recipient, mid, mfa_type } = self;
        json!({ "recipient": recipient, "mid": mid, "type": mfa_type.name(), "valid": true })
    }
}

/// A confirmed second factor of a user.
#[derive(Debug, Clone)]
pub struct Factor {
    /// Type of the factor.
    pub mfa_type: MfaType,
    /// Encrypted secret of the factor, if the type is [`MfaType::Totp`].
    pub sealed: Option<Vec<u8>>,
    /// E-mail address that receives the codes, if the type is [`MfaType::Mail`].
    pub address: Option<String>,
    /// When the user confirmed the factor.
    pub created_at: Timestamp,
}

/// A proven second factor, to be stored.
#[derive(Debug, Clone)]
pub struct NewFactor {
    /// Type of the factor.
    pub mfa_type: MfaType,
    /// Encrypted secret of the factor, if the type is [`MfaType::Totp`].
    pub sealed: Option<Vec<u8>>,
    /// E-mail address that receives the codes, if the type is [`MfaType::Mail`].
    pub address: Option<String>,
    /// Time step of the code that proved the factor, if the type is [`MfaType::Totp`].
    pub last_step: i64,
}

/// A stored recovery code.
#[derive(Debug, Clone)]
pub struct KeptCode {
    /// Id of the code's row.
    pub id: String,
    /// Digest of the code's text.
    pub digest: Vec<u8>,
}

/// A challenge: a pending login, re-authentication or enrollment that needs a code to continue.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// Id of the challenge: a digest of the `mid` that the client received.
    pub id: ChallengeId,
    /// Id of the user.
    pub user: UserId,
    /// Purpose of the challenge.
    pub purpose: Purpose,
    /// Type of the expected code.
    pub mfa_type: MfaType,
    /// Digest of the mailed code.
    pub code: Option<Vec<u8>>,
    /// When the mailed code expires.
    pub code_until: Option<Timestamp>,
    /// Encrypted secret of the second factor that is being enrolled.
    pub sealed: Option<Vec<u8>>,
    /// E-mail address of the second factor that is being enrolled, or to which the code was mailed.
    pub address: Option<String>,
    /// Number of codes that were mailed for the challenge.
    pub sent: i32,
    /// When the challenge was created.
    pub created_at: Timestamp,
    /// When the challenge expires.
    pub expires_at: Timestamp,
}

/// A user, with the members that the second step of a login needs.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Id of the user.
    pub id: UserId,
    /// Login name.
    pub username: String,
    /// E-mail address.
    pub email_address: Option<String>,
    /// Confirmed second factors of the user.
    pub factors: Vec<Factor>,
    /// Number of unused recovery codes.
    pub recovery_codes: u64,
}

impl Holder {
    /// Returns the user's second factor of the given type.
    #[must_use]
    pub fn factor(&self, mfa_type: MfaType) -> Option<&Factor> {
        self.factors.iter().find(|factor| factor.mfa_type == mfa_type)
    }

    /// Returns whether a login of this user needs a second step.
    #[must_use]
    pub fn needs_code(&self) -> bool {
        !self.factors.is_empty()
    }

    /// Returns the type of code that a login asks for by default: TOTP if the user has a TOTP factor, else mail.
    #[must_use]
    pub fn preferred(&self) -> MfaType {
        if self.factor(MfaType::Totp).is_some() { MfaType::Totp } else { MfaType::Mail }
    }

    /// Returns the types of codes that the user can choose from.
    #[must_use]
    pub fn choices(&self) -> Vec<MfaType> {
        let mut all: Vec<MfaType> = self.factors.iter().map(|factor| factor.mfa_type).collect();
        if self.recovery_codes > 0 && self.needs_code() {
            all.push(MfaType::TotpRecoveryCode);
        }
        all.sort();
        all
    }
}

/// When a rule takes effect, and whether the rule only reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// When the rule takes effect. Before that time the rule shuts nobody out (grace period). `None` means that the rule takes effect at
    /// once.
    pub enforced_from: Option<Timestamp>,
    /// Whether the rule shuts nobody out. keytower then only lists the users that the rule would shut out.
    pub report_only: bool,
}

impl Rollout {
    /// Returns whether the rule is in effect at the time `now`.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        !self.report_only && self.enforced_from.is_none_or(|from| from <= now)
    }
}

/// Which users need a second factor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Required {
    /// No users: the second factor is optional.
    #[default]
    None,
    /// Users who have one of the roles in the policy.
    Roles,
    /// All users.
    All,
}

/// The policy that requires second factors. A member that is missing in the stored JSON has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MfaPolicy {
    /// Which users need a second factor.
    pub required: Required,
    /// Ids of the roles whose users need a second factor, if `required` is [`Required::Roles`].
    pub roles: Vec<String>,
    /// When the rule for users takes effect.
    pub rollout: Rollout,
    /// Whether a key is accepted only if the key was minted in a session with a proven second factor.
    pub keys_need_mfa: bool,
    /// When the rule for keys takes effect.
    pub keys_rollout: Rollout,
}

/// Changes to the second-factor policy. A field that is `None` stays as it is.
#[derive(Debug, Default)]
pub struct MfaPolicyChange {
    /// Which users need a second factor.
    pub required: Option<Required>,
    /// Ids of the roles whose users need a second factor, if `required` is [`Required::Roles`].
    pub roles: Option<Vec<String>>,
    /// When the rule for users takes effect; `Some(None)` means at once.
    pub enforced_from: Option<Option<Timestamp>>,
    /// Whether the rule for users only reports.
    pub report_only: Option<bool>,
    /// Whether a key is accepted only if the key was minted in a session with a proven second factor.
    pub keys_need_mfa: Option<bool>,
    /// When the rule for keys takes effect; `Some(None)` means at once.
    pub keys_enforced_from: Option<Option<Timestamp>>,
    /// Whether the rule for keys only reports.
    pub keys_report_only: Option<bool>,
}

impl Required {
    /// All values.
    pub const ALL: [Self; 3] = [Self::All, Self::None, Self::Roles];

    /// Returns the name of the value on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::None => "NONE",
            Self::Roles => "ROLES",
        }
    }

    /// Finds a value by its name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl MfaPolicy {
    /// Applies changes to the policy.
    ///
    /// # Errors
    /// The text says what is wrong and what is allowed.
    pub fn change(&mut self, wanted: MfaPolicyChange) -> Result<(), Text> {
        fn put<T>(place: &mut T, wanted: Option<T>) {
            if let Some(wanted) = wanted {
                *place = wanted;
            }
        }
        put(&mut self.required, wanted.required);
        put(&mut self.roles, wanted.roles);
        put(&mut self.rollout.enforced_from, wanted.enforced_from);
        put(&mut self.rollout.report_only, wanted.report_only);
        put(&mut self.keys_need_mfa, wanted.keys_need_mfa);
        put(&mut self.keys_rollout.enforced_from, wanted.keys_enforced_from);
        put(&mut self.keys_rollout.report_only, wanted.keys_report_only);
        if (self.required == Required::Roles) == self.roles.is_empty() {
            return Err(text!(
                "required ROLES and role_ids belong together: name at least one role with ROLES, and none with ALL or NONE",
                "required 为 ROLES 时必须指定至少一个 role_ids；为 ALL 或 NONE 时不能指定"
            ));
        }
        Ok(())
    }

    /// Returns whether the rule for users covers users with these roles, even if the rule is not in effect yet.
    pub fn asks<'a>(&self, mut roles: impl Iterator<Item = &'a RoleId>) -> bool {
        match self.required {
            Required::None => false,
            Required::All => true,
            Required::Roles => roles.any(|role| self.roles.iter().any(|named| named == role.as_str())),
        }
    }

    /// Returns whether users with these roles need a second factor at the time `now`.
    pub fn demands<'a>(&self, roles: impl Iterator<Item = &'a RoleId>, now: Timestamp) -> bool {
        self.rollout.holds(now) && self.asks(roles)
    }

    /// Returns whether a key whose owner was authenticated with these methods is accepted now.
    #[must_use]
    pub fn admits_key(&self, amr: &[String], now: Timestamp) -> bool {
        !self.keys_need_mfa || !self.keys_rollout.holds(now) || amr.iter().any(|method| method == AMR_MFA)
    }
}

/// Hides most of an e-mail address: `j***@example.org`.
#[must_use]
pub fn mask(address: &str) -> String {
    let (name, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let first: String = name.chars().take(1).collect();
    format!("{first}***@{domain}")
}

/// Checks that `mfa_type` is one of the user's `choices`.
///
/// # Errors
/// The text says what is wrong and what is allowed.
pub fn check_type(mfa_type: MfaType, choices: &[MfaType]) -> Result<(), Text> {
    if choices.contains(&mfa_type) {
        return Ok(());
    }
    let (name, allowed) = (mfa_type.name(), choices.iter().map(|it| it.name()).collect::<Vec<_>>().join(", "));
    Err(match mfa_type {
        MfaType::Sms => text!(
            "codes by short message (Sms) are not served here: yours are {allowed}",
            "此处不支持短信验证码（Sms）：您可以使用 {allowed}"
        ),
        _ => text!(
            "you have no second factor of type {name}: yours are {allowed}",
            "您没有类型为 {name} 的第二因素：您可以使用 {allowed}"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::parse_iso;

    #[test]
    fn an_address_is_masked() {
        for (address, masked) in [("jo@example.org", "j***@example.org"), ("a@b", "a***@b"), ("é.x@b", "é***@b")] {
            assert_eq!(mask(address), masked);
        }
    }

    #[test]
    fn a_rule_holds_from_its_day_on_unless_it_only_reports() {
        let now = parse_iso("2026-01-31T00:00:00Z").unwrap();
        let later = Some(now + TimeDelta::seconds(1));
        for (enforced_from, report_only, holds) in
            [(None, false, true), (Some(now), false, true), (later, false, false), (None, true, false)]
        {
            assert_eq!(Rollout { enforced_from, report_only }.holds(now), holds);
        }
    }

    #[test]
    fn types_are_the_contracts() {
        assert_eq!(MfaType::ALL.map(MfaType::name), ["Mail", "Sms", "Totp", "TotpRecoveryCode"]);
        for known in MfaType::ALL {
            assert_eq!(MfaType::parse(known.name()), Some(known));
            assert_eq!(serde_json::to_value(known).unwrap(), known.name());
        }
        assert_eq!(MfaType::parse("totp"), None);
    }
}
