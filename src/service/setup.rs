//! Startup: prepares the data folder, the database and the master key, and fills a fresh database. Any fault stops the start with a clear
//! message of one line, and damages nothing.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;

use crate::app::App;
use crate::auth::password::Passwords;
use crate::auth::token::{Tokens, new_signing_key};
use crate::auth::turns::Turns;
use crate::auth::vault::Vault;
use crate::config::{MASTER_KEY_FORM, Settings, read_master_key};
use crate::domain::audit::{Entry, Refusals};
use crate::domain::caller::Caller;
use crate::domain::clock::Clock;
use crate::domain::id::{GlobalSettingsId, OrganizationId, RoleId};
use crate::domain::operation::Operation;
use crate::domain::permission::PRESETS;
use crate::domain::random::Random;
use crate::domain::secret::{MasterKey, Password};
use crate::domain::session::Seen;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::mail::Mailer;
use crate::node::Node;
use crate::service::door;
use crate::service::people::users::{insert_root, make_up_password};
use crate::store::{Store, Tx};
use crate::upstream::Upstream;

/// Name of the stored fact that shows whether a master key belongs to this database. The value is a known text, sealed with the master key.
const CHECK: &str = "master_key_check";
const CHECK_TEXT: &[u8] = b"keytower";
const ORGANIZATION: &str = "keytower";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Opens the database, migrates the database, and creates missing contents such as the first user. Returns the password of the first user
/// if this call generated the password, which is stored only as a hash.
///
/// # Errors
/// - `Invalid` if the settings, the data folder, the master key or the database can't be used; the message says what to do.
/// - `Unavailable` if the database is unreachable.
pub async fn start(
    settings: Settings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<(Arc<App>, Option<Password>)> {
    let upstream =
        settings.upstream.as_ref().map(|upstream| Upstream::new(upstream, Arc::clone(&clock))).transpose()?;
    let mailer =
        settings.mail.as_ref().map(|mail| Mailer::new(mail, Arc::clone(&clock), Arc::clone(&random))).transpose()?;
    make_data_dir(&settings.data_dir)?;
    let store = Store::open(&settings.database_url).await?;
    let prepared = store.prepare().await?;
    let check = store.fact(CHECK).await?;
    let master = match known_master_key(&settings)? {
        Some(key) => key,
        None if check.is_some() => return Err(no_master_key(&settings)),
        None => make_master_key(&settings, random.as_ref())?,
    };
    let vault = unlock(&master, check.as_deref())?;
    let up_to_date = store.is_migrated().await?;
    // Migrate only now: a start with the wrong master key must change nothing.
    store.migrate(&prepared).await?;
    let app = Arc::new(App {
        passwords: Passwords::new(hashes_at_once(), settings.password_hash, random.as_ref())?,
        tokens: Tokens::new(settings.issuer.clone()),
        node: Node::new(&settings.data_dir, settings.passive),
        settings,
        store,
        vault: Arc::new(vault),
        refusals: Refusals::default(),
        turns: Turns::default(),
        seen: Seen::default(),
        upstream,
        mailer,
        clock,
        random,
    });
    let tx = app.begin(&door::operator(Operation::SetUp)?).await?;
    if check.is_none() {
        tx.insert_fact(CHECK, STANDARD.encode(app.vault.seal(CHECK, CHECK_TEXT)?)).await?;
        // Begin the audit logs only in a new database: in an old database, new logs would hide that the old logs are lost.
        tx.begin_logs().await?;
    }
    if !up_to_date {
        let text = text!("tables brought up to keytower {VERSION}", "数据表已更新到 keytower {VERSION}");
        tx.note(Entry::done(text));
    }
    let made_up = furnish(&app, &tx).await?;
    // If everything is in place, write nothing.
    if tx.is_noted() {
        tx.commit().await?;
    } else {
        drop(tx);
    }
    crate::service::sessions::signing::reload(&app).await?;
    drop(prepared);
    Ok((app, made_up))
}

/// Records in the audit log that this node serves requests from now on.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub async fn serving(app: &App, address: SocketAddr) -> Result<()> {
    let text = text!("keytower {VERSION} serves at {address}", "keytower {VERSION} 开始在 {address} 提供服务");
    crate::service::audit::record(app, &Caller::operator(), "serve", Entry::done(text)).await
}

/// Opens an existing database for reading only. Returns the store of that database, and the vault of its master key.
///
/// # Errors
/// - `Invalid` if the database or the master key can't be used; the message says what to do.
/// - `Unavailable` if the database is unreachable.
pub async fn look(settings: &Settings) -> Result<(Store, Vault)> {
    let store = Store::look(&settings.database_url).await?;
    let check = store.fact(CHECK).await?;
    let check =
        check.ok_or_else(|| Error::invalid("there is no database of keytower yet: nothing was ever started on it"))?;
    let master = known_master_key(settings)?.ok_or_else(|| no_master_key(settings))?;
    let vault = unlock(&master, Some(&check))?;
    store.expect_schema().await?;
    Ok((store, vault))
}

/// Tells whether the database has the schema that this program expects.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub async fn is_migrated(app: &App) -> Result<bool> {
    app.store.is_migrated().await
}

