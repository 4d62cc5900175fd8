//! Passwords: what a new one must be.

use common_passwords::analyzer::is_common_password;

use super::secret::Password;
use super::text::{Text, text};

/// Least number of characters in a new password.
pub const PASSWORD_MIN: usize = 8;
/// Most bytes in a password; the hash reads them all.
pub const PASSWORD_MAX: usize = 1024;

/// Checks what every new password must be; [a policy](super::policy::Complexity) may ask for more.
///
/// # Errors
/// What is wrong and what is allowed.
pub fn check_password(password: &Password) -> Result<(), Text> {
    let (characters, bytes) = (password.expose().chars().count(), password.expose().len());
    if characters < PASSWORD_MIN || bytes > PASSWORD_MAX {
        return Err(text!(
            "password must have {PASSWORD_MIN} characters or more and at most {PASSWORD_MAX} bytes",
            "密码至少 {PASSWORD_MIN} 个字符，最多 {PASSWORD_MAX} 字节"
        ));
    }
    // The list holds some with capitals, and more that people write with one.
    if is_common_password(password.expose()) || is_common_password(password.expose().to_lowercase()) {
        return Err(text!(
            "password must not be one of the most common ones, which are guessed first: allowed is any other, such as several \
             words in a row",
            "密码不能是最先被猜测的常见密码：请使用其他密码，例如由多个单词组成的密码"
        ));
    }
    Ok(())
}

/// Checks that a new password is not the login name of the user whom it is for, in whatever case.
///
/// # Errors
/// What is wrong and what is allowed.
pub fn check_is_no_name(password: &Password, username: &str) -> Result<(), Text> {
    if password.expose().to_lowercase() == username.to_lowercase() {
        return Err(text!(
            "password must not be the username: allowed is any other of {PASSWORD_MIN} characters or more",
            "密码不能与用户名相同：请使用其他密码，至少 {PASSWORD_MIN} 个字符"
        ));
    }
    Ok(())
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
}
