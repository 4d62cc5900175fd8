//! Settings of the mail server.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use lettre::message::Mailbox;

use super::Given;
use crate::domain::secret::Password;
use crate::error::{Error, Result};

/// The mail server that accepts keytower's letters, and how keytower connects to the server.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Name or IP address of the mail server's host, without brackets.
    pub host: String,
    /// Port of the mail server.
    pub port: u16,
    /// How the connection to the mail server is encrypted.
    pub tls: MailTls,
    /// Username and password for the mail server, if it requires a login.
    pub login: Option<(String, Password)>,
    /// Sender of the letters.
    pub from: Mailbox,
    /// File with certificates of the authorities to trust, in place of the public authorities.
    pub ca_file: Option<PathBuf>,
    /// Time limit for handing a letter over to the mail server.
    pub timeout: Duration,
}

/// How the connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// The connection uses TLS from the start.
    FromTheStart,
    /// The connection begins without TLS, and STARTTLS must succeed before a password or a letter is sent.
    Upgraded,
    /// The connection is not encrypted. This is only allowed for a server on this machine.
    None,
}

impl Given {
    /// Returns the mail server, if `smtp_url` is set. Checks the other mail settings in any case, so that a wrong setting shows at once.
    pub(super) fn mail(&self) -> Result<Option<MailSettings>> {
        let address = "smtps:// or smtp://, a host, and perhaps a port";
        let server = self.parse("smtp_url", address, server)?;
        let encrypted = self.required("smtp_tls", "required or none", |text| match text {
            "required" => Some(true),
            "none" => Some(false),
            _ => None,
        })?;
        let mailbox = "a sender such as keytower@example.com or Keys <keytower@example.com>, its domain in ASCII";
        let from = self.parse("smtp_from", mailbox, |text| {
            text.parse().ok().filter(|mailbox: &Mailbox| is_plain(text) && mailbox.email.domain().is_ascii())
        })?;
        let plain = "text without control characters";
        let username = self.parse("smtp_username", plain, |text| is_plain(text).then(|| text.to_owned()))?;
        let password =
            self.parse("smtp_password", plain, |text| is_plain(text).then(|| Password::from(text.to_owned())))?;
        let login = match (username, password) {
            (Some(username), Some(password)) => Some((username, password)),
            (None, None) => None,
            _ => return Err(Error::invalid("smtp_username and smtp_password go together: give both or neither")),
        };
        let timeout = self.duration("smtp_timeout", Duration::from_millis(100)..=Duration::from_secs(60), false)?;
        let ca_file = self.given("smtp_ca_file").map(PathBuf::from);
        let Some((host, port, from_the_start)) = server else { return Ok(None) };
        let tls = match (encrypted, from_the_start) {
            (true, true) => MailTls::FromTheStart,
            (true, false) => MailTls::Upgraded,
            (false, false) if is_this_machine(&host) => MailTls::None,
            (false, _) => {
                let allowed =
                    "required, unless smtp_url is smtp:// and localhost or a loopback address such as 127.0.0.1";
                return Err(self.wrong("smtp_tls", allowed));
            }
        };
        let from = from.ok_or_else(|| Error::invalid(format!("smtp_url needs smtp_from: {mailbox}")))?;
        Ok(Some(MailSettings { host, port, tls, login, from, ca_file, timeout }))
    }
}

fn is_plain(text: &str) -> bool {
    !text.contains(char::is_control)
}

