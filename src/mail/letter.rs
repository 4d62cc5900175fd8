//! Every kind of letter, with the texts in English and Chinese.
//!
//! A letter is written once, as [`Content`]; `templates/letter.html` and `templates/letter.txt` lay the letter out. Values from users and
//! clients (usernames, names of programs) are untrusted: they appear only in the body, on one line, and never as markup.

use std::fmt;
use std::net::IpAddr;

use askama::Template;
use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::domain::text::{Language, Text, text};
use crate::error::{Error, Result};

/// Maximum length of a value from a user or client in a letter, in characters.
const SHOWN: usize = 200;

/// A letter to a user.
#[derive(Clone, Serialize, Deserialize)]
pub enum Letter {
    /// Letter with the code that completes a login.
    LoginCode {
        /// Username of the recipient.
        username: String,
        /// The code.
        code: String,
        /// Time for which the code or link is valid, in minutes.
        minutes: u64,
    },
    /// Letter with a code for a new address. Entering the code proves that letters to this address arrive.
    ConfirmCode {
        /// Username of the recipient.
        username: String,
        /// The code.
        code: String,
        /// Time for which the code or link is valid, in minutes.
        minutes: u64,
    },
    /// Letter with the code with which a logged-in user proves the second factor again.
    ReauthenticationCode {
        /// Username of the recipient.
        username: String,
        /// The code.
        code: String,
        /// Time for which the code or link is valid, in minutes.
        minutes: u64,
    },
    /// Notice of a login from an unknown device.
    NewDevice {
        /// Username of the recipient.
        username: String,
        /// Time of the login.
        at: Timestamp,
        /// IP address of the client; `None` if unknown.
        address: Option<IpAddr>,
        /// Name that the client gave itself (`User-Agent`); `None` if the client sent no name.
        agent: Option<String>,
    },
    /// Letter with the link with which the user sets a new password.
    PasswordReset {
        /// Username of the recipient.
        username: String,
        /// The link.
        link: String,
        /// Time for which the code or link is valid, in minutes.
        minutes: u64,
    },
    /// Notice that the password was changed.
    PasswordChanged {
        /// Username of the recipient.
        username: String,
        /// Time of the change.
        at: Timestamp,
        /// IP address of the client; `None` if unknown.
        address: Option<IpAddr>,
    },
    /// Notice that a second factor was added, removed or reset.
    FactorsChanged {
        /// Username of the recipient.
        username: String,
        /// Sentence that says what changed, without a period at the end.
        what: Text,
        /// Time of the change.
        at: Timestamp,
        /// IP address of the client; `None` if unknown.
        address: Option<IpAddr>,
    },
    /// Notice that the e-mail address was changed; sent to the old and to the new address.
    AddressChanged {
        /// Username of the recipient.
        username: String,
        /// The new address, masked; `None` if the user has no address anymore.
        now: Option<String>,
        /// Time of the change.
        at: Timestamp,
        /// IP address of the client; `None` if unknown.
        address: Option<IpAddr>,
    },
    /// Test letter, with which the operator checks the mail settings.
    Test,
}

/// The texts of a letter, in both languages.
struct Content {
    /// Subject line. It never contains a code, since locked screens show subjects.
    subject: Text,
    /// The paragraphs of the body.
    said: Vec<Text>,
    code: Option<String>,
    link: Option<String>,
    facts: Vec<(Text, Text)>,
    /// Advice on what to do if the user did not expect the letter.
    advice: Text,
}

/// A letter that is ready to send, as plain text and as HTML.
pub(super) struct Written {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// The texts of a letter in one language, for the templates.
struct Page<'a> {
    tag: &'static str,
    subject: &'a str,
    said: Vec<&'a str>,
    code: Option<&'a str>,
    link: Option<&'a str>,
    facts: Vec<(&'a str, &'a str)>,
    advice: &'a str,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Html<'a> {
    pages: &'a [Page<'a>],
}

#[derive(Template)]
#[template(path = "letter.txt")]
struct Plain<'a> {
    pages: &'a [Page<'a>],
}

impl Letter {
    /// Renders the letter in one language, or in both languages, one after the other.
    pub(super) fn written(&self, language: Language) -> Result<Written> {
        let content = self.content();
        let [en, zh] = ["en", "zh-CN"];
        let pages = match language {
            Language::EnUs => vec![content.page(en, Text::en)],
            Language::ZhCn => vec![content.page(zh, Text::zh)],
            Language::All => vec![content.page(en, Text::en), content.page(zh, Text::zh)],
        };
        let subjects: Vec<&str> = pages.iter().map(|page| page.subject).collect();
        Ok(Written {
            subject: subjects.join(" / "),
            text: Plain { pages: &pages }.render().map_err(Error::internal)?,
            html: Html { pages: &pages }.render().map_err(Error::internal)?,
        })
    }

