//! Reads the credential of a request. Three outcomes: none given, accepted, refused; a refused one never counts as none.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::app::App;
use crate::domain::principal::Principal;
use crate::error::{Error, Result};

/// Finds out who asks. The `Authorization` header holds a token or a key, bare or behind `Bearer` (RFC 6750, section 2.1; the
/// scheme's name in any case, then one space).
///
/// # Errors
/// `Unauthenticated` when a credential is given that does not work, or two; `Unavailable` when the database can't tell.
pub async fn caller(app: &App, headers: &HeaderMap) -> Result<Option<Principal>> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Error::refused("two Authorization headers"));
    }
    let text = first.to_str().map_err(|_| Error::refused("Authorization is not ASCII"))?;
    app.authenticate(bare(text)).await.map(Some)
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
