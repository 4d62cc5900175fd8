//! Settings: read from defaults, then a TOML file, then `KEYTOWER_*` in the environment; a later source wins. Unknown settings are
//! rejected.

mod mail;
mod table;
mod upstream;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::domain::network::Ranges;
use crate::domain::password::{HashCost, check_password};
use crate::domain::secret::{DatabaseUrl, MasterKey, Password};

use crate::error::{Error, Result};
pub use mail::{MailSettings, MailTls};
pub use table::{SETTINGS, Setting};
pub use upstream::{UpstreamLogin, UpstreamSettings};

/// Prefix of every environment variable of the program.
pub const ENV_PREFIX: &str = "KEYTOWER_";
/// Environment variable with the path of the settings file. It is the only `KEYTOWER_*` variable that is not a setting.
pub const ENV_FILE: &str = "KEYTOWER_CONFIG";

/// The configurable limits of GraphQL requests; `graphql/guard.rs` has the fixed limits.
#[derive(Debug, Clone, Copy)]
pub struct GraphqlLimits {
    /// Whether introspection is allowed.
    pub introspection: bool,
    /// Maximum nesting of fields in a document.
    pub depth: u64,
    /// Maximum number of fields on the first level of an operation.
    pub root_fields: u64,
    /// Maximum number of fragment spreads in a document; nested spreads are not expanded for the count.
    pub fragments: usize,
    /// Maximum number of tokens in a document.
    pub tokens: usize,
    /// Maximum number of values in an answer.
    pub answer_values: u64,
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// JSON for programs.
    Json,
}

/// The settings of the service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Folder for the SQLite database and the master key.
    pub data_dir: PathBuf,
    /// Location of the database: a URL.
    pub database_url: DatabaseUrl,
    /// The master key, if a setting contains the key itself.
    pub master_key: Option<MasterKey>,
    /// The file with the master key.
    pub master_key_file: PathBuf,
    /// Whether `master_key_file` was set; false if it is the default.
    pub master_key_file_named: bool,
    /// Whether to create the user `root` at the first start.
    pub create_root: bool,
    /// Password of `root` at the first start; `None` means a random one.
    pub root_password: Option<Password>,
    /// Computing cost of new password hashes.
    pub password_hash: HashCost,
    /// Value of the claims `iss` and `aud` in tokens.
    pub issuer: String,
    /// Addresses of the proxies whose `X-Forwarded-*` headers are trusted.
    pub trusted_proxies: Ranges,
    /// Lifetime of a token; zero means that the token is valid until it is revoked.
    pub token_life: Duration,
    /// Whether `token_life` was set; false if it is the default.
    pub token_life_named: bool,
    /// How long an unused session stays valid; zero means as long as the token of the session.
    pub session_idle: Duration,
    /// Time for which a proven second factor or password counts as recent.
    pub step_up_time: Duration,
    /// How long a signing key signs tokens; zero means forever.
    pub signing_key_life: Duration,
    /// Whether the node is passive until a `keytower node` command changes the state.
    pub passive: bool,
    /// URL of the active node, without a path.
    pub active_url: Option<String>,
    /// Simulated duration of a task that switches a VM on or off.
    pub power_time: Duration,
    /// Time limit for receiving the head of a request.
    pub header_timeout: Duration,
    /// Time limit for receiving the body of a request.
    pub body_timeout: Duration,
    /// Time limit for requests in flight at shutdown.
    pub shutdown_timeout: Duration,
    /// Limits of GraphQL requests.
    pub graphql: GraphqlLimits,
    /// The CloudTower behind keytower, if one is configured.
    pub upstream: Option<UpstreamSettings>,
    /// The mail server, if one is configured.
    pub mail: Option<MailSettings>,
    /// Whether API keys of users with a second factor work with SoftLayer's API.
    pub softlayer_keys_with_mfa: bool,
    /// Whether users may create classic keys for the users below them in the hierarchy.
    pub softlayer_keys_by_ancestors: bool,
    /// Whether SoftLayer's API is served.
    pub softlayer: bool,
    /// Whether a caller with a classic key may create and change other users.
    pub softlayer_keys_manage_users: bool,
    /// URL under which people reach this service; used in links in letters.
    pub public_url: Option<String>,
    /// Minimum level to log.
    pub log: tracing::Level,
    /// Format of log lines.
    pub log_format: LogFormat,
}

