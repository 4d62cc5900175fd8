//! A real SMTP server with a certificate of its own authority, and the letters that it has taken.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The user as whom letters are handed over.
pub const USERNAME: &str = "keytower-at-the-post";
/// Its password.
pub const PASSWORD: &str = "the password at the post";
/// Who the letters come from.
pub const SENDER: &str = "keytower@keys.example";
/// How long a start or a letter may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the server wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// STARTTLS, before anything else.
    Upgraded,
    /// TLS from the start.
    FromTheStart,
    /// It knows no TLS.
    None,
}

/// A letter that arrived, decoded.
#[derive(Debug, Clone, Deserialize)]
pub struct Letter {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Whether it came under TLS.
    pub encrypted: bool,
    /// How the client introduced itself.
    pub hello: String,
    /// Its content type.
    pub kind: String,
    headers: Vec<(String, String)>,
    /// Content type and character set of its parts.
    pub parts: Vec<(String, String)>,
    pub text: String,
    pub html: String,
    /// What a strict reader complains about.
    pub defects: Vec<String>,
    /// As it came.
    pub raw: String,
}

impl Letter {
    /// The one header of a name; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map_or("", |(_, value)| value);
        assert_eq!(values.next(), None, "two headers {name}: {self:?}");
        value
    }

    /// The names of its headers.
    pub fn header_names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Tells whether a code stands in it.
    pub fn has_code(&self) -> bool {
        self.codes().next().is_some()
    }

    /// The code that stands in it: its one line of six digits.
    pub fn code(&self) -> String {
        let mut codes = self.codes();
        let code = codes.next().unwrap_or_else(|| panic!("no code: {self:?}"));
        assert!(codes.all(|other| other == code), "two codes: {self:?}");
        code.to_owned()
    }

    fn codes(&self) -> impl Iterator<Item = &str> {
        let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|digit| digit.is_ascii_digit());
        self.text.lines().map(str::trim).filter(is_code)
    }
}

/// A running server; killed when dropped.
pub struct Post {
    child: Child,
    port: u16,
    encryption: Encryption,
    state: Arc<State>,
    done: mpsc::Receiver<Value>,
    folder: TempDir,
}

#[derive(Default)]
struct State {
    letters: Mutex<Vec<Letter>>,
    logins: Mutex<Vec<String>>,
}

impl Post {
    /// Starts a server whose certificate is for `localhost`.
    pub fn start(encryption: Encryption) -> Self {
        Self::start_as("localhost", encryption)
    }

    /// Starts a server with a certificate for a name.
    pub fn start_as(name: &str, encryption: Encryption) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        write_certificates(name, folder.path());
        let mode = match encryption {
            Encryption::Upgraded => "starttls",
            Encryption::FromTheStart => "tls",
            Encryption::None => "none",
        };
        let (certificate, key) = (file("server.pem"), file("server.key"));
        let asked = json!({
            "mode": mode, "certificate": certificate, "key": key, "username": USERNAME, "password": PASSWORD,
        });
        let mut child = Command::new(super::tool("KT_TEST_PYTHON"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/smtp_server.py"))
            .arg(asked.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, done) = mpsc::channel();
        let state = Arc::new(State::default());
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let told = Arc::clone(&state);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let mut line: Value = serde_json::from_str(&line).unwrap();
                if let Some(user) = line["login"].as_str() {
                    told.logins.lock().unwrap().push(user.to_owned());
                } else if line["letter"].is_object() {
                    told.letters.lock().unwrap().push(serde_json::from_value(line["letter"].take()).unwrap());
                } else {
                    let _ = tell.send(line);
                }
            }
        });
        // From here on it is killed whenever this goes wrong.
        let mut post = Self { child, port: 0, encryption, state, done, folder };
        post.port = post.next()["port"].as_u64().unwrap().try_into().unwrap();
        post
    }

    /// The settings that make a keytower send its letters here.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let scheme = if self.encryption == Encryption::FromTheStart { "smtps" } else { "smtp" };
        vec![
            ("smtp_url", format!("{scheme}://localhost:{}", self.port)),
            ("smtp_tls", if self.encryption == Encryption::None { "none" } else { "required" }.to_owned()),
            ("smtp_username", USERNAME.to_owned()),
            ("smtp_password", PASSWORD.to_owned()),
            ("smtp_from", format!("Keys <{SENDER}>")),
            ("smtp_ca_file", self.authority()),
            // Nothing is waited for that comes; a machine may be busy.
            ("smtp_timeout", "60s".to_owned()),
            ("public_url", "https://keys.example".to_owned()),
        ]
    }

    /// The file with the certificate of its authority.
    pub fn authority(&self) -> String {
        self.folder.path().join("authority.pem").display().to_string()
    }

    /// The next letter to an address: waits for it, and gives each once, the oldest first.
    pub async fn letter_to(&self, address: &str) -> Letter {
        let start = Instant::now();
        loop {
            if let Some(letter) = self.take(address) {
                return letter;
            }
            let letters = self.state.letters.lock().unwrap().clone();
            assert!(start.elapsed() < PATIENCE, "no letter to {address}: {letters:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The code in the next letter to an address that brings one: tidings may come before it.
    pub async fn code_to(&self, address: &str) -> String {
        loop {
            let letter = self.letter_to(address).await;
            if letter.has_code() {
                return letter.code();
            }
        }
    }

    /// A letter to an address that is there already.
    pub fn take(&self, address: &str) -> Option<Letter> {
        let mut letters = self.state.letters.lock().unwrap();
        let at = letters.iter().position(|letter| letter.to.iter().any(|to| to == address))?;
        Some(letters.remove(at))
    }

    /// How many letters wait to be taken, to whomever.
    pub fn waiting(&self) -> usize {
        self.state.letters.lock().unwrap().len()
    }

    /// The users that have tried to log in.
    pub fn logins(&self) -> Vec<String> {
        self.state.logins.lock().unwrap().clone()
    }

    /// From now on every connection is cut at once, or is served again.
    pub fn set_away(&self, away: bool) {
        let word = if away { "away" } else { "back" };
        writeln!(self.child.stdin.as_ref().unwrap(), "{word}").unwrap();
        assert_eq!(self.next()["done"], word);
    }

    /// Ends it: nobody listens at its port any more.
    pub fn stop(mut self) {
        self.kill();
    }

    fn next(&self) -> Value {
        self.done.recv_timeout(PATIENCE).expect("the SMTP server did not answer")
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An authority, and the certificate that it gives to a server of a name.
fn write_certificates(name: &str, folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "the authority of the post");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    for (file, text) in
        [("authority.pem", authority.pem()), ("server.pem", certificate.pem()), ("server.key", key.serialize_pem())]
    {
        std::fs::write(folder.join(file), text).unwrap();
    }
}
