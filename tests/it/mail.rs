//! Letters as a real mail server gets them: over TLS, in each language, as text and as HTML, and nothing of what people say gets out of its
//! place in them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use keytower::domain::text::{Language, Text};
use keytower::error::Kind;
use keytower::mail::Letter;

use crate::support::node::{self, borrowed};
use crate::support::post::{self, Encryption, SENDER};
use crate::support::{Database, Post, Service};

const CODE: &str = "204713";
const LINK: &str = "https://keys.example/reset?token=a&b";
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const AGENT: &str = "Firefox/128.0";

/// A service that sends its letters to a post office.
async fn service(post: &Post) -> Service {
    Service::start_with(Arc::new(Database::new().await), &borrowed(&post.settings())).await
}

/// A letter, words that it must hold in English and in Chinese, and values that it must hold in both.
type Sample = (Letter, [&'static str; 2], Vec<&'static str>);

/// Every kind of letter about a user.
fn letters(service: &Service, username: &str, agent: &str) -> Vec<Sample> {
    let (username, code, at) = (username.to_owned(), CODE.to_owned(), service.app.now());
    let address = Some(ADDRESS);
    let what = Text::new("an authenticator app was added", "已添加身份验证器");
    vec![
        (
            Letter::LoginCode { username: username.clone(), code: code.clone(), minutes: 5 },
            ["complete your login", "完成登录"],
            vec![CODE],
        ),
        (
            Letter::ConfirmCode { username: username.clone(), code: code.clone(), minutes: 5 },
            ["at this address", "通过此邮箱"],
            vec![CODE],
        ),
        (
            Letter::ReauthenticationCode { username: username.clone(), code, minutes: 5 },
            ["it is you who is changing", "本人在进行更改"],
            vec![CODE],
        ),
        (
            Letter::NewDevice { username: username.clone(), at, address, agent: Some(agent.to_owned()) },
            ["not used before", "从未使用过"],
            vec!["192.0.2.7"],
        ),
        (
            Letter::PasswordReset { username: username.clone(), link: LINK.to_owned(), minutes: 30 },
            ["asked for a new password", "请求重置密码"],
            vec![],
        ),
        (
            Letter::PasswordChanged { username: username.clone(), at, address },
            ["password of your account was changed", "密码已更改"],
            vec!["192.0.2.7"],
        ),
        (
            Letter::AddressChanged {
                username: username.clone(),
                now: Some("j***@example.net".to_owned()),
                at,
                address,
            },
            ["e-mail address of your account was changed", "邮箱地址已更改"],
            vec!["192.0.2.7"],
        ),
        (
            Letter::FactorsChanged { username, what, at, address },
            ["an authenticator app was added", "已添加身份验证器"],
            vec!["192.0.2.7"],
        ),
    ]
}

/// What every letter is, whatever it says.
fn check_form(letter: &post::Letter, to: &str, service: &Service) {
    assert!(letter.encrypted && letter.defects.is_empty(), "{letter:?}");
    assert_eq!((letter.from.as_str(), letter.to.as_slice()), (SENDER, &[to.to_owned()][..]));
    assert_eq!(letter.hello, "keys.example");
    let mut names = letter.header_names();
    names.sort_unstable();
    let expected = ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];
    assert_eq!(names, expected, "{letter:?}");
    assert_eq!((letter.header("From"), letter.header("To")), (&*format!("Keys <{SENDER}>"), to));
    assert_eq!(letter.header("Auto-Submitted"), "auto-generated");
    // The service's time, which stands still here.
    assert_eq!(letter.header("Date"), service.app.now().format("%a, %d %b %Y %H:%M:%S +0000").to_string());
    assert!(letter.header("Message-ID").ends_with("@keys.example>"), "{letter:?}");
    assert!(!letter.header("Subject").contains(CODE), "{letter:?}");
    let part = |kind: &str| (kind.to_owned(), "utf-8".to_owned());
    assert_eq!(
        (letter.kind.as_str(), &letter.parts),
        ("multipart/alternative", &vec![part("text/plain"), part("text/html")])
    );
    assert!(letter.raw.is_ascii() && letter.raw.lines().all(|line| line.len() < 999), "{letter:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_letter_arrives_in_each_language_under_tls() {
    let mut ids = Vec::new();
    for encryption in [Encryption::Upgraded, Encryption::FromTheStart] {
        let post = Post::start(encryption);
        let service = service(&post).await;
        let mailer = service.app.mailer.as_ref().unwrap();
        for (language, speaks) in
            [(Language::EnUs, [true, false]), (Language::ZhCn, [false, true]), (Language::All, [true, true])]
        {
            for (letter, words, values) in letters(&service, "jane.doe", AGENT) {
                mailer.send("jane@example.com", &letter, language).await.unwrap();
                let arrived = post.letter_to("jane@example.com").await;
                check_form(&arrived, "jane@example.com", &service);
                for (word, spoken) in words.into_iter().zip(speaks) {
                    assert_eq!(
                        (arrived.text.contains(word), arrived.html.contains(word)),
                        (spoken, spoken),
                        "{arrived:?}"
                    );
                }
                let chinese = |text: &str| text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
                let subject = arrived.header("Subject");
                assert_eq!((chinese(subject), subject.contains("keytower: ")), (speaks[1], speaks[0]), "{subject}");
                assert_eq!((chinese(&arrived.text), chinese(&arrived.html)), (speaks[1], speaks[1]), "{arrived:?}");
                for value in values.into_iter().chain(["jane.doe"]) {
                    assert!(arrived.text.contains(value) && arrived.html.contains(value), "{value}: {arrived:?}");
                }
                match letter {
                    Letter::PasswordReset { .. } => {
                        let link = format!("href=\"{}\"", LINK.replace('&', "&#38;"));
                        assert!(arrived.text.contains(LINK) && arrived.html.contains(&link), "{arrived:?}");
                    }
                    Letter::LoginCode { .. } => assert_eq!(arrived.code(), CODE),
                    _ => {}
                }
                ids.push(arrived.header("Message-ID").to_owned());
            }
        }
        assert!(post.waiting() == 0 && post.logins().iter().all(|user| user == post::USERNAME));
    }
    assert_eq!(ids.len(), 2 * 3 * 8);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2 * 3 * 8, "an id was used twice");
}

