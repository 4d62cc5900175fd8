//! The start: data folder, database, master key, and what a fresh database needs. Whatever is wrong stops the start with one
//! clear line and harms nothing.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;

use super::users::{insert_root, make_up_password};
use crate::app::App;
use crate::auth::password::Passwords;
use crate::auth::token::{Tokens, new_signing_key};
use crate::auth::vault::Vault;
use crate::config::{MASTER_KEY_FORM, Settings, read_master_key};
use crate::domain::audit::{Entry, Refusals};
use crate::domain::caller::Caller;
use crate::domain::clock::Clock;
use crate::domain::id::{GlobalSettingsId, OrganizationId, RoleId};
use crate::domain::operation::Operation;
use crate::domain::permission::PRESETS;
use crate::domain::permit::authorize;
use crate::domain::random::Random;
use crate::domain::secret::{MasterKey, Password};
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::node::Node;
use crate::store::{Store, Tx};
use crate::upstream::Upstream;

/// The fact that tells whether a master key is this database's: a known text, sealed.
const CHECK: &str = "master_key_check";
const CHECK_TEXT: &[u8] = b"keytower";
const ORGANIZATION: &str = "keytower";

/// Opens the database, brings it up to date and makes what is missing. The password is there when it was made up here: it is
/// known nowhere else.
///
/// # Errors
/// `Invalid` with what is wrong and what to do, `Unavailable` when the database can't be reached.
pub async fn start(
    settings: Settings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<(Arc<App>, Option<Password>)> {
    let upstream =
        settings.upstream.as_ref().map(|upstream| Upstream::new(upstream, Arc::clone(&clock))).transpose()?;
    make_data_dir(&settings.data_dir)?;
    let store = Store::open(&settings.database_url).await?;
    let prepared = store.prepare().await?;
    let check = store.fact(CHECK).await?;
    let master = master_key(&settings, check.is_some(), random.as_ref())?;
    let vault = Vault::new(&master)?;
    if check.as_deref().is_some_and(|check| !opens(&vault, check)) {
        return Err(Error::invalid(
            "the master key is not the one this database was made with: give that one as KEYTOWER_MASTER_KEY or \
             KEYTOWER_MASTER_KEY_FILE. Nothing was changed.",
        ));
    }
    // Not before: a start with the wrong master key must change nothing.
    store.migrate(&prepared).await?;
    let app = Arc::new(App {
        passwords: Passwords::new(hashes_at_once(), random.as_ref())?,
        tokens: Tokens::new(settings.issuer.clone()),
        node: Node::new(&settings.data_dir, settings.passive),
        settings,
        store,
        vault: Arc::new(vault),
        refusals: Refusals::default(),
        upstream,
        clock,
        random,
    });
    let tx = app.begin(authorize(&Caller::operator(), Operation::SetUp)?).await?;
    if check.is_none() {
        tx.insert_fact(CHECK, STANDARD.encode(app.vault.seal(CHECK, CHECK_TEXT)?)).await?;
    }
    tx.begin_logs().await?;
    let made_up = furnish(&app, &tx).await?;
    let version = env!("CARGO_PKG_VERSION");
    tx.note(Entry::done(text!("keytower {version} started", "keytower {version} 已启动")));
    tx.commit().await?;
    super::signing::reload(&app).await?;
    drop(prepared);
    Ok((app, made_up))
}

/// Tells whether the database's schema is the one this program knows.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn is_migrated(app: &App) -> Result<bool> {
    app.store.is_migrated().await
}

/// Makes the preset roles, the organization, a signing key and the first user, as far as they are missing.
async fn furnish(app: &App, tx: &Tx) -> Result<Option<Password>> {
    let (now, random) = (app.now(), app.random.as_ref());
    for preset in PRESETS {
        tx.put_preset(preset, &RoleId::generate(now, random)?).await?;
    }
    tx.ensure_organization(&OrganizationId::generate(now, random)?, ORGANIZATION).await?;
    tx.ensure_policies(&GlobalSettingsId::generate(now, random)?).await?;
    if tx.signing_keys().await?.is_empty() {
        tx.insert_signing_key(&new_signing_key(now, now, &app.vault, random)?, now).await?;
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

/// Finds the master key where the settings say; makes one only for a database that has none yet.
fn master_key(settings: &Settings, database_has_one: bool, random: &dyn Random) -> Result<MasterKey> {
    if let Some(key) = &settings.master_key {
        return Ok(key.clone());
    }
    let file = &settings.master_key_file;
    let shown = file.display();
    match fs::read_to_string(file) {
        Ok(text) => read_master_key(&text)
            .ok_or_else(|| Error::invalid(format!("the master key file {shown} must hold {MASTER_KEY_FORM}"))),
        Err(error) if error.kind() == ErrorKind::NotFound && database_has_one => Err(Error::invalid(format!(
            "the master key of this database is missing: {shown} does not exist. Give the key it was made with as \
             KEYTOWER_MASTER_KEY or KEYTOWER_MASTER_KEY_FILE. Nothing was changed."
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound && !settings.master_key_file_named => {
            make_master_key(file, random)
        }
        Err(error) => Err(Error::invalid(format!("the master key file {shown} can't be read: {error}"))),
    }
}

fn make_master_key(file: &Path, random: &dyn Random) -> Result<MasterKey> {
    let unusable = |error: std::io::Error| {
        Error::invalid(format!("the master key file {} can't be made: {error}", file.display()))
    };
    let mut bytes = vec![0; MasterKey::LEN];
    random.fill(&mut bytes)?;
    let key = MasterKey::new(bytes).ok_or_else(|| Error::internal("a master key of another length"))?;
    write_master_key(file, &key).map_err(unusable)?;
    Ok(key)
}

/// The file appears whole or not at all, never replaces another, and is on the disk before the database depends on it.
fn write_master_key(file: &Path, key: &MasterKey) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
    writeln!(draft, "{}", key.to_hex().expose_secret())?;
    draft.as_file().sync_all()?;
    draft.persist_noclobber(file)?;
    File::open(folder)?.sync_all()
}

/// Password hashes side by side: each takes a core and 19 MiB for some hundredths of a second. Half of the cores, so that a crowd
/// of logins leaves room for everybody else.
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
        let key = make_master_key(&file, &SystemRandom).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(MasterKey::from_hex(&text).unwrap().expose(), key.expose());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(make_master_key(&file, &SystemRandom).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a draft was left");
    }
}
