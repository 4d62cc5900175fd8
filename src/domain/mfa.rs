//! The second factor: which there are, what a challenge shows of itself, and what the policy asks for.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clock::Timestamp;
use super::id::{ChallengeId, RoleId, SessionId, UserId};
use super::text::{Text, text};

/// For how long a device counts as known that nobody logs in from.
pub const DEVICE_LIFE: TimeDelta = TimeDelta::days(90);
/// How long a challenge lives: from the password to the last code.
pub const CHALLENGE_LIFE: TimeDelta = TimeDelta::minutes(10);
/// How long a mailed code works (ASVS 6.5.5: at most 10 minutes).
pub const CODE_LIFE: TimeDelta = TimeDelta::minutes(5);
/// How often the code of one challenge may be wrong.
pub const TRIES: i32 = 5;
/// How often the code of one challenge is mailed in all.
pub const SENDINGS: i32 = 3;
/// How many recovery codes a user gets.
pub const RECOVERY_CODES: usize = 10;
/// The methods of authentication (RFC 8176, section 2) of a login with a password alone.
pub const AMR_PASSWORD: &[&str] = &["pwd"];
/// Those of a login with a code behind the password.
pub const AMR_BOTH: &[&str] = &["pwd", "otp", AMR_MFA];
/// The method that stands for more than one factor.
pub const AMR_MFA: &str = "mfa";

/// The contract's `MfaType` (section 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MfaType {
    /// A code by e-mail.
    Mail,
    /// A code by short message; not served.
    Sms,
    /// A code that the person's device computes (RFC 6238).
    Totp,
    /// One of the codes that were written down for the day on which the device is gone.
    TotpRecoveryCode,
}

impl MfaType {
    /// Every type.
    pub const ALL: [Self; 4] = [Self::Mail, Self::Sms, Self::Totp, Self::TotpRecoveryCode];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "Mail",
            Self::Sms => "Sms",
            Self::Totp => "Totp",
            Self::TotpRecoveryCode => "TotpRecoveryCode",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// What a challenge is for. It is spent on nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// To complete a login.
    Login,
    /// To renew the second factor of a session.
    Reauthenticate(SessionId),
    /// To prove a new factor, from within a session.
    Enroll(SessionId),
}

impl Purpose {
    /// Its name in the store.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Login => "Login",
            Self::Reauthenticate(_) => "Reauthenticate",
            Self::Enroll(_) => "Enroll",
        }
    }

    /// The session that it belongs to.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Login => None,
            Self::Reauthenticate(session) | Self::Enroll(session) => Some(session),
        }
    }
}

/// What the owner of a challenge is shown (contract: `MfaMeta`).
#[derive(Debug, Clone)]
pub struct MfaMeta {
    /// Where a code went, masked; nothing for a code that no one sends.
    pub recipient: Option<String>,
    /// Names the challenge; whoever holds it has given the password.
    pub mid: String,
    /// Which code is awaited.
    pub mfa_type: MfaType,
}

impl MfaMeta {
    /// It as every face shows it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { recipient, mid, mfa_type } = self;
        json!({ "recipient": recipient, "mid": mid, "type": mfa_type.name(), "valid": true })
    }
}

/// A confirmed factor of a user.
#[derive(Debug, Clone)]
pub struct Factor {
    /// Which.
    pub mfa_type: MfaType,
    /// The sealed secret of [`MfaType::Totp`].
    pub sealed: Option<Vec<u8>>,
    /// Where [`MfaType::Mail`] sends its codes.
    pub address: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
}

/// A factor that was proven, and is to be kept.
#[derive(Debug, Clone)]
pub struct NewFactor {
    /// Which.
    pub mfa_type: MfaType,
    /// The sealed secret of [`MfaType::Totp`].
    pub sealed: Option<Vec<u8>>,
    /// Where [`MfaType::Mail`] sends its codes.
    pub address: Option<String>,
    /// The step whose code has proven [`MfaType::Totp`].
    pub last_step: i64,
}

/// What is kept of a recovery code.
#[derive(Debug, Clone)]
pub struct KeptCode {
    /// Its row.
    pub id: String,
    /// The digest of its text.
    pub digest: Vec<u8>,
}

