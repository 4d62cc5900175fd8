//! Settings of the upstream, the CloudTower behind keytower.

use std::path::PathBuf;
use std::time::Duration;

use super::{Given, web_address};
use crate::domain::forward::Rules;
use crate::domain::secret::{Password, UpstreamCredential};
use crate::error::{Error, Result};

/// Path of REST v2 at an upstream. The setting `upstream_url` may end with this path, but need not.
const PREFIX: &str = "/v2/api";

/// The CloudTower behind keytower, and how keytower connects to the CloudTower.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// URL of REST v2 at the CloudTower, including `/v2/api`, without a `/` at the end.
    pub url: String,
    /// keytower's credential for the CloudTower.
    pub login: UpstreamLogin,
    /// Time limit for the head of an answer, and for each wait for the next piece of the answer's body.
    pub timeout: Duration,
    /// File with certificates to trust, in place of the public authorities.
    pub ca_file: Option<PathBuf>,
    /// What a caller needs for a route, where this differs from the built-in table or is missing there.
    pub rules: Rules,
}

/// How keytower authenticates to the upstream.
#[derive(Debug, Clone)]
pub enum UpstreamLogin {
    /// Username and password of a local user. keytower logs in for a token, and logs in again when the token expires.
    User(String, Password),
    /// An API key, which keytower sends unchanged.
    Key(UpstreamCredential),
}

impl Given {
    /// Returns the upstream, if `upstream_url` is set. Checks the other upstream settings in any case, so that a wrong setting shows at
    /// once.
    pub(super) fn upstream(&self) -> Result<Option<UpstreamSettings>> {
        let url = self.parse("upstream_url", "http:// or https://, a host, and perhaps a port and a path", address)?;
        let secret = "printable ASCII without white space";
        let key = self.parse("upstream_api_key", secret, |text| {
            text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| UpstreamCredential::from(text.to_owned()))
        })?;
        let username = self.given("upstream_username").map(str::to_owned);
        let password = self.given("upstream_password").map(|text| Password::from(text.to_owned()));
        let timeout = self.duration("upstream_timeout", Duration::from_millis(100)..=Duration::from_secs(50), false)?;
        let rules = Rules::parse(self.given("upstream_rules").unwrap_or_default())
            .map_err(|rule| self.wrong("upstream_rules", &format!("{}; {rule:?} is not", Rules::FORM)))?;
        let Some(url) = url else { return Ok(None) };
        let login = match (username, password, key) {
            (Some(username), Some(password), None) => UpstreamLogin::User(username, password),
            (None, None, Some(key)) => UpstreamLogin::Key(key),
            _ => {
                let needs = "upstream_url needs either upstream_username and upstream_password, or upstream_api_key";
                return Err(Error::invalid(needs));
            }
        };
        let ca_file = self.given("upstream_ca_file").map(PathBuf::from);
        Ok(Some(UpstreamSettings { url, login, timeout, ca_file, rules }))
    }
}

/// Converts the text of `upstream_url` to the URL of REST v2; `None` if the text is not valid.
fn address(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    web_address(text.strip_suffix(PREFIX).unwrap_or(text)).map(|address| address + PREFIX)
}

#[cfg(test)]
mod tests {
    use crate::config::{Settings, UpstreamLogin};
    use crate::error::Result;

    const URL: (&str, &str) = ("URL", "https://tower.example");
    const KEY: (&str, &str) = ("API_KEY", "a-key");

    fn load(settings: &[(&str, &str)]) -> Result<Settings> {
        let settings = settings.iter().map(|(name, value)| (format!("KEYTOWER_UPSTREAM_{name}"), (*value).to_owned()));
        Settings::load(None, settings)
    }

    #[test]
    fn an_address_is_brought_into_one_form() {
        for (given, url) in [
            ("https://tower.example", "https://tower.example/v2/api"),
            ("http://10.0.0.7:8080/", "http://10.0.0.7:8080/v2/api"),
            ("https://tower.example/v2/api/", "https://tower.example/v2/api"),
            ("HTTP://[::1]:80/behind/a/proxy", "http://[::1]:80/behind/a/proxy/v2/api"),
        ] {
            assert_eq!(load(&[("URL", given), KEY]).unwrap().upstream.unwrap().url, url);
        }
        for wrong in
            ["tower.example", "ftp://tower.example", "https://", "https://u:p@tower", "http://t/?q", "http://t/#f"]
        {
            let refusal = load(&[("URL", wrong), KEY]).unwrap_err();
            assert!(refusal.public().starts_with("KEYTOWER_UPSTREAM_URL must be http://"), "{wrong}: {refusal:?}");
        }
    }

    #[test]
    fn an_upstream_has_one_credential() {
        let (user, password) = (("USERNAME", "root"), ("PASSWORD", "hunter2"));
        assert!(load(&[user, password, KEY]).unwrap().upstream.is_none());
        let login = |settings: &[_]| load(settings).map(|settings| settings.upstream.unwrap().login);
        assert!(matches!(login(&[URL, user, password]), Ok(UpstreamLogin::User(..))));
        assert!(matches!(login(&[URL, KEY]), Ok(UpstreamLogin::Key(_))));
        for wrong in [&[URL][..], &[URL, user], &[URL, password], &[URL, KEY, user], &[URL, KEY, user, password]] {
            assert!(login(wrong).unwrap_err().public().contains("upstream_username"), "{wrong:?}");
        }
        let shown = format!("{:?}", load(&[URL, user, password]).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_wrong_rule_is_named() {
        let refusal = load(&[("RULES", "create-vm = CREATE_VM, create-vm")]).unwrap_err();
        assert!(refusal.public().starts_with("KEYTOWER_UPSTREAM_RULES must be ROUTE = ACTION"), "{refusal:?}");
        assert!(refusal.public().ends_with("\"create-vm\" is not"), "{refusal:?}");
    }
}
