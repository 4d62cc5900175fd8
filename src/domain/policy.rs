//! The policies: how users log in, from where, and for how long (contract section 1.5).

use std::net::IpAddr;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::mfa::MfaPolicy;
use super::network::{Range, Ranges};
use super::password::check_password;
use super::secret::Password;
use super::text::{Text, text};

/// Maximum value of a number in a policy, because the contract sends 32-bit integers.
const NUMBER_MAX: i64 = 2_147_483_647;
/// Maximum number of ranges in the access list, because every use of a credential parses the list.
pub const ACCESS_LIST_MAX: usize = 1_000;
/// Maximum number of characters in a range: enough for two addresses and the separator.
const RANGE_MAX: usize = 100;

/// The policies in force. The JSON form is the member `auth` of the contract's GlobalSettings; a missing member has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    access_list: Vec<String>,
    access_mode: AccessMode,
    /// This member is shown because the contract has it. No route sets this member, and nothing depends on it.
    enable_single_session_login: bool,
    login_miss_num_threshold: u32,
    login_miss_time_threshold: u32,
    password_complexity: Complexity,
    password_expire_days: u32,
    session_max_age: u32,
    /// The second-factor policy, which is stored separately because it is not in the contract.
    #[serde(skip)]
    pub mfa: MfaPolicy,
}

/// The effect of the access list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AccessMode {
    /// Only addresses in the list are accepted.
    Allow,
    /// Addresses in the list are rejected.
    Deny,
    /// The list has no effect.
    #[default]
    None,
}

/// The required complexity of a new password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Complexity {
    /// 12 characters or more, with lowercase letters, uppercase letters, digits and other characters.
    High,
    /// 8 characters or more.
    #[default]
    Low,
    /// 8 characters or more, with at least three of these four kinds: lowercase letters, uppercase letters, digits, other characters.
    Middle,
}

/// Changes to the rules for passwords and to the limit of wrong logins. A field that is `None` stays as it is.
#[derive(Debug, Default)]
pub struct PasswordSecurity {
    /// Number of days until a password expires; 0 means never.
    pub expire_days: Option<i64>,
    /// The required complexity of a new password.
    pub complexity: Option<Complexity>,
    /// Maximum number of wrong logins with one username within `miss_time`; 0 means no limit.
    pub miss_num: Option<i64>,
    /// Period in which wrong logins are counted, in milliseconds; 0 means no limit.
    pub miss_time: Option<i64>,
}

/// The limit of wrong logins with one username.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misses {
    /// Maximum number of wrong logins.
    pub most: u32,
    /// Period in which wrong logins are counted.
    pub within: TimeDelta,
}

impl Policy {
    /// Returns whether the policy accepts requests from an address. An unknown address (`None`) counts as not in the list.
    ///
    /// # Errors
    /// The text quotes the malformed range of the list.
    pub fn admits(&self, address: Option<IpAddr>) -> Result<bool, Text> {
        if self.access_mode == AccessMode::None {
            return Ok(true);
        }
        let ranges = ranges(&self.access_list)?;
        let listed = address.is_some_and(|address| ranges.contain(address));
        Ok(listed == (self.access_mode == AccessMode::Allow))
    }

    /// Returns the required complexity of a new password.
    #[must_use]
    pub fn complexity(&self) -> Complexity {
        self.password_complexity
    }

    /// Returns the limit of wrong logins; `None` means no limit.
    #[must_use]
    pub fn misses(&self) -> Option<Misses> {
        let (most, within) = (self.login_miss_num_threshold, self.login_miss_time_threshold);
        (most > 0 && within > 0).then(|| Misses { most, within: TimeDelta::milliseconds(within.into()) })
    }

    /// Returns the cutoff for passwords: a password set at that time or earlier has expired. `None` means that no password has expired.
    #[must_use]
    pub fn passwords_expired(&self, now: Timestamp) -> Option<Timestamp> {
        before(now, TimeDelta::try_days(self.password_expire_days.into())?)
    }

    /// Returns the cutoff for sessions: a session begun at that time or earlier has ended. `None` means that the policy ends no session.
    #[must_use]
    pub fn sessions_over(&self, now: Timestamp) -> Option<Timestamp> {
        before(now, TimeDelta::milliseconds(self.session_max_age.into()))
    }

    /// Returns whether a session that began at `begun` has reached the maximum age.
    #[must_use]
    pub fn ends_session(&self, begun: Timestamp, now: Timestamp) -> bool {
        self.sessions_over(now).is_some_and(|over| begun <= over)
    }

    /// Returns whether a password that was set at `set` has expired. A password without that time never expires.
    #[must_use]
    pub fn expires_password(&self, set: Option<Timestamp>, now: Timestamp) -> bool {
        self.passwords_expired(now).zip(set).is_some_and(|(until, set)| set <= until)
    }

