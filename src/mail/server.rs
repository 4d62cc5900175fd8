//! The connection to the mail server.

use std::io::Result as IoResult;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;

use crate::config::{MailSettings, MailTls, read_certificates};
use crate::error::{Error, Result};

/// Maximum length of a text from the mail server in the log, in characters.
const TOLD: usize = 300;

/// The mail server, and the parameters for connecting to it.
pub(super) struct Server {
    host: String,
    port: u16,
    tls: MailTls,
    parameters: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
}

/// Reason why the mail server did not accept a letter.
#[derive(Debug)]
pub(super) enum Failure {
    Io(std::io::Error),
    Smtp(SmtpError),
}

impl Server {
    pub(super) fn new(settings: &MailSettings) -> Result<Self> {
        let host = settings.host.clone();
        ServerName::try_from(host.as_str())
            .map_err(|_| Error::invalid(format!("smtp_url must name a host: {host} can't be the name of one")))?;
        let login = settings.login.as_ref();
        Ok(Self {
            parameters: parameters(settings)?,
            host,
            port: settings.port,
            tls: settings.tls,
            credentials: login.map(|(user, password)| Credentials::new(user.clone(), password.expose().to_owned())),
            // The server can look up the sender's domain. This machine often has no name that the server could look up.
            hello: ClientId::Domain(settings.from.email.domain().to_owned()),
            timeout: settings.timeout,
        })
    }

    /// Hands a letter over to the mail server. Returns the open connection, which the caller must close.
    pub(super) async fn send(
        &self,
        envelope: &Envelope,
        letter: &[u8],
    ) -> std::result::Result<AsyncSmtpConnection, Failure> {
        let mut connection = self.connect().await?;
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        connection.send(envelope, letter).await?;
        Ok(connection)
    }

    async fn connect(&self) -> std::result::Result<AsyncSmtpConnection, Failure> {
        let address = (self.host.as_str(), self.port);
        if self.tls == MailTls::FromTheStart {
            let (time, tls) = (Some(self.timeout), Some(self.parameters.clone()));
            return Ok(AsyncSmtpConnection::connect_tokio1(address, time, &self.hello, tls, None).await?);
        }
        let stream = Lines(BufReader::new(TcpStream::connect(address).await?));
        let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await?;
        if self.tls == MailTls::Upgraded {
            connection.starttls(self.parameters.clone(), &self.hello).await?;
        }
        Ok(connection)
    }
}

/// Returns the TLS parameters. They trust the authorities in the configured file or, without such a file, the public authorities.
fn parameters(settings: &MailSettings) -> Result<TlsParameters> {
    let builder = TlsParameters::builder(settings.host.clone());
    let Some(file) = &settings.ca_file else {
        return builder.certificate_store(CertificateStore::WebpkiRoots).build().map_err(Error::internal);
    };
    let certificates = read_certificates("smtp_ca_file", file)?;
    let unusable = |why: &str| Error::invalid(format!("smtp_ca_file {} holds {why}", file.display()));
    if certificates.is_empty() {
        return Err(unusable("no certificate"));
    }
    let builder =
        certificates.into_iter().try_fold(builder.certificate_store(CertificateStore::None), |builder, certificate| {
            Ok(builder.add_root_certificate(Certificate::from_der(certificate.to_vec())?))
        });
    let parameters = builder.and_then(|builder| builder.build());
    parameters.map_err(|error: SmtpError| unusable(&format!("a certificate that can't be trusted: {error}")))
}

/// Describes a failure for the log. Text from the server is untrusted, so it is shortened and kept on one line.
pub(super) fn told(failure: &Failure) -> String {
    let text = match failure {
        Failure::Io(error) => format!("connection error: {error}"),
        Failure::Smtp(error) => error.to_string(),
    };
    text.chars().take(TOLD).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SmtpError> for Failure {
    fn from(error: SmtpError) -> Self {
        Self::Smtp(error)
    }
}

/// A connection that passes on one line at a time, so that the SMTP client has no buffered answer when TLS begins. Otherwise, a
/// man-in-the-middle attacker could append an answer to the reply to STARTTLS, and the client would treat this answer as received under
/// TLS. With this type, the appended text becomes part of the TLS handshake, which then fails.
#[derive(Debug)]
struct Lines(BufReader<TcpStream>);

impl AsyncTokioStream for Lines {
    fn peer_addr(&self) -> IoResult<SocketAddr> {
        self.0.get_ref().peer_addr()
    }
}

impl AsyncRead for Lines {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<IoResult<()>> {
        let mut stream = Pin::new(&mut self.0);
        let held = ready!(stream.as_mut().poll_fill_buf(context))?;
        let line = held.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let taken = line.get(..into.remaining()).unwrap_or(line);
        into.put_slice(taken);
        let length = taken.len();
        stream.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
