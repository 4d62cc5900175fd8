//! A mail server that is away, hangs, refuses, or is not whom it says: one clear answer within the time, and nothing secret in it or in the log.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keytower::auth::random::SystemRandom;
use keytower::config::Settings;
use keytower::domain::clock::SystemClock;
use keytower::domain::text::Language;
use keytower::error::{Error, Kind};
use keytower::mail::{Letter, Mailer};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::node::{self, borrowed};
use crate::support::post::{Encryption, PASSWORD};
use crate::support::{Database, Post};

const CODE: &str = "204713";
/// How long a refusal may take on a busy machine: more than any time that a mailer here is given.
const PATIENCE: Duration = Duration::from_secs(120);

/// A mailer with settings in place of some of a post office's, or beside them.
fn mailer(post: &Post, changes: &[(&'static str, &str)]) -> Mailer {
    let kept = post.settings().into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let changes = changes.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let environment = kept.chain(changes).map(|(name, value)| (format!("KEYTOWER_{}", name.to_uppercase()), value));
    let settings = Settings::load(None, environment).unwrap();
    Mailer::new(&settings.mail.unwrap(), Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
}

async fn send(mailer: &Mailer, to: &str) -> Result<(), Error> {
    let letter = Letter::LoginCode { username: "jane".to_owned(), code: CODE.to_owned(), minutes: 5 };
    mailer.send(to, &letter, Language::All).await
}

/// Sends in vain, and answers the cause that the log gets.
async fn refused(mailer: &Mailer, to: &str) -> String {
    let ended = tokio::time::timeout(PATIENCE, send(mailer, to)).await;
    let error = ended.expect("the mailer waits for ever").unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    assert_eq!(error.public(), "the letter can't be sent by mail, try again later");
    assert_eq!(error.said_in(Language::ZhCn), "无法发送邮件，请稍后重试");
    let told = format!("{error:?} {:?}", error.text());
    assert!(![PASSWORD, CODE, "not the password"].iter().any(|secret| told.contains(secret)), "{told}");
    let cause = error.cause().unwrap();
    assert!(!cause.contains(char::is_control), "{cause:?}");
    cause.to_owned()
}

/// A server of the test's own making.
async fn server<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream));
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_to_a_server_without_the_right_certificate() {
    let upgraded = Post::start(Encryption::Upgraded);
    let from_the_start = Post::start(Encryption::FromTheStart);
    let misnamed = Post::start_as("elsewhere.example", Encryption::FromTheStart);
    for (post, other) in [(&upgraded, &from_the_start), (&from_the_start, &upgraded)] {
        send(&mailer(post, &[]), "jane@example.com").await.unwrap();
        assert!(post.letter_to("jane@example.com").await.encrypted);
        // The public authorities, and another one.
        for ca_file in [String::new(), other.authority()] {
            let cause = refused(&mailer(post, &[("smtp_ca_file", &ca_file)]), "jane@example.com").await;
            assert!(cause.contains("invalid peer certificate"), "{cause}");
        }
        assert_eq!((post.logins().len(), post.waiting()), (1, 0));
    }
    let cause = refused(&mailer(&misnamed, &[]), "jane@example.com").await;
    assert!(cause.contains("not valid for name"), "{cause}");
    assert_eq!((misnamed.logins().len(), misnamed.waiting()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_in_the_clear_unless_it_is_asked_for() {
    let post = Post::start(Encryption::None);
    send(&mailer(&post, &[]), "jane@example.com").await.unwrap();
    assert!(!post.letter_to("jane@example.com").await.encrypted);
    let cause = refused(&mailer(&post, &[("smtp_tls", "required")]), "jane@example.com").await;
    assert!(cause.contains("STARTTLS is not supported"), "{cause}");
    let url = post.settings()[0].1.replace("smtp://", "smtps://");
    refused(&mailer(&post, &[("smtp_tls", "required"), ("smtp_url", &url)]), "jane@example.com").await;
    // Only the one that was to be.
    assert_eq!((post.logins().len(), post.waiting()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_tls_does_not_count_under_it() {
    let post = Post::start(Encryption::Upgraded);
    let settings = post.settings();
    let (_, port) = settings[0].1.rsplit_once(':').unwrap();
    let real: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    // Somebody on the way hands everything on, and may put an answer behind the one to STARTTLS.
    for injected in ["", "250 AUTH PLAIN LOGIN\r\n"] {
        let between = server(move |client| async move {
            let (mut client, mut server) =
                (BufReader::new(client), BufReader::new(TcpStream::connect(real).await.unwrap()));
            let mut line = String::new();
            let mut begun = false;
            while !begun {
                // An answer to the end, then a command.
                loop {
                    line.clear();
                    server.read_line(&mut line).await.unwrap();
                    begun = line.starts_with("220 Ready");
                    if begun {
                        line.push_str(injected);
                    }
                    client.write_all(line.as_bytes()).await.unwrap();
                    if line.as_bytes()[3] == b' ' {
                        break;
                    }
                }
                if !begun {
                    line.clear();
                    client.read_line(&mut line).await.unwrap();
                    server.write_all(line.as_bytes()).await.unwrap();
                }
            }
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        })
        .await;
        let url = format!("smtp://localhost:{}", between.port());
        let mailer = mailer(&post, &[("smtp_url", &url)]);
        if injected.is_empty() {
            send(&mailer, "jane@example.com").await.unwrap();
            assert!(post.letter_to("jane@example.com").await.encrypted);
        } else {
            refused(&mailer, "jane@example.com").await;
            assert_eq!((post.logins().len(), post.waiting()), (1, 0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_is_unavailable() {
    let post = Post::start(Encryption::Upgraded);
    let cause = refused(&mailer(&post, &[("smtp_password", "not the password")]), "jane@example.com").await;
    assert!(cause.contains("535"), "{cause}");
    let cause = refused(&mailer(&post, &[]), "refused@example.com").await;
    assert!(cause.contains("550") && cause.contains("no such mailbox here"), "{cause}");
    // A server that is talkative, in foreign words of many lines.
    let talkative = server(|mut stream| async move {
        let line = |last: bool| format!("554{}\u{1b}[31m{}\r\n", if last { ' ' } else { '-' }, "go away ".repeat(100));
        let _ = stream.write_all(format!("{}{}", line(false), line(true)).as_bytes()).await;
    })
    .await;
    let url = format!("smtp://localhost:{}", talkative.port());
    let cause = refused(&mailer(&post, &[("smtp_url", &url)]), "jane@example.com").await;
    assert!(cause.contains("go away") && cause.chars().count() <= 300, "{cause}");
    assert_eq!(post.waiting(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_or_hangs_is_unavailable_in_time() {
    let post = Post::start(Encryption::Upgraded);
    let patient = mailer(&post, &[]);
    let hasty = mailer(&post, &[("smtp_timeout", "100ms")]);
    let cause = refused(&hasty, "silent@example.com").await;
    assert!(cause.contains("took longer than 100ms"), "{cause}");
    let held = server(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    for scheme in ["smtp", "smtps"] {
        let url = format!("{scheme}://localhost:{}", held.port());
        let hasty = mailer(&post, &[("smtp_url", &url), ("smtp_timeout", "100ms")]);
        let cause = refused(&hasty, "jane@example.com").await;
        assert!(cause.contains("took longer than 100ms"), "{cause}");
    }
    // A letter that was taken is sent, however the farewell goes.
    send(&patient, "jane@example.com").await.unwrap();
    post.set_away(true);
    refused(&patient, "jane@example.com").await;
    post.set_away(false);
    send(&patient, "jane@example.com").await.unwrap();
    for _ in 0..2 {
        post.letter_to("jane@example.com").await;
    }
    post.stop();
    let cause = refused(&patient, "jane@example.com").await;
    assert!(cause.contains("refused"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailer_that_can_never_work_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let broken = file("broken.pem", "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n");
    let empty = file("empty.pem", "nothing\n");
    let missing = folder.path().join("missing.pem").display().to_string();
    for (name, value, told) in [
        ("smtp_ca_file", broken.as_str(), "a certificate that can't be trusted"),
        ("smtp_ca_file", &empty, "no certificate"),
        ("smtp_ca_file", &missing, "can't be read as PEM certificates"),
        ("smtp_url", "smtps://no..host", "smtp_url must name a host"),
    ] {
        let database = Database::new().await;
        let mut settings = node::settings(&database);
        settings.extend([
            ("smtp_url", "smtps://localhost:1".to_owned()),
            ("smtp_from", "keytower@keys.example".to_owned()),
            (name, value.to_owned()),
        ]);
        let ended = node::run(&borrowed(&settings), &[]);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains(name) && ended.stderr.contains(told), "{told}: {ended:?}");
        assert!(!std::path::Path::new(&database.data_dir()).exists());
    }
}
