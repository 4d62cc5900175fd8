//! How often a login may be wrong: the policy's limit, counted for each username over all nodes and faces.
//!
//! A login is counted before its password is judged, in a write of its own, and forgotten once it proves right: so guesses that run
//! side by side don't pass, and a guess that ends badly in any other way is still counted. A name that nobody has counts like any
//! other. Names are kept as pseudonyms. Tokens and keys are not touched: who guesses keeps nobody from working.

use crate::app::App;
use crate::domain::id::uuid_v7;
use crate::domain::permit::Permit;
use crate::domain::policy::Policy;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::store::Tx;

/// Counts a login, unless there were too many with its username: those are not counted, so that the limit ends by itself.
///
/// # Errors
/// `TooMany` with the time until the next may be tried, `Unavailable` when the database is away.
pub(super) async fn count(app: &App, permit: &Permit, policy: &Policy, username: &str) -> Result<()> {
    let Some(misses) = policy.misses() else { return Ok(()) };
    let (now, name) = (app.now(), app.vault.pseudonym(username));
    let id = uuid_v7(now, app.random.as_ref())?.to_string();
    let tx = app.begin(permit.clone()).await?;
    let Some(again) = tx.count_attempt(id, &name, misses, now).await? else {
        return tx.commit_untold().await;
    };
    drop(tx);
    let wait = (again - now).to_std().unwrap_or_default();
    let text =
        text!("too many wrong logins with this username: try again later", "该用户名登录失败次数过多：请稍后重试");
    Err(Error::too_many(text, wait))
}

/// Forgets the wrong logins with a username, as part of a write.
///
/// # Errors
/// `Unavailable` when the database is away.
pub(super) async fn forget(app: &App, tx: &Tx, username: &str) -> Result<()> {
    tx.forget_attempts(&app.vault.pseudonym(username)).await
}