    fn content(&self) -> Content {
        match self {
            Self::LoginCode { username, code, minutes } => Content {
                subject: text!("keytower: your code to log in", "keytower：登录验证码"),
                said: vec![text!(
                    "Enter this code to complete your login. It works once, within {minutes} min.",
                    "请输入此验证码以完成登录。验证码仅可使用一次，{minutes} 分钟内有效。"
                )],
                code: Some(code.clone()),
                advice: text!(
                    "If you are not logging in, somebody else knows your password: change it. Never tell anybody this code.",
                    "如果不是您本人在登录，说明他人知道了您的密码：请更改密码。请勿将此验证码告诉任何人。"
                ),
                ..about(username)
            },
            Self::ConfirmCode { username, code, minutes } => Content {
                subject: text!("keytower: confirm this address", "keytower：确认此邮箱地址"),
                said: vec![text!(
                    "Enter this code to receive your login codes at this address. It works once, within {minutes} min.",
                    "请输入此验证码，以便通过此邮箱接收登录验证码。验证码仅可使用一次，{minutes} 分钟内有效。"
                )],
                code: Some(code.clone()),
                advice: text!(
                    "If you did not ask for this, ignore it: nothing happens without the code.",
                    "如果不是您本人的操作，请忽略此邮件：没有验证码则不会有任何更改。"
                ),
                ..about(username)
            },
            Self::ReauthenticationCode { username, code, minutes } => Content {
                subject: text!("keytower: confirm that it is you", "keytower：确认是您本人"),
                said: vec![text!(
                    "Enter this code to confirm that it is you who is changing something. It works once, within {minutes} min.",
                    "请输入此验证码，以确认是您本人在进行更改。验证码仅可使用一次，{minutes} 分钟内有效。"
                )],
                code: Some(code.clone()),
                advice: text!(
                    "If you are not changing anything, somebody else is logged in as you: end your sessions and change your password. \
                     Never tell anybody this code.",
                    "如果不是您本人在操作，说明他人正以您的身份登录：请结束您的会话并更改密码。请勿将此验证码告诉任何人。"
                ),
                ..about(username)
            },
            Self::NewDevice { username, at, address, agent } => {
                let mut content = Content {
                    subject: text!("keytower: login from a new device", "keytower：新设备登录"),
                    said: vec![text!(
                        "There was a login to your account from a device that was not used before.",
                        "您的账户在一台从未使用过的设备上登录。"
                    )],
                    advice: unexpected(),
                    ..about(username)
                };
                content.facts.extend(when_and_where(*at, *address));
                let agent = agent.as_deref().map_or_else(unknown, |agent| in_its_own_words(agent).into());
                content.facts.push((text!("Program, in its own words", "程序（自称）"), agent));
                content
            }
            Self::PasswordReset { username, link, minutes } => Content {
                subject: text!("keytower: reset your password", "keytower：重置密码"),
                said: vec![text!(
                    "Somebody, hopefully you, asked for a new password. This address sets it. It works once, within {minutes} min.",
                    "有人（希望是您本人）请求重置密码。请通过此链接设置新密码。链接仅可使用一次，{minutes} 分钟内有效。"
                )],
                link: Some(link.clone()),
                advice: text!(
                    "If you did not ask for this, ignore it: your password stays as it is.",
                    "如果不是您本人的操作，请忽略此邮件：您的密码不会改变。"
                ),
                ..about(username)
            },
            Self::PasswordChanged { username, at, address } => {
                let mut content = Content {
                    subject: text!("keytower: your password was changed", "keytower：密码已更改"),
                    said: vec![text!("The password of your account was changed.", "您的账户密码已更改。")],
                    advice: unexpected(),
                    ..about(username)
                };
                content.facts.extend(when_and_where(*at, *address));
                content
            }
            Self::FactorsChanged { username, what, at, address } => {
                let mut content = Content {
                    subject: text!("keytower: your second factor was changed", "keytower：双重验证已更改"),
                    said: vec![text!("The second factor of your account was changed.", "您的账户的双重验证已更改。")],
                    advice: unexpected(),
                    ..about(username)
                };
                content.facts.push((text!("Change", "更改内容"), what.clone().map(|what| shown(&what))));
                content.facts.extend(when_and_where(*at, *address));
                content
            }
            Self::AddressChanged { username, now, at, address } => {
                let mut content = Content {
                    subject: text!("keytower: your e-mail address was changed", "keytower：邮箱地址已更改"),
                    said: vec![text!(
                        "The e-mail address of your account was changed. Letters, links that set a password among them, go to the new one.",
                        "您的账户的邮箱地址已更改。今后的邮件（包括设置密码的链接）将发送到新地址。"
                    )],
                    advice: unexpected(),
                    ..about(username)
                };
                let now = now.as_deref().map_or_else(|| text!("none", "无"), |now| shown(now).into());
                content.facts.push((text!("New address", "新地址"), now));
                content.facts.extend(when_and_where(*at, *address));
                content
            }
            Self::Test => Content {
                subject: text!("keytower: test letter", "keytower：测试邮件"),
                said: vec![text!(
                    "keytower can send mail with its present settings.",
                    "keytower 可以使用当前设置发送邮件。"
                )],
                code: None,
                link: None,
                facts: Vec::new(),
                advice: text!(
                    "The operator of keytower has sent this letter. There is nothing to do.",
                    "此邮件由 keytower 的管理员发送，无需进行任何操作。"
                ),
            },
        }
    }
}