    /// Changes the rules for passwords and the limit of wrong logins.
    ///
    /// # Errors
    /// The text says what is wrong and what is allowed.
    pub fn secure_passwords(&mut self, wanted: PasswordSecurity) -> Result<(), Text> {
        let PasswordSecurity { expire_days, complexity, miss_num, miss_time } = wanted;
        for (name, value, place) in [
            ("password_expire_days", expire_days, &mut self.password_expire_days),
            ("login_miss_num_threshold", miss_num, &mut self.login_miss_num_threshold),
            ("login_miss_time_threshold", miss_time, &mut self.login_miss_time_threshold),
        ] {
            if let Some(value) = value {
                *place = number(name, value)?;
            }
        }
        if (self.login_miss_num_threshold == 0) != (self.login_miss_time_threshold == 0) {
            return Err(text!(
                "login_miss_num_threshold and login_miss_time_threshold belong together: both 0 for no limit, or both 1 or \
                 more",
                "login_miss_num_threshold 与 login_miss_time_threshold 必须一致：均为 0 表示不限制，或均不小于 1"
            ));
        }
        self.password_complexity = complexity.unwrap_or(self.password_complexity);
        Ok(())
    }

    /// Changes the access mode and the access list.
    ///
    /// # Errors
    /// The text quotes the malformed range, or says that the list is too long, and what is allowed.
    pub fn restrict_access(&mut self, mode: AccessMode, list: Vec<String>) -> Result<(), Text> {
        let number = list.len();
        if number > ACCESS_LIST_MAX {
            return Err(text!(
                "access_list must have at most {ACCESS_LIST_MAX} elements, this one has {number}",
                "access_list 最多 {ACCESS_LIST_MAX} 项，当前为 {number} 项"
            ));
        }
        ranges(&list)?;
        (self.access_mode, self.access_list) = (mode, list);
        Ok(())
    }

    /// Resets the policies that can shut out all users: the access mode and the maximum age of sessions. The access list stays.
    pub fn unlock(&mut self) {
        (self.access_mode, self.session_max_age) = (AccessMode::None, 0);
    }

    /// Changes the maximum age of sessions, in milliseconds; 0 means that a session lasts until its token expires.
    ///
    /// # Errors
    /// The text says what is allowed.
    pub fn limit_sessions(&mut self, max_age: i64) -> Result<(), Text> {
        self.session_max_age = number("session_max_age", max_age)?;
        Ok(())
    }
}

impl Complexity {
    /// Checks a new password.
    ///
    /// # Errors
    /// The text says what is wrong and what is allowed.
    pub fn check(self, password: &Password) -> Result<(), Text> {
        check_password(password)?;
        let (least, kinds) = match self {
            Self::Low => return Ok(()),
            Self::Middle => (8, 3),
            Self::High => (12, 4),
        };
        let letters = || password.expose().chars();
        let other = |letter: char| !letter.is_lowercase() && !letter.is_uppercase() && !letter.is_numeric();
        let holds = [
            letters().any(char::is_lowercase),
            letters().any(char::is_uppercase),
            letters().any(char::is_numeric),
            letters().any(other),
        ];
        if letters().count() < least || holds.into_iter().filter(|holds| *holds).count() < kinds {
            return Err(text!(
                "password must have {least} characters or more and hold at least {kinds} of these 4: lowercase letters, \
                 uppercase letters, digits, other characters",
                "密码至少 {least} 个字符，并至少包含以下 4 类字符中的 {kinds} 类：小写字母、大写字母、数字、其他字符"
            ));
        }
        Ok(())
    }
}

fn ranges(list: &[String]) -> Result<Ranges, Text> {
    let range = |(index, text): (usize, &String)| {
        if text.chars().count() > RANGE_MAX {
            return Err(text!(
                "access_list[{index}] must have at most {RANGE_MAX} characters",
                "access_list[{index}] 最多 {RANGE_MAX} 个字符"
            ));
        }
        text.parse::<Range>().map_err(|why| why.map(|why| format!("access_list[{index}]: {why}")))
    };
    list.iter().enumerate().map(range).collect()
}

fn number(name: &str, value: i64) -> Result<u32, Text> {
    u32::try_from(value).ok().filter(|_| value <= NUMBER_MAX).ok_or_else(|| {
        text!("{name} must be an integer from 0 to {NUMBER_MAX}", "{name} 必须是 0 到 {NUMBER_MAX} 之间的整数")
    })
}

