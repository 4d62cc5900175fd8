//! Second factors: one file for each, behind one interface. Each code works once, even if several requests present it at the same time.

mod mail;
mod recovery;
mod totp;

use async_trait::async_trait;

use crate::app::App;
use crate::domain::caller::Caller;
use crate::domain::id::ChallengeId;
use crate::domain::mfa::{Challenge, Holder, MfaType, NewFactor, Purpose};
use crate::domain::secret::Code;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::store::Tx;

pub(in crate::service) use recovery::new_codes;
pub(in crate::service) use totp::begin as begin_totp;

/// A second factor.
#[async_trait]
pub(in crate::service) trait Factor: Sync {
    /// Type of the factor on the wire.
    fn mfa_type(&self) -> MfaType;

    /// Sends a code for a challenge; `None` if this factor sends no codes.
    async fn send(&self, _app: &App, _caller: &Caller, _to: Recipient<'_>) -> Result<Option<Sent>> {
        Ok(None)
    }

    /// Verifies a code of a user, as part of `tx`, so that the code can't be used again. Returns false if the code is wrong, expired or
    /// already used.
    async fn spend(
        &self,
        app: &App,
        tx: &Tx,
        holder: &Holder,
        challenge: Option<&Challenge>,
        code: &Code,
    ) -> Result<bool>;

    /// Verifies the first code of a new factor. Returns the factor to store, or `None` if the code is wrong.
    fn prove(&self, _app: &App, _challenge: &Challenge, _code: &Code) -> Option<NewFactor> {
        None
    }
}

/// The user that a code is sent to, and the challenge of the code.
#[derive(Debug)]
pub(in crate::service) struct Recipient<'a> {
    /// The user to send the code to.
    pub(in crate::service) holder: &'a Holder,
    /// Id of the challenge that the code belongs to.
    pub(in crate::service) challenge: &'a ChallengeId,
    /// Purpose of the challenge.
    pub(in crate::service) purpose: &'a Purpose,
}

/// A code that was sent.
#[derive(Debug)]
pub(in crate::service) struct Sent {
    /// Keyed digest of the code, for the store.
    pub(in crate::service) mark: Vec<u8>,
    /// Address that the code was sent to.
    pub(in crate::service) address: String,
}

/// All supported factors.
static FACTORS: [&dyn Factor; 3] = [&totp::Totp, &mail::Mail, &recovery::Recovery];

/// Returns the second factor of the given type.
///
/// # Errors
/// `Invalid` if the type is not supported; the message names the supported types.
pub(in crate::service) fn of(mfa_type: MfaType) -> Result<&'static dyn Factor> {
    FACTORS.into_iter().find(|factor| factor.mfa_type() == mfa_type).ok_or_else(|| {
        let (name, served) = (mfa_type.name(), FACTORS.map(|factor| factor.mfa_type().name()).join(", "));
        Error::invalid(text!(
            "mfa_type {name} is not served here: allowed are {served}",
            "此处不支持 mfa_type {name}：可用的有 {served}"
        ))
    })
}

/// Returns the type of second factor that a code belongs to. A code in the form of a recovery code is a recovery code; any other code
/// belongs to `mfa_type`.
pub(in crate::service) fn meant(mfa_type: MfaType, code: &Code) -> MfaType {
    if recovery::has_form(code) { MfaType::TotpRecoveryCode } else { mfa_type }
}