/// Shows no content, since codes and links are secrets.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Letter(..)")
    }
}

impl Content {
    fn page<'a>(&'a self, tag: &'static str, version: fn(&Text) -> &str) -> Page<'a> {
        Page {
            tag,
            subject: version(&self.subject),
            said: self.said.iter().map(version).collect(),
            code: self.code.as_deref(),
            link: self.link.as_deref(),
            facts: self.facts.iter().map(|(name, value)| (version(name), version(value))).collect(),
            advice: version(&self.advice),
        }
    }
}

/// Returns the content of a letter about a user's account, with no texts yet.
fn about(username: &str) -> Content {
    let nothing = || Text::from("");
    let facts = vec![(text!("Account", "账户"), shown(username).into())];
    Content { subject: nothing(), said: Vec::new(), code: None, link: None, facts, advice: nothing() }
}

fn when_and_where(at: Timestamp, address: Option<IpAddr>) -> [(Text, Text); 2] {
    let address = address.map_or_else(unknown, |address| address.to_string().into());
    [
        (text!("Time", "时间"), at.format("%Y-%m-%d %H:%M:%S UTC").to_string().into()),
        (text!("Address", "来源地址"), address),
    ]
}

fn unknown() -> Text {
    text!("unknown", "未知")
}

fn unexpected() -> Text {
    text!(
        "If this was not you, change your password, end your sessions, and tell whoever runs this service.",
        "如果不是您本人的操作，请更改密码、结束您的会话，并告知此服务的管理员。"
    )
}

/// Makes a value from a user or client safe to show: puts it on one line, shortens it, and removes characters that are invisible or change
/// the reading direction.
fn shown(value: &str) -> String {
    let hidden = |letter: char| {
        let format = ['\u{ad}', '\u{61c}', '\u{180e}', '\u{feff}'].contains(&letter);
        letter.is_control()
            || format
            || ('\u{200b}'..='\u{200f}').contains(&letter)
            || ('\u{2028}'..='\u{202e}').contains(&letter)
            || ('\u{2060}'..='\u{206f}').contains(&letter)
    };
    let visible: String = value.chars().map(|letter| if hidden(letter) { ' ' } else { letter }).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => line.get(..end).unwrap_or_default().to_owned() + "…",
        None => line,
    }
}

/// Makes the name of a client safe to show. A thief who logs in chooses that name: an address in it must not become a link in the letter
/// that warns of the thief. A dot before a letter may belong to a host name, so the letter is separated from the dot; a dot before a digit
/// belongs to a version.
fn in_its_own_words(agent: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    for letter in shown(agent).replace("://", ": ").chars() {
        if before == '.' && letter.is_alphabetic() {
            words.push(' ');
        }
        words.push(letter);
        before = letter;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{Letter, in_its_own_words, shown};
    use crate::domain::clock::parse_iso;
    use crate::domain::text::{Language, text};

    #[test]
    fn a_letter_can_be_kept_and_tells_no_secret_by_itself() {
        let at = parse_iso("2026-01-02T03:04:05Z").unwrap();
        let address = "2001:db8::7".parse().ok();
        let what = text!("recovery codes were made", "已生成恢复码");
        let letter = Letter::FactorsChanged { username: "jane".into(), what, at, address };
        let kept: Letter = serde_json::from_str(&serde_json::to_string(&letter).unwrap()).unwrap();
        let text = |letter: &Letter| letter.written(Language::All).unwrap().text;
        assert_eq!(text(&kept), text(&letter));
        for words in [
            "Account: jane\n",
            "Change: recovery codes were made\n",
            "时间: 2026-01-02 03:04:05 UTC\n",
            "2001:db8::7\n",
        ] {
            assert!(text(&kept).contains(words), "{}", text(&kept));
        }
        let secret = Letter::LoginCode { username: "jane".into(), code: "204713".into(), minutes: 5 };
        assert!(!format!("{secret:?}").contains("204713"));
    }

    #[test]
    fn a_value_stays_one_visible_line() {
        for (value, line) in [
            ("jane", "jane"),
            (" a\r\nBcc: b\u{2028}c\0d ", "a Bcc: b c d"),
            ("abc\u{202e}cba\u{200b}", "abc cba"),
            ("=?utf-8?b?QQ==?= 名", "=?utf-8?b?QQ==?= 名"),
        ] {
            assert_eq!(shown(value), line, "{value:?}");
        }
        assert_eq!(shown(&"名".repeat(201)), "名".repeat(200) + "…");
    }

    #[test]
    fn a_program_names_itself_without_links() {
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        assert_eq!(in_its_own_words(browser), browser);
        assert_eq!(in_its_own_words("go to https://evil.example/x"), "go to https: evil. example/x");
        assert_eq!(in_its_own_words("www.evil.example"), "www. evil. example");
    }
}
