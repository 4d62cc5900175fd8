//! Second factor: codes by e-mail.

use async_trait::async_trait;

use crate::app::App;
use crate::domain::caller::Caller;
use crate::domain::id::ChallengeId;
use crate::domain::mfa::{CODE_LIFE, Challenge, Holder, MfaType, NewFactor, Purpose};
use crate::domain::random::Random;
use crate::domain::secret::Code;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::mail::Letter;
use crate::service::login::factor::{Factor, Recipient, Sent};
use crate::store::Tx;

/// Number of different codes: a code has six digits.
const CODES: u32 = 1_000_000;

pub(in crate::service) struct Mail;

#[async_trait]
impl Factor for Mail {
    fn mfa_type(&self) -> MfaType {
        MfaType::Mail
    }

    async fn send(&self, app: &App, caller: &Caller, to: Recipient<'_>) -> Result<Option<Sent>> {
        let mailer = app.mailer.as_ref().ok_or_else(|| {
            Error::invalid(text!(
                "codes by mail (Mail) are not served here: the operator has set no mail server",
                "此处不支持邮件验证码（Mail）：管理员未配置邮件服务器"
            ))
        })?;
        let factor = to.holder.factor(MfaType::Mail).and_then(|factor| factor.address.clone());
        let address = match to.purpose {
            Purpose::Enroll(_) => to.holder.email_address.clone(),
            Purpose::Login | Purpose::Reauthenticate(_) => factor,
        };
        let address = address.ok_or_else(|| {
            Error::invalid(text!(
                "your user has no email_address: ask somebody who manages users for one",
                "您的用户没有 email_address：请联系用户管理员"
            ))
        })?;
        let code = new_code(app.random.as_ref())?;
        let mark = app.vault.mark(&place(to.challenge), &code);
        let minutes = u64::try_from(CODE_LIFE.num_minutes()).map_err(Error::internal)?;
        let username = to.holder.username.clone();
        let letter = match to.purpose {
            Purpose::Login => Letter::LoginCode { username, code, minutes },
            Purpose::Enroll(_) => Letter::ConfirmCode { username, code, minutes },
            Purpose::Reauthenticate(_) => Letter::ReauthenticationCode { username, code, minutes },
        };
        mailer.send(&address, &letter, caller.language).await?;
        Ok(Some(Sent { mark, address }))
    }

    async fn spend(&self, app: &App, _: &Tx, _: &Holder, challenge: Option<&Challenge>, code: &Code) -> Result<bool> {
        // The caller of this function deletes the challenge, and so also the code.
        Ok(challenge.is_some_and(|challenge| is_right(app, challenge, code)))
    }

    fn prove(&self, app: &App, challenge: &Challenge, code: &Code) -> Option<NewFactor> {
        let address = challenge.address.clone().filter(|_| is_right(app, challenge, code))?;
        Some(NewFactor { mfa_type: MfaType::Mail, sealed: None, address: Some(address), last_step: 0 })
    }
}

fn is_right(app: &App, challenge: &Challenge, code: &Code) -> bool {
    let in_time = challenge.code_until.is_some_and(|until| app.now() < until);
    let mark = challenge.code.as_deref().filter(|_| in_time);
    mark.is_some_and(|mark| app.vault.is_marked(&place(&challenge.id), code.expose(), mark))
}

/// Returns six random digits; all numbers are equally likely.
fn new_code(random: &dyn Random) -> Result<String> {
    let mut bytes = [0; 4];
    loop {
        random.fill(&mut bytes)?;
        let number = u32::from_le_bytes(bytes);
        if number < u32::MAX - u32::MAX % CODES {
            return Ok(format!("{:06}", number % CODES));
        }
    }
}

fn place(challenge: &ChallengeId) -> String {
    format!("code/{challenge}")
}
