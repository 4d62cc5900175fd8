//! The second factor: its types, its challenges, and the policy that requires it.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clock::Timestamp;
use super::id::{ChallengeId, RoleId, SessionId, UserId};
use super::text::{Text, text};

/// How long a device stays known after the last login from it.
pub const DEVICE_LIFE: TimeDelta = TimeDelta::days(90);
/// Lifetime of a challenge, from the password to the last code.
pub const CHALLENGE_LIFE: TimeDelta = TimeDelta::minutes(10);
/// Lifetime of a mailed code (ASVS 6.5.5: at most 10 minutes).
pub const CODE_LIFE: TimeDelta = TimeDelta::minutes(5);
/// Maximum number of codes that can be tried for one challenge.
pub const TRIES: i32 = 5;
/// Maximum number of mailed codes for one challenge.
pub const SENDINGS: i32 = 3;
/// Number of recovery codes that a user gets.
pub const RECOVERY_CODES: usize = 10;
/// Authentication methods (RFC 8176, section 2) of a login with a password alone.
pub const AMR_PASSWORD: &[&str] = &["pwd"];
/// Authentication methods of a login with a password and a code.
pub const AMR_BOTH: &[&str] = &["pwd", "otp", AMR_MFA];
/// Authentication method that stands for more than one factor.
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
    /// Every type.
    pub const ALL: [Self; 4] = [Self::Mail, Self::Sms, Self::Totp, Self::TotpRecoveryCode];

    /// Returns its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "Mail",
            Self::Sms => "Sms",
            Self::Totp => "Totp",
            Self::TotpRecoveryCode => "TotpRecoveryCode",
        }
    }

    /// Finds a value by its name on the wire.
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
    /// Prove the second factor of a session again.
    Reauthenticate(SessionId),
    /// Prove a new factor, within a session.
    Enroll(SessionId),
}

impl Purpose {
    /// Returns its name in the store.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Login => "Login",
            Self::Reauthenticate(_) => "Reauthenticate",
            Self::Enroll(_) => "Enroll",
        }
    }

    /// Returns the session that it belongs to; `None` for a login.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Login => None,
            Self::Reauthenticate(session) | Self::Enroll(session) => Some(session),
        }
    }
}

/// Description of a challenge for its owner (contract: `MfaMeta`).
#[derive(Debug, Clone)]
pub struct MfaMeta {
    /// Masked address that the code went to; `None` for a code that is not sent.
    pub recipient: Option<String>,
    /// Secret name of the challenge; its holder has already given the password.
    pub mid: String,
    /// Type of the expected code.
    pub mfa_type: MfaType,
}

impl MfaMeta {
    /// Returns the JSON form, which all APIs share.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { recipient, mid, mfa_type } = self;
        json!({ "recipient": recipient, "mid": mid, "type": mfa_type.name(), "valid": true })
    }
}

/// A confirmed factor of a user.
#[derive(Debug, Clone)]
pub struct Factor {
    /// Type.
    pub mfa_type: MfaType,
    /// Encrypted secret of [`MfaType::Totp`].
    pub sealed: Option<Vec<u8>>,
    /// Address to which [`MfaType::Mail`] sends its codes.
    pub address: Option<String>,
    /// When it was confirmed.
    pub created_at: Timestamp,
}

/// A proven factor, to be stored.
#[derive(Debug, Clone)]
pub struct NewFactor {
    /// Type.
    pub mfa_type: MfaType,
    /// Encrypted secret of [`MfaType::Totp`].
    pub sealed: Option<Vec<u8>>,
    /// Address to which [`MfaType::Mail`] sends its codes.
    pub address: Option<String>,
    /// Time step of the code that proved [`MfaType::Totp`].
    pub last_step: i64,
}

/// A stored recovery code.
#[derive(Debug, Clone)]
pub struct KeptCode {
    /// Id of its row.
    pub id: String,
    /// Digest of its text.
    pub digest: Vec<u8>,
}

