//! Second factor: time-based codes that the user's device computes (TOTP).

use async_trait::async_trait;

use crate::app::App;
use crate::auth::totp::{self, Enrollment};
use crate::domain::id::UserId;
use crate::domain::mfa::{Challenge, Holder, MfaType, NewFactor};
use crate::domain::secret::Code;
use crate::error::{Error, Result};
use crate::service::login::factor::Factor;
use crate::store::Tx;

pub(in crate::service) struct Totp;

/// Generates a TOTP secret. Returns the enrollment data for the user's device, and the sealed secret to store.
///
/// # Errors
/// `Internal` if the source of randomness or the crypto provider fails.
pub(crate) fn begin(app: &App, holder: &Holder) -> Result<(Enrollment, Vec<u8>)> {
    let secret = totp::new_secret(app.random.as_ref())?;
    let enrollment = totp::enrollment(&secret, &app.settings.issuer, &holder.username)?;
    Ok((enrollment, app.vault.seal(&place(&holder.id), &secret)?))
}

#[async_trait]
impl Factor for Totp {
    fn mfa_type(&self) -> MfaType {
        MfaType::Totp
    }

    async fn spend(&self, app: &App, tx: &Tx, holder: &Holder, _: Option<&Challenge>, code: &Code) -> Result<bool> {
        let Some(sealed) = holder.factor(MfaType::Totp).and_then(|factor| factor.sealed.as_deref()) else {
            return Ok(false);
        };
        let secret = app.vault.open(&place(&holder.id), sealed);
        let secret =
            secret.ok_or_else(|| Error::internal(format!("the TOTP secret of {} does not open", holder.id)))?;
        match totp::step_of(code, &secret, app.now()) {
            Some(step) => tx.spend_step(&holder.id, step).await,
            None => Ok(false),
        }
    }

    fn prove(&self, app: &App, challenge: &Challenge, code: &Code) -> Option<NewFactor> {
        let sealed = challenge.sealed.clone()?;
        let secret = app.vault.open(&place(&challenge.user), &sealed)?;
        let last_step = totp::step_of(code, &secret, app.now())?;
        Some(NewFactor { mfa_type: MfaType::Totp, sealed: Some(sealed), address: None, last_step })
    }
}

fn place(user: &UserId) -> String {
    format!("factors/{user}/totp")
}