/// Returns `now` minus `time`; `None` if `time` is zero or the result is out of range.
fn before(now: Timestamp, time: TimeDelta) -> Option<Timestamp> {
    if time.is_zero() { None } else { now.checked_sub_signed(time) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::parse_iso;
    use crate::domain::entity::enums::{ACCESS_MODE, PASSWORD_COMPLEXITY};

    fn names(values: &[impl Serialize]) -> Vec<String> {
        values.iter().map(|value| serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_row_has_every_member_of_the_contract() {
        let members = serde_json::to_value(Policy::default()).unwrap();
        let expected = serde_json::json!({
            "access_list": [], "access_mode": "NONE", "enable_single_session_login": false, "login_miss_num_threshold": 0,
            "login_miss_time_threshold": 0, "password_complexity": "LOW", "password_expire_days": 0, "session_max_age": 0,
        });
        assert_eq!(members, expected);
        assert_eq!(serde_json::from_str::<Policy>("{}").unwrap(), Policy::default());
        assert_eq!(names(&[AccessMode::Allow, AccessMode::Deny, AccessMode::None]), ACCESS_MODE.values);
        assert_eq!(names(&[Complexity::High, Complexity::Low, Complexity::Middle]), PASSWORD_COMPLEXITY.values);
    }

    #[test]
    fn a_password_holds_what_the_policy_asks_for() {
        for (password, low, middle, high) in [
            ("1234567", false, false, false),
            ("73915582", true, false, false),
            ("Password@123", false, false, false),
            ("lower and upper", true, false, false),
            ("lower1UPPER", true, true, false),
            ("lower1UPPER2", true, true, false),
            ("lower 1 word", true, true, false),
            ("lower1UPPER!", true, true, true),
            ("aA1!", false, false, false),
            ("aA1!aA1!aA1", true, true, false),
            ("\u{e9}\u{c9}\u{661}\u{5bc6}\u{7801}\u{5bc6}\u{7801}\u{5bc6}", true, true, false),
            ("            ", true, false, false),
        ] {
            let password = Password::from(password.to_owned());
            let held = [Complexity::Low, Complexity::Middle, Complexity::High].map(|it| it.check(&password).is_ok());
            assert_eq!(held, [low, middle, high], "{}", password.expose());
        }
    }

    #[test]
    fn an_address_is_let_in_by_mode_and_list() {
        let mut policy = Policy::default();
        let admits = |policy: &Policy| {
            [Some("192.0.2.1"), Some("198.51.100.1"), None]
                .map(|it| policy.admits(it.map(|it| it.parse().unwrap())).unwrap())
        };
        let list = || vec!["192.0.2.0/24".to_owned()];
        for (mode, list, expected) in [
            (AccessMode::None, list(), [true, true, true]),
            (AccessMode::Allow, list(), [true, false, false]),
            (AccessMode::Deny, list(), [false, true, true]),
            (AccessMode::Allow, Vec::new(), [false, false, false]),
            (AccessMode::Deny, Vec::new(), [true, true, true]),
        ] {
            policy.restrict_access(mode, list).unwrap();
            assert_eq!(admits(&policy), expected, "{mode:?}");
        }
        let before = policy.clone();
        for (list, word) in [
            (vec!["192.0.2.1".to_owned(), "192.0.2".to_owned()], "access_list[1]: \"192.0.2\""),
            (vec![format!("192.0.2.1{}", " ".repeat(100))], "access_list[0]"),
            (vec!["192.0.2.1".to_owned(); ACCESS_LIST_MAX + 1], "at most 1000"),
        ] {
            let refusal = policy.restrict_access(AccessMode::Allow, list).unwrap_err();
            assert!(refusal.en().contains(word), "{refusal:?}");
        }
        assert_eq!(policy, before);
    }

    #[test]
    fn times_that_reach_beyond_time_limit_nothing() {
        let now = parse_iso("2026-01-31T00:00:00Z").unwrap();
        let mut policy = Policy::default();
        assert_eq!((policy.passwords_expired(now), policy.sessions_over(now), policy.misses()), (None, None, None));
        let days = |days| PasswordSecurity { expire_days: Some(days), ..PasswordSecurity::default() };
        policy.secure_passwords(days(30)).unwrap();
        policy.limit_sessions(1_000).unwrap();
        assert_eq!(policy.passwords_expired(now), parse_iso("2026-01-01T00:00:00Z"));
        assert_eq!(policy.sessions_over(now), parse_iso("2026-01-30T23:59:59Z"));
        policy.secure_passwords(days(NUMBER_MAX)).unwrap();
        assert_eq!(policy.passwords_expired(now), None);
        for wrong in [-1, NUMBER_MAX + 1, i64::MIN, i64::MAX] {
            assert!(policy.secure_passwords(days(wrong)).is_err() && policy.limit_sessions(wrong).is_err());
        }
    }
}
