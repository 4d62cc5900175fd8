//! Reloads the signing keys regularly, replaces old keys, and deletes keys whose last token has expired.

use chrono::TimeDelta;

use crate::app::App;
use crate::auth::token::{LEAD, new_signing_key};
use crate::domain::audit::Entry;
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::service::door;
use crate::service::login::end_of_token;
use crate::store::SigningKeyRow;

/// Publishes a new signing key, which takes over after [`LEAD`]. Tokens that older keys signed stay valid until they expire.
///
/// # Errors
/// - `Forbidden` if the caller does not hold all rights.
/// - `Unavailable` if the database is unreachable.
pub async fn rotate(app: &App, permit: &Permit) -> Result<SigningKeyRow> {
    replace(app, permit, |_| true).await?.ok_or_else(|| Error::internal("no signing key was made"))
}

/// Loads the signing keys that other nodes changed, replaces the newest key if it is older than the settings allow, and deletes keys whose
/// last token has expired.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub async fn maintain(app: &App) -> Result<()> {
    let life = app.settings.signing_key_life;
    if !life.is_zero() {
        let life = TimeDelta::from_std(life).map_err(Error::internal)?;
        let old = |newest: Option<&SigningKeyRow>| newest.is_none_or(|key| app.now() - key.active_from >= life);
        if old(app.store.signing_keys().await?.last()) {
            replace(app, &door::operator(Operation::RotateSigningKey)?, old).await?;
        }
    }
    if app.store.signing_keys().await?.iter().any(|key| key.is_over(app.now())) {
        let tx = app.begin(&door::operator(Operation::RotateSigningKey)?).await?;
        tx.forget_signing_keys(app.now()).await?;
        tx.note(Entry::done(text!("signing keys that are over were deleted", "已删除过期的签名密钥")));
        tx.commit().await?;
    }
    reload(app).await
}

/// Loads the signing keys from the store, except keys whose last token has expired.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub async fn reload(app: &App) -> Result<()> {
    let mut keys = app.store.signing_keys().await?;
    keys.retain(|key| !key.is_over(app.now()));
    app.tokens.load(&keys, &app.vault)
}

/// Returns the audit entry for a new signing key.
pub(in crate::service) fn published(key: &SigningKeyRow) -> Entry {
    Entry::done(text!("a new signing key was published", "已发布新的签名密钥")).of("SigningKey", &key.id)
}

async fn replace(
    app: &App,
    permit: &Permit,
    wanted: impl Fn(Option<&SigningKeyRow>) -> bool,
) -> Result<Option<SigningKeyRow>> {
    let permit = permit.require(Operation::RotateSigningKey)?;
    let now = app.now();
    let active_from = now + TimeDelta::from_std(LEAD).map_err(Error::internal)?;
    let tx = app.begin(&permit).await?;
    tx.alone_with("signing_keys").await?;
    if !wanted(tx.signing_keys().await?.last()) {
        return Ok(None);
    }
    let key = new_signing_key(now, active_from, &app.vault, app.random.as_ref())?;
    tx.forget_signing_keys(now).await?;
    tx.retire_signing_keys(end_of_token(app, active_from)).await?;
    tx.insert_signing_key(&key, now).await?;
    tx.note(published(&key));
    tx.commit().await?;
    tracing::info!(signing_key.id = %key.id, "a new signing key is published and takes over soon");
    reload(app).await?;
    Ok(Some(key))
}