/// Parses `smtp_url`: returns the host, the port, and whether the connection uses TLS from the start.
fn server(text: &str) -> Option<(String, u16, bool)> {
    let uri: Uri = text.parse().ok()?;
    let from_the_start = match uri.scheme_str()? {
        "smtps" => true,
        "smtp" => false,
        _ => return None,
    };
    let (_, rest) = text.split_once("://")?;
    let host = uri.host().filter(|host| !host.is_empty())?;
    // Reject everything else in the URL: a user, a path, a query, or a port that is not valid.
    let port = match rest.strip_suffix('/').unwrap_or(rest).strip_prefix(host)? {
        "" if from_the_start => 465,
        "" => 587,
        port => port.strip_prefix(':')?.parse().ok().filter(|port| *port != 0)?,
    };
    Some((host.trim_matches(['[', ']']).to_owned(), port, from_the_start))
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::MailTls;
    use crate::config::Settings;
    use crate::error::Result;

    const URL: (&str, &str) = ("SMTP_URL", "smtps://mail.example");
    const FROM: (&str, &str) = ("SMTP_FROM", "keytower@example.com");

    fn load(settings: &[(&str, &str)]) -> Result<Settings> {
        let settings = settings.iter().map(|(name, value)| (format!("KEYTOWER_{name}"), (*value).to_owned()));
        Settings::load(None, settings)
    }

    fn refusal(settings: &[(&str, &str)]) -> String {
        load(settings).unwrap_err().public().to_owned()
    }

    #[test]
    fn a_server_is_named_by_its_address() {
        for (url, host, port, tls) in [
            ("smtps://mail.example", "mail.example", 465, MailTls::FromTheStart),
            ("smtp://mail.example/", "mail.example", 587, MailTls::Upgraded),
            ("smtps://10.0.0.7:2465", "10.0.0.7", 2465, MailTls::FromTheStart),
            ("smtp://[::1]:25", "::1", 25, MailTls::Upgraded),
        ] {
            let mail = load(&[("SMTP_URL", url), FROM]).unwrap().mail.unwrap();
            assert_eq!((mail.host.as_str(), mail.port, mail.tls), (host, port, tls), "{url}");
        }
        for wrong in [
            "mail.example",
            "https://mail.example",
            "smtp://",
            "smtp://:25",
            "smtp://u:p@mail.example",
            "smtp://mail.example/path",
            "smtp://mail.example?tls=none",
            "smtp://mail.example#x",
            "smtp://mail.example:0",
            "smtp://mail.example:65536",
            "smtp://mail.example:x",
        ] {
            let refusal = refusal(&[("SMTP_URL", wrong), FROM]);
            assert_eq!(refusal, "KEYTOWER_SMTP_URL must be smtps:// or smtp://, a host, and perhaps a port", "{wrong}");
        }
    }

    #[test]
    fn only_this_very_machine_is_spoken_to_in_the_clear() {
        let none = ("SMTP_TLS", "none");
        for here in ["smtp://localhost:25", "smtp://127.0.0.1", "smtp://127.9.9.9:2525", "smtp://[::1]"] {
            assert_eq!(load(&[("SMTP_URL", here), none, FROM]).unwrap().mail.unwrap().tls, MailTls::None, "{here}");
        }
        for there in ["smtp://mail.example", "smtp://10.0.0.7", "smtp://localhost.mail.example", "smtps://localhost"] {
            let refusal = refusal(&[("SMTP_URL", there), none, FROM]);
            assert!(refusal.starts_with("KEYTOWER_SMTP_TLS must be required, unless smtp_url is smtp://"), "{refusal}");
        }
        assert_eq!(refusal(&[("SMTP_TLS", "maybe")]), "KEYTOWER_SMTP_TLS must be required or none");
    }

    #[test]
    fn settings_that_go_together_are_given_together() {
        let (user, password) = (("SMTP_USERNAME", "keytower"), ("SMTP_PASSWORD", "hunter2"));
        assert!(load(&[FROM, user, password]).unwrap().mail.is_none());
        let settings = load(&[URL, FROM, user, password]).unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert_eq!(settings.mail.unwrap().login.unwrap().0, "keytower");
        for half in [user, password] {
            assert!(refusal(&[URL, FROM, half]).starts_with("smtp_username and smtp_password go together"));
        }
        assert!(refusal(&[URL]).starts_with("smtp_url needs smtp_from: a sender such as keytower@example.com"));
        assert!(load(&[URL, ("SMTP_FROM", "Keys <keytower@example.com>")]).is_ok());
        for wrong in ["keytower", "a@b, c@d", "Keys <keytower>", "a@例子.example", "a@b\r\nBcc: c@d"] {
            assert!(
                refusal(&[URL, ("SMTP_FROM", wrong)]).starts_with("KEYTOWER_SMTP_FROM must be a sender"),
                "{wrong}"
            );
        }
        assert!(refusal(&[("SMTP_TIMEOUT", "61s")]).ends_with("from 100ms to 1m"));
    }

    #[test]
    fn the_public_address_has_one_form() {
        for (given, url) in [
            ("https://keys.example/", "https://keys.example"),
            ("HTTP://10.0.0.7:8080/keys/", "http://10.0.0.7:8080/keys"),
        ] {
            assert_eq!(load(&[("PUBLIC_URL", given)]).unwrap().public_url.unwrap(), url);
        }
        for wrong in ["keys.example", "ftp://keys.example", "https://u@keys.example", "https://k/?q", "https://k/#f"] {
            assert!(refusal(&[("PUBLIC_URL", wrong)]).starts_with("KEYTOWER_PUBLIC_URL must be http://"), "{wrong}");
        }
    }
}
