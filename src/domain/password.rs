//! Rules for new passwords, and the cost of hashing a password.

use std::fmt;

use common_passwords::analyzer::is_common_password;

use super::secret::Password;
use super::text::{Text, text};

/// Minimum number of characters in a new password.
pub const PASSWORD_MIN: usize = 8;
/// Maximum number of bytes in a password; the hash reads all bytes.
pub const PASSWORD_MAX: usize = 1024;

/// Checks the rules that hold for every new password; [a policy](super::policy::Complexity) can require more.
///
/// # Errors
/// The text says what is wrong and what is allowed.
pub fn check_password(password: &Password) -> Result<(), Text> {
    let (characters, bytes) = (password.expose().chars().count(), password.expose().len());
    if characters < PASSWORD_MIN || bytes > PASSWORD_MAX {
        return Err(text!(
            "password must have {PASSWORD_MIN} characters or more and at most {PASSWORD_MAX} bytes",
            "密码至少 {PASSWORD_MIN} 个字符，最多 {PASSWORD_MAX} 字节"
        ));
    }
    // Some entries of the list have capitals. Other entries are in lowercase, but users capitalize them.
    if is_common_password(password.expose()) || is_common_password(password.expose().to_lowercase()) {
        return Err(text!(
            "password must not be one of the most common ones, which are guessed first: allowed is any other, such as several \
             words in a row",
            "密码不能是最先被猜测的常见密码：请使用其他密码，例如由多个单词组成的密码"
        ));
    }
    Ok(())
}

/// Checks that a new password is not the user's login name, regardless of case.
///
/// # Errors
/// The text says what is wrong and what is allowed.
pub fn check_is_no_name(password: &Password, username: &str) -> Result<(), Text> {
    if password.expose().to_lowercase() == username.to_lowercase() {
        return Err(text!(
            "password must not be the username: allowed is any other of {PASSWORD_MIN} characters or more",
            "密码不能与用户名相同：请使用其他密码，至少 {PASSWORD_MIN} 个字符"
        ));
    }
    Ok(())
}

/// Returns the message for a new password that equals the old one.
#[must_use]
pub fn is_the_old_one() -> Text {
    text!(
        "password must not be the one before: allowed is any other of {PASSWORD_MIN} characters or more",
        "新密码不能与原密码相同：请使用其他密码，至少 {PASSWORD_MIN} 个字符"
    )
}

/// Cost of an argon2 hash. Its text form is `m=19456,t=2,p=1`, the same as in the PHC text of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Size of the memory in KiB.
    pub memory: u32,
    /// Number of passes over the memory.
    pub passes: u32,
    /// Number of lanes in the memory (the parallelism).
    pub lanes: u32,
}

impl HashCost {
    /// Upper limit of each value; keytower rejects a stored hash that exceeds a limit.
    pub const MOST: Self = Self { memory: 1_048_576, passes: 10, lanes: 4 };
    /// Description of the allowed values, for people.
    pub const FORM: &str = "m=KiB,t=PASSES,p=LANES, such as m=19456,t=2,p=1: at least m=47104 with t=1, m=19456 with t=2, m=12288 \
                            with t=3, m=9216 with t=4 or m=7168 with t=5, at most m=1048576, t=10 and p=4";
    /// Pairs of a memory in KiB and a number of passes. A cost is enough if it reaches both numbers of a pair. OWASP considers the pairs
    /// equally strong.
    const LEAST: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

    /// Parses the cost of new hashes; `None` if the text is malformed or the cost is too low or too high.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let mut number = |name| parts.next()?.strip_prefix(name)?.parse().ok();
        let cost = Self { memory: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
        // Comparing with the formatted cost rejects all other spellings, such as a sign or a leading zero.
        (cost.to_string() == text && cost.is_enough() && cost.is_bearable()).then_some(cost)
    }

    /// Returns whether no value exceeds [`HashCost::MOST`].
    #[must_use]
    pub fn is_bearable(self) -> bool {
        self.memory <= Self::MOST.memory && self.passes <= Self::MOST.passes && self.lanes <= Self::MOST.lanes
    }

    fn is_enough(self) -> bool {
        self.lanes > 0 && Self::LEAST.iter().any(|(memory, passes)| self.memory >= *memory && self.passes >= *passes)
    }
}

impl fmt::Display for HashCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={},t={},p={}", self.memory, self.passes, self.lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<String> {
        check_password(&text.to_owned().into()).err().map(|why| why.en().to_owned())
    }

    #[test]
    fn passwords_have_a_least_and_a_most_length() {
        let fits = |text: String| refused(&text).is_none();
        assert!(!fits("x7#kQ.z".into()) && fits("x7#kQ.z!".into()));
        assert!(fits("x".repeat(1024)) && !fits("x".repeat(1025)));
        assert!(!fits("é".repeat(7)) && fits("é".repeat(8)));
    }

    #[test]
    fn the_most_common_passwords_are_refused_in_any_case() {
        for common in [
            "password",
            "PASSWORD",
            "PaSsWoRd",
            "12345678",
            "qwertyuiop",
            "iloveyou",
            "Password123",
            "passw0rd!",
            "Passw0rd!",
            "P@ssw0rd",
            "1q2w3e4r5t",
            "changeme",
            "Administrator",
            "123admin321A",
            "trustno1",
            "00000000",
            "йцукенгшщз",
            "Солнышко",
        ] {
            let told = refused(common);
            assert!(told.as_ref().is_some_and(|told| told.contains("most common")), "{common}: {told:?}");
        }
        for other in
            ["correct horse battery", "password password", "passwordpasswor", " password", "password1234567890x"]
        {
            assert_eq!(refused(other), None, "{other}");
        }
        assert!(refused("pass").unwrap().contains("8 characters"), "too short comes first");
    }

    #[test]
    fn a_login_name_is_no_password_in_any_case() {
        let same = |password: &str, name| check_is_no_name(&password.to_owned().into(), name).is_err();
        assert!(same("ci-automation", "ci-automation") && same("CI-Automation", "ci-automation"));
        assert!(same("ÉLODIE.DURAND", "élodie.durand"));
        assert!(!same("ci-automation ", "ci-automation") && !same("ci-automation2", "ci-automation"));
    }

    #[test]
    fn costs_are_read_as_they_are_written() {
        for good in [
            "m=19456,t=2,p=1",
            "m=47104,t=1,p=1",
            "m=12288,t=3,p=1",
            "m=9216,t=4,p=2",
            "m=7168,t=5,p=1",
            "m=7168,t=10,p=4",
            "m=1048576,t=1,p=1",
        ] {
            assert_eq!(HashCost::parse(good).unwrap().to_string(), good);
        }
        for wrong in [
            "",
            "19456,2,1",
            "t=2,m=19456,p=1",
            "m=19456,t=2",
            "m=19456,t=2,p=1,",
            "m=19456,t=2,p=1,data=x",
            "m=19456, t=2, p=1",
            "m=+19456,t=2,p=1",
            "m=019456,t=2,p=1",
            "m=19456.0,t=2,p=1",
            "m=-1,t=2,p=1",
            "m=47103,t=1,p=1",
            "m=19455,t=2,p=1",
            "m=12287,t=3,p=1",
            "m=9215,t=4,p=1",
            "m=7167,t=10,p=1",
            "m=19456,t=2,p=0",
            "m=19456,t=0,p=1",
            "m=1048577,t=2,p=1",
            "m=19456,t=11,p=1",
            "m=19456,t=2,p=5",
            "m=99999999999,t=2,p=1",
        ] {
            assert!(HashCost::parse(wrong).is_none(), "{wrong}");
        }
    }
}
