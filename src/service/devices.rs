//! The devices that users log in from: who comes from a known one stands beside the limits for strangers, and of a new one its user is told.

use super::letters::{self, Post};
use crate::app::App;
use crate::domain::caller::Caller;
use crate::domain::id::DeviceId;
use crate::domain::mfa::{DEVICE_LIFE, Holder};
use crate::domain::random;
use crate::domain::secret::Handle;
use crate::domain::throttle::Known;
use crate::error::Result;
use crate::mail::Letter;
use crate::store::{DeviceMarks, Tx};

/// Letters and digits of what a device is given: over 200 bits.
const HANDLE_LEN: usize = 40;
const WHAT: &str = "device";

/// Tells whether the user of a name has logged in from this device or its address before. A name that nobody has is asked for alike.
///
/// # Errors
/// `Unavailable` when the database is away.
pub(super) async fn knows(app: &App, caller: &Caller, username: &str) -> Result<Option<Known>> {
    // No account has NUL in its name, and PostgreSQL would not even compare it.
    let username = if username.contains('\0') { "" } else { username };
    app.store.knows_device(username, &marks(app, caller), app.now() - DEVICE_LIFE).await
}

/// Notes a login, as part of its write; answers what a new device is given. Its user is told of it by mail, unless it is their first.
///
/// # Errors
/// `Unavailable` when the database is away.
pub(super) async fn see(app: &App, tx: &Tx, caller: &Caller, user: &Holder) -> Result<Option<Handle>> {
    let (now, marks) = (app.now(), marks(app, caller));
    if tx.see_device(&user.id, &marks, now - DEVICE_LIFE, now).await? {
        return Ok(None);
    }
    let handle = Handle::from(random::text(app.random.as_ref(), HANDLE_LEN)?);
    let id = DeviceId::generate(now, app.random.as_ref())?;
    let others = tx.insert_device(&id, &user.id, app.vault.mark(WHAT, handle.expose()), marks, now).await?;
    if let Some(to) = user.email_address.clone().filter(|_| others) {
        let (username, address, agent) = (user.username.clone(), caller.address, caller.agent.clone());
        let letter = Letter::NewDevice { username, at: now, address, agent };
        letters::enqueue(app, tx, Post { to, letter, language: caller.language }).await?;
    }
    Ok(Some(handle))
}

fn marks(app: &App, caller: &Caller) -> DeviceMarks {
    DeviceMarks {
        digest: caller.device.as_ref().map(|device| app.vault.mark(WHAT, device.expose())),
        address: caller.address.map(|address| address.to_string()),
        agent: caller.agent.clone(),
    }
}
