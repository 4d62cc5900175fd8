//! The second factors: one file for each, behind one interface. Whatever is spent works once, however many try at the same time.

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

pub(super) use recovery::new_codes;
pub(super) use totp::begin as begin_totp;

/// A second factor.
#[async_trait]
pub(super) trait Factor: Sync {
    /// Its type on the wire.
    fn mfa_type(&self) -> MfaType;

    /// Sends a code for a challenge, where codes of this factor are sent.
    async fn send(&self, _app: &App, _caller: &Caller, _to: Recipient<'_>) -> Result<Option<Sent>> {
        Ok(None)
    }

    /// Spends a code of a user, as part of a write; false when it is wrong, too old, or spent already.
    async fn spend(
        &self,
        app: &App,
        tx: &Tx,
        holder: &Holder,
        challenge: Option<&Challenge>,
        code: &Code,
    ) -> Result<bool>;

    /// Judges the code that is to prove a new factor; nothing when it is wrong.
    fn prove(&self, _app: &App, _challenge: &Challenge, _code: &Code) -> Option<NewFactor> {
        None
    }
}

/// To whom a code is sent, and for what.
#[derive(Debug)]
pub(super) struct Recipient<'a> {
    /// The user.
    pub(super) holder: &'a Holder,
    /// The challenge that the code belongs to.
    pub(super) challenge: &'a ChallengeId,
    /// What that is for.
    pub(super) purpose: &'a Purpose,
}

/// A code that was sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// What is kept of it.
    pub(super) mark: Vec<u8>,
    /// Where it went.
    pub(super) address: String,
}

/// Every factor that is served.
static FACTORS: [&dyn Factor; 3] = [&totp::Totp, &mail::Mail, &recovery::Recovery];

/// The factor of a type.
///
/// # Errors
/// `Invalid` for a type that is not served, with those that are.
pub(super) fn of(mfa_type: MfaType) -> Result<&'static dyn Factor> {
    FACTORS.into_iter().find(|factor| factor.mfa_type() == mfa_type).ok_or_else(|| {
        let (name, served) = (mfa_type.name(), FACTORS.map(|factor| factor.mfa_type().name()).join(", "));
        Error::invalid(text!(
            "mfa_type {name} is not served here: allowed are {served}",
            "此处不支持 mfa_type {name}：可用的有 {served}"
        ))
    })
}

/// Tells a recovery code from a code of the factor itself by its form.
pub(super) fn meant(mfa_type: MfaType, code: &Code) -> MfaType {
    if recovery::has_form(code) { MfaType::TotpRecoveryCode } else { mfa_type }
}