impl Settings {
    /// Reads the settings from a file and from the environment. The file is `file`, or else the file that `KEYTOWER_CONFIG` names, if any.
    ///
    /// # Errors
    /// `Invalid` if a setting is unknown or wrong; the text names the setting and says what is allowed.
    pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        Self::load_with(file, environment, Vec::new())
    }

    /// Like [`Settings::load`], but also reads settings from command-line arguments, which win over the other sources. Each element of
    /// `arguments` is the name of an argument, the name of the setting, and the value.
    ///
    /// # Errors
    /// The errors of [`Settings::load`].
    pub fn load_with(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        arguments: Vec<(&str, &str, String)>,
    ) -> Result<Self> {
        let mut given = Given::default();
        let (named_file, environment): (Vec<_>, Vec<_>) = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with(ENV_PREFIX))
            .partition(|(name, _)| name == ENV_FILE);
        let named_file = named_file.into_iter().next().map(|(_, path)| PathBuf::from(path));
        if let Some(path) = file.map(Path::to_path_buf).or(named_file) {
            given.read_file(&path)?;
        }
        for (name, value) in environment {
            let setting = name.trim_start_matches(ENV_PREFIX).to_ascii_lowercase();
            given.put(setting, value, name)?;
        }
        for (argument, setting, value) in arguments {
            given.put(setting.to_owned(), value, argument.to_owned())?;
        }
        given.settings()
    }
}

/// The settings that were set: maps the name of each setting to the value and the value's origin, which error messages name.
#[derive(Default)]
struct Given(BTreeMap<String, (String, String)>);

