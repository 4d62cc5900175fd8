//! Identifies the caller by the credential in the call itself or, without one, in the `Authorization` header (contract, section 4).

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::call::Shown;
use super::fault::{Fault, PLAIN, PUBLIC};
use super::refusal::{Outcome, Refusal};
use crate::app::App;
use crate::auth::authenticate::{Credential, Named};
use crate::domain::caller::Caller;
use crate::domain::key_format;
use crate::error::{Barred, Error, Kind};
use crate::http::caller::{identify, stranger};
use crate::service::people::customers;

/// Username that clients send if the key alone should identify the user.
const ANYBODY: &str = "apikey";

/// Identifies the caller. A credential in the call takes precedence over the `Authorization` header.
pub(super) async fn caller(app: &App, parts: &Parts, shown: Option<Shown>) -> Outcome<Caller> {
    let shown = match shown {
        Some(shown) => Some(shown),
        None => of_http(parts)?,
    };
    let caller = match &shown {
        None => return Ok(stranger(app, parts)?),
        Some(Shown::Incomplete) => return Err(nothing().into()),
        Some(Shown::Bearer(text)) => identify(app, parts, Credential::from(text)).await,
        Some(Shown::Token { user, hash }) => {
            identify(app, parts, Credential { text: hash, of: Named::Number(*user) }).await
        }
        Some(Shown::Key { username, secret }) => {
            let of = if username == ANYBODY { Named::Nobody } else { Named::Username(username) };
            identify(app, parts, Credential { text: secret, of }).await
        }
    };
    let caller = caller.map_err(|error| refused(error, shown.as_ref()))?;
    if let Some(principal) = &caller.principal {
        customers::admit(app, principal).await?;
    }
    Ok(caller)
}

/// Returns the fault for a missing or incomplete credential.
pub(super) fn nothing() -> Fault {
    Fault::new(PLAIN, "No valid authentication headers found.", 401)
}

fn of_http(parts: &Parts) -> Outcome<Option<Shown>> {
    let mut given = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(header) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(invalid_key().into());
    }
    let Ok(text) = header.to_str() else { return Err(invalid_key().into()) };
    Ok(Some(match text.split_once(' ') {
        Some((scheme, coded)) if scheme.eq_ignore_ascii_case("basic") => {
            basic(coded).ok_or_else(invalid_key).map_err(Refusal::from)?
        }
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Shown::Bearer(token.to_owned()),
        _ => Shown::Bearer(text.to_owned()),
    }))
}

/// Decodes the credential of the `Basic` scheme (RFC 7617): a username and a key, or the number of a user and a portal token.
fn basic(coded: &str) -> Option<Shown> {
    let text = String::from_utf8(STANDARD.decode(coded.trim()).ok()?).ok()?;
    let (user, secret) = text.split_once(':')?;
    let (user, secret) = (user.to_owned(), secret.to_owned());
    match user.parse() {
        Ok(number) if key_format::parse_portal_token(&secret).is_some() => {
            Some(Shown::Token { user: number, hash: secret })
        }
        _ => Some(Shown::Key { username: user, secret }),
    }
}

fn invalid_key() -> Fault {
    Fault::new(PLAIN, "Invalid API token.", 401)
}

/// Converts the error for a rejected credential to a public fault.
fn refused(error: Error, shown: Option<&Shown>) -> Refusal {
    if error.kind() != Kind::Unauthenticated {
        return error.into();
    }
    match (error.bar(), shown) {
        (Some(Barred::Address), _) => Fault::new(PUBLIC, "Unauthorized IP Address!", 401),
        (_, Some(Shown::Token { .. })) => {
            Fault::new("SoftLayer_Exception_InvalidLegacyToken", "Invalid authentication token.", 401)
        }
        _ => invalid_key(),
    }
    .into()
}
