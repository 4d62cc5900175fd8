//! Devices that users log in from. A login from a known device is exempt from the limits for strangers. A login from a new device is
//! reported to the user by mail.

use crate::app::App;
use crate::domain::caller::Caller;
use crate::domain::id::DeviceId;
use crate::domain::mfa::{DEVICE_LIFE, Holder};
use crate::domain::random;
use crate::domain::secret::Handle;
use crate::domain::throttle::Known;
use crate::error::Result;
use crate::mail::Letter;
use crate::service::outbox::letters::{self, Post};
use crate::store::{DeviceMarks, Tx};

/// Length of a device's handle, in letters and digits: over 200 bits.
const HANDLE_LEN: usize = 40;
const WHAT: &str = "device";

/// Returns how this client is known from earlier logins of the user with this name: by its device or its address; `None` if the client is
/// not known. An unknown username runs the same query.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn knows(app: &App, caller: &Caller, username: &str) -> Result<Option<Known>> {
    // No username contains NUL, and PostgreSQL rejects NUL in a comparison.
    let username = if username.contains('\0') { "" } else { username };
    app.store.knows_device(username, &marks(app, caller), app.now() - DEVICE_LIFE).await
}

/// Records the device of a login, as part of `tx`. Returns a handle if the device is new, and `None` if the device is known. Notifies the
/// user of a new device by mail, unless it is the user's first device.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn see(app: &App, tx: &Tx, caller: &Caller, user: &Holder) -> Result<Option<Handle>> {
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