/// Creates the contents of a fresh database, each only if it is missing: the preset roles, the organization, the policies, a signing key
/// and the first user.
async fn furnish(app: &App, tx: &Tx) -> Result<Option<Password>> {
    let (now, random) = (app.now(), app.random.as_ref());
    for preset in PRESETS {
        if tx.put_preset(preset, &RoleId::generate(now, random)?).await? {
            let (name, text) = (preset.name, preset.actions().names().join(" "));
            let text = text!("role preset {name} holds from now on: {text}", "预置角色 {name} 的权限现为：{text}");
            tx.note(Entry::done(text));
        }
    }
    if tx.ensure_organization(&OrganizationId::generate(now, random)?, ORGANIZATION).await? {
        tx.note(Entry::done(text!("organization {ORGANIZATION} made", "已创建组织 {ORGANIZATION}")));
    }
    if tx.ensure_policies(&GlobalSettingsId::generate(now, random)?).await? {
        tx.note(Entry::done(text!("policies made", "已创建全局设置")));
    }
    if tx.signing_keys().await?.is_empty() {
        let key = new_signing_key(now, now, &app.vault, random)?;
        tx.insert_signing_key(&key, now).await?;
        tx.note(crate::service::sessions::signing::published(&key));
    }
    if !app.settings.create_root || tx.has_users().await? {
        return Ok(None);
    }
    let (password, made_up) = match &app.settings.root_password {
        Some(password) => (password.clone(), None),
        None => {
            let password = make_up_password(random)?;
            (password.clone(), Some(password))
        }
    };
    insert_root(app, tx, app.passwords.hash(password, random).await?).await?;
    Ok(made_up)
}

fn make_data_dir(path: &Path) -> Result<()> {
    let unusable =
        |error: std::io::Error| Error::invalid(format!("the data folder {} can't be used: {error}", path.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
    tempfile::tempfile_in(path).map(drop).map_err(unusable)
}

/// Returns the vault of a master key. Rejects a key other than the one that the database was created with.
fn unlock(master: &MasterKey, check: Option<&str>) -> Result<Vault> {
    let vault = Vault::new(master)?;
    if check.is_some_and(|check| !opens(&vault, check)) {
        return Err(Error::invalid(
            "the master key is not the one this database was made with: give that one as KEYTOWER_MASTER_KEY or \
             KEYTOWER_MASTER_KEY_FILE. Nothing was changed.",
        ));
    }
    Ok(vault)
}

/// Returns the master key from the settings or from the key file; `None` if the file does not exist.
fn known_master_key(settings: &Settings) -> Result<Option<MasterKey>> {
    if let Some(key) = &settings.master_key {
        return Ok(Some(key.clone()));
    }
    let file = &settings.master_key_file;
    let shown = file.display();
    match fs::read_to_string(file) {
        Ok(text) => read_master_key(&text)
            .map(Some)
            .ok_or_else(|| Error::invalid(format!("the master key file {shown} must hold {MASTER_KEY_FORM}"))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::invalid(format!("the master key file {shown} can't be read: {error}"))),
    }
}

fn no_master_key(settings: &Settings) -> Error {
    Error::invalid(format!(
        "the master key of this database is missing: {} does not exist. Give the key it was made with as KEYTOWER_MASTER_KEY or \
         KEYTOWER_MASTER_KEY_FILE. Nothing was changed.",
        settings.master_key_file.display()
    ))
}

/// Generates a master key for a new database. Fails if the settings name a key file: that file should exist.
fn make_master_key(settings: &Settings, random: &dyn Random) -> Result<MasterKey> {
    let file = &settings.master_key_file;
    if settings.master_key_file_named {
        return Err(Error::invalid(format!("the master key file {} can't be read: it does not exist", file.display())));
    }
    let unusable = |error: std::io::Error| {
        Error::invalid(format!("the master key file {} can't be made: {error}", file.display()))
    };
    let mut bytes = vec![0; MasterKey::LEN];
    random.fill(&mut bytes)?;
    let key = MasterKey::new(bytes).ok_or_else(|| Error::internal("a master key of another length"))?;
    write_master_key(file, &key).map_err(unusable)?;
    Ok(key)
}

/// Writes the file of the master key. The file appears whole or not at all and never replaces another file. It is on disk when this
/// function returns, before the database depends on it.
fn write_master_key(file: &Path, key: &MasterKey) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
    writeln!(draft, "{}", key.to_hex().expose_secret())?;
    draft.as_file().sync_all()?;
    draft.persist_noclobber(file)?;
    File::open(folder)?.sync_all()
}

/// Returns the maximum number of passwords that are hashed at the same time: half of the cores, so that many logins leave room for other
/// requests. By default, a hash takes one core and 19 MiB for some hundredths of a second; the setting `password_hash` changes that.
fn hashes_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

fn opens(vault: &Vault, check: &str) -> bool {
    let sealed = STANDARD.decode(check).unwrap_or_default();
    vault.open(CHECK, &sealed).is_some_and(|text| text.as_slice() == CHECK_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::random::SystemRandom;

    #[test]
    fn a_data_folder_is_usable_by_many_starts_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..100).for_each(|_| make_data_dir(&path).unwrap()));
            }
        });
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_master_key_file_appears_whole_and_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        let settings = [("KEYTOWER_DATA_DIR".to_owned(), folder.path().display().to_string())];
        let settings = Settings::load(None, settings.to_vec()).unwrap();
        assert_eq!(settings.master_key_file, file);
        let key = make_master_key(&settings, &SystemRandom).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(MasterKey::from_hex(&text).unwrap().expose(), key.expose());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(make_master_key(&settings, &SystemRandom).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a draft was left");
    }
}
