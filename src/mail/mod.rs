//! Sends letters to users by mail.
//!
//! | file | holds |
//! |---|---|
//! | `letter` | every kind of letter, with the texts in both languages |
//! | `address` | checks of e-mail addresses |
//! | `server` | the connection to the mail server |

mod address;
mod letter;
mod server;

use std::sync::Arc;
use std::time::Duration;

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use tokio::time::timeout;

use crate::config::MailSettings;
use crate::domain::clock::Clock;
use crate::domain::id::uuid_v7;
use crate::domain::random::Random;
use crate::domain::text::Language;
use crate::error::{Error, Result};
pub use address::check_address;
pub use letter::Letter;
use server::Server;

/// Sends letters, each over a new connection. Letters are rare, and the server may close a connection that stays open.
pub struct Mailer {
    server: Server,
    from: Mailbox,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Mailer {
    /// Creates a mailer; does not connect to the mail server yet.
    ///
    /// # Errors
    /// `Invalid` if the mail server's host is not a valid TLS server name, or the file of certificates can't be used.
    pub fn new(settings: &MailSettings, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self> {
        let (server, from) = (Server::new(settings)?, settings.from.clone());
        Ok(Self { server, from, timeout: settings.timeout, clock, random })
    }

    /// Returns the time limit for handing over a letter.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Hands a letter over to the mail server.
    ///
    /// # Errors
    /// - `Invalid` if `to` is not an e-mail address.
    /// - `Unavailable` if the mail server is unreachable, has no trusted certificate, or rejects the login or the letter.
    pub async fn send(&self, to: &str, letter: &Letter, language: Language) -> Result<()> {
        let message = self.message(to, letter, language)?;
        let sent = timeout(self.timeout, self.server.send(message.envelope(), &message.formatted())).await;
        let mut connection = match sent {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(Error::mail_unavailable(server::told(&error))),
            Err(_) => {
                let time = self.timeout;
                return Err(Error::mail_unavailable(format!("the mail server took longer than {time:?}")));
            }
        };
        // The server has accepted the letter; whether the connection closes cleanly does not matter.
        let time = self.timeout;
        tokio::spawn(async move { timeout(time, connection.abort()).await });
        Ok(())
    }

    fn message(&self, to: &str, letter: &Letter, language: Language) -> Result<Message> {
        let to = address::parse(to).map_err(Error::invalid)?;
        let now = self.clock.now();
        let id = format!("<{}@{}>", uuid_v7(now, self.random.as_ref())?, self.from.email.domain());
        let written = letter.written(language)?;
        Message::builder()
            .message_id(Some(id))
            .date(now.into())
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(written.subject)
            // This header tells programs not to reply to the letter (RFC 3834).
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(written.text, written.html))
            .map_err(Error::internal)
    }
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("from", &self.from).finish_non_exhaustive()
    }
}