impl Given {
    fn read_file(&mut self, path: &Path) -> Result<()> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::invalid(format!("the configuration file {shown} can't be read: {error}")))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            Error::invalid(format!("the configuration file {shown} is not TOML: {}", error.message()))
        })?;
        for (name, value) in table {
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(truth) => truth.to_string(),
                _ => {
                    return Err(Error::invalid(format!(
                        "{name} in {shown} must be text, a whole number, true or false"
                    )));
                }
            };
            let origin = format!("{name} in {shown}");
            self.put(name, text, origin)?;
        }
        Ok(())
    }

    fn put(&mut self, name: String, value: String, origin: String) -> Result<()> {
        if !SETTINGS.iter().any(|setting| setting.name == name) {
            let known: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
            return Err(Error::invalid(format!("{origin} is not a setting: known are {}", known.join(", "))));
        }
        self.0.insert(name, (value, origin));
        Ok(())
    }

    fn settings(&self) -> Result<Settings> {
        let data_dir = PathBuf::from(self.text("data_dir"));
        let database_url = self
            .given("database_url")
            .map_or_else(|| format!("sqlite:{}", data_dir.join("keytower.db").display()), str::to_owned);
        let password = "8 characters or more, at most 1024 bytes, and none of the most common passwords";
        let root_password = self.parse("root_password", password, |text| {
            let password = Password::from(text.to_owned());
            check_password(&password).is_ok().then_some(password)
        })?;
        let second = Duration::from_secs(1);
        let day = second * 86_400;
        let client = || (second / 10)..=(second * 60);
        Ok(Settings {
            listen: self
                .required("listen", "an address and a port such as 127.0.0.1:8080", |text| text.parse().ok())?,
            database_url: database_url.into(),
            master_key: self.parse("master_key", MASTER_KEY_FORM, read_master_key)?,
            master_key_file: self.given("master_key_file").map_or_else(|| data_dir.join("master.key"), PathBuf::from),
            master_key_file_named: self.given("master_key_file").is_some(),
            data_dir,
            create_root: self.required("create_root", "true or false", |text| text.parse().ok())?,
            root_password,
            password_hash: self.required("password_hash", HashCost::FORM, HashCost::parse)?,
            issuer: self.required("issuer", "text, not empty", |text| (!text.is_empty()).then(|| text.to_owned()))?,
            trusted_proxies: self.required(
                "trusted_proxies",
                "addresses, networks such as 10.0.0.0/8 and ranges such as 10.0.0.1-10.0.0.9, with commas between",
                |text| Ranges::parse(text.split(',').map(str::trim).filter(|range| !range.is_empty())).ok(),
            )?,
            token_life_named: self.given("token_life").is_some(),
            token_life: self.duration("token_life", second..=day * 3650, true)?,
            session_idle: self.duration("session_idle", second * 60..=day * 3650, true)?,
            step_up_time: self.duration("step_up_time", second * 60..=day, false)?,
            signing_key_life: self.duration("signing_key_life", second * 3600..=day * 36_500, true)?,
            passive: self.required("passive", "true or false", |text| text.parse().ok())?,
            active_url: self.parse("active_url", "http:// or https:// and a host, nothing behind it", base_url)?,
            power_time: self.duration("power_time", Duration::ZERO..=second * 3600, true)?,
            header_timeout: self.duration("header_timeout", client(), false)?,
            body_timeout: self.duration("body_timeout", client(), false)?,
            shutdown_timeout: self.duration("shutdown_timeout", Duration::ZERO..=second * 600, true)?,
            graphql: GraphqlLimits {
                introspection: self.required("graphql_introspection", "true or false", |text| text.parse().ok())?,
                depth: self.number("graphql_depth", 1..=15)?,
                root_fields: self.number("graphql_root_fields", 1..=30)?,
                fragments: self.number("graphql_fragments", 0..=20)?,
                tokens: self.number("graphql_tokens", 100..=5_000)?,
                answer_values: self.number("graphql_answer_values", 1_000..=40_000)?,
            },
            upstream: self.upstream()?,
            mail: self.mail()?,
            softlayer_keys_with_mfa: self
                .required("softlayer_keys_with_mfa", "true or false", |text| text.parse().ok())?,
            softlayer: self.required("softlayer", "true or false", |text| text.parse().ok())?,
            softlayer_keys_manage_users: self
                .required("softlayer_keys_manage_users", "true or false", |text| text.parse().ok())?,
            softlayer_keys_by_ancestors: self
                .required("softlayer_keys_by_ancestors", "true or false", |text| text.parse().ok())?,
            public_url: self.parse(
                "public_url",
                "http:// or https://, a host, and perhaps a port and a path",
                web_address,
            )?,
            log: self.required("log", "error, warn, info, debug or trace", |text| text.parse().ok())?,
            log_format: self.required("log_format", "text or json", |text| match text {
                "text" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => None,
            })?,
        })
    }

    fn given(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> &str {
        let default = || SETTINGS.iter().find(|setting| setting.name == name).map_or("", |setting| setting.default);
        self.given(name).unwrap_or_else(default)
    }

    fn parse<T>(&self, name: &str, allowed: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        self.given(name).map(|text| read(text).ok_or_else(|| self.wrong(name, allowed))).transpose()
    }

    fn required<T>(&self, name: &str, allowed: &str, read: impl Fn(&str) -> Option<T>) -> Result<T> {
        read(self.text(name)).ok_or_else(|| self.wrong(name, allowed))
    }

    fn number<T>(&self, name: &str, range: RangeInclusive<T>) -> Result<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.required(name, &allowed, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    fn duration(&self, name: &str, range: RangeInclusive<Duration>, zero: bool) -> Result<Duration> {
        let (least, most) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
        let or_zero = if zero { ", or 0" } else { "" };
        let allowed = format!("a duration such as 90s, 12h or 30d, from {least} to {most}{or_zero}");
        self.required(name, &allowed, |text| {
            if text == "0" {
                return zero.then_some(Duration::ZERO);
            }
            humantime::parse_duration(text).ok().filter(|duration| range.contains(duration))
        })
    }

    /// Creates the error for a wrong value. The text never shows the value, which may be a secret.
    fn wrong(&self, name: &str, allowed: &str) -> Error {
        let origin = self.0.get(name).map_or(name, |(_, origin)| origin.as_str());
        Error::invalid(format!("{origin} must be {allowed}"))
    }
}

/// Parses the URL of a server: scheme, host and perhaps a port, without path, query or user.
fn base_url(text: &str) -> Option<String> {
    let url: Uri = text.parse().ok()?;
    let (scheme, host) = (url.scheme_str()?, url.host().filter(|host| !host.is_empty())?);
    let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    let base = format!("{scheme}://{host}{port}");
    // `base` contains only scheme, host and port. If the URL has another part, the two texts differ.
    let whole = text.strip_suffix('/').unwrap_or(text).eq_ignore_ascii_case(&base);
    (whole && ["http", "https"].contains(&scheme)).then_some(base)
}

/// Parses a URL: scheme, host, perhaps a port and a path; removes a `/` at the end. Rejects a URL with a user, a query or a fragment.
fn web_address(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let authority =
        uri.authority().filter(|authority| !authority.as_str().contains('@') && !authority.host().is_empty())?;
    let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
    let path = uri.path().trim_end_matches('/');
    (uri.query().is_none() && !text.contains('#')).then(|| format!("{scheme}://{authority}{path}"))
}

/// Reads the certificates of a PEM file; `setting` is the name of the setting, for messages.
///
/// # Errors
/// `Invalid` if the file, or a certificate in it, can't be read.
pub fn read_certificates(setting: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    certificates.map_err(|error| {
        Error::invalid(format!("{setting} {} can't be read as PEM certificates: {error}", file.display()))
    })
}

/// The accepted forms of a master key, for messages.
pub const MASTER_KEY_FORM: &str = "32 bytes, as 64 hexadecimal digits or as Base64";

/// Parses a master key; ignores white space around the text.
#[must_use]
pub fn read_master_key(text: &str) -> Option<MasterKey> {
    let text = text.trim();
    MasterKey::from_hex(text).or_else(|| STANDARD.decode(text).ok().and_then(MasterKey::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(environment: &[(&str, &str)]) -> Result<Settings> {
        Settings::load(None, environment.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    fn refusal(environment: &[(&str, &str)]) -> String {
        load(environment).unwrap_err().public().to_owned()
    }

    #[test]
    fn defaults_stand_without_anything() {
        let settings = load(&[("HOME", "/")]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.database_url.expose(), "sqlite:./keytower-data/keytower.db");
        assert_eq!(settings.token_life, Duration::from_secs(12 * 3600));
        assert!(settings.create_root && settings.root_password.is_none());
    }

    #[test]
    fn a_master_key_is_hexadecimal_or_base64() {
        let hex = read_master_key(&"07".repeat(32)).unwrap();
        let base64 = read_master_key(" BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n").unwrap();
        assert_eq!(hex.expose(), base64.expose());
        for wrong in ["", "07", "BwcH", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="] {
            assert!(read_master_key(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn limits_of_graphql_can_be_lowered_and_not_raised() {
        for (name, least, most) in [
            ("KEYTOWER_GRAPHQL_DEPTH", 1, 15),
            ("KEYTOWER_GRAPHQL_ROOT_FIELDS", 1, 30),
            ("KEYTOWER_GRAPHQL_FRAGMENTS", 0, 20),
            ("KEYTOWER_GRAPHQL_TOKENS", 100, 5_000),
            ("KEYTOWER_GRAPHQL_ANSWER_VALUES", 1_000, 40_000),
        ] {
            for good in [least, most] {
                assert!(load(&[(name, &good.to_string())]).is_ok(), "{name}={good}");
            }
            let range = format!("{name} must be a whole number from {least} to {most}");
            for wrong in [(least - 1).to_string(), (most + 1).to_string(), "1.5".into(), "many".into(), "9".repeat(40)]
            {
                assert_eq!(refusal(&[(name, &wrong)]), range, "{wrong}");
            }
        }
    }

    #[test]
    fn a_base_url_is_a_server_and_nothing_else() {
        for (text, base) in [
            ("http://a", "http://a"),
            ("https://tower-1.example:8443", "https://tower-1.example:8443"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("HTTP://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(base_url(text).as_deref(), Some(base));
        }
        for wrong in [
            "a",
            "a:80",
            "//a",
            "/",
            "http://",
            "http://:80",
            "http:///a",
            "ftp://a",
            "http://a/b",
            "http://a//",
            "http://a?b",
            "http://a/?b",
            "http://a#b",
            "http://u@a",
            "http://u:p@a",
            "http://a b",
            " http://a",
            "http://a\r\nb",
            "http://é",
            "http://a:99999",
            "http://a:x",
        ] {
            assert_eq!(base_url(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_unknown_variable_is_refused_by_name() {
        assert!(
            refusal(&[("KEYTOWER_LISTEM", "x")]).starts_with("KEYTOWER_LISTEM is not a setting: known are listen,")
        );
    }

    #[test]
    fn a_wrong_value_is_refused_by_name_and_never_shown() {
        for (name, value) in [
            ("KEYTOWER_LISTEN", "hunter2"),
            ("KEYTOWER_MASTER_KEY", "hunter2"),
            ("KEYTOWER_ROOT_PASSWORD", "hunter2"),
            ("KEYTOWER_ROOT_PASSWORD", "hunter22"),
            ("KEYTOWER_PASSWORD_HASH", "hunter2"),
            ("KEYTOWER_TOKEN_LIFE", "hunter2"),
            ("KEYTOWER_BODY_TIMEOUT", "0"),
            ("KEYTOWER_CREATE_ROOT", "yes"),
            ("KEYTOWER_PASSIVE", "hunter2"),
            ("KEYTOWER_ACTIVE_URL", "hunter2"),
            ("KEYTOWER_GRAPHQL_INTROSPECTION", "off"),
            ("KEYTOWER_LOG", "hunter2"),
            ("KEYTOWER_LOG_FORMAT", "hunter2"),
        ] {
            let refusal = refusal(&[(name, value)]);
            assert!(refusal.starts_with(&format!("{name} must be ")), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keytower.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:1\"\ncreate_root = false\ntoken_life = \"1h\"\n").unwrap();
        let settings = Settings::load(Some(&file), [("KEYTOWER_LISTEN".into(), "127.0.0.1:2".into())]).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert!(!settings.create_root);
        std::fs::write(&file, "listem = 1\n").unwrap();
        let refusal = Settings::load(Some(&file), []).unwrap_err();
        assert!(refusal.public().starts_with("listem in "), "{refusal:?}");
    }
}
