//! Identifies the caller of a request: credential, address, language, user agent and device.
//!
//! A request has no credential, an accepted credential or a rejected credential. A rejected credential is always an error; the request
//! never continues as if it had no credential.

use std::net::{IpAddr, SocketAddr};

use axum::body::{Body, HttpBody};
use axum::http::header::{AUTHORIZATION, CONTENT_LANGUAGE, COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{Extensions, HeaderMap};

use crate::app::App;
use crate::auth::authenticate::Credential;
use crate::domain::caller::{AGENT_MAX, Caller};
use crate::domain::mfa::DEVICE_LIFE;
use crate::domain::secret::Handle;
use crate::domain::text::Language;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};
use crate::service::audit;

/// Name of the cookie that marks a device with an earlier login.
const DEVICE_COOKIE: &str = "__Host-keytower-device";

/// Maximum size of a body that is read before the credential is checked, in bytes.
const SMALL: u64 = 16 * 1024;

/// The remote address of the connection. The server adds a `Peer` to the extensions of every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Returns the credential in the `Authorization` header, after the checks that need no database.
///
/// The header holds a token or an API key, bare or after `Bearer` (RFC 6750, section 2.1: the scheme in any case, then one space). Call
/// this function before the body is read.
///
/// # Errors
/// - `Unauthenticated` if the credential cannot be valid, or the request has two `Authorization` headers.
/// - `Invalid` if the request asks for an unsupported language.
pub fn credential<'a>(app: &App, parts: &'a Parts) -> Result<Option<&'a str>> {
    let caller = stranger(app, parts)?;
    let shown = bare_header(&parts.headers).and_then(|text| {
        text.map_or(Ok(()), |text| app.inspect(text))?;
        Ok(text)
    });
    shown.inspect_err(|error| audit::credential_refused(app, caller.address, error))
}

/// Identifies the caller of a request. For a request without a credential, the caller has no principal.
///
/// # Errors
/// - `Unauthenticated` if the credential is not valid, or the request has two `Authorization` headers.
/// - `Invalid` if the request asks for an unsupported language.
/// - `Unavailable` if the database is unreachable.
pub async fn caller(app: &App, parts: &Parts) -> Result<Caller> {
    match credential(app, parts)? {
        Some(text) => identify(app, parts, Credential::from(text)).await,
        None => stranger(app, parts),
    }
}

/// Reads the body of a request with a credential, then identifies the caller.
///
/// The credential is checked after the body has arrived, so that a credential revoked in the meantime is rejected. If the body may have
/// more than 16 KiB, the credential is also checked before the body is read, so that only callers with a valid credential make the service
/// buffer large bodies.
///
/// # Errors
/// The errors of [`caller`]. An error from reading the body is part of the result instead, next to the caller.
pub async fn caller_with_body(
    app: &App,
    parts: &Parts,
    credential: &str,
    body: Body,
) -> Result<(Caller, Result<Vec<u8>>)> {
    if body.size_hint().upper().is_none_or(|size| size > SMALL) {
        identify(app, parts, Credential::from(credential)).await?;
    }
    let body = super::body::read(app, body).await;
    Ok((identify(app, parts, Credential::from(credential)).await?, body))
}

/// Authenticates a credential and returns the caller that it identifies. The audit log records a rejected credential.
///
/// # Errors
/// The errors of [`caller`].
pub async fn identify(app: &App, parts: &Parts, credential: Credential<'_>) -> Result<Caller> {
    let caller = stranger(app, parts)?;
    match app.authenticate(credential, caller.address).await {
        Ok(principal) => Ok(Caller { principal: Some(principal), ..caller }),
        Err(error) => {
            if error.kind() == Kind::Unauthenticated {
                audit::credential_refused(app, caller.address, &error);
            }
            Err(error)
        }
    }
}

/// Returns a caller without a principal, for open routes; ignores any credential in the request.
///
/// # Errors
/// `Invalid` if the request asks for an unsupported language.
pub fn stranger(app: &App, parts: &Parts) -> Result<Caller> {
    let address = address(app, &parts.extensions, &parts.headers);
    let (language, agent, device) = (language(&parts.headers)?, agent(&parts.headers), device(&parts.headers));
    Ok(Caller { principal: None, address, language, agent, device })
}