/// What waits for a code.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// Its row: made from the digest of what its owner holds.
    pub id: ChallengeId,
    /// Whose.
    pub user: UserId,
    /// For what.
    pub purpose: Purpose,
    /// Which code is awaited.
    pub mfa_type: MfaType,
    /// What is kept of the code that was mailed.
    pub code: Option<Vec<u8>>,
    /// Until when that code works.
    pub code_until: Option<Timestamp>,
    /// The sealed secret that is to become a factor.
    pub sealed: Option<Vec<u8>>,
    /// The address that is to become a factor, or that the code went to.
    pub address: Option<String>,
    /// How often a code was mailed.
    pub sent: i32,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A user as the second step sees it.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Id.
    pub id: UserId,
    /// Login name.
    pub username: String,
    /// Where mails go.
    pub email_address: Option<String>,
    /// The confirmed factors.
    pub factors: Vec<Factor>,
    /// How many recovery codes are left.
    pub recovery_codes: u64,
}

impl Holder {
    /// The factor of a type.
    #[must_use]
    pub fn factor(&self, mfa_type: MfaType) -> Option<&Factor> {
        self.factors.iter().find(|factor| factor.mfa_type == mfa_type)
    }

    /// Tells whether a login needs a second step.
    #[must_use]
    pub fn needs_code(&self) -> bool {
        !self.factors.is_empty()
    }

    /// What a login asks for when nobody chose.
    #[must_use]
    pub fn preferred(&self) -> MfaType {
        if self.factor(MfaType::Totp).is_some() { MfaType::Totp } else { MfaType::Mail }
    }

    /// The types that this user can choose from.
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

/// From when on a rule holds, and whether it only reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// Until then nobody is shut out: the grace.
    pub enforced_from: Option<Timestamp>,
    /// Nobody is ever shut out: who would be is listed.
    pub report_only: bool,
}

impl Rollout {
    /// Tells whether the rule holds now.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        !self.report_only && self.enforced_from.is_none_or(|from| from <= now)
    }
}

/// Who needs a second factor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Required {
    /// Nobody: those who want one have one.
    #[default]
    None,
    /// Users of certain roles.
    Roles,
    /// Everybody.
    All,
}

/// What the second factor is asked for. A member that is not there has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MfaPolicy {
    /// Who needs one.
    pub required: Required,
    /// The roles of [`Required::Roles`].
    pub roles: Vec<String>,
    /// From when on.
    pub rollout: Rollout,
    /// Whether a key works only when it was minted under a second factor.
    pub keys_need_mfa: bool,
    /// From when on.
    pub keys_rollout: Rollout,
}

/// What somebody wants to change of it; `None` leaves as it is.
#[derive(Debug, Default)]
pub struct MfaPolicyChange {
    /// Who needs a second factor.
    pub required: Option<Required>,
    /// Ids of the roles of [`Required::Roles`].
    pub roles: Option<Vec<String>>,
    /// From when on; `Some(None)` from now on.
    pub enforced_from: Option<Option<Timestamp>>,
    /// Whether it only reports.
    pub report_only: Option<bool>,
    /// Whether keys need to be minted under a second factor.
    pub keys_need_mfa: Option<bool>,
    /// From when on; `Some(None)` from now on.
    pub keys_enforced_from: Option<Option<Timestamp>>,
    /// Whether that only reports.
    pub keys_report_only: Option<bool>,
}

impl Required {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::All, Self::None, Self::Roles];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::None => "NONE",
            Self::Roles => "ROLES",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl MfaPolicy {
    /// Changes it.
    ///
    /// # Errors
    /// What is wrong and what is allowed.
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

    /// Tells whether users of these roles need a second factor, sooner or later.
    pub fn asks<'a>(&self, mut roles: impl Iterator<Item = &'a RoleId>) -> bool {
        match self.required {
            Required::None => false,
            Required::All => true,
            Required::Roles => roles.any(|role| self.roles.iter().any(|named| named == role.as_str())),
        }
    }

    /// Tells whether users of these roles need one now.
    pub fn demands<'a>(&self, roles: impl Iterator<Item = &'a RoleId>, now: Timestamp) -> bool {
        self.rollout.holds(now) && self.asks(roles)
    }

    /// Tells whether a key with this provenance works now.
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

/// Refuses what is not served.
///
/// # Errors
/// What is wrong and what is allowed.
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
