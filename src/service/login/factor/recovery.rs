//! Second factor: recovery codes, which users write down in case they lose their device.
//!
//! A code consists of six groups of four letters and digits, joined by hyphens: 124 bits, so a fast keyed digest is enough to store a code
//! (ASVS 6.5.2 requires a slow digest below 112 bits). A code is compared exactly as it was shown.

use async_trait::async_trait;

use crate::app::App;
use crate::domain::id::uuid_v7;
use crate::domain::mfa::{Challenge, Holder, KeptCode, MfaType, RECOVERY_CODES};
use crate::domain::random;
use crate::domain::secret::Code;
use crate::error::Result;
use crate::service::login::factor::Factor;
use crate::store::Tx;

const GROUPS: usize = 6;
const GROUP: usize = 4;
const WHAT: &str = "recovery code";

pub(in crate::service) struct Recovery;

/// Generates recovery codes. Returns the texts of the codes, and the digests to store.
///
/// # Errors
/// `Internal` if the source of randomness fails.
pub(crate) fn new_codes(app: &App) -> Result<(Vec<String>, Vec<KeptCode>)> {
    let (mut texts, mut kept) = (Vec::new(), Vec::new());
    for _ in 0..RECOVERY_CODES {
        let groups = (0..GROUPS)
            .map(|_| random::text(app.random.as_ref(), GROUP))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let text = groups.join("-");
        let id = uuid_v7(app.now(), app.random.as_ref())?.to_string();
        kept.push(KeptCode { id, digest: app.vault.mark(WHAT, &text) });
        texts.push(text);
    }
    Ok((texts, kept))
}

/// Tells whether a text has the form of a recovery code.
pub(in crate::service) fn has_form(code: &Code) -> bool {
    let groups: Vec<&str> = code.expose().split('-').collect();
    groups.len() == GROUPS && groups.iter().all(|group| group.len() == GROUP)
}

#[async_trait]
impl Factor for Recovery {
    fn mfa_type(&self) -> MfaType {
        MfaType::TotpRecoveryCode
    }

    async fn spend(&self, app: &App, tx: &Tx, holder: &Holder, _: Option<&Challenge>, code: &Code) -> Result<bool> {
        tx.spend_recovery_code(&holder.id, app.vault.mark(WHAT, code.expose()), app.now()).await
    }
}