/// Returns the `User-Agent` header without control characters, cut to [`AGENT_MAX`] characters.
fn agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().filter(|letter| !letter.is_control()).take(AGENT_MAX).collect())
}

/// Returns the handle in the device cookie. The cookie marks a device with an earlier login; it grants no access.
fn device(headers: &HeaderMap) -> Option<Handle> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, device) = pairs.find(|(name, _)| *name == DEVICE_COOKIE)?;
    Some(Handle::from(device.to_owned()))
}

/// Returns the `Set-Cookie` value that stores the handle of a device in its browser. The browser sends the cookie only to this host and only over TLS;
/// scripts cannot read the cookie.
#[must_use]
pub fn device_cookie(device: &Handle) -> String {
    format!(
        "{DEVICE_COOKIE}={}; Path=/; Max-Age={}; HttpOnly; Secure; SameSite=Strict",
        device.expose(),
        DEVICE_LIFE.num_seconds()
    )
}

/// Returns the language of the answer, from the `content-language` header (contract section 1.6).
///
/// # Errors
/// `Invalid` if the language is not supported.
pub fn language(headers: &HeaderMap) -> Result<Language> {
    let Some(given) = headers.get(CONTENT_LANGUAGE) else { return Ok(Language::default()) };
    given.to_str().ok().and_then(Language::parse).ok_or_else(|| {
        Error::invalid(text!(
            "content-language is not served: allowed are en-US, zh-CN and *",
            "不支持该 content-language：可用的有 en-US、zh-CN 和 *"
        ))
    })
}

/// Returns the value of the only `Authorization` header, without the scheme `Bearer`.
fn bare_header(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Error::refused("two Authorization headers"));
    }
    first.to_str().map(|text| Some(bare(text))).map_err(|_| Error::refused("Authorization is not ASCII"))
}

/// Returns the origin (scheme and host) under which clients reach this service: the setting `public_url` or, if it is not set, the origin
/// in the request's headers.
///
/// The `X-Forwarded-*` headers count only if they come from a trusted proxy.
#[must_use]
pub fn origin(app: &App, extensions: &Extensions, headers: &HeaderMap) -> String {
    if let Some(url) = &app.settings.public_url {
        return url.clone();
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_proxy = extensions.get::<Peer>().is_some_and(|peer| app.settings.trusted_proxies.contain(peer.0.ip()));
    let scheme = if is_proxy && text("x-forwarded-proto").eq_ignore_ascii_case("https") { "https" } else { "http" };
    // Only the last entry counts: the client may have forged the entries further left.
    let forwarded = text("x-forwarded-host").rsplit(',').next().unwrap_or_default().trim();
    let host = Some(forwarded).filter(|host| is_proxy && !host.contains('@') && host.parse::<Authority>().is_ok());
    format!("{scheme}://{}", host.unwrap_or(text("host")))
}

/// Returns the client's address: the remote end of the connection or, if that end is a trusted proxy, the last address in `X-Forwarded-For`
/// that is not a trusted proxy. The client may have forged the entries further left.
fn address(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    let trusted = &app.settings.trusted_proxies;
    let Peer(peer) = extensions.get::<Peer>()?;
    let mut address = peer.ip().to_canonical();
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let forwarded: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
    for hop in forwarded.iter().rev() {
        if !trusted.contain(address) {
            break;
        }
        let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
        address = hop.to_canonical();
    }
    Some(address)
}

fn bare(text: &str) -> &str {
    match text.split_once(' ') {
        Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => credential,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn a_scheme_is_bearer_and_one_space() {
        for (header, credential) in [
            ("abc", "abc"),
            ("Bearer abc", "abc"),
            ("bearer abc", "abc"),
            ("BEARER abc", "abc"),
            ("Bearer  abc", " abc"),
            ("Basic abc", "Basic abc"),
            ("Bearer Bearer abc", "Bearer abc"),
            ("Bearer", "Bearer"),
        ] {
            assert_eq!(bare(header), credential);
        }
    }
}
