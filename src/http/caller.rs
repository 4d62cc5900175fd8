//! Finds out who asks: their credential, address and language.
//!
//! A credential has three outcomes: none given, accepted, refused; a refused one never counts as none.

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

/// Name of the cookie of a known device.
const DEVICE_COOKIE: &str = "__Host-keytower-device";

/// Most bytes of a body that is read before its sender's credential is judged.
const SMALL: u64 = 16 * 1024;

/// Where a connection comes from; the server puts it into every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The credential that a request shows, before anything else of it is read. The `Authorization` header holds a token or a key, bare or
/// behind `Bearer` (RFC 6750, section 2.1; the scheme's name in any case, then one space). What can be refused without the database is
/// refused here.
///
/// # Errors
/// `Unauthenticated` when a credential is shown that can't work, or two; `Invalid` for a language that is not served.
pub fn credential<'a>(app: &App, parts: &'a Parts) -> Result<Option<&'a str>> {
    let caller = stranger(app, parts)?;
    let shown = bare_header(&parts.headers).and_then(|text| {
        text.map_or(Ok(()), |text| app.inspect(text))?;
        Ok(text)
    });
    shown.inspect_err(|error| audit::credential_refused(app, caller.address, error))
}

/// Finds out who asks.
///
/// # Errors
/// `Unauthenticated` when a credential is shown that does not work, or two; `Invalid` for a language that is not served;
/// `Unavailable` when the database can't tell.
pub async fn caller(app: &App, parts: &Parts) -> Result<Caller> {
    match credential(app, parts)? {
        Some(text) => identify(app, parts, Credential::from(text)).await,
        None => stranger(app, parts),
    }
}

/// Reads the body of a request that shows a credential, and judges that when the body has come: a credential that was ended meanwhile
/// does nothing. Where the body may be large, it is judged before, too: nobody without one that works makes the service hold much.
///
/// # Errors
/// Like [`caller`]. What is wrong with the body alone stands beside the caller.
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

/// The caller who shows a credential, in whichever way.
///
/// # Errors
/// Like [`caller`].
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

/// The caller of an open route, whose credential is not looked at.
///
/// # Errors
/// `Invalid` for a language that is not served.
pub fn stranger(app: &App, parts: &Parts) -> Result<Caller> {
    let address = address(app, &parts.extensions, &parts.headers);
    let (language, agent, device) = (language(&parts.headers)?, agent(&parts.headers), device(&parts.headers));
    Ok(Caller { principal: None, address, language, agent, device })
}

/// What the client calls itself, as far as it can be read and shown.
fn agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().filter(|letter| !letter.is_control()).take(AGENT_MAX).collect())
}

/// The cookie that tells a device from which its user has logged in before. It opens nothing.
fn device(headers: &HeaderMap) -> Option<Handle> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, device) = pairs.find(|(name, _)| *name == DEVICE_COOKIE)?;
    Some(Handle::from(device.to_owned()))
}

/// The cookie that gives a device its handle. It goes back to this very service only, over TLS, and no script can read it.
#[must_use]
pub fn device_cookie(device: &Handle) -> String {
    format!(
        "{DEVICE_COOKIE}={}; Path=/; Max-Age={}; HttpOnly; Secure; SameSite=Strict",
        device.expose(),
        DEVICE_LIFE.num_seconds()
    )
}

/// The language to answer in (contract section 1.6).
///
/// # Errors
/// `Invalid` for one that is not served.
pub fn language(headers: &HeaderMap) -> Result<Language> {
    let Some(given) = headers.get(CONTENT_LANGUAGE) else { return Ok(Language::default()) };
    given.to_str().ok().and_then(Language::parse).ok_or_else(|| {
        Error::invalid(text!(
            "content-language is not served: allowed are en-US, zh-CN and *",
            "不支持该 content-language：可用的有 en-US、zh-CN 和 *"
        ))
    })
}

/// What the one `Authorization` header holds, without the name of its scheme.
fn bare_header(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Error::refused("two Authorization headers"));
    }
    first.to_str().map(|text| Some(bare(text))).map_err(|_| Error::refused("Authorization is not ASCII"))
}

/// Where clients reach this service: as the settings say, or else as the request does. Only a trusted proxy tells that it took the request
/// over TLS, and for which host.
#[must_use]
pub fn origin(app: &App, extensions: &Extensions, headers: &HeaderMap) -> String {
    if let Some(url) = &app.settings.public_url {
        return url.clone();
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_proxy = extensions.get::<Peer>().is_some_and(|peer| app.settings.trusted_proxies.contain(peer.0.ip()));
    let scheme = if is_proxy && text("x-forwarded-proto").eq_ignore_ascii_case("https") { "https" } else { "http" };
    // What stands further left anybody may have written.
    let forwarded = text("x-forwarded-host").rsplit(',').next().unwrap_or_default().trim();
    let host = Some(forwarded).filter(|host| is_proxy && !host.contains('@') && host.parse::<Authority>().is_ok());
    format!("{scheme}://{}", host.unwrap_or(text("host")))
}

/// The client's address: the other end of the connection or, where that is a trusted proxy, the last address that
/// `X-Forwarded-For` names and that is no trusted proxy. What stands further left anybody may have written.
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
