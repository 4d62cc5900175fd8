//! `keytower mail`: tests the mail settings.

use std::sync::Arc;

use super::print;
use crate::auth::random::SystemRandom;
use crate::config::{MailTls, Settings};
use crate::domain::clock::SystemClock;
use crate::domain::text::Language;
use crate::error::{Error, Result};
use crate::mail::{Letter, Mailer};

/// Tests the mail settings.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Send a test letter with the current settings, and report the result.
    #[command(after_help = "Example:\n  keytower mail test --to operator@example.com")]
    Test {
        /// Address to send the test letter to.
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
}

/// Runs the command. It uses only the mail server, so it works before the database exists.
pub(super) async fn run(settings: &Settings, Command::Test { to }: Command) -> Result<()> {
    let none = || Error::invalid("no mail server is set: give smtp_url and smtp_from");
    let mail = settings.mail.as_ref().ok_or_else(none)?;
    let mailer = Mailer::new(mail, Arc::new(SystemClock), Arc::new(SystemRandom))?;
    mailer.send(&to, &Letter::Test, Language::All).await?;
    let encrypted = match mail.tls {
        MailTls::FromTheStart => "under TLS",
        MailTls::Upgraded => "under TLS, by STARTTLS",
        MailTls::None => "without TLS",
    };
    let (host, port) = (&mail.host, mail.port);
    print(&format!("{host}, port {port}, has taken a test letter to {to}, {encrypted}: see whether it arrives\n"))
}