/// Sends a letter and answers what of it must not hang on what people say: headers, subject, tags and lines.
async fn shape_of(post: &Post, service: &Service, (letter, ..): &Sample) -> (usize, String, usize, usize) {
    let mailer = service.app.mailer.as_ref().unwrap();
    mailer.send("jane@example.com", letter, Language::All).await.unwrap();
    let arrived = post.letter_to("jane@example.com").await;
    check_form(&arrived, "jane@example.com", service);
    let odd = |letter: char| letter.is_control() && letter != '\n' || ['\u{2028}', '\u{202e}'].contains(&letter);
    for part in [&arrived.text, &arrived.html] {
        assert!(!part.replace("\r\n", "\n").contains(odd), "{arrived:?}");
    }
    assert!(arrived.raw.len() < 20_000, "{} bytes", arrived.raw.len());
    let (headers, subject) = (arrived.header_names().len(), arrived.header("Subject").to_owned());
    (headers, subject, arrived.html.matches('<').count(), arrived.text.lines().count())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_say_stays_in_its_place() {
    let post = Post::start(Encryption::Upgraded);
    let service = service(&post).await;
    let mailer = service.app.mailer.as_ref().unwrap();
    let mut tame = Vec::new();
    for letter in letters(&service, "jane", AGENT) {
        tame.push(shape_of(&post, &service, &letter).await);
    }
    for hostile in [
        "jane\r\nBcc: eve@example.com\r\n\r\nhello",
        "jane\n.\nMAIL FROM:<eve@example.com>\n",
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "\"' onmouseover='alert(1)",
        "=?utf-8?b?QmNjOiBldmVAZXhhbXBsZS5jb20=?=",
        "jane\0eve",
        "jane\u{2028}eve\u{202e}enaj\u{200b}",
        "{{ 7 * 7 }}{% include \"letter.txt\" %}",
        &"名".repeat(5000),
    ] {
        for (letter, shape) in letters(&service, hostile, hostile).iter().zip(&tame) {
            assert_eq!(&shape_of(&post, &service, letter).await, shape, "{hostile:?}");
        }
    }
    // A program that calls itself by an address makes no link of it.
    let agent = Some("see https://evil.example/login".to_owned());
    let letter = Letter::NewDevice { username: "jane".to_owned(), at: service.app.now(), address: None, agent };
    mailer.send("jane@example.com", &letter, Language::EnUs).await.unwrap();
    let arrived = post.letter_to("jane@example.com").await;
    assert!(
        arrived.text.contains("Address: unknown\n") || arrived.text.contains("Address: unknown\r\n"),
        "{arrived:?}"
    );
    for part in [&arrived.text, &arrived.html] {
        assert!(part.contains("see https: evil. example/login"), "{arrived:?}");
    }
    // And an address is an address, or nothing is sent.
    let letter = Letter::LoginCode { username: "jane".to_owned(), code: CODE.to_owned(), minutes: 5 };
    for to in [
        "jane@example.com\r\nBcc: eve@example.com",
        "jane@example.com>\r\nRCPT TO:<eve@example.com",
        "jane@example.com, eve@example.com",
        "Jane <jane@example.com>",
        "=?utf-8?q?jane?= <jane@example.com>",
        "\"a b\"@example.com",
        "jane\0@example.com",
        "jane",
        "",
    ] {
        let logins = post.logins().len();
        let refused = mailer.send(to, &letter, Language::All).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Invalid, "{to:?}");
        assert!(refused.public().contains("such as name@example.com"), "{refused:?}");
        assert_eq!((post.logins().len(), post.waiting()), (logins, 0), "{to:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_letter_shows_that_the_settings_work() {
    let post = Post::start(Encryption::FromTheStart);
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data").display().to_string();
    let mut settings = post.settings();
    settings.push(("data_dir", data_dir.clone()));
    let test = |settings: Vec<(&'static str, String)>| async move {
        let run = move || node::run(&borrowed(&settings), &["mail", "test", "--to", "operator@example.com"]);
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let ended = test(settings.clone()).await;
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stdout.contains("test letter to operator@example.com, under TLS"), "{ended:?}");
    let arrived = post.letter_to("operator@example.com").await;
    assert_eq!(arrived.header("Subject"), "keytower: test letter / keytower：测试邮件");
    assert!(arrived.encrypted && arrived.text.contains("present settings") && arrived.text.contains("当前设置"));
    // What does not work is told with its cause, and without a secret.
    let wrong = |name: &'static str, value: &str| {
        let value = value.to_owned();
        settings.iter().cloned().map(|it| if it.0 == name { (name, value.clone()) } else { it }).collect()
    };
    for (settings, told) in [
        (wrong("smtp_password", "not the password"), "can't be sent by mail, try again later: permanent error (535)"),
        (wrong("smtp_ca_file", ""), "invalid peer certificate: UnknownIssuer"),
        (wrong("smtp_ca_file", "/nowhere/ca.pem"), "smtp_ca_file /nowhere/ca.pem can't be read"),
        (wrong("smtp_url", ""), "no mail server is set: give smtp_url and smtp_from"),
        (wrong("smtp_url", "smtp://mail.example/path"), "KEYTOWER_SMTP_URL must be smtps:// or smtp://"),
        (wrong("smtp_from", ""), "smtp_url needs smtp_from"),
        (wrong("smtp_username", ""), "smtp_username and smtp_password go together"),
        (wrong("smtp_tls", "none"), "KEYTOWER_SMTP_TLS must be required, unless smtp_url is smtp://"),
        (wrong("smtp_timeout", "0"), "KEYTOWER_SMTP_TIMEOUT must be a duration"),
        (wrong("public_url", "keys.example"), "KEYTOWER_PUBLIC_URL must be http:// or https://"),
    ] {
        let ended = test(settings).await;
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.starts_with("keytower: ") && ended.stderr.contains(told), "{told}: {ended:?}");
        assert!(!ended.stderr.contains(post::PASSWORD) && !ended.stderr.contains("not the password"), "{ended:?}");
    }
    assert!(post.waiting() == 0 && !std::path::Path::new(&data_dir).exists());
}