/// A challenge: a login, or the like, that waits for a code.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// Id of its row: the digest of the `mid` that its owner holds.
    pub id: ChallengeId,
    /// Id of the user.
    pub user: UserId,
    /// Purpose.
    pub purpose: Purpose,
    /// Type of the expected code.
    pub mfa_type: MfaType,
    /// Digest of the mailed code.
    pub code: Option<Vec<u8>>,
    /// When that code expires.
    pub code_until: Option<Timestamp>,
    /// Encrypted secret that is to become a factor.
    pub sealed: Option<Vec<u8>>,
    /// Address that is to become a factor, or that the code went to.
    pub address: Option<String>,
    /// Number of mailed codes.
    pub sent: i32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// A user, as far as the second step of a login needs it.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Id.
    pub id: UserId,
    /// Login name.
    pub username: String,
    /// E-mail address.
    pub email_address: Option<String>,
    /// The confirmed factors.
    pub factors: Vec<Factor>,
    /// Number of unused recovery codes.
    pub recovery_codes: u64,
}

impl Holder {
    /// Returns the factor of a type.
    #[must_use]
    pub fn factor(&self, mfa_type: MfaType) -> Option<&Factor> {
        self.factors.iter().find(|factor| factor.mfa_type == mfa_type)
    }

    /// Returns whether a login needs a second step.
    #[must_use]
    pub fn needs_code(&self) -> bool {
        !self.factors.is_empty()
    }

    /// Returns the type that a login asks for by default: TOTP if the user has it, else mail.
    #[must_use]
    pub fn preferred(&self) -> MfaType {
        if self.factor(MfaType::Totp).is_some() { MfaType::Totp } else { MfaType::Mail }
    }

    /// Returns the types that this user can choose from.
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

/// When a rule takes effect, and whether it only reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// Until then the rule shuts nobody out (grace period); `None` means that it takes effect at once.
    pub enforced_from: Option<Timestamp>,
    /// Whether the rule shuts nobody out and only lists the users that it would shut out.
    pub report_only: bool,
}

impl Rollout {
    /// Returns whether the rule is in effect now.
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
    /// Users with certain roles.
    Roles,
    /// All users.
    All,
}

/// The policy that requires second factors. A missing member has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MfaPolicy {
    /// Which users need a second factor.
    pub required: Required,
    /// Ids of the roles of [`Required::Roles`].
    pub roles: Vec<String>,
    /// When this takes effect.
    pub rollout: Rollout,
    /// Whether a key is accepted only if it was minted with a second factor.
    pub keys_need_mfa: bool,
    /// When the rule for keys takes effect.
    pub keys_rollout: Rollout,
}

/// A change of the policy; `None` keeps a value.
#[derive(Debug, Default)]
pub struct MfaPolicyChange {
    /// Which users need a second factor.
    pub required: Option<Required>,
    /// Ids of the roles of [`Required::Roles`].
    pub roles: Option<Vec<String>>,
    /// When the rule takes effect; `Some(None)` means at once.
    pub enforced_from: Option<Option<Timestamp>>,
    /// Whether the rule only reports.
    pub report_only: Option<bool>,
    /// Whether a key is accepted only if it was minted with a second factor.
    pub keys_need_mfa: Option<bool>,
    /// When the rule takes effect; `Some(None)` means at once.
    pub keys_enforced_from: Option<Option<Timestamp>>,
    /// Whether the rule for keys only reports.
    pub keys_report_only: Option<bool>,
}

impl Required {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::All, Self::None, Self::Roles];

    /// Returns its name on the wire.
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
    /// Applies a change.
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

    /// Returns whether users with these roles need a second factor, now or later.
    pub fn asks<'a>(&self, mut roles: impl Iterator<Item = &'a RoleId>) -> bool {
        match self.required {
            Required::None => false,
            Required::All => true,
            Required::Roles => roles.any(|role| self.roles.iter().any(|named| named == role.as_str())),
        }
    }

    /// Returns whether users with these roles need a second factor now.
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

/// Checks that the user can choose this type.
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
